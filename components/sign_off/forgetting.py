"""What a candidate forgets of the use cases that the champion had learnt, and a gate on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adsmu.stratified_evaluate.compare import paired_difference


@dataclass(frozen=True)
class Kept:
    """How a use case fares after a later training.

    Attributes:
        use_case: Its name.
        rows: Its held-out rows.
        before: The accuracy just after it was learnt.
        after: The accuracy now.
        low: Lower bound of the change.
        high: Upper bound.
        forgotten: Whether the whole interval lies below the margin.
    """

    use_case: str
    rows: int
    before: float
    after: float
    low: float
    high: float
    forgotten: bool


Right = tuple[np.ndarray, np.ndarray]
"""Of the rows of a use case, bool: whether each was right just after it was learnt, and whether it is now."""


def backward_transfer(kept: Sequence[Kept]) -> float:
    """The mean change of the accuracy on earlier use cases since each was learnt.

    Source: Lopez-Paz and Ranzato 2017, "Gradient episodic memory for continual learning", equation 3.

    Args:
        kept: One an earlier use case, one or more.

    >>> backward_transfer([Kept("play", 10, 0.9, 0.6, -0.5, -0.1, True)]).__round__(3)
    -0.3
    """
    return float(np.mean([each.after - each.before for each in kept]))


def gate(earlier: Mapping[str, Right], margin: float, confidence: float) -> tuple[bool, Kept, list[Kept]]:
    """Whether earlier use cases are kept well enough for the candidate to go on.

    It passes when the change over all their rows surely does not exceed the margin, and no one of them is
    surely forgotten. Intervals are paired; those of use cases hold together (Bonferroni).

    Args:
        earlier: By use case, one or more, each with rows.
        margin: How much lower the accuracy may be.
        confidence: Two-sided.

    Returns:
        Whether it passes, how all of them fare together, and how each does.
    """
    level = 1 - (1 - confidence) / len(earlier)
    kept = [_kept(name, *rows, margin, level) for name, rows in earlier.items()]
    then, now = (np.concatenate([rows[side] for rows in earlier.values()]) for side in (0, 1))
    together = _kept("all", then, now, margin, confidence)
    return together.low >= -margin and not any(each.forgotten for each in kept), together, kept


def _kept(use_case: str, then: np.ndarray, now: np.ndarray, margin: float, confidence: float) -> Kept:
    both, gained, lost = (int(rows.sum()) for rows in (then & now, ~then & now, then & ~now))
    _, low, high = paired_difference(both, gained, lost, len(then) - both - gained - lost, confidence)
    return Kept(use_case, len(then), float(then.mean()), float(now.mean()), low, high, high < -margin)
