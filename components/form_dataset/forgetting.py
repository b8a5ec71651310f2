"""What a model that is trained on from batch to batch forgets, and a gate on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adsmu.errors import BadInput
from adsmu.stratified_evaluate.compare import paired_difference


@dataclass(frozen=True)
class Kept:
    """How a batch fares after all later ones, against just after it was learnt.

    Attributes:
        rows: Held-out rows of the batch.
        before: Accuracy just after it was learnt.
        after: Accuracy at the end.
        low: Lower bound of the change.
        high: Upper bound.
        forgotten: Whether the whole interval lies below the margin.
    """

    rows: int
    before: float
    after: float
    low: float
    high: float
    forgotten: bool


def accuracies(correct: Sequence[np.ndarray]) -> np.ndarray:
    """The accuracy on each batch after each stage.

    Args:
        correct: For each batch of T, bool of shape (T, rows of its held-out set): whether each row is right
            after each stage.

    Returns:
        Shape (T stages, T batches).

    Raises:
        BadInput: A batch has another number of stages, or no rows.
    """
    stages = len(correct)
    for number, batch in enumerate(correct):
        if batch.ndim != 2 or len(batch) != stages or not batch.shape[1]:
            rule = f"batch {number} has shape {batch.shape}, not {stages} stages by at least one row"
            raise BadInput(rule, file="correct")
    return np.array([batch.mean(axis=1) for batch in correct]).T


def backward_transfer(matrix: np.ndarray) -> float:
    """The mean change of the accuracy on earlier batches from when each was learnt to the end.

    Source: Lopez-Paz and Ranzato 2017, "Gradient episodic memory for continual learning", equation 3.

    Args:
        matrix: Accuracy, stages x batches.

    >>> backward_transfer(np.array([[0.9, 0.0], [0.6, 0.8]])).__round__(3)
    -0.3
    """
    last = len(matrix) - 1
    return float(np.mean(matrix[last, :last] - np.diag(matrix)[:last])) if last else 0.0


def forgetting(matrix: np.ndarray) -> float:
    """The mean fall of the accuracy on earlier batches from its best at any earlier stage to the end.

    Source: Chaudhry et al. 2018, "Riemannian walk for incremental learning: understanding forgetting and
    intransigence", definition 4.

    Args:
        matrix: Accuracy, stages x batches.

    >>> forgetting(np.array([[0.5, 0.0, 0.0], [0.7, 0.6, 0.0], [0.6, 0.6, 0.8]])).__round__(3)
    0.05
    """
    last = len(matrix) - 1
    if not last:
        return 0.0
    return float(np.mean([matrix[:last, batch].max() - matrix[last, batch] for batch in range(last)]))


def gate(correct: Sequence[np.ndarray], margin: float, confidence: float) -> tuple[bool, list[Kept]]:
    """Whether earlier batches are kept well enough for the model to go on.

    It passes when the change over all rows of earlier batches surely does not exceed the margin, and no one
    batch is surely forgotten. Both intervals are paired; those of batches hold together (Bonferroni).

    Args:
        correct: As for `accuracies`.
        margin: How much lower the accuracy on earlier batches may be.
        confidence: Two-sided.

    Returns:
        Whether it passes, and how each earlier batch fares.

    Raises:
        BadInput: As for `accuracies`.
    """
    accuracies(correct)
    earlier = correct[:-1]
    if not earlier:
        return True, []
    level = 1 - (1 - confidence) / len(earlier)
    kept = [_kept(batch[number], batch[-1], margin, level) for number, batch in enumerate(earlier)]
    then = np.concatenate([batch[number] for number, batch in enumerate(earlier)])
    now = np.concatenate([batch[-1] for batch in earlier])
    together = _kept(then, now, margin, confidence)
    return together.low >= -margin and not any(each.forgotten for each in kept), kept


def _kept(then: np.ndarray, now: np.ndarray, margin: float, confidence: float) -> Kept:
    both, gained, lost = (int(rows.sum()) for rows in (then & now, ~then & now, then & ~now))
    _, low, high = paired_difference(both, gained, lost, len(then) - both - gained - lost, confidence)
    return Kept(len(then), float(then.mean()), float(now.mean()), low, high, high < -margin)
