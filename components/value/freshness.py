"""Is newer better? Models of old windows tested on today, over several todays, with as many rows each."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from adsmu.errors import BadInput
from adsmu.value.losses import Losses


@dataclass(frozen=True)
class Age:
    """How models of one age do.

    Attributes:
        windows: The age: windows between the last one that was learnt from and today.
        todays: On how many todays models of this age and of age 0 were tested.
        loss: The mean loss.
        difference: The mean of what the loss is above that of the newest model on the same today.
        low: Lower bound of that; None: one today tells nothing.
        high: Upper bound.
    """

    windows: int
    todays: int
    loss: float
    difference: float
    low: float | None
    high: float | None

    @property
    def finding(self) -> str:
        """What it says against the newest model: worse, better or undecided."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "undecided"
        return "worse" if self.low > 0 else "better"


def freshness(losses: Losses, ages: list[int], confidence: float = 0.95) -> list[Age]:
    """Compares models of several ages with the newest, on the same todays.

    All ages are tested on the same todays, those that the oldest model has reached: else an age would also
    differ in the seasons that it is tested in. Intervals are Student's of the paired differences. Todays that
    follow each other are alike, so their number is first reduced to an effective one, n (1 - r) / (1 + r),
    with r the correlation of neighbours where it is positive (Bayley and Hammersley 1946, "The 'effective'
    number of independent observations in an autocorrelated time series").

    Args:
        losses: Of models that were all trained on as many rows.
        ages: In windows, 0 not among them.
        confidence: Two-sided.

    Returns:
        Age 0 and the others, in order.

    Raises:
        BadInput: An age is not a number of windows that some today allows.

    >>> from adsmu.value.losses import losses_of
    >>> year = lambda i, j: 1.1 - np.cos((np.arange(j, 40) - i) * np.pi / 6)
    >>> seasons = losses_of(40, lambda i: i, year)
    >>> [(age.windows, round(age.loss, 2), age.finding) for age in freshness(seasons, [6, 12])]
    [(0, 0.1, 'undecided'), (6, 2.1, 'worse'), (12, 0.1, 'undecided')]
    """
    windows = len(losses)
    if not ages or min(ages) < 1 or max(ages) >= windows:
        raise BadInput(f"must be from 1 to {windows - 1} windows, not {ages}", file="ages")
    todays = np.arange(max(ages), windows)
    newest = losses.of[todays, todays]
    found = []
    for age in [0, *sorted(set(ages))]:
        loss = losses.of[todays - age, todays]
        difference = loss - newest
        mean, half = float(difference.mean()), half_width(difference, confidence)
        bounds = (None, None) if half is None else (mean - half, mean + half)
        found.append(Age(age, len(todays), float(loss.mean()), mean, *bounds))
    return found


def half_width(values: np.ndarray, confidence: float) -> float | None:
    """Half the width of the interval of a mean, of values that follow each other.

    Args:
        values: In order.
        confidence: Two-sided.

    Returns:
        Half the width; None: there are fewer than two effective values.

    >>> half_width(np.array([1.0, 2.0, 1.0, 2.0, 1.0]), 0.95) is not None, half_width(np.array([1.0]), 0.95)
    (True, None)
    """
    count = len(values)
    if count < 2:
        return None
    centred = values - values.mean()
    if not centred.any():
        return 0.0
    neighbours = float((centred[1:] * centred[:-1]).sum() / (centred**2).sum())
    correlation = min(max(neighbours, 0.0), 0.99)
    effective = count * (1 - correlation) / (1 + correlation)
    if effective < 2:
        return None
    return float(stats.t.ppf(0.5 + confidence / 2, effective - 1) * values.std(ddof=1) / np.sqrt(effective))
