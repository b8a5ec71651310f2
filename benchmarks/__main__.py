"""Runs every benchmark, each in a process of its own, and writes its record to `benchmarks/results`."""

import logging
import subprocess
import sys
from pathlib import Path

from benchmarks.snips import DATA

RESULTS = Path(__file__).parent / "results"
MODULES = ("stratify", "synthesize", "selection", "evaluate", "canary", "rollout", "assign", "serve")
ON_DATA = ("snips", "overhead")  # they measure on real data, which the project does not hold


def main() -> int:
    """Runs them.

    Returns:
        0 when every benchmark ran, whatever it measured.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    log = logging.getLogger(__name__)
    RESULTS.mkdir(exist_ok=True)
    failed = 0
    for name in MODULES + ON_DATA:
        if name in ON_DATA and not DATA.exists():
            log.warning("%s is left out: it needs %s", name, DATA)
            continue
        log.info("%s ...", name)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            log.error("%s failed", name)
            failed = 1
        else:
            (RESULTS / f"{name}.json").write_text(done.stdout, encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
