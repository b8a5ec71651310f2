"""Whether the rows that were due came: volume in a predicted range, gaps, the age of the newest row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.monitor.figures import Figure, figure
from adsmu.monitor.ranges import Range, predicted_ranges
from adsmu.strategy import Signal

DAY = timedelta(days=1)
WEEK = 7
HOUR = timedelta(hours=1)
HOURLY = 0.5
"""A stream that has rows in at least this share of its hours is looked at by the hour, another by the day."""


@dataclass(frozen=True)
class Series:
    """A figure step by step over a window, and where it was expected.

    Attributes:
        name: What it is of.
        times: When each step begins.
        values: The figure of each step; NaN: none.
        ranges: The predicted range of each step; None: too little history.
    """

    name: str
    times: tuple[datetime, ...]
    values: np.ndarray
    ranges: tuple[Range | None, ...]

    @property
    def outside(self) -> list[int]:
        """The steps whose value lies outside its range."""
        pairs = zip(self.values, self.ranges, strict=True)
        return [step for step, (value, range_) in enumerate(pairs) if range_ and not range_.holds(value)]


def steps(begin: datetime, end: datetime) -> tuple[list[datetime], timedelta, int]:
    """Cuts a window into days, or takes it whole when it is shorter.

    Returns:
        When each step begins, its length, and how many make a seasonal cycle: a week of days, a day of
        shorter windows.

    >>> at = datetime(2026, 1, 1)
    >>> len(steps(at, at + timedelta(days=31))[0]), steps(at, at + timedelta(hours=6))[2]
    (31, 4)
    """
    length = min(end - begin, DAY)
    whole = (end - begin) // length
    cycle = WEEK if length == DAY else max(1, round(DAY / length))
    return [begin + length * step for step in range(whole)], length, cycle


def series(
    name: str,
    rows: pa.Table,
    values: np.ndarray | None,
    begin: datetime,
    end: datetime,
    past: Mapping[datetime, float],
) -> Series:
    """A window's rows, or the mean of a column, step by step.

    Args:
        name: What it is called.
        rows: The window's rows.
        values: One number a row, whose weighted mean is taken of those that are finite; None: the sum of
            weights, that is, how many rows there were before sampling.
        begin: Of the window.
        end: Of the window; not in it.
        past: The figure at each step of earlier windows.
    """
    times, length, cycle = steps(begin, end)
    place = _slots(rows, begin, length)
    inside = (place >= 0) & (place < len(times))
    if values is not None:
        inside &= np.isfinite(values)
    weights = rows["weight"].to_numpy()[inside]
    found = np.bincount(place[inside], weights, minlength=len(times))
    if values is not None:
        total = np.bincount(place[inside], weights * values[inside], minlength=len(times))
        found = np.divide(total, found, out=np.full(len(times), np.nan), where=found > 0)
    return Series(
        name, tuple(times), found, tuple(predicted_ranges(_before(past, begin, length), found, cycle))
    )


def _slots(rows: pa.Table, begin: datetime, length: timedelta) -> np.ndarray:
    since = pc.subtract(rows["time"], pa.scalar(begin, rows["time"].type)).cast(pa.int64()).to_numpy()
    return since // (length // timedelta(microseconds=1))


def _before(past: Mapping[datetime, float], begin: datetime, length: timedelta) -> np.ndarray:
    """Earlier values, one a step up to the window, NaN where there is none."""
    places = {round((time - begin) / length): value for time, value in past.items() if time < begin}
    history = np.full(-min(places, default=0), np.nan)
    for place, value in places.items():
        history[place] = value
    return history


def volume(name: str, signal: Signal, rows: Series) -> list[Figure]:
    """The day that is farthest from what was predicted of it, as a relative change.

    Days inside their range are 0: what is usual is no finding, whatever its size. Where less than a row was
    predicted the change is in rows.

    Args:
        name: The signal's name.
        signal: A signal of volume.
        rows: The number of rows at each step.

    Returns:
        One figure, of as many rows as were expected or seen; none without predicted ranges.
    """
    expected = np.array([range_.expected if range_ else np.nan for range_ in rows.ranges])
    if np.isnan(expected).all():
        return []
    outside = rows.outside
    change = np.zeros(len(expected))
    change[outside] = (rows.values[outside] - expected[outside]) / np.maximum(expected[outside], 1)
    worst = int(np.abs(change).argmax())
    range_ = rows.ranges[worst]
    text = f"each of {len(expected)} days has the rows that were predicted"
    if range_ and outside:
        text = (
            f"{rows.times[worst]:%Y-%m-%d} has {rows.values[worst]:,.0f} rows where {range_.expected:,.0f}"
            f" were predicted ({range_.low:,.0f} to {range_.high:,.0f}); {len(outside)} of {len(expected)}"
            " days are outside"
        )
    length = rows.times[1] - rows.times[0] if len(rows.times) > 1 else DAY
    return [
        figure(
            name,
            signal,
            value=float(change[worst]),
            rows=int(max(rows.values.sum(), np.nansum(expected))),
            beyond=bool(abs(change[worst]) > signal.threshold),
            text=text,
            times=(rows.times[worst].isoformat(), (rows.times[worst] + length).isoformat()),
        )
    ]


def staleness(
    name: str, signal: Signal, rows: pa.Table, newest: datetime | None, begin: datetime, end: datetime
) -> list[Figure]:
    """The age of the newest row at the end of a window, in windows.

    Args:
        name: The signal's name.
        signal: A signal of staleness.
        rows: The window's rows.
        newest: When the newest row before the end is from; None: there is none.
        begin: Of the window.
        end: Of the window.
    """
    age = (end - (newest or begin)) / (end - begin)
    text = f"the newest row is from {newest:%Y-%m-%d %H:%M}" if newest else "there is no row at all"
    made = figure(
        name,
        signal,
        value=age,
        rows=max(len(rows), signal.minimum_rows),  # no rows is what this looks for
        beyond=age >= signal.threshold,
        text=f"{text}, {age:.2f} windows before the window's end",
    )
    return [made]


def dropped(
    name: str,
    signal: Signal,
    rows: pa.Table,
    begin: datetime,
    end: datetime,
    hours_before: Sequence[float],
    days_before: Sequence[float],
) -> list[Figure]:
    """The share of hours, or of days, of a window without any row, above what is usual.

    Args:
        name: The signal's name.
        signal: A signal of dropped hours.
        rows: The window's rows.
        begin: Of the window.
        end: Of the window.
        hours_before: The share of hours with rows in each earlier window.
        days_before: The share of days with rows in each of them.

    Returns:
        One figure; few rows do not silence it, for they are what it looks for.
    """
    hours, days = (_filled(rows, begin, end, length) for length in (HOUR, DAY))
    by_hour = float(np.median(hours_before) if len(hours_before) else hours.mean()) >= HOURLY
    filled, unit, usual = (hours, "hour", hours_before) if by_hour else (days, "day", days_before)
    empty = float(1 - filled.mean())
    normal = float(1 - np.median(usual)) if len(usual) else 0.0
    length = HOUR if by_hour else DAY
    longest, first = _longest_gap(filled)
    text = f"{int((~filled).sum()):,} of {len(filled):,} {unit}s have no row"
    if longest:
        text += f", the longest gap is {longest:,} {unit}s from {begin + length * first:%Y-%m-%d %H:%M}"
    return [
        figure(
            name,
            signal,
            value=max(empty - normal, 0.0),
            rows=max(len(rows), signal.minimum_rows),
            beyond=empty - normal > signal.threshold,
            text=f"{text}; {100 * normal:.1f} % is usual",
            blocks=True,
            times=((begin + length * first).isoformat(), (begin + length * (first + longest)).isoformat()),
        )
    ]


def present_hours(rows: pa.Table, begin: datetime, end: datetime) -> float:
    """The share of a window's hours that have rows."""
    return float(_filled(rows, begin, end, HOUR).mean())


def present_steps(steps: Sequence[Mapping[str, Any]]) -> float:
    """The share of a series' steps, as `findings.json` holds them, that have rows.

    >>> present_steps([{"value": 3.0}, {"value": 0.0}])
    0.5
    """
    return float(np.mean([(each["value"] or 0) > 0 for each in steps])) if steps else 1.0


def _filled(rows: pa.Table, begin: datetime, end: datetime, length: timedelta) -> np.ndarray:
    count = max(1, (end - begin) // length)
    place = _slots(rows, begin, length)
    return np.bincount(place[(place >= 0) & (place < count)], minlength=count) > 0


def _longest_gap(filled: np.ndarray) -> tuple[int, int]:
    """The length of the longest run of empty slots, and where it begins."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (~filled).astype(np.int8), [0]])))
    if not len(edges):
        return 0, 0
    lengths = edges[1::2] - edges[::2]
    longest = int(lengths.argmax())
    return int(lengths[longest]), int(edges[2 * longest])
