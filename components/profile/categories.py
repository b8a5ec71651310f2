"""How often each category occurs, in limited space, and how many there are."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

HELD = 200
"""The most categories that are counted by name."""
HASHES = 256
"""The smallest hashes that are kept to estimate how many distinct categories there are."""
_SPAN = 2.0**64


@dataclass(frozen=True)
class Categories:
    """The weight of each category.

    With at most `HELD` categories all is exact. Beyond, the heaviest are held, the weight of the others is
    `other`, and a held category may lack at most `lacks`: what it weighed where it was not held.

    Attributes:
        names: The categories held, the heaviest first.
        weights: Of each.
        other: The weight of all that are not held.
        lacks: The most weight that a category can have in `other`.
        hashes: uint64, sorted: the `HASHES` smallest hashes of all categories; empty while all are held.
    """

    names: tuple[str, ...]
    weights: np.ndarray
    other: float
    lacks: float
    hashes: np.ndarray

    @property
    def weight(self) -> float:
        """All of the weight."""
        return float(self.weights.sum()) + self.other

    @property
    def distinct(self) -> float:
        """How many categories there are: exact while all are held, else within 13 % with a chance of 95 %.

        Source: Bar-Yossef et al. 2002, "Counting distinct elements in a data stream": with k hashes kept of
        which the largest is the share h of their span, (k - 1) / h; relative standard error 1 / sqrt(k - 2).
        """
        if len(self.hashes) < HASHES:
            return float(max(len(self.names), len(self.hashes)))
        return float((HASHES - 1) / (float(self.hashes[-1]) / _SPAN))


def categories_of(names: np.ndarray, weights: np.ndarray) -> Categories:
    """Categories and their weights.

    Args:
        names: Text, each category once.
        weights: Of each.

    >>> found = categories_of(np.array(["a", "b"], dtype=object), np.array([1.0, 3.0]))
    >>> found.names, found.weights.tolist(), found.distinct
    (('b', 'a'), [3.0, 1.0], 2.0)
    """
    none = np.zeros(0, np.uint64)
    return _limited(names, np.asarray(weights, float), 0.0, 0.0, none)


def merged(one: Categories, other: Categories) -> Categories:
    """The categories of what both stand for.

    Source: Agarwal et al. 2012, "Mergeable summaries": weights add, and so does what a category may lack.

    >>> parts = [categories_of(np.array([name, "c"], dtype=object), np.ones(2)) for name in "ab"]
    >>> merged(*parts).names, merged(*parts).weights.tolist()
    (('c', 'a', 'b'), [2.0, 1.0, 1.0])
    """
    together = pd.Series(np.concatenate([one.weights, other.weights])).groupby(
        np.array([*one.names, *other.names], dtype=object), sort=False
    )
    total = together.sum()
    hashes = np.union1d(one.hashes, other.hashes)
    names = total.index.to_numpy(dtype=object)
    return _limited(names, total.to_numpy(float), one.other + other.other, one.lacks + other.lacks, hashes)


def _limited(
    names: np.ndarray, weights: np.ndarray, other: float, lacks: float, hashes: np.ndarray
) -> Categories:
    order = np.lexsort((names, -weights)) if len(names) else np.zeros(0, int)
    held, rest = order[:HELD], order[HELD:]
    if len(rest) or len(hashes):
        fresh = pd.util.hash_array(np.asarray(names, dtype=object), categorize=False)
        hashes = np.union1d(hashes, fresh)[:HASHES]
    if len(rest):
        other += float(weights[rest].sum())
        lacks += float(weights[rest[0]])
    return Categories(tuple(names[held].tolist()), weights[held], other, lacks, hashes)
