"""The event log: every request is in the object storage once, whatever is killed in between."""

import fcntl
import logging
import threading
import uuid
from collections import deque
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from adsmu.errors import StoreUnavailable
from adsmu.store import AlreadyThere, Store

_log = logging.getLogger(__name__)

MOST_BYTES = 256 * 2**20
"""What the local files may hold while the storage is away: about a million events. Beyond it events are lost,
counted and logged; requests are served all the same."""
MOST_LINES = 10_000


class WriteAhead:
    """Lines that are in a local file before anyone hears of them, and later in the object storage.

    A line goes to the open file `LOG/KIND/SERVICE/WRITER/SEQUENCE.jsonl`. After `flush` seconds the file is
    closed, created in the store under the name it has below LOG, and removed. A store never replaces an
    object, so a file that is stored again after a kill changes nothing. A writer is one process: it holds a
    lock as long as it lives, and the next process that starts takes over what the dead have left. The last
    line of a file may be torn by a kill; then its request was not answered, and the line is left out.

    The files survive the death of the process, not that of the machine's disk or a power cut.

    Attributes:
        lost: How many lines are in no file, because the disk or `most_bytes` was full.

    Args:
        folder: LOG; processes may share it.
        store: Where lines end.
        service: SERVICE.
        flush: Seconds between two uploads.
        most_bytes: The most that the local files may hold.
    """

    def __init__(
        self, folder: str | Path, store: Store, service: str, flush: float = 1.0, most_bytes: int = MOST_BYTES
    ) -> None:
        self._folder, self._store, self._service = Path(folder).absolute(), store, service
        self._flush, self._most_bytes = flush, most_bytes
        self._folder.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, tuple[Path, FileIO]] = {}
        self._lines: dict[str, int] = {}
        self._sequence: dict[str, int] = {}
        self._guard = threading.Lock()
        self._bytes = 0
        self.lost = 0
        self._away = False
        self._writer, self._lock = self._new_writer()
        self._inherited = self._dead_writers()
        self._closed = deque(sorted(path for writer in self._inherited for path in self._files(writer)))
        self._bytes = sum(path.stat().st_size for path in self._closed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._upload_often, name="events", daemon=True)
        self._thread.start()

    def append(self, kind: str, lines: list[str]) -> None:
        """Writes lines; when this returns they outlive the process.

        Args:
            kind: events or labels.
            lines: Without line feeds.
        """
        content = "".join(f"{line}\n" for line in lines).encode()
        with self._guard:
            if self._bytes + len(content) > self._most_bytes:
                self._lose(lines, f"the local files hold {self._bytes} bytes that wait for the storage")
                return
            try:
                _, file = self._open.get(kind) or self._begin(kind)
                size = file.tell()
                if file.write(content) != len(content):
                    file.seek(size)
                    file.truncate()
                    raise OSError("the disk is full")
            except OSError as error:
                self._lose(lines, str(error))
                return
            self._bytes += len(content)
            self._lines[kind] += len(lines)
            if self._lines[kind] >= MOST_LINES:
                self._end(kind)

    def close(self) -> None:
        """Uploads what there is, and ends; what the storage does not take waits for the next process."""
        self._stop.set()
        self._thread.join()
        self._upload()
        if not self._closed:
            self._forget(self._writer)
        self._lock.close()

    @property
    def waiting(self) -> int:
        """The bytes in local files, which the storage does not have yet."""
        return self._bytes

    def _lose(self, lines: list[str], why: str) -> None:
        if not self.lost:
            _log.error("events are lost: %s", why)
        self.lost += len(lines)

    def _begin(self, kind: str) -> tuple[Path, FileIO]:
        number = self._sequence.get(kind, 0)
        self._sequence[kind] = number + 1
        path = self._folder / kind / self._service / self._writer / f"{number:010d}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open[kind] = path, path.open("xb", buffering=0)
        self._lines[kind] = 0
        return self._open[kind]

    def _end(self, kind: str) -> None:
        path, file = self._open.pop(kind)
        file.close()
        self._closed.append(path)

    def _upload_often(self) -> None:
        while not self._stop.wait(self._flush):
            try:
                self._upload()
            except Exception:
                _log.exception("events could not be uploaded; they are tried again")

    def _upload(self) -> None:
        with self._guard:
            for kind in list(self._open):
                self._end(kind)
        while self._closed:
            path = self._closed[0]
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            try:
                if whole:
                    self._store.create(path.relative_to(self._folder).as_posix(), whole)
            except AlreadyThere:
                pass  # stored by a process that was killed before it could remove the file
            except StoreUnavailable as error:
                if not self._away:
                    _log.warning("events wait on this machine: %s", error)
                self._away = True
                return
            self._away = False
            path.unlink()
            with self._guard:
                self._closed.popleft()
                self._bytes -= len(content)
        while self._inherited:
            writer, lock = self._inherited.popitem()
            self._forget(writer)
            lock.close()

    def _forget(self, writer: str) -> None:
        """Removes what a writer has left but files: they are stored."""
        for folder in self._folder.glob(f"*/*/{writer}"):
            folder.rmdir()
        self._lock_file(writer).unlink(missing_ok=True)

    def _lock_file(self, writer: str) -> Path:
        return self._folder / f"{writer}.lock"

    def _new_writer(self) -> tuple[str, BinaryIO]:
        while True:
            writer = uuid.uuid4().hex
            lock = _locked(self._lock_file(writer))
            if lock:
                return writer, lock

    def _dead_writers(self) -> dict[str, BinaryIO]:
        """Locks of writers that live no more, held until their files are stored."""
        locks = {
            path.stem: _locked(path) for path in self._folder.glob("*.lock") if path.stem != self._writer
        }
        return {writer: lock for writer, lock in locks.items() if lock}

    def _files(self, writer: str) -> list[Path]:
        return list(self._folder.glob(f"*/*/{writer}/*.jsonl"))


def _locked(path: Path) -> BinaryIO | None:
    """The open file, locked for as long as this process lives; None if another process has it."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
