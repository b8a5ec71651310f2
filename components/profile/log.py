"""Logs of what production saw, read as observations: those of a predictor, and those of any other program.

Both are written by `adsmu.serve.events.WriteAhead`: segments that are created once in the object storage
and never changed, so that a writer that is killed loses nothing it had confirmed, and what its successor
stores again changes nothing. A program that does not know whether a row was confirmed writes it again; a
row counts once, by its id.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from adsmu.errors import BadInput
from adsmu.profile.observations import RESERVED, TIME, observations
from adsmu.serve.events import WriteAhead
from adsmu.store import Store

KIND = "observations"
TIMES = ("time", "label_time")
EVENTS = pa.schema(
    [
        ("id", pa.string()),
        ("time", TIME),
        ("model", pa.string()),
        ("prediction", pa.string()),
        ("label", pa.string()),
        ("label_time", TIME),
        ("tokens", pa.list_(pa.string())),
        ("domain", pa.string()),
        ("stratum", pa.string()),
        ("variant", pa.string()),
        ("seconds", pa.float64()),
        ("code", pa.int64()),
    ]
)
"""Of `events_as_observations`. The prediction and the label are intents; a request that failed has none."""


def append(log: WriteAhead, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes observations to a log; when this returns they outlive the process.

    Args:
        log: Where to; its object storage holds them under `observations/SERVICE`.
        rows: By column; `id` and `time` are needed. Times carry a time zone.

    Raises:
        BadInput: A row lacks its id or its time, or holds a value that JSON does not.
    """
    lines = []
    for number, row in enumerate(rows, 1):
        for name in ("id", "time"):
            if row.get(name) is None:
                raise BadInput("a value is missing", file=KIND, row=number, column=name)
        times = {name: _seconds(row[name], number, name) for name in TIMES if row.get(name) is not None}
        try:
            lines.append(json.dumps({**row, **times}, separators=(",", ":"), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise BadInput(f"no JSON value: {error}", file=KIND, row=number) from error
    log.append(KIND, lines)


def read_log(store: Store, service: str) -> pa.Table:
    """Reads the observations that programs have written by `append`.

    Args:
        store: Where the log is.
        service: Whose.

    Returns:
        Checked observations in the order of their times; of rows with one id the first.

    Raises:
        BadInput: A line is no observation; segment and row are named.
        StoreUnavailable: The storage does not answer.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, number, row in _lines(store, f"{KIND}/{service}"):
        times = {"time": _time(row.get("time"), name, number)}
        if row.get("label_time") is not None:
            times["label_time"] = _time(row["label_time"], name, number)
        found.setdefault(_id(row, "id", name, number), {**row, **times})
    where = f"{store.uri}/{KIND}/{service}"
    rows = sorted(found.values(), key=lambda row: row["time"])
    columns = dict.fromkeys([*("id", "time"), *(name for row in rows for name in row)])
    types = {name: TIME if name in TIMES else RESERVED.get(name) for name in columns}
    try:
        made = {name: pa.array([row.get(name) for row in rows], types[name]) for name in columns}
    except pa.ArrowException as error:
        raise BadInput(f"a column holds values of two kinds: {error}", file=where) from error
    return observations(pa.table(made), where)


def events_as_observations(store: Store, service: str) -> pa.Table:
    """Reads what a predictor has logged, with the labels that came late.

    Args:
        store: Where the logs are.
        service: Whose.

    Returns:
        Checked observations with the columns of `EVENTS`, in the order of their times; of requests with one
        id the first, of labels the last.

    Raises:
        BadInput: A line is no event or no label; segment and row are named.
        StoreUnavailable: The storage does not answer.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, number, event in _lines(store, f"events/{service}"):
        row = {each: event.get(each) for each in EVENTS.names}
        row |= {"time": _time(event.get("time"), name, number), "prediction": event.get("intent")}
        key = row["id"] = _id(event, "request_id", name, number)
        if key not in found or row["time"] < found[key]["time"]:
            found[key] = row
    for name, number, label in _lines(store, f"labels/{service}"):
        time = _time(label.get("time"), name, number)
        known = found.get(_id(label, "request_id", name, number))
        if known and (known["label_time"] is None or time > known["label_time"]):
            known |= {"label": _intent(label, name, number), "label_time": time}
    rows = sorted(found.values(), key=lambda row: row["time"])
    where = f"{store.uri}/events/{service}"
    try:
        return observations(pa.Table.from_pylist(rows, EVENTS), where)
    except pa.ArrowException as error:
        raise BadInput(f"no event: {error}", file=where) from error


def _lines(store: Store, prefix: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for folder in store.folders(prefix):
        for name in store.names(folder):
            for number, line in enumerate((store.read(name) or b"").splitlines(), 1):
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise BadInput(f"not JSON: {error}", file=name, row=number) from error
                if not isinstance(row, dict):
                    raise BadInput("an object is needed", file=name, row=number)
                yield name, number, row


def _id(row: dict[str, Any], column: str, name: str, number: int) -> str:
    if not isinstance(row.get(column), str):
        raise BadInput("text is needed", file=name, row=number, column=column)
    return str(row[column])


def _intent(label: dict[str, Any], name: str, number: int) -> str:
    told = label.get("label")
    if not isinstance(told, dict) or not isinstance(told.get("intent"), str):
        raise BadInput("a label with its intent is needed", file=name, row=number, column="label")
    return str(told["intent"])


def _time(seconds: Any, name: str, number: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise BadInput("seconds since 1970 are needed", file=name, row=number, column="time") from error


def _seconds(time: Any, number: int, column: str) -> float:
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise BadInput("a time with its time zone is needed", file=KIND, row=number, column=column)
    return time.timestamp()
