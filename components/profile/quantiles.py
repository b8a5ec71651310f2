"""A distribution of numbers in a few hundred knots, which can be merged with others of its kind."""

from dataclasses import dataclass

import numpy as np

KNOTS = 320
"""How many values a distribution keeps; as many distinct values, or fewer, are kept exactly."""
CELLS = 2**14
"""Of the histogram that stands in for a sort where there are many values."""
LEVELS = 3
"""Of histograms within cells of histograms; what is still unresolved then is sorted."""


@dataclass(frozen=True)
class Distribution:
    """Where weight lies on the line: at values, and evenly between neighbouring values.

    Of at most `KNOTS` distinct values nothing is lost. Of more, the smallest and the largest are kept, every
    value that alone has a hundredth of the weight, and others so that neither much weight nor a wide gap lies
    between two neighbours. F is exact at the values kept. Elsewhere it is off by less than the weight between
    two neighbours, at most 1.5 % of all; where density changes little nearby, by some 0.02 %. Merging adds
    the errors of the parts, each by its share of the weight, to its own.

    Attributes:
        values: float64, strictly increasing.
        at: The weight at each value.
        below: The weight strictly between each value and the one before it; first 0.
    """

    values: np.ndarray
    at: np.ndarray
    below: np.ndarray

    @property
    def weight(self) -> float:
        """All of the weight."""
        return float(self.at.sum() + self.below.sum())

    def up_to(self, x: np.ndarray) -> np.ndarray:
        """The weight at or below each of `x`."""
        return self._until(x, np.searchsorted(self.values, x, "right"))

    def under(self, x: np.ndarray) -> np.ndarray:
        """The weight strictly below each of `x`."""
        return self._until(x, np.searchsorted(self.values, x, "left"))

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """The value below which each share of the weight lies.

        Args:
            shares: From 0 to 1.

        Returns:
            One value each; NaN without weight.

        >>> distribution_of(np.arange(1.0, 101.0)).quantiles(np.array([0, 0.25, 1])).tolist()
        [1.0, 25.0, 100.0]
        """
        if not len(self.values):
            return np.full(np.shape(shares), np.nan)
        ends = np.cumsum(self.at + self.below)
        wanted = np.clip(shares, 0, 1) * ends[-1]
        place = np.minimum(np.searchsorted(ends, wanted * (1 - 1e-12), "left"), len(ends) - 1)
        begin = ends[place] - self.at[place] - self.below[place]
        gap = self.below[place]
        part = np.divide(wanted - begin, gap, out=np.ones(np.shape(wanted)), where=gap > 0)
        part = np.clip(part, 0, 1)
        return (1 - part) * self.values[np.maximum(place - 1, 0)] + part * self.values[place]

    def _until(self, x: np.ndarray, place: np.ndarray) -> np.ndarray:
        """The weight of the first `place` values and what lies between, and the part of the gap up to x."""
        if not len(self.values):
            return np.zeros(np.shape(x))
        ends = np.concatenate([[0.0], np.cumsum(self.at + self.below)])
        inside = np.clip(place, 1, len(self.values) - 1) if len(self.values) > 1 else np.zeros_like(place)
        low, high = self.values[inside - 1], self.values[inside]
        with np.errstate(over="ignore", invalid="ignore"):  # a gap may be wider than the largest number
            part = np.divide(x - low, high - low, out=np.zeros(np.shape(x)), where=high > low)
        partly = (place > 0) & (place < len(self.values))
        return ends[place] + np.where(partly, np.clip(np.nan_to_num(part), 0, 1) * self.below[inside], 0.0)


def distribution_of(x: np.ndarray, weights: np.ndarray | None = None) -> Distribution:
    """The distribution of finite numbers.

    Many values are counted in the cells of a histogram. Cells whose weight matters on its own (an atom, a
    spike, the tails) are looked at again: as one value, in a finer histogram, or sorted. F is exact at the
    edges of cells, and the whole takes a small part of the time of a sort.

    Args:
        x: float64, finite.
        weights: One a number; None: each counts 1.

    Returns:
        At most `KNOTS` values.
    """
    return compressed(_fine(x, weights, LEVELS))


def merged(one: Distribution, other: Distribution) -> Distribution:
    """The distribution of what both stand for.

    Args:
        one: A distribution.
        other: Another.

    Returns:
        At most `KNOTS` values.

    >>> both = merged(distribution_of(np.array([1.0, 2.0])), distribution_of(np.array([2.0, 5.0])))
    >>> both.values.tolist(), both.at.tolist()
    ([1.0, 2.0, 5.0], [1.0, 2.0, 1.0])
    """
    return compressed(_together(one, other))


def compressed(given: Distribution, knots: int = KNOTS) -> Distribution:
    """Keeps `knots` values and spreads the weight of the others between them.

    Kept are the ends, values of great weight, values at ranks (1 - cos πt) / 2, which lie closer at the
    tails, and both sides of steps of equal width, so that a gap stays a gap.

    Args:
        given: Any number of values.
        knots: How many to keep, at least 16.

    Returns:
        At most `knots` values.
    """
    values, count = given.values, len(given.values)
    if count <= knots:
        return given
    ends = np.cumsum(given.at + given.below)
    heavy = np.flatnonzero(given.at >= ends[-1] * 4 / knots)  # at most a quarter
    left = knots - len(heavy) - 2
    ranks = (1 - np.cos(np.linspace(0, np.pi, left // 2))) / 2 * ends[-1]
    part = np.linspace(0, 1, left // 4)
    steps = np.searchsorted(values, (1 - part) * values[0] + part * values[-1])
    chosen = np.concatenate([[0, count - 1], heavy, np.searchsorted(ends, ranks), steps, steps - 1])
    kept = np.unique(np.clip(chosen, 0, count - 1))
    between = np.diff(np.concatenate([[0.0], ends[kept]])) - given.at[kept]
    return Distribution(values[kept], given.at[kept], np.maximum(between, 0))


def _together(one: Distribution, other: Distribution) -> Distribution:
    values = np.union1d(one.values, other.values)
    at, below = np.zeros(len(values)), np.zeros(len(values))
    for part in (one, other):
        at[np.searchsorted(values, part.values)] += part.at
        below[1:] += np.maximum(part.under(values[1:]) - part.up_to(values[:-1]), 0)
    return Distribution(values, at, below)


def _fine(x: np.ndarray, weights: np.ndarray | None, levels: int) -> Distribution:
    if levels and len(x) > 4 * CELLS:
        low, high = np.quantile(x[:: len(x) // CELLS + 1], [0.001, 0.999])
        with np.errstate(over="ignore", divide="ignore"):
            scale = CELLS / (high - low)
        if 0 < scale < np.inf:
            return _counted(x, weights, low, scale, levels)
    if weights is None:
        values, at = np.unique(x, return_counts=True)
    else:
        values, place = np.unique(x, return_inverse=True)
        at = np.bincount(place, weights, len(values))
    return Distribution(values, at.astype(float), np.zeros(len(values)))


def _counted(
    x: np.ndarray, weights: np.ndarray | None, low: float, scale: float, levels: int
) -> Distribution:
    """Weight between the edges of cells, and a closer look at cells that matter on their own."""
    cell = (x - low) * scale
    cell += 1  # cell 0 is all that lies below, the last all that lies above
    cell = np.clip(cell, 0, CELLS + 1, out=cell).astype(np.intp)
    mass = np.bincount(cell, weights, CELLS + 2).astype(float)
    close = mass > mass.sum() / (4 * KNOTS)
    if np.count_nonzero(mass) <= KNOTS:
        close[:] = True
    close[[0, -1]] = True
    edges = low + np.arange(CELLS + 1) / scale
    below = np.where(close, 0.0, mass)
    needed = (below[:-1] > 0) | (below[1:] > 0)  # an edge with no weight on either side says nothing
    coarse = Distribution(edges[needed], np.zeros(np.count_nonzero(needed)), below[:-1][needed])
    chosen = np.flatnonzero(close[cell])
    x, cell = x[chosen], cell[chosen]
    weights = None if weights is None else weights[chosen]

    one = np.zeros(CELLS + 2)
    one[cell] = x
    mixed = np.zeros(CELLS + 2, dtype=bool)
    mixed[cell[one[cell] != x]] = True
    single = np.flatnonzero(close & ~mixed & (mass > 0))
    atoms = Distribution(one[single], mass[single], np.zeros(len(single)))
    rest = mixed[cell]
    finer = _fine(x[rest], None if weights is None else weights[rest], levels - 1)
    return _together(_together(coarse, atoms), compressed(finer, CELLS))
