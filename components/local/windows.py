"""A stream of observations cut into windows of time, or of so many rows."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.monitor.findings import Window
from adsmu.profile.observations import observations, read_observations

MOST = 1000
"""The most windows of one stream: each has a folder, and a row of the page."""


def read_stream(path: str | Path) -> pa.Table:
    """Reads observations, whole and in order of time.

    Args:
        path: A Parquet file, or a folder of such.

    Returns:
        Checked observations, in order of time and id.

    Raises:
        BadInput: There is none, a row breaks a rule, or the files have different columns.
    """
    files = sorted(Path(path).glob("*.parquet")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise BadInput("holds no .parquet file", file=path)
    try:
        table = pa.concat_tables([read_observations(file) for file in files], promote_options="permissive")
    except pa.ArrowException as error:
        raise BadInput(f"files of different columns: {str(error).splitlines()[0]}", file=path) from error
    if not len(table):
        raise BadInput("no rows", file=path)
    return observations(table.sort_by([("time", "ascending"), ("id", "ascending")]), path)


def windows(times: pa.ChunkedArray, wanted: str, length: timedelta) -> list[Window]:
    """Cuts a stream into windows; those of time follow the calendar, and one without rows is one too.

    Args:
        times: The times of the rows, in order, one or more.
        wanted: `month`, `week` (from Monday), how many rows, or empty: `length`.
        length: Of a window, from the first row's midnight on.

    Returns:
        The windows, in order, each beginning where the one before it ends. Of windows of rows, those of one
        time stay together, and a last one with fewer than half the rows belongs to that before it.

    Raises:
        BadInput: The length is another, or there would be more than `MOST`.

    >>> times = pa.chunked_array([[datetime(2026, 1, 30), datetime(2026, 3, 2)]])
    >>> [str(each.begin.date()) for each in windows(times, "month", timedelta(0))]
    ['2026-01-01', '2026-02-01', '2026-03-01']
    """
    first, last = pc.min(times).as_py(), pc.max(times).as_py()
    if re.fullmatch(r"[1-9][0-9]{0,8}", wanted):
        edges = _of_rows(times, int(wanted), last)
    elif wanted in ("", "week", "month"):
        edges = list(_of_time(first, last, wanted, length))
    else:
        raise BadInput(f"must be month, week or a number of rows, not {wanted!r}", file="--window")
    if len(edges) - 1 > MOST:
        raise BadInput(f"{len(edges) - 1:,} windows; {MOST:,} are the most", file="--window")
    return [Window(begin, end) for begin, end in pairwise(edges)]


def _of_time(first: datetime, last: datetime, wanted: str, length: timedelta) -> Iterator[datetime]:
    edge = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if wanted == "week":
        edge -= timedelta(days=edge.weekday())
    if wanted == "month":
        edge = edge.replace(day=1)
    step = timedelta(weeks=1) if wanted == "week" else length
    yield edge
    for _ in range(MOST + 1):
        edge = (edge + timedelta(days=32)).replace(day=1) if wanted == "month" else edge + step
        yield edge
        if edge > last:
            return


def _of_rows(times: pa.ChunkedArray, rows: int, last: datetime) -> list[datetime]:
    number = len(times)
    places = np.arange(rows, number, rows)
    if len(places) and number - places[-1] < rows / 2:
        places = places[:-1]
    inner = times.take(pa.array(places)).to_pylist()
    end = last + timedelta(microseconds=1)
    return sorted({times[0].as_py(), *inner, end})
