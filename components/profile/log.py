"""Logs of what production saw, read as observations: those of a predictor, and those of any other program.

Both are written by `adsmu.serve.events.WriteAhead`: segments that are created once in the object storage
and never changed, so that a writer that is killed loses nothing it had confirmed, and what its successor
stores again changes nothing. A program that does not know whether a row was confirmed writes it again; a
row counts once, by its id.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

import pyarrow as pa

from adsmu.errors import BadInput
from adsmu.profile.observations import RESERVED, TIME, join_labels, late_labels, observations
from adsmu.serve.events import WriteAhead
from adsmu.store import Store

KIND, LABELS = "observations", "labels"
PART = 2**16
"""Lines that are held as they are before they become columns."""
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
    _append(log, KIND, ("id", "time"), rows)


def append_labels(log: WriteAhead, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes labels that came late; when this returns they outlive the process.

    Args:
        log: Where to; its object storage holds them under `labels/SERVICE`.
        rows: `id` of the observation, `label` and `label_time`, which carries its time zone.

    Raises:
        BadInput: A row lacks one of them, or its label is no JSON value.
    """
    _append(log, LABELS, ("id", "label", "label_time"), rows)


def read_log(
    store: Store, service: str, begin: datetime | None = None, end: datetime | None = None
) -> pa.Table:
    """Reads the observations that programs have written by `append`, with the labels that came late.

    Lines become columns `PART` at a time, and rows of another time are let go at once: what is held is the
    columns of the rows that were asked for.

    Args:
        store: Where the log is.
        service: Whose.
        begin: Rows from then on; None: from the first.
        end: Rows before then, and labels that came before then; None: all.

    Returns:
        Checked observations in the order of their times; of rows with one id the first, of labels the last.

    Raises:
        BadInput: A line is no observation or no label; segment and row are named.
        StoreUnavailable: The storage does not answer.
    """

    def rows() -> Iterator[dict[str, Any]]:
        for name, number, row in read_lines(store, f"{KIND}/{service}"):
            told = {"id": _id(row, "id", name, number), "time": _time(row.get("time"), name, number)}
            if row.get("label_time") is not None:
                told["label_time"] = _time(row["label_time"], name, number)
            yield {**row, **told}

    def labels() -> Iterator[dict[str, Any]]:
        for name, number, row in read_lines(store, f"{LABELS}/{service}"):
            if row.get("label") is None:
                raise BadInput("a value is missing", file=name, row=number, column="label")
            time = _time(row.get("label_time"), name, number)
            yield {"id": _id(row, "id", name, number), "label": row["label"], "label_time": time}

    return _table(rows(), labels(), begin, end, f"{store.uri}/{KIND}/{service}", _inferred)


def events_as_observations(
    store: Store, service: str, begin: datetime | None = None, end: datetime | None = None
) -> pa.Table:
    """Reads what a predictor has logged, with the labels that came late; as `read_log` does.

    Args:
        store: Where the logs are.
        service: Whose.
        begin: Requests from then on; None: from the first.
        end: Requests before then, and labels that came before then; None: all.

    Returns:
        Checked observations with the columns of `EVENTS`, in the order of their times; of requests with one
        id the first, of labels the last.

    Raises:
        BadInput: A line is no event or no label; segment and row are named.
        StoreUnavailable: The storage does not answer.
    """

    def rows() -> Iterator[dict[str, Any]]:
        for name, number, event in read_lines(store, f"events/{service}"):
            row = {each: event.get(each) for each in EVENTS.names}
            row |= {"time": _time(event.get("time"), name, number), "prediction": event.get("intent")}
            yield row | {"id": _id(event, "request_id", name, number), "label": None, "label_time": None}

    def labels() -> Iterator[dict[str, Any]]:
        for name, number, label in read_lines(store, f"{LABELS}/{service}"):
            time = _time(label.get("time"), name, number)
            key = _id(label, "request_id", name, number)
            yield {"id": key, "label": _intent(label, name, number), "label_time": time}

    def columns(part: list[dict[str, Any]]) -> pa.Table:
        return pa.Table.from_pylist(part, EVENTS)

    return _table(rows(), labels(), begin, end, f"{store.uri}/events/{service}", columns)


def _append(log: WriteAhead, kind: str, needed: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> None:
    lines = []
    for number, row in enumerate(rows, 1):
        for name in needed:
            if row.get(name) is None:
                raise BadInput("a value is missing", file=kind, row=number, column=name)
        times = {name: _seconds(row[name], kind, number, name) for name in TIMES if row.get(name) is not None}
        try:
            lines.append(json.dumps({**row, **times}, separators=(",", ":"), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise BadInput(f"no JSON value: {error}", file=kind, row=number) from error
    log.append(kind, lines)


def _table(
    rows: Iterator[dict[str, Any]],
    labels: Iterator[dict[str, Any]],
    begin: datetime | None,
    end: datetime | None,
    where: str,
    columns: Callable[[list[dict[str, Any]]], pa.Table],
) -> pa.Table:
    """Rows within the times as checked observations, each with its newest label."""
    first, last = begin or datetime.min.replace(tzinfo=UTC), end or datetime.max.replace(tzinfo=UTC)
    try:
        found = _once(
            _columns((row for row in rows if first <= row["time"] < last), columns), "time", "first"
        )
        late = _columns((row for row in labels if row["label_time"] < last), _inferred)
    except pa.ArrowException as error:
        raise BadInput(f"a column holds values of two kinds: {error}", file=where) from error
    table = observations(found, where)
    if not len(late):
        return table
    return join_labels(table, late_labels(_once(late, "label_time", "last"), where), where)


def _columns(rows: Iterable[dict[str, Any]], columns: Callable[[list[dict[str, Any]]], pa.Table]) -> pa.Table:
    """Rows as columns, `PART` of them at a time."""
    waiting = iter(rows)
    parts = [columns([])]
    while part := list(islice(waiting, PART)):
        parts.append(columns(part))
    return pa.concat_tables(parts, promote_options="permissive")


def _inferred(part: list[dict[str, Any]]) -> pa.Table:
    names = dict.fromkeys([*("id", "time"), *(name for row in part for name in row)])
    types = {name: TIME if name in TIMES else RESERVED.get(name) for name in names}
    return pa.table({name: pa.array([row.get(name) for row in part], types[name]) for name in names})


def _once(table: pa.Table, time: str, which: Literal["first", "last"]) -> pa.Table:
    """The rows in order of a time, of those with one id the first or the last."""
    table = table.sort_by(time)
    again = table["id"].to_pandas().duplicated(keep=which).to_numpy(bool)
    return table.filter(pa.array(~again)) if again.any() else table


def read_lines(store: Store, prefix: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The lines that writers left below a name, each with its segment and its number there.

    Args:
        store: Where the log is.
        prefix: `KIND/SERVICE`.

    Raises:
        BadInput: A line is no JSON object.
        StoreUnavailable: The storage does not answer.
    """
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


def _seconds(time: Any, kind: str, number: int, column: str) -> float:
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise BadInput("a time with its time zone is needed", file=kind, row=number, column=column)
    return time.timestamp()
