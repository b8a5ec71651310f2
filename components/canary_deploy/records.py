"""Records that one writer at a time may change: each write names the version it replaces."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from adsmu.errors import BadInput, Conflict
from adsmu.files import read_json, write_json


class Record(Protocol):
    """A small JSON object that is shared between processes."""

    def read(self) -> tuple[dict[str, Any] | None, str]:
        """The value and its version; None and the empty version where there is no record."""
        ...

    def write(self, value: dict[str, Any], version: str) -> str:
        """Replaces the value.

        Args:
            value: The new one.
            version: That of the value it replaces; empty: there must be none yet.

        Returns:
            The new version.

        Raises:
            Conflict: The record is not of that version.
        """
        ...


class FileRecord:
    """A record in a file.

    Args:
        path: The file; its folder is made when missing.

    >>> import tempfile
    >>> record = FileRecord(Path(tempfile.mkdtemp()) / "state.json")
    >>> version = record.write({"phase": "ramp"}, "")
    >>> record.read() == ({"phase": "ramp"}, version)
    True
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> tuple[dict[str, Any] | None, str]:
        """See `Record`."""
        if not self.path.exists():
            return None, ""
        found = read_json(self.path)
        if not isinstance(found, dict) or set(found) != {"version", "value"}:
            raise BadInput("must be a mapping with the keys version, value", file=self.path)
        return found["value"], str(found["version"])

    def write(self, value: dict[str, Any], version: str) -> str:
        """See `Record`."""
        json.dumps(value, allow_nan=False)
        with self._alone():
            _, at = self.read()
            if at != version:
                raise Conflict(f"{self.path} is at version {at or 'none'}, not {version or 'none'}")
            following = str(int(at or 0) + 1)
            write_json({"version": following, "value": value}, self.path)
        return following

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
