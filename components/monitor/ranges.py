"""Predicted ranges: where the next value of a series is expected, from its own healthy history."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CYCLES = 12
"""Seasonal cycles that the medians of the season are over: older ones say little of a series that grows."""

LEVEL_CYCLES = 2
"""Cycles that the present level is the median of: odd days, such as holidays, do not move it."""

RESIDUALS = 365
"""Past residuals that the width is taken from, the latest ones."""

CONFIDENCE = 0.97
"""Nominal coverage. Days are not exchangeable, so a little more than the 95 % that are wanted."""


@dataclass(frozen=True)
class Range:
    """Where a value was expected.

    Attributes:
        expected: The forecast.
        low: Lower bound.
        high: Upper bound.
    """

    expected: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range."""
        slack = 1e-9 * max(abs(self.low), abs(self.high))  # of a logarithm taken and undone
        return self.low - slack <= value <= self.high + slack


def predicted_ranges(
    history: ArrayLike, values: ArrayLike, period: int, confidence: float = CONFIDENCE
) -> list[Range | None]:
    """The range that each value of a window was expected in, one step ahead.

    The forecast is the level of the last `LEVEL_CYCLES` cycles plus the median effect of the season's slot
    over the last `CYCLES`; a series above 0 throughout is forecast in logarithms, so that effects and widths
    are factors. The width is the split-conformal one: the ⌈(n + 1)(1 ± confidence) / 2⌉-th of the residuals
    that the same forecast, made one step ahead, has left so far. A value outside its range is not learnt from
    within the window.

    Source: Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World"; for residuals of a
    regression, Lei et al. 2018, "Distribution-free predictive inference for regression". The guarantee needs
    exchangeable residuals, which a series' are only nearly.

    Args:
        history: Values before the window, one a step, oldest first; NaN where none was seen.
        values: The window's values.
        period: Steps of a seasonal cycle, 7 for days of a week; 1 for none.
        confidence: Nominal coverage.

    Returns:
        A range for each value; None where the history is too short for bounds at this confidence.

    >>> week = [10, 12, 12, 12, 14, 20, 18]
    >>> found = predicted_ranges(week * 20, [10, 3], 7)
    >>> [(round(each.low), round(each.high)) for each in found], found[1].holds(3)
    ([(10, 10), (12, 12)], False)
    >>> predicted_ranges(week, [10], 7)
    [None]
    """
    seen, new = np.asarray(history, dtype=float), np.asarray(values, dtype=float)
    positive = bool((seen[~np.isnan(seen)] > 0).all())
    series = np.log(seen) if positive else seen
    steps = np.arange(max(2 * period, len(series) - RESIDUALS), len(series))
    residuals = (series[steps] - _forecasts(series, steps, period)).tolist()
    found: list[Range | None] = []
    for value in new:
        expected = float(_forecasts(series, np.array([len(series)]), period)[0])
        expectation = _range(expected, residuals, positive, confidence)
        healthy = expectation is None or expectation.holds(value)
        kept = value if healthy and (value > 0 or not positive) else np.nan
        series = np.append(series, np.log(kept) if positive else kept)
        residuals.append(series[-1] - expected)
        found.append(expectation)
    return found


def _range(expected: float, residuals: list[float], positive: bool, confidence: float) -> Range | None:
    past = np.array(residuals[-RESIDUALS:], dtype=float)
    past = np.sort(past[~np.isnan(past)])
    below = int(np.floor((len(past) + 1) * (1 - confidence) / 2)) - 1
    if below < 0 or np.isnan(expected):
        return None
    bounds = expected, expected + past[below], expected + past[len(past) - 1 - below]
    return Range(*(float(np.exp(each) if positive else each) for each in bounds))


def fewest(period: int, confidence: float = CONFIDENCE) -> int:
    """Values that a history needs before it predicts a range.

    >>> fewest(7)
    80
    """
    return 2 * period + int(np.ceil(2 / (1 - confidence) - 1e-9)) - 1


def _forecasts(series: np.ndarray, steps: np.ndarray, period: int) -> np.ndarray:
    """One step ahead of each of `steps`; NaN without a value in its slot, or none of late."""
    length = CYCLES * period
    padded = np.concatenate([np.full(length, np.nan), series])
    # (steps, cycles, slots): whole cycles up to the step, so that the first slot is the one to come.
    recent = np.lib.stride_tricks.sliding_window_view(padded, length)[steps].reshape(-1, CYCLES, period)
    slots = _median(recent)
    effects = slots - np.nan_to_num(slots).sum(axis=1, keepdims=True) / np.maximum(
        (~np.isnan(slots)).sum(axis=1, keepdims=True), 1
    )
    latest = recent[:, -LEVEL_CYCLES:] - effects[:, None]
    return _median(latest.reshape(len(steps), LEVEL_CYCLES * period, 1))[:, 0] + effects[:, 0]


def _median(values: np.ndarray) -> np.ndarray:
    """Medians over the middle axis of three, NaN left out; NaN where nothing is left."""
    ordered = np.sort(values, axis=1)  # NaN comes last
    known = (~np.isnan(ordered)).sum(axis=1, keepdims=True)
    places = np.maximum((known - 1) // 2, 0), np.minimum(known // 2, ordered.shape[1] - 1)
    low, high = (np.take_along_axis(ordered, place, axis=1)[:, 0] for place in places)
    return (low + np.where(known[:, 0] > 0, high, np.nan)) / 2
