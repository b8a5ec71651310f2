"""Streams of real data, as production would have seen them, and the step run over them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.monitor.findings import Window
from adsmu.monitor.history import Earlier
from adsmu.monitor.levels import Given, monitor
from adsmu.profile.observations import observations
from adsmu.profile.profiles import profile
from adsmu.strategy import MEASURES, Columns, Reference, Signal, Strategy
from adsmu.strategy.measures import ALERTING

FIRST = datetime(2011, 1, 1, tzinfo=UTC)
MONTHS = [datetime(2011 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(25)]


def month(number: int) -> Window:
    """A month of the two years, 0 the first."""
    return Window(MONTHS[number], MONTHS[number + 1])


def default_signals(task: str = "regression", **others: Signal) -> dict[str, Signal]:
    """Every signal that has a default threshold, as a strategy that names none has them."""
    return {
        name: Signal(name, measure.threshold, alert=measure.level in ALERTING)
        for name, measure in MEASURES.items()
        if measure.threshold is not None and not measure.debug and measure.task in ("", task)
    } | others


def plan(reference: Reference | None = None, task: str = "regression", **others: Any) -> Strategy:
    """A strategy that says nothing but what a test is about."""
    columns = others.pop("columns", Columns(task=task))
    signals = others.pop("signals", default_signals(task))
    sliding = Reference("sliding", lengths=(timedelta(days=35),))
    return Strategy("test", columns=columns, signals=signals, reference=reference or sliding, **others)


def rentals(path: Path) -> pa.Table:
    """Bicycles rented by the hour; the weather in degrees Celsius, percent and kilometres an hour."""
    frame = pd.read_csv(path)
    day = pd.to_datetime(frame["dteday"], format="%m/%d/%Y", utc=True)
    table = pa.table(
        {
            "id": pa.array(frame["instant"].astype(str).to_list()),
            "time": pa.array(day + pd.to_timedelta(frame["hr"], unit="h"), pa.timestamp("us", "UTC")),
            "label": pa.array(frame["cnt"].astype(float)),
            "hour": pa.array(frame["hr"]),
            "workingday": pa.array(frame["workingday"].astype(str).to_list()),
            "weathersit": pa.array(frame["weathersit"].astype(str).to_list()),
            "temp": pa.array(47 * frame["temp"] - 8),
            "hum": pa.array(100 * frame["hum"]),
            "windspeed": pa.array(67 * frame["windspeed"]),
        }
    )
    return observations(table)


def inside(table: pa.Table, window: Window) -> np.ndarray:
    """Whether each row lies in a window."""
    kind = table["time"].type
    after = pc.greater_equal(table["time"], pa.scalar(window.begin, kind))
    return pc.and_(after, pc.less(table["time"], pa.scalar(window.end, kind))).to_numpy()


def of(table: pa.Table, window: Window) -> pa.Table:
    """The rows of a window."""
    return table.filter(pa.array(inside(table, window)))


def with_column(table: pa.Table, name: str, values: Any, mask: np.ndarray | None = None) -> pa.Table:
    """A table with other values in a column, missing where `mask` is set."""
    made = pa.chunked_array([pa.array(values, mask=mask)])
    return table.set_column(table.column_names.index(name), name, made)


def look(
    table: pa.Table, strategy: Strategy, window: Window, history: Sequence[Earlier] = (), **given: Any
) -> Earlier:
    """What is found in a window of a table."""
    like = given.get("validation_profile") or (history[-1].profile if history else None)
    projections = strategy.columns.projected
    made = profile(of(table, window), like=like, projections=projections, strategy=strategy.digest)
    seen = Given(rows=table, profile=made, history=history, **given)
    return Earlier(window, made, monitor(seen, strategy, window))


def replay(table: pa.Table, strategy: Strategy, windows: Sequence[Window], **given: Any) -> Iterator[Earlier]:
    """Looks at windows in order, as a recurring run would."""
    history: list[Earlier] = []
    for window in windows:
        history.append(look(table, strategy, window, list(history), **given))
        yield history[-1]


def ids(found: Earlier, *levels: str) -> list[str]:
    """The ids of what was found at some levels, or at all."""
    return [each["id"] for each in found.findings["findings"] if not levels or each["level"] in levels]
