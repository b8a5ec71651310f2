"""The maximum mean discrepancy of two sets of vectors: exactly, or from random features in linear time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from adsmu.profile.columns import Embedding
from adsmu.profile.features import median_bandwidth

ROWS = 1_024
"""Of the kernel matrix that are held at a time."""
CENTRE = float(np.exp(-1))
"""The kernel of two rows at the median distance."""


@dataclass(frozen=True)
class Discrepancy:
    """The exact maximum mean discrepancy, and what permutations of the rows give.

    Attributes:
        value: MMD², unbiased; it may be negative.
        bandwidth: Of the Gaussian kernel.
        permuted: float64: the same of each permutation.
    """

    value: float
    bandwidth: float
    permuted: np.ndarray

    @property
    def p_value(self) -> float:
        """The share of permutations that reach the value, itself counted; for debugging, never an alert."""
        return float((1 + (self.permuted >= self.value).sum()) / (1 + len(self.permuted)))


def mmd(
    reference: np.ndarray,
    current: np.ndarray,
    *,
    permutations: int = 100,
    bandwidth: float | None = None,
    seed: int = 0,
) -> Discrepancy:
    """The exact unbiased MMD² with a Gaussian kernel, and its distribution when rows are exchanged.

    Source: Gretton et al. 2012, "A kernel two-sample test", equation 3. All permutations are one product of
    the kernel matrix with the matrix of their memberships; of the symmetric kernel matrix one half is
    computed, block by block, and none of it is kept.

    Args:
        reference: (n, d), n at least 2.
        current: (m, d), m at least 2.
        permutations: How many.
        bandwidth: s of exp(-|x - y|² / (2 s²)); None: by the median heuristic of the reference.
        seed: Of the permutations.

    Returns:
        Value and permutations.

    >>> random = np.random.default_rng(0)
    >>> x, y = random.normal(0, 1, (200, 3)), random.normal(0.5, 1, (200, 3))
    >>> found = mmd(x, y)
    >>> round(found.value, 2), found.p_value < 0.05
    (0.06, True)
    """
    import torch

    bandwidth = bandwidth or median_bandwidth(reference)
    random, n, rows = np.random.default_rng(seed), len(reference), len(reference) + len(current)
    member = np.zeros((permutations + 1, rows), dtype=np.float32)
    member[0, :n] = 1
    for each in member[1:]:
        each[random.permutation(rows)[:n]] = 1
    points = torch.as_tensor(np.concatenate([reference, current]), dtype=torch.float32)
    inside, of_row = _kernel_sums((points - points.mean(dim=0)) / bandwidth, torch.as_tensor(member.T))
    across = member @ of_row - inside
    outside = of_row.sum() - 2 * across - inside
    m = rows - n
    values = inside / (n * (n - 1)) + outside / (m * (m - 1)) - 2 * across / (n * m)
    return Discrepancy(float(values[0]), bandwidth, values[1:])


def profile_mmd(reference: Embedding, current: Embedding, chance: float) -> tuple[float | None, float | None]:
    """The unbiased MMD² of two columns of vectors, from the means of their random features, and its floor.

    The features' means differ, without a change, by a Gaussian vector with the covariance C = A/m + B/n of a
    row's features on either side. Its square is a weighted sum of χ², and is taken for g χ² with h degrees of
    freedom, g = tr C² / tr C and h = (tr C)² / tr C²; it has the same mean and variance. Source: Box 1954,
    "Some theorems on quadratic forms applied in the study of analysis of variance problems, I", theorem 3.1.
    The standard error that random features add to a kernel's mean is about 1 / sqrt(`FEATURES`) of it.

    Args:
        reference: A profile's column.
        current: Another's.
        chance: Of a false alarm.

    Returns:
        MMD² and floor; None where one has no vectors or other random features.
    """
    a, b = reference.map, current.map
    if a is None or b is None or (a.dimension, a.bandwidth, a.seed) != (b.dimension, b.bandwidth, b.seed):
        return None, None
    m, n = reference.effective_rows, current.effective_rows
    apart = b.mean - a.mean
    bias = a.spread / (m - 1) + b.spread / (n - 1)
    trace = a.spread / m + b.spread / n
    norm = a.norm / m + b.norm / n
    if not norm:
        return float(apart @ apart) - bias, -bias
    floor = norm**2 / trace * float(special.chdtri((trace / norm) ** 2, chance))
    return float(apart @ apart) - bias, floor - bias


def _kernel_sums(points: Any, member: Any) -> tuple[np.ndarray, np.ndarray]:
    """For each set of members the kernel summed over its pairs, and the kernel summed over each row.

    Pairs of a row with itself are left out. A constant is subtracted from the kernel, which changes no MMD,
    so that small differences of large sums are not lost in single precision.
    """
    import torch

    halves = (points**2).sum(dim=1) / 2
    inside = torch.zeros(member.shape[1], dtype=torch.float64)
    of_row = torch.zeros(len(points), dtype=torch.float64)
    for begin in range(0, len(points), ROWS):
        i = slice(begin, begin + ROWS)
        for other in range(begin, len(points), ROWS):
            j = slice(other, other + ROWS)
            kernel = torch.addmm(-halves[j], points[i], points[j].T).sub_(halves[i, None]).exp_().sub_(CENTRE)
            if other == begin:
                kernel.fill_diagonal_(0)
            sums = (member[i] * (kernel @ member[j])).sum(dim=0, dtype=torch.float64)
            of_row[i] += kernel.sum(dim=1)
            if other != begin:
                sums *= 2
                of_row[j] += kernel.sum(dim=0)
            inside += sums
    return inside.numpy(), of_row.numpy()
