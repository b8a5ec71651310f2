"""Candidate against champion on the same rows, which may have been sampled with unequal chances."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from adsmu.stratified_evaluate.compare import p_harm, paired_difference


@dataclass(frozen=True)
class Paired:
    """Two models on the same rows.

    Attributes:
        rows: How many.
        champion: Its mean.
        candidate: Its mean.
        difference: Candidate less champion.
        low: Lower bound of the difference; None: too few rows to tell.
        high: Upper bound.
        p_harm: How likely so much harm is, were the candidate no worse.
    """

    rows: int
    champion: float
    candidate: float
    difference: float
    low: float | None
    high: float | None
    p_harm: float


def compare_pairs(
    champion: ArrayLike, candidate: ArrayLike, weight: ArrayLike, lower_is_better: bool, confidence: float
) -> Paired:
    """Compares two models row by row.

    Rows that are right or wrong and weigh the same: the interval of `paired_difference` (Newcombe 1998) and
    the exact test of `p_harm` (McNemar 1947). Else means are weighted by one over the chance that a row was
    sampled (Hájek 1971, "Comment on an essay by D. Basu"), the variance of the mean difference is that of a
    ratio, n / (n - 1) Σ w² (d - d̄)² / (Σ w)² (Särndal, Swensson and Wretman 1992, "Model assisted survey
    sampling", 5.7), and bounds and test are Student's, with the effective number of rows (Σ w)² / Σ w² (Kish
    1965, "Survey sampling") less one degrees of freedom.

    Args:
        champion: Its value in each row, one or more.
        candidate: Its value in the same rows.
        weight: One over the chance that the row was sampled.
        lower_is_better: Of a loss; a rate is better when it is higher.
        confidence: Two-sided.

    >>> found = compare_pairs([1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], False, 0.95)
    >>> round(found.difference, 2), round(found.p_harm, 2)
    (0.25, 1.0)
    >>> found = compare_pairs([2.0, 4.0, 3.0], [1.0, 3.5, 2.0], [1, 1, 4], True, 0.95)
    >>> round(found.champion, 2), round(found.difference, 2)
    (3.0, -0.92)
    """
    old, new, w = (np.asarray(each, dtype=float) for each in (champion, candidate, weight))
    rows, difference = len(w), new - old
    before, after = (float((w * each).sum() / w.sum()) for each in (old, new))
    if (w == w[0]).all() and np.isin(old, (0, 1)).all() and np.isin(new, (0, 1)).all():
        lost, gained = int((old > new).sum()), int((new > old).sum())
        both = int((old * new).sum())
        mean, low, high = paired_difference(both, gained, lost, rows - both - gained - lost, confidence)
        harm = float(p_harm(gained, lost) if lower_is_better else p_harm(lost, gained))
        return Paired(rows, before, after, mean, low, high, harm)
    mean = after - before
    effective = w.sum() ** 2 / (w**2).sum()
    if effective < 2:
        return Paired(rows, before, after, mean, None, None, 1.0)
    error = float(np.sqrt(rows / (rows - 1) * (w**2 * (difference - mean) ** 2).sum()) / w.sum())
    student = stats.t(effective - 1)
    half = float(student.ppf(0.5 + confidence / 2)) * error
    worse = mean if lower_is_better else -mean
    harm = float(student.sf(worse / error)) if error > 0 else float(worse <= 0)
    return Paired(rows, before, after, mean, mean - half, mean + half, harm)


def estimated_total(values: ArrayLike, weight: ArrayLike, confidence: float) -> tuple[float, float, float]:
    """The sum over all rows that there were, estimated from those that were kept.

    Source: Horvitz and Thompson 1952, "A generalization of sampling without replacement from a finite
    universe": Σ w y, without bias whatever the chances were. Rows are kept or not each by itself (Poisson
    sampling), so its variance is estimated by Σ w (w - 1) y².

    Args:
        values: Of the rows that were kept.
        weight: One over the chance that the row was kept.
        confidence: Two-sided; the bounds are those of the normal distribution.

    Returns:
        The total and its bounds; where all rows were kept they are the same.

    >>> [round(bound, 1) for bound in estimated_total([1, 0, 1], [1, 10, 4], 0.95)]
    [5.0, -1.8, 11.8]
    """
    y, w = np.asarray(values, dtype=float), np.asarray(weight, dtype=float)
    total = float((w * y).sum())
    half = float(stats.norm.ppf(0.5 + confidence / 2) * np.sqrt((w * (w - 1) * y**2).sum()))
    return total, total - half, total + half
