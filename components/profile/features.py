"""Random features of vectors: their mean stands for a distribution, and is a few hundred numbers."""

from dataclasses import dataclass
from functools import cache

import numpy as np

FEATURES = 512
SAMPLE = 1_000
"""Rows that the bandwidth, and the norm of the covariance, are taken from."""


@dataclass(frozen=True)
class MeanMap:
    """The mean of random Fourier features, whose products approximate a Gaussian kernel.

    Source: Rahimi and Recht 2007, "Random features for large-scale kernel machines": with w ~ N(0, 1 / s²)
    and b uniform on a circle, the mean of 2 cos(w·x + b) cos(w·y + b) is exp(-|x - y|² / (2 s²)).

    Attributes:
        dimension: Of the vectors.
        bandwidth: s.
        seed: Of the random features; two maps can be compared or merged when these three are equal.
        mean: float64, `FEATURES`: the weighted mean of the features.
        spread: The trace of their covariance matrix.
        norm: No less than the Frobenius norm of that matrix, but for the sampling error of `SAMPLE` rows.
    """

    dimension: int
    bandwidth: float
    seed: int
    mean: np.ndarray
    spread: float
    norm: float


def median_bandwidth(x: np.ndarray) -> float:
    """The bandwidth by the median heuristic: sqrt(median |x - y|² / 2) over pairs of distinct rows.

    Source: Gretton et al. 2012, "A kernel two-sample test".

    Args:
        x: Rows; the first `SAMPLE` of a fixed shuffle are used.

    >>> float(median_bandwidth(np.array([[0.0], [2.0]])).__round__(4))
    1.4142
    """
    rows = np.random.default_rng(0).permutation(len(x))[:SAMPLE]
    some = np.asarray(x[rows], dtype=np.float64)
    some = some - some.mean(axis=0)
    squares = (some**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * some @ some.T
    apart = np.maximum(distance[np.triu_indices(len(some), 1)], 0)
    median = float(np.median(apart)) if len(apart) else 0.0
    return float(np.sqrt(median / 2)) if median > 0 else 1.0


def mean_map(x: np.ndarray, weights: np.ndarray, bandwidth: float, seed: int) -> MeanMap:
    """The mean map of vectors.

    Args:
        x: Rows of finite numbers.
        weights: One a row.
        bandwidth: Of the kernel.
        seed: Of the random features.
    """
    directions, offsets = _directions(x.shape[1], seed)
    total, power = np.zeros(FEATURES), 0.0
    for begin in range(0, len(x), 8192):
        part, weight = x[begin : begin + 8192], weights[begin : begin + 8192]
        made = features(part, directions, offsets, bandwidth)
        total += weight @ made
        power += float(weight @ np.einsum("ij,ij->i", made, made, dtype=np.float64))
    mean = total / weights.sum()
    rows = np.random.default_rng(seed).permutation(len(x))[:SAMPLE]
    some = features(x[rows], directions, offsets, bandwidth)
    root = np.sqrt(weights[rows] / weights[rows].sum())[:, None] * (some - mean)
    spread = max(power / weights.sum() - float(mean @ mean), 0.0)
    norm = float(np.linalg.norm(root.T @ root))
    return MeanMap(x.shape[1], bandwidth, seed, mean, spread, min(norm, spread))


def features(x: np.ndarray, directions: np.ndarray, offsets: np.ndarray, bandwidth: float) -> np.ndarray:
    """The random features of rows, float32, (rows, `FEATURES`)."""
    angle = np.asarray(x, np.float32) @ (directions / np.float32(bandwidth))
    return np.sqrt(np.float32(2 / FEATURES)) * np.cos(angle + offsets)


def merged(one: MeanMap, other: MeanMap, weight_one: float, weight_other: float) -> MeanMap:
    """The mean map of what both stand for.

    The mean and the spread are exact. A covariance of a mixture is the mean of the covariances plus the outer
    product of the difference of means, so the norms add up to a bound.
    """
    share = weight_other / (weight_one + weight_other)
    apart = other.mean - one.mean
    between = share * (1 - share) * float(apart @ apart)
    spread = (1 - share) * one.spread + share * other.spread + between
    norm = (1 - share) * one.norm + share * other.norm + between
    mean = one.mean + share * apart
    return MeanMap(one.dimension, one.bandwidth, one.seed, mean, spread, min(norm, spread))


@cache
def _directions(dimension: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([seed, dimension])
    directions = random.standard_normal((dimension, FEATURES), dtype=np.float32)
    return directions, random.uniform(0, 2 * np.pi, FEATURES).astype(np.float32)
