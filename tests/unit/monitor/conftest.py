"""Streams of real data, as production would have seen them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adsmu.monitor.findings import Window
from adsmu.monitor.history import Earlier
from adsmu.monitor.levels import Given, monitor
from adsmu.profile.observations import observations
from adsmu.profile.profiles import profile
from adsmu.strategy import Strategy

MONTHS = pd.date_range("2011-01-01", "2013-01-01", freq="MS", tz="UTC")


def month(number: int) -> Window:
    """A month of the two years, 0 the first."""
    return Window(*(MONTHS[number + end].to_pydatetime() for end in (0, 1)))


@pytest.fixture(scope="session")
def rentals(bike: Path) -> pa.Table:
    """Bicycles rented by the hour; weather in degrees Celsius, percent and kilometres an hour."""
    frame = pd.read_csv(bike)
    day = pd.to_datetime(frame["dteday"], format="%m/%d/%Y", utc=True)
    table = pa.table(
        {
            "id": frame["instant"].astype(str).to_numpy(dtype=object),
            "time": pa.array(day + pd.to_timedelta(frame["hr"], unit="h"), pa.timestamp("us", "UTC")),
            "label": frame["cnt"].astype(float),
            "hour": frame["hr"],
            "workingday": frame["workingday"].astype(str).to_numpy(dtype=object),
            "weathersit": frame["weathersit"].astype(str).to_numpy(dtype=object),
            "temp": 47 * frame["temp"] - 8,
            "hum": 100 * frame["hum"],
            "windspeed": 67 * frame["windspeed"],
        }
    )
    return observations(table)


def rows_of(table: pa.Table, window: Window) -> pa.Table:
    """The rows of a window."""
    kind = table["time"].type
    after = pc.greater_equal(table["time"], pa.scalar(window.begin, kind))
    return table.filter(pc.and_(after, pc.less(table["time"], pa.scalar(window.end, kind))))


def look(table: pa.Table, strategy: Strategy, window: Window, **given: Any) -> dict[str, Any]:
    """What is found in a window of a table."""
    like = given.get("validation_profile") or next(
        (each.profile for each in reversed(given.get("history", ()))), None
    )
    found = profile(
        rows_of(table, window), like=like, projections=strategy.columns.projections, strategy=strategy.digest
    )
    return monitor(Given(rows=table, profile=found, **given), strategy, window)


def replay(
    table: pa.Table, strategy: Strategy, windows: list[Window], **given: Any
) -> Iterator[tuple[Earlier, list[Earlier]]]:
    """Looks at windows in order, as a recurring run would; gives each with those before it."""
    history: list[Earlier] = []
    for window in windows:
        findings = look(table, strategy, window, history=list(history), **given)
        like = history[-1].profile if history else given.get("validation_profile")
        made = profile(
            rows_of(table, window),
            like=like,
            projections=strategy.columns.projections,
            strategy=strategy.digest,
        )
        yield Earlier(window, made, findings), list(history)
        history.append(Earlier(window, made, findings))


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    """A table with other values in a column."""
    return table.set_column(table.column_names.index(name), name, pa.chunked_array([pa.array(values)]))


def at(year: int, number: int, day: int = 1) -> datetime:
    """A day of a year, UTC."""
    return datetime(year, number, day, tzinfo=UTC)


def without(findings: dict[str, Any], level: str) -> list[str]:
    """The ids of findings that are not of a level."""
    return [each["id"] for each in findings["findings"] if each["level"] != level]


__all__ = ["MONTHS", "at", "look", "month", "np", "replace", "replay", "rows_of", "with_column", "without"]
