"""How much a mean loss has changed."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from adsmu.stratified_evaluate.intervals import wilson


@dataclass(frozen=True)
class Change:
    """How much a mean loss has changed.

    Attributes:
        figure: Window less reference.
        low: Lower bound.
        high: Upper bound.
        rows: Labelled rows of the window that it rests on.
    """

    figure: float
    low: float
    high: float
    rows: int


def change(reference: np.ndarray, window: np.ndarray, classes: bool, confidence: float = 0.95) -> Change:
    """The change of a mean loss, with an interval.

    Rates: Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10,
    from Wilson's intervals. Errors: Welch's, by the normal quantile.

    Args:
        reference: Losses.
        window: Losses; of none nothing is known.
        classes: Whether losses are 0 or 1.
        confidence: Two-sided.

    Returns:
        The change.

    >>> found = change(np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 1.0], [30, 30]), classes=True)
    >>> [round(figure, 3) for figure in (found.figure, found.low, found.high)]
    [0.4, 0.257, 0.531]
    """
    if not len(window) or not len(reference):
        return Change(0.0, -np.inf, np.inf, len(window))
    before, now = float(reference.mean()), float(window.mean())
    if classes:
        old_low, old_high = wilson(reference.sum(), len(reference), confidence)
        low, high = wilson(window.sum(), len(window), confidence)
        down = np.hypot(now - low, old_high - before)
        up = np.hypot(high - now, before - old_low)
    else:
        z = ndtri(0.5 + confidence / 2)
        down = up = z * np.sqrt(
            reference.var(ddof=1) / len(reference) + window.var(ddof=1) / len(window)
            if min(len(window), len(reference)) > 1
            else np.inf
        )
    return Change(now - before, float(now - before - down), float(now - before + up), len(window))
