"""What a predictor's process uses of its pod: readings of cpu and memory, in the log beside its events."""

import json
import os
import threading
import time
from pathlib import Path

from adsmu.serve.events import WriteAhead

KIND = "readings"
"""Readings end in the object storage under `readings/SERVICE`."""

SECONDS = 300.0
"""From one reading to the next."""

CGROUP = Path("/sys/fs/cgroup")
"""Where a container finds its own limits (cgroup v2)."""


class Readings:
    """A thread that writes down what this process uses, until it is closed.

    A line is `{"time", "pod", "metric", "value", "limit"}`: `cpu` in cores, the mean since the line before;
    `memory` in bytes, what is resident; `limit` what the pod may use, null where that is not limited.

    Args:
        log: Where to.
        pod: Whose readings they are.
        seconds: From one reading to the next.
        limits: The folder of the pod's limits.
    """

    def __init__(
        self, log: WriteAhead, pod: str, seconds: float = SECONDS, limits: str | Path = CGROUP
    ) -> None:
        self._log, self._pod, self._seconds, self._limits = log, pod, seconds, Path(limits)
        self._then = time.monotonic(), time.process_time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write_often, name=KIND, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Writes a last reading and ends."""
        self._stop.set()
        self._thread.join()
        self._write()

    def _write_often(self) -> None:
        while not self._stop.wait(self._seconds):
            self._write()

    def _write(self) -> None:
        now = time.monotonic(), time.process_time()
        (began, used), self._then = self._then, now
        cores = (now[1] - used) / max(now[0] - began, 1e-9)
        measured = {
            "cpu": (cores, cpu_limit(self._limits)),
            "memory": (resident(), memory_limit(self._limits)),
        }
        self._log.append(
            KIND,
            [
                json.dumps(
                    {"time": time.time(), "pod": self._pod, "metric": name, "value": value, "limit": limit}
                )
                for name, (value, limit) in measured.items()
            ],
        )


def resident() -> float:
    """The bytes of memory that this process holds."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return float(int(pages) * os.sysconf("SC_PAGE_SIZE"))


def cpu_limit(folder: Path) -> float | None:
    """How many cores the pod may use; None: as many as there are.

    Args:
        folder: Holds `cpu.max`: a quota, or `max`, and the period that it is of.
    """
    parts = _parts(folder / "cpu.max")
    return int(parts[0]) / int(parts[1]) if len(parts) == 2 and parts[0] != "max" else None


def memory_limit(folder: Path) -> float | None:
    """How many bytes of memory the pod may hold; None: as many as there are.

    Args:
        folder: Holds `memory.max`: a number, or `max`.
    """
    parts = _parts(folder / "memory.max")
    return float(parts[0]) if parts and parts[0] != "max" else None


def _parts(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:  # no cgroup of version 2, so no limit that is known
        return []
