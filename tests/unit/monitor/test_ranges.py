"""Predicted ranges."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adsmu.monitor.ranges import CONFIDENCE, fewest, predicted_ranges


def weekly(random: np.random.Generator, days: int, growth: float = 0.0) -> np.ndarray:
    week = np.array([1.0, 1.2, 1.2, 1.2, 1.1, 0.7, 0.6])
    return 1_000 * week[np.arange(days) % 7] * np.exp(random.normal(growth * np.arange(days), 0.1))


@pytest.mark.parametrize("growth", [0.0, 0.002])
def test_ranges_cover_as_stated(growth: float) -> None:
    random = np.random.default_rng(7)
    held = []
    for _ in range(40):
        values = weekly(random, 230, growth)
        ranges = predicted_ranges(values[:200], values[200:], 7)
        held += [
            range_ is not None and range_.holds(value)
            for range_, value in zip(ranges, values[200:], strict=True)
        ]
    assert np.mean(held) >= 0.95


def test_a_day_of_another_week_is_outside() -> None:
    values = weekly(np.random.default_rng(8), 201)
    (range_,) = predicted_ranges(values[:200], [values[200] / 2], 7)
    assert range_ is not None and not range_.holds(values[200] / 2) and range_.holds(values[200])


def test_a_value_outside_does_not_widen_the_next_range() -> None:
    values = weekly(np.random.default_rng(9), 202)
    good = predicted_ranges(values[:200], values[200:], 7)[1]
    after = predicted_ranges(values[:200], [values[200] * 50, values[201]], 7)[1]
    assert good and after and after.high - after.low == pytest.approx(good.high - good.low, rel=0.1)


def test_too_short_a_history_predicts_nothing() -> None:
    values = weekly(np.random.default_rng(10), fewest(7))
    assert predicted_ranges(values[:-1], [1.0], 7) == [None]
    assert predicted_ranges(values, [1.0], 7) != [None]


def test_missing_days_are_passed_over() -> None:
    values = weekly(np.random.default_rng(11), 200)
    values[[5, 50, 150, 151]] = np.nan
    (range_,) = predicted_ranges(values, [1_000.0], 7)
    assert range_ is not None and range_.low < range_.expected < range_.high


def test_ranges_cover_the_second_year_of_bike_rentals(bike: Path) -> None:
    """Each month of 2012 from the days before it; the two days of the hurricane are not healthy."""
    frame = pd.read_csv(bike)
    days = frame.groupby(pd.to_datetime(frame["dteday"], format="%m/%d/%Y"))["cnt"].sum()
    held = {}
    for first in pd.date_range("2012-01-01", "2012-12-01", freq="MS"):
        month = days[first : first + pd.offsets.MonthEnd()]
        ranges = predicted_ranges(days[: first - pd.Timedelta(days=1)], month, 7)
        held |= {
            day: range_.holds(value)
            for (day, value), range_ in zip(month.items(), ranges, strict=True)
            if range_
        }
    hurricane = [pd.Timestamp("2012-10-29"), pd.Timestamp("2012-10-30")]
    assert len(held) == 366 and not held[hurricane[0]]
    assert np.mean([good for day, good in held.items() if day not in hurricane]) >= 0.95
    assert CONFIDENCE > 0.95
