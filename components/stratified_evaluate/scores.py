"""Rates of strata and intents, and their means, from marks."""

from typing import Any

import numpy as np

from adsmu.stratified_evaluate.correctness import FIGURES, Marks
from adsmu.stratified_evaluate.intervals import (
    clopper_pearson,
    harmonic_mean,
    stratified_mean,
    weighted_mean,
)

Counts = dict[str, np.ndarray]
"""`rows` and, for each of `FIGURES`, the rows that are right: one number a group."""


def count(groups: np.ndarray, marks: Marks, number: int, where: np.ndarray) -> Counts:
    """Counts rows and right rows of every group.

    Args:
        groups: int, the group of each row; negative: of none.
        marks: The marks of each row.
        number: How many groups there are.
        where: bool, the rows that count.

    Returns:
        The counts.

    >>> marks = {figure: np.array([True, False, True]) for figure in FIGURES}
    >>> counts = count(np.array([0, 0, -1]), marks, 2, np.array([True, True, True]))
    >>> counts["rows"].tolist(), counts["frame"].tolist()
    ([2, 0], [1, 0])
    """
    where = where & (groups >= 0)
    counts = {"rows": np.bincount(groups[where], minlength=number)}
    return counts | {f: np.bincount(groups[where & marks[f]], minlength=number) for f in FIGURES}


def rates(counts: Counts, confidence: float) -> list[dict[str, Any]]:
    """The RATE of every group, with exact intervals of its frame accuracy.

    Args:
        counts: One number a group.
        confidence: Two-sided.

    Returns:
        rows, frame, low, high, domain, intent and slots of each group; without rows its rates are None and
        its interval is 0 to 1.
    """
    rows = counts["rows"]
    low, high = (bound.tolist() for bound in clopper_pearson(counts["frame"], rows, confidence))
    right = {
        f: [_share(r, n) for r, n in zip(counts[f].tolist(), rows.tolist(), strict=True)] for f in FIGURES
    }
    return [
        {
            "rows": int(rows[group]),
            "frame": right["frame"][group],
            "low": low[group],
            "high": high[group],
            "domain": right["domain"][group],
            "intent": right["intent"][group],
            "slots": right["slots"][group],
        }
        for group in range(len(rows))
    ]


def scores(counts: Counts, popularity: np.ndarray, confidence: float) -> dict[str, Any] | None:
    """The SCORES of a split: equation 1 over the strata that have rows in it.

    Args:
        counts: One number a stratum.
        popularity: How often each stratum is expected, the weights of `weighted`.
        confidence: Two-sided.

    Returns:
        rows; mean, low and high of frame accuracy; harmonic and weighted mean of it; the means of domain,
        intent and slots. None when no stratum has a row.
    """
    some = counts["rows"] > 0
    if not some.any():
        return None
    rows = counts["rows"][some]
    of = {figure: counts[figure][some] / rows for figure in FIGURES}
    mean, low, high = stratified_mean(counts["frame"][some], rows, confidence)
    return {
        "rows": int(rows.sum()),
        "mean": mean,
        "low": low,
        "high": high,
        "harmonic": harmonic_mean(of["frame"]),
        "weighted": weighted_mean(of["frame"], popularity[some]),
        "domain": float(of["domain"].mean()),
        "intent": float(of["intent"].mean()),
        "slots": float(of["slots"].mean()),
    }


def _share(right: int, rows: int) -> float | None:
    return right / rows if rows else None
