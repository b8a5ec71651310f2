"""Greedy maximisation of a feature-based submodular function, without looking at most items at most steps."""

from typing import Any

import numpy as np
from scipy import sparse

from adsmu.synthesize.keys import ranges

BATCH, SPARSE_BATCH = 16, 128  # items whose gains are computed together
SPARSE_BELOW = 0.1  # share of entries that are not 0, below which a dense matrix is treated as a sparse one
SLACK = 1 + 1e-5  # bounds are computed in single precision; it errs by less than this

Matrix = Any  # a NumPy array or a SciPy sparse one


def lazy_greedy(features: Matrix, count: int, covered: np.ndarray | None = None) -> np.ndarray:
    """Selects items that together have much of every feature.

    `f(X) = sum over features d of sqrt(sum over items i in X of features[i, d])` (Wei, Iyer and Bilmes 2014,
    the feature-based functions). f is monotone submodular, so greedy reaches at least 1 - 1/e of the best
    value (Nemhauser, Wolsey and Fisher 1978), and a gain computed earlier bounds the gain now, so that most
    items need not be looked at again (lazy greedy, Minoux 1978). Where many such bounds are stale, all are
    brought down at once by a second one: sqrt is concave, so what x adds to a feature with c covered is
    at most x / (2 sqrt(c)), a single matrix product.

    Args:
        features: Items by features, none negative.
        count: How many items to select, at most as many as there are.
        covered: How much of each feature is there already (not changed).

    Returns:
        int64, the items in the order of selection; of equal gains the first item.

    >>> lazy_greedy(np.array([[4.0, 0.0], [4.0, 0.0], [0.0, 1.0]]), 2).tolist()
    [0, 2]
    """
    matrix = _sparse_if_mostly_zero(features)
    single, roots = matrix.astype(np.float32), np.sqrt(matrix.astype(np.float32))
    held = np.zeros(matrix.shape[1]) if covered is None else covered.astype(np.float64)
    bounds = _bounds(single, roots, held)
    batch = SPARSE_BATCH if sparse.issparse(matrix) else BATCH
    picks = np.zeros(count, dtype=np.int64)
    for step in range(count):
        gains = np.full(len(bounds), -np.inf)
        best = -1.0  # no gain is below 0
        refreshed = step == 0
        while True:
            stale = np.flatnonzero((bounds >= best) & np.isneginf(gains))
            if not len(stale):
                break
            if len(stale) > 2 * batch and best >= 0 and not refreshed:
                bounds = np.minimum(bounds, _bounds(single, roots, held))
                refreshed = True
                continue
            if len(stale) > batch:
                stale = stale[np.argpartition(-bounds[stale], batch)[:batch]]
            gains[stale] = bounds[stale] = _gains(matrix, stale, held)
            best = max(best, float(gains[stale].max()))
        item = int(gains.argmax())
        picks[step] = item
        bounds[item] = -np.inf
        held += matrix[[item]].toarray()[0] if sparse.issparse(matrix) else matrix[item]
    return picks


def _sparse_if_mostly_zero(features: Matrix) -> Matrix:
    if sparse.issparse(features):
        return sparse.csr_array(features, dtype=np.float64)
    features = np.ascontiguousarray(features, dtype=np.float64)
    if np.count_nonzero(features) >= SPARSE_BELOW * features.size:
        return features
    at = np.flatnonzero(features)
    row, column = np.divmod(at, features.shape[1])
    start = np.searchsorted(row, np.arange(len(features) + 1))
    return sparse.csr_array((features.ravel()[at], column, start), shape=features.shape)


def _bounds(single: Matrix, roots: Matrix, held: np.ndarray) -> np.ndarray:
    """At least the gain of each item: exact (sqrt x) for features not covered, the tangent for the others."""
    is_held = held > 0
    slope = np.divide(0.5, np.sqrt(held), out=np.zeros_like(held), where=is_held)
    bounds = single @ slope.astype(np.float32)
    if not is_held.all():
        bounds = bounds + roots @ (~is_held).astype(np.float32)
    return bounds.astype(np.float64) * SLACK


def _gains(matrix: Matrix, items: np.ndarray, held: np.ndarray) -> np.ndarray:
    if not sparse.issparse(matrix):
        return np.sqrt(held + matrix[items]).sum(axis=1) - np.sqrt(held).sum()
    lengths = np.diff(matrix.indptr)[items]
    at = ranges(matrix.indptr[items].astype(np.int64), lengths)
    before = held[matrix.indices[at]]
    added = np.sqrt(before + matrix.data[at]) - np.sqrt(before)
    return np.bincount(np.repeat(np.arange(len(items)), lengths), added, len(items))
