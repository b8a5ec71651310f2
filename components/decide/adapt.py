"""A threshold that follows a shifting stream while the model stays: the cheapest update there is.

A policy over a fixed model, such as "answer above this score, else ask a person", has one number. Once labels
are in, the loss that every other number would have had is known too, so no exploring is needed: the weights
of all candidates are updated at once, and a little weight is shared so that one that was bad can come back.
"""

from collections.abc import Iterable

import numpy as np


def weights(losses: Iterable[np.ndarray], rate: float, share: float) -> np.ndarray:
    """The weights of candidates before each step, by fixed share.

    Source: Herbster and Warmuth 1998, "Tracking the best expert", in the form of Cesa-Bianchi and Lugosi
    2006, "Prediction, Learning, and Games", section 5.2.

    Args:
        losses: At each step the loss of each of N candidates, from 0 to 1.
        rate: How fast weights follow losses, above 0.
        share: The part of all weight that is shared out evenly at each step, from 0 to below 1.

    Returns:
        Shape (steps, N); each row sums to 1. A row rests only on the steps before it.

    >>> weights([np.array([0.0, 1.0])] * 3, rate=1.0, share=0.0)[-1].round(2).tolist()
    [0.88, 0.12]
    """
    rows = []
    held: np.ndarray | None = None
    for loss in losses:
        held = np.full(len(loss), 1 / len(loss)) if held is None else held
        rows.append(held)
        moved = held * np.exp(-rate * loss)
        moved /= moved.sum()
        held = share / len(loss) + (1 - share) * moved
    return np.array(rows)


def tuned(candidates: int, steps: int, switches: int) -> tuple[float, float]:
    """The rate and the share for which `regret_bound` is lowest.

    Args:
        candidates: N.
        steps: n, above 1.
        switches: How often the best candidate is expected to change, 1 or more.

    >>> [round(value, 4) for value in tuned(candidates=21, steps=4000, switches=3)]
    [0.2712, 0.0008]
    """
    share = switches / (steps - 1)
    return float(np.sqrt(8 * _code(candidates, steps, switches, share) / steps)), share


def regret_bound(candidates: int, steps: int, switches: int, rate: float, share: float) -> float:
    """The most by which the weighted loss can exceed that of the best sequence of candidates.

    Source: Cesa-Bianchi and Lugosi 2006, section 5.2: (m + 1) / r ln N + 1 / r ln(1 / (s^m (1 - s)^(n - m -
    1))) + r n / 8, with r the rate and s the share. It holds for any losses from 0 to 1.

    Args:
        candidates: N.
        steps: n.
        switches: m, how often the sequence changes its candidate.
        rate: As for `weights`.
        share: As for `weights`, above 0.

    >>> round(regret_bound(candidates=10, steps=1000, switches=2, rate=0.2, share=0.002))
    132
    """
    return _code(candidates, steps, switches, share) / rate + rate * steps / 8


def _code(candidates: int, steps: int, switches: int, share: float) -> float:
    """How long it takes to name a sequence of candidates, in nats."""
    stays = (steps - switches - 1) * np.log(1 / (1 - share))
    return float((switches + 1) * np.log(candidates) + switches * np.log(1 / share) + stays)
