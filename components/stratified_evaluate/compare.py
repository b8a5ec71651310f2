"""Candidate against champion on the same rows."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from adsmu.stratified_evaluate.intervals import wilson


def p_harm(lost: ArrayLike, gained: ArrayLike) -> np.ndarray:
    """Exact one-sided McNemar test: how likely as many losses are, were candidate and champion equally good.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions or
    percentages"; exact form: losses are Binomial(lost + gained, 1/2).

    Args:
        lost: Rows that the champion has right and the candidate wrong.
        gained: Rows that the candidate has right and the champion wrong.

    Returns:
        p values; small ones speak for harm.

    >>> p_harm([0, 5, 5], [0, 0, 5]).round(4).tolist()
    [1.0, 0.0312, 0.623]
    """
    lost, gained = np.asarray(lost), np.asarray(gained)
    return stats.binom.sf(lost - 1, lost + gained, 0.5)


def holm(p: ArrayLike) -> np.ndarray:
    """Adjusts p values so that all tests together err with at most the stated level.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".

    Args:
        p: One p value a test.

    Returns:
        Adjusted p values in the same order: a test is significant when its own is below the level.

    >>> holm([0.01, 0.04, 0.03, 0.005]).round(3).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def paired_difference(
    both: int, gained: int, lost: int, neither: int, confidence: float
) -> tuple[float, float, float]:
    """Candidate's rate less champion's on the same rows, with an interval.

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", method 10: Wilson bounds of each rate, joined with their correlation φ, whose
    numerator is corrected for continuity when positive.

    Args:
        both: Rows that both have right.
        gained: Rows that only the candidate has right.
        lost: Rows that only the champion has right.
        neither: Rows that none has right.
        confidence: Two-sided.

    Returns:
        The difference and its bounds.

    >>> [round(figure, 4) for figure in paired_difference(36, 12, 2, 0, 0.95)]
    [0.2, 0.0569, 0.3404]
    """
    rows = both + gained + lost + neither
    candidate, champion = both + gained, both + lost
    rates = np.array([candidate, champion]) / rows
    lower, upper = wilson([candidate, champion], rows, confidence)
    below, above = rates - lower, upper - rates
    agreement: float = both * neither - gained * lost
    if agreement > 0:
        agreement = max(agreement - rows / 2, 0.0)
    scale = float(candidate) * (rows - candidate) * champion * (rows - champion)
    phi = agreement / np.sqrt(scale) if scale > 0 else 0.0
    difference = float(rates[0] - rates[1])
    down = np.sqrt(below[0] ** 2 - 2 * phi * below[0] * above[1] + above[1] ** 2)
    up = np.sqrt(above[0] ** 2 - 2 * phi * above[0] * below[1] + below[1] ** 2)
    return difference, float(difference - down), float(difference + up)


def relative_changes(champion: float, candidate: float) -> tuple[float | None, float | None]:
    """The change of a rate as accuracy and as error, each relative to the champion's.

    The two differ widely, so neither is printed without the other.

    Args:
        champion: Its rate.
        candidate: Its rate.

    Returns:
        Accuracy change and error change; None where the champion's own is 0.

    >>> [round(change, 4) for change in relative_changes(0.8, 0.9)]
    [0.125, -0.5]
    """
    accuracy = (candidate - champion) / champion if champion > 0 else None
    error = (champion - candidate) / (1 - champion) if champion < 1 else None
    return accuracy, error
