"""Greedy maximisation of a feature-based submodular function, without looking at most items at most steps."""

from typing import Any

import numpy as np
from scipy import sparse

from adsmu.synthesize.keys import ranges

BATCH, SPARSE_BATCH = 16, 128  # items whose gains are computed together
BLOCK = 64  # items of a dense matrix that are read at once, so that they stay near the processor
SPARSE_BELOW = 0.1  # share of entries that are not 0, below which a dense matrix is treated as a sparse one
SLACK = 1 + 3e-5  # bounds are computed in single precision; it errs by less than this

Matrix = Any  # a NumPy array or a SciPy sparse one


def lazy_greedy(features: Matrix, count: int, covered: np.ndarray | None = None) -> np.ndarray:
    """Selects items that together have much of every feature.

    `f(X) = sum over features d of sqrt(sum over items i in X of features[i, d])` (Wei, Iyer and Bilmes 2014,
    the feature-based functions). f is monotone submodular, so greedy reaches at least 1 - 1/e of the best
    value (Nemhauser, Wolsey and Fisher 1978), and a gain computed earlier bounds the gain now, so that most
    items need not be looked at again (lazy greedy, Minoux 1978). Where many such bounds are stale, they are
    brought down together by a second one, which costs matrix products alone: `_bounds`.

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
    single = matrix.astype(np.float32)
    largest: Any = single.max(axis=0) if matrix.shape[0] else np.zeros(matrix.shape[1])
    largest = largest.toarray().ravel() if sparse.issparse(largest) else largest
    held = np.zeros(matrix.shape[1]) if covered is None else covered.astype(np.float64)
    bounds = _bounds(single, np.arange(matrix.shape[0]), largest, held)
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
                bounds[stale] = np.minimum(bounds[stale], _bounds(single, stale, largest, held))
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


def _bounds(single: Matrix, items: np.ndarray, largest: np.ndarray, held: np.ndarray) -> np.ndarray:
    """At least the gain of each item.

    To a feature that is not covered x adds sqrt(x). To one with c covered it adds at most
    x / (2 sqrt(c)) - k x^2, the tangent of sqrt at c less a parabola: what the tangent is too large by,
    divided by x^2, falls with x, so k is that of the largest x.
    """
    is_held = (held > 0) & (largest > 0)
    root, most = np.sqrt(held, where=is_held, out=np.ones_like(held)), np.where(is_held, largest, 1)
    slope = np.where(is_held, 0.5 / root, 0)
    bend = np.where(is_held, (0.5 / root - 1 / (np.sqrt(held + most) + root)) / most, 0)
    slope, bend, uncovered = (form.astype(np.float32) for form in (slope, bend, held <= 0))
    bounds = np.zeros(len(items))
    size = len(items) if sparse.issparse(single) else BLOCK
    for start in range(0, len(items), max(size, 1)):
        part = single[items[start : start + size]]
        if slope.any():
            bounds[start : start + size] += part @ slope - (part * part) @ bend
        if uncovered.any():
            bounds[start : start + size] += np.sqrt(part) @ uncovered
    return bounds * SLACK


def _gains(matrix: Matrix, items: np.ndarray, held: np.ndarray) -> np.ndarray:
    if not sparse.issparse(matrix):
        return np.sqrt(held + matrix[items]).sum(axis=1) - np.sqrt(held).sum()
    lengths = np.diff(matrix.indptr)[items]
    at = ranges(matrix.indptr[items].astype(np.int64), lengths)
    before = held[matrix.indices[at]]
    added = np.sqrt(before + matrix.data[at]) - np.sqrt(before)
    return np.bincount(np.repeat(np.arange(len(items)), lengths), added, len(items))
