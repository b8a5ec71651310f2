"""What the variants did, read from their event logs and from labels that came late: the counts of a look.

Variants are told apart by the digest of the model that answered, which its predictor computed itself. Strata
are computed here, of the request's text, with one stratifier for both variants. What cannot be read or is not
of the stated form is counted and left out: labels come from anywhere.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from adsmu.canary_deploy.plan import Labels, Look, Served, Traffic
from adsmu.store import Store
from adsmu.stratified_evaluate.correctness import mark
from adsmu.train.protocol import Predictions

CANARY, CHAMPION = 0, 1

Cursor = dict[str, str]
"""By folder, the last segment that was read."""

ROWS = pa.schema(
    [
        ("tokens", pa.list_(pa.string())),
        ("tags", pa.list_(pa.string())),
        ("intent", pa.string()),
        ("domain", pa.string()),
    ]
)
"""The columns of labelled rows."""

_TAG = re.compile(r"O|[BI]-.+")
_LONGEST = 64 * 2**20

MOST_LABELS = 1_000_000
"""Labels that wait for their request; beyond them the oldest is dropped."""


class Grouping(Protocol):
    """Says which group of the evidence a request belongs to."""

    def __call__(self, rows: list[list[str]]) -> np.ndarray:
        """The index of each row's group."""
        ...


def labelled_requests(store: Store, service: str, most: int) -> pa.Table:
    """Logged requests whose label is known: what production was really asked.

    Args:
        store: Where the logs are.
        service: Whose.
        most: The latest so many; older ones are not read.

    Returns:
        Columns tokens, tags, intent, domain; each text once.

    Raises:
        StoreUnavailable: The storage does not answer.
    """
    labels: dict[str, Any] = {}
    for each in _latest(store, f"labels/{service}", most, _label):
        labels.setdefault(each["request_id"], each["label"])
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    events = sorted(_latest(store, f"events/{service}", most, _event), key=lambda event: event["time"])
    for event in events:
        label = labels.get(event["request_id"])
        if label and event["code"] < 400 and len(label["tags"]) == len(event["tokens"]):
            domain = label.get("domain") or event["domain"]
            rows[tuple(event["tokens"])] = {"tokens": event["tokens"], **label, "domain": domain}
    latest = list(rows.values())[-most:]
    return pa.Table.from_pylist([{name: row[name] for name in ROWS.names} for row in latest], ROWS)


def _latest(
    store: Store, prefix: str, most: int, check: Callable[[bytes], dict[str, Any] | None]
) -> Iterator[dict[str, Any]]:
    """The lines of the latest segments of every writer, the newest segments first."""
    for folder in store.folders(prefix):
        left = most
        for name in reversed(store.names(folder)):
            if left <= 0:
                break
            content = store.read(name) or b""
            good = [line for line in map(check, content[:_LONGEST].splitlines()) if line]
            left -= len(good)
            yield from good


@dataclass
class Answers:
    """Requests of one look that wait for their labels.

    Attributes:
        look: Its number, from 0.
        ended: Up to when it counts, in Unix seconds.
        rows: By request id: variant, group, and what was predicted.
        counts: Requests answered, (2, groups).
    """

    look: int
    ended: float
    rows: dict[str, tuple[int, int, dict[str, Any]]]
    counts: np.ndarray


@dataclass
class Observer:
    """Reads what is new in the event logs of a service.

    Attributes:
        store: Where the logs are.
        service: Whose.
        models: Digests, the candidate's first.
        group: See `Grouping`.
        groups: How many there are.
        slow_seconds: An answer that took longer is slow.
    """

    store: Store
    service: str
    models: tuple[str, str]
    group: Grouping
    groups: int
    slow_seconds: float
    cursor: Cursor = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: list[Answers] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def skip(self) -> None:
        """Passes over all that is there now."""
        for kind in ("events", "labels"):
            for folder in self.store.folders(f"{kind}/{self.service}"):
                names = self.store.names(folder)
                self.cursor |= {folder: names[-1]} if names else {}

    def poll(self) -> list[dict[str, Any]]:
        """Reads what is new; events are kept for the next look.

        Returns:
            The new events, of both variants.

        Raises:
            StoreUnavailable: The storage does not answer; nothing that was read is lost.
        """
        for label in self._read("labels", self.cursor):
            self._take_label(label)
        before = len(self.events)
        self._keep(self._read("events", self.cursor))
        return self.events[before:]

    def look(
        self, number: int, share: float, since: float, until: float, now: float, label_seconds: float
    ) -> dict[str, Any]:
        """Ends a look.

        A look ends at a time of the requests, not of their arrival: variants send their logs at different
        moments, and a look that ended in between would see more of one than of the other.

        Args:
            number: Of the look, from 0.
            share: The canary's share, as configured.
            since: Events before this time are of another share, and are left out.
            until: Events from this time on are of the next look.
            now: The time at which the look ends.
            label_seconds: After this time a label is due.

        Returns:
            `look` and, for the record, `due` (the looks whose labels are in it), `since`, `until`, `cursor`,
            `left_out` and `refused`.
        """
        events = self._before(until)
        answers, traffic = self._answers(number, events, since, until)
        self.waiting.append(answers)
        due = [each for each in self.waiting if now - each.ended >= label_seconds]
        self.waiting = [each for each in self.waiting if now - each.ended < label_seconds]
        labels = tuple(self._served(each) for each in due)
        found = Look(share, _traffic(traffic[CANARY]), _traffic(traffic[CHAMPION]), labels)
        refused, self.refused = dict(sorted(self.refused.items())), Counter()
        return {
            "look": found,
            "due": [each.look for each in due],
            "since": since,
            "until": until,
            "cursor": dict(self.cursor),
            "left_out": sum(event["time"] < since for event in events),
            "refused": refused,
        }

    def resume(self, entries: list[dict[str, Any]]) -> None:
        """Takes up where another observer was, by the entries that it led to.

        Args:
            entries: Of the evidence; those of kind ready and look are read.
        """
        done = {number for entry in entries for number in entry.get("due", ())}
        number, at_first = 0, {}
        for entry in entries:
            if entry["kind"] == "ready":
                at_first, self.cursor = entry["cursor"], dict(entry["cursor"])
            elif entry["kind"] == "look" and "cursor" in entry:
                self._keep(self._read("events", self.cursor, entry["cursor"]))
                events = self._before(entry["until"])
                if number not in done:
                    self.waiting.append(self._answers(number, events, entry["since"], entry["until"])[0])
            number += entry["kind"] == "look"
        for label in self._read("labels", dict(at_first), self.cursor):
            self._take_label(label)
        self.refused.clear()

    def _keep(self, events: Iterator[dict[str, Any]]) -> None:
        for event in events:
            if event["model"] in self.models:
                self.events.append(event)

    def _before(self, until: float) -> list[dict[str, Any]]:
        """Takes the events out that happened before a time."""
        taken = [event for event in self.events if event["time"] < until]
        self.events = [event for event in self.events if event["time"] >= until]
        return taken

    def _answers(
        self, number: int, events: list[dict[str, Any]], since: float, until: float
    ) -> tuple[Answers, np.ndarray]:
        kept = [event for event in events if event["time"] >= since]
        groups = self.group([event["tokens"] for event in kept]) if kept else np.zeros(0, dtype=int)
        traffic = np.zeros((2, 3, self.groups), dtype=np.int64)
        counts = np.zeros((2, self.groups), dtype=np.int64)
        rows: dict[str, tuple[int, int, dict[str, Any]]] = {}
        for event, group in zip(kept, groups.tolist(), strict=True):
            variant = self.models.index(event["model"])
            if 400 <= event["code"] < 500:
                continue  # the caller's fault
            error = event["code"] >= 500
            traffic[variant, :, group] += (1, error, event["seconds"] > self.slow_seconds)
            if not error and event["request_id"] not in rows:
                counts[variant, group] += 1
                rows[event["request_id"]] = (variant, group, event)
        return Answers(number, until, rows, counts), traffic

    def _served(self, answers: Answers) -> Served:
        labelled, correct = np.zeros_like(answers.counts), np.zeros_like(answers.counts)
        found = []
        for request, (variant, group, event) in answers.rows.items():
            label = self.labels.pop(request, None)
            if label is not None and len(label["tags"]) == len(event["tokens"]):
                found.append((variant, group, event, label))
            elif label is not None:
                self.refused["label of another length"] += 1
        for (variant, group, _, _), right in zip(found, _right(found), strict=True):
            labelled[variant, group] += 1
            correct[variant, group] += right
        canary, champion = (
            Labels(*(tuple(each[variant].tolist()) for each in (answers.counts, labelled, correct)))
            for variant in (CANARY, CHAMPION)
        )
        return Served(canary, champion)

    def _take_label(self, label: dict[str, Any]) -> None:
        self.labels.setdefault(label["request_id"], label["label"])
        if len(self.labels) > MOST_LABELS:  # of requests that nobody made, else they would not pile up
            self.labels.pop(next(iter(self.labels)))

    def _read(self, kind: str, cursor: Cursor, until: Cursor | None = None) -> Iterator[dict[str, Any]]:
        """Yields the lines of new segments; the cursor moves once a segment is read whole."""
        check = {"events": _event, "labels": _label}[kind]
        for folder in self.store.folders(f"{kind}/{self.service}"):
            for name in self.store.names(folder, cursor.get(folder, "")):
                if until is not None and name > until.get(folder, ""):
                    break
                content = self.store.read(name) or b""
                if len(content) > _LONGEST:
                    self.refused[f"{kind}: too long a file"] += 1
                    content = b""
                good = []
                for line in content.splitlines():
                    parsed = check(line)
                    if parsed is None:
                        self.refused[f"{kind}: not of the stated form"] += 1
                    else:
                        good.append(parsed)
                cursor[folder] = name
                yield from good


def _traffic(counts: np.ndarray) -> Traffic:
    return Traffic(*(tuple(each.tolist()) for each in counts))


def _right(found: list[tuple[int, int, dict[str, Any], dict[str, Any]]]) -> np.ndarray:
    """Whether each answer is right in domain, intent and slots; a label without a domain leaves it open."""
    if not found:
        return np.zeros(0, dtype=bool)
    domains = [label.get("domain") or event["domain"] for _, _, event, label in found]
    truth = pa.table(
        {
            "domain": domains,
            "intent": [label["intent"] for *_, label in found],
            "tags": pa.array([label["tags"] for *_, label in found], pa.list_(pa.string())),
        }
    )
    events = [event for _, _, event, _ in found]
    answers = Predictions(*([event[name] for event in events] for name in ("domain", "intent", "tags")))
    return mark(truth, answers)["frame"]


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _event(line: bytes) -> dict[str, Any] | None:
    event = _json(line)
    if not isinstance(event, dict) or not all(
        isinstance(event.get(name), kind)
        for name, kind in (
            ("request_id", str),
            ("model", str),
            ("time", float | int),
            ("seconds", float | int),
        )
    ):
        return None
    if not isinstance(event.get("code"), int) or not _texts(event.get("tokens")):
        return None
    answered = isinstance(event.get("intent"), str) and isinstance(event.get("domain"), str)
    if event["code"] < 400 and not (answered and _tags(event.get("tags"), len(event["tokens"]))):
        return None
    return event


def _label(line: bytes) -> dict[str, Any] | None:
    given = _json(line)
    label = given.get("label") if isinstance(given, dict) else None
    if not isinstance(label, dict) or not isinstance(given.get("request_id"), str):
        return None
    if not isinstance(label.get("intent"), str) or not isinstance(label.get("domain") or "", str):
        return None
    return given if _tags(label.get("tags"), None) else None


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _tags(value: Any, length: int | None) -> bool:
    return _texts(value) and (length is None or len(value) == length) and all(map(_TAG.fullmatch, value))
