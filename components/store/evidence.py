"""Evidence: what happened, or was decided, entry by entry, created once and never changed.

Each entry names the digest of the one before it, so one that was changed, cut short, or lost from among the
others is found. One that is taken off the end is not: a rollout that ended says so in its last entry.
All else that is known of a rollout, or of what was decided about a model, follows from its entries.
"""

import hashlib
import json
from typing import Any

from adsmu.errors import BadInput
from adsmu.store import AlreadyThere, Store

FORMAT = 1

Entry = dict[str, Any]
"""`number`, `time` (Unix seconds), `kind` and what it holds, `previous`: the digest of the entry before."""


class Overtaken(Exception):
    """Another process has written the next entry; this one's view of the rollout is old."""


class EvidenceLog:
    """The entries of one rollout, or about one model.

    Args:
        store: The folder that holds them and nothing else.

    >>> import tempfile
    >>> from adsmu.store import open_store
    >>> log = EvidenceLog(open_store(tempfile.mkdtemp()))
    >>> _ = log.append({"kind": "begin"}, 12.0)
    >>> _ = log.append({"kind": "end"}, 11.0)  # the clock was set back
    >>> [(entry["number"], entry["kind"], entry["time"]) for entry in log.read()]
    [(0, 'begin', 12.0), (1, 'end', 12.0)]
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._next, self._previous, self._latest = 0, "", 0.0

    def read(self) -> list[Entry]:
        """All entries, in order; what is appended next follows them.

        Raises:
            BadInput: An entry is missing, damaged, or does not follow the one before it; it is named.
            StoreUnavailable: The storage does not answer.
        """
        self._next, self._previous, self._latest = 0, "", 0.0
        entries = []
        for number, name in enumerate(self.store.names()):
            if name != _name(number):
                raise BadInput(f"{_name(number)} is missing", file=f"{self.store.uri}/{name}")
            entries.append(self._checked(name, self.store.read(name) or b"", number))
        return entries

    def append(self, content: dict[str, Any], time: float) -> Entry:
        """Writes the next entry.

        Args:
            content: `kind` and what it holds.
            time: Now, in Unix seconds; a time before that of the last entry is taken as that time.

        Returns:
            The entry.

        Raises:
            Overtaken: Another process has written it meanwhile; nothing was changed.
            StoreUnavailable: The storage does not answer; the entry may stand there or not.
        """
        time = max(time, self._latest)
        entry = {"format": FORMAT, "number": self._next, "time": time, **content, "previous": self._previous}
        text = to_bytes(entry)
        name = _name(self._next)
        try:
            self.store.create(name, text)
        except AlreadyThere as error:
            # After an answer that was lost, the entry that stands there may be this one.
            if self.store.read(name) != text:
                raise Overtaken(f"{self.store.uri}/{name} was written by another process") from error
        self._took(text, time)
        return entry

    def _checked(self, name: str, text: bytes, number: int) -> Entry:
        file = f"{self.store.uri}/{name}"
        try:
            entry = json.loads(text)
        except ValueError as error:
            raise BadInput("not JSON: the entry is damaged or cut short", file=file) from error
        if not isinstance(entry, dict) or entry.get("format") != FORMAT:
            raise BadInput(f"not an entry of format {FORMAT}", file=file)
        if not isinstance(entry.get("kind"), str) or not isinstance(entry.get("time"), int | float):
            raise BadInput("an entry has a kind and a time", file=file)
        if entry.get("number") != number or entry.get("previous") != self._previous:
            raise BadInput("does not follow the entry before it: one of the two was changed", file=file)
        self._took(text, float(entry["time"]))
        return entry

    def _took(self, text: bytes, time: float) -> None:
        self._next += 1
        self._previous = f"sha256:{hashlib.sha256(text).hexdigest()}"
        self._latest = time


def to_bytes(value: Any) -> bytes:
    """The one form in which a value is written: compared byte for byte when a rollout is replayed."""
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()


def _name(number: int) -> str:
    return f"{number:06d}.json"
