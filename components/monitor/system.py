"""What the machines did: the highest use of cpu and memory against their limits, and how requests fared."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.parquet import read_parquet
from adsmu.errors import BadInput
from adsmu.monitor.figures import Figure, figure
from adsmu.profile.log import read_lines
from adsmu.serve.readings import KIND
from adsmu.store import Store
from adsmu.strategy import Signal

SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("pod", pa.string()),
        pa.field("metric", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("limit", pa.float64()),
    ]
)
"""One row a reading. `metric` is cpu (cores), memory (bytes), seconds (to answer a request) or errors (share
of requests that failed); `limit`, of cpu and memory, is what the pod may use, null where it may use
anything."""


def read_system(path: str | Path) -> pa.Table:
    """Reads the system's readings.

    Args:
        path: A Parquet file with the columns of `SCHEMA`; others are left out.

    Returns:
        The rows.

    Raises:
        BadInput: The file is missing or not Parquet, a column is missing or of another type, or a reading of
            cpu or memory has a limit that is not above 0, or a value is not finite.
    """
    table = read_parquet(path)
    for name in SCHEMA.names:
        if name not in table.column_names:
            raise BadInput("the column is missing", file=path, column=name)
    try:
        table = table.select(SCHEMA.names).cast(SCHEMA)
    except pa.ArrowException as error:
        raise BadInput(f"is not of the table's types: {str(error).splitlines()[0]}", file=path) from error
    for name, broken, rule in (
        ("value", pc.invert(pc.is_finite(table["value"])), "a finite number is needed"),
        ("limit", pc.invert(pc.greater(table["limit"], 0.0)), "a number above 0 is needed"),
    ):
        wrong = pc.fill_null(broken, False).to_numpy()
        if wrong.any():
            raise BadInput(rule, file=path, row=int(wrong.argmax()) + 1, column=name)
    return table


def read_readings(store: Store, service: str, begin: datetime, end: datetime) -> pa.Table:
    """Reads what the predictors of a service wrote down of cpu and memory.

    Args:
        store: Where their logs are.
        service: Whose.
        begin: Readings from then on.
        end: Up to then; not in it.

    Returns:
        A table of `SCHEMA`, without rows where nothing was written.

    Raises:
        BadInput: A line is no reading; segment and row are named.
        StoreUnavailable: The storage does not answer.
    """
    found = []
    for name, number, line in read_lines(store, f"{KIND}/{service}"):
        try:
            time = datetime.fromtimestamp(line["time"], UTC)
            row = {**line, "time": time, "value": float(line["value"])}
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadInput("a reading with its time and value is needed", file=name, row=number) from error
        if begin <= time < end:
            found.append(row)
    try:
        return pa.Table.from_pylist(found, SCHEMA)
    except pa.ArrowException as error:
        raise BadInput(f"no readings: {error}", file=f"{store.uri}/{KIND}/{service}") from error


def answered_requests(rows: pa.Table) -> pa.Table:
    """What the requests of a window say of the system: how slow the slowest hundredth was, how many failed.

    Args:
        rows: The window's requests, as `adsmu.profile.log.events_as_observations` reads them.

    Returns:
        A table of `SCHEMA`: for each variant `seconds`, the 99th percentile, and `errors`, the share of
        requests whose code is 500 or above.

    >>> at = [datetime(2026, 11, 16, hour, tzinfo=UTC) for hour in (9, 10)]
    >>> seen = {"time": at, "variant": ["champion"] * 2, "seconds": [0.1, 0.1], "code": [200, 503]}
    >>> answered_requests(pa.table(seen)).select(["pod", "metric", "value"]).to_pylist()[1]
    {'pod': 'champion', 'metric': 'errors', 'value': 0.5}
    """
    found = []
    for variant in pc.unique(rows["variant"].drop_null()).to_pylist():
        of = rows.filter(pc.equal(rows["variant"], variant))
        failed = pc.mean(pc.greater_equal(of["code"], 500).cast(pa.float64())).as_py()
        slow = pc.quantile(of["seconds"], q=0.99)[0].as_py()
        newest = pc.max(of["time"]).as_py()
        found += [
            {"time": newest, "pod": variant, "metric": metric, "value": value}
            for metric, value in (("seconds", slow), ("errors", failed))
            if value is not None
        ]
    return pa.Table.from_pylist(found, SCHEMA)


def system(name: str, signal: Signal, readings: pa.Table) -> list[Figure]:
    """The highest reading of a metric, over all pods.

    Args:
        name: The signal's name.
        signal: A signal whose measure is a metric of `SCHEMA`.
        readings: The window's readings.

    Returns:
        One figure: of cpu and memory as a share of the limit. None where there is no reading with a limit.
    """
    rows = readings.filter(pc.equal(readings["metric"], signal.measure))
    values, unit = rows["value"], ""
    if signal.measure in ("cpu", "memory"):
        values, unit = pc.divide(rows["value"], rows["limit"]), " of its limit"
    if (highest := pc.max(values).as_py()) is None:
        return []
    at = rows.slice(pc.index(values, highest).as_py(), 1).to_pylist()[0]
    return [
        figure(
            name,
            signal,
            value=highest,
            rows=max(len(rows), signal.minimum_rows),  # readings, not rows of the model
            beyond=highest > signal.threshold,
            text=f"{signal.measure} of {at['pod']} reached {highest:.3g}{unit} at"
            f" {at['time']:%Y-%m-%d %H:%M}; at most {signal.threshold:.3g} is wanted",
        )
    ]
