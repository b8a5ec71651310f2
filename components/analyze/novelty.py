"""Where the window holds rows that the reference has nothing like, and whether they are one class."""

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 40
"""About each row, of both tables together."""

SMOOTH = 20
"""Rows of the window, nearest to a row and it included, over which its share is averaged."""

LINKS = 5
"""Nearest outliers that a row is tied to when outliers are gathered into clusters."""

DENSER = 1.5
"""Rows near a known row of a new class belong to it where the window is at least so many times denser."""

RANK = 3
"""A row of the reference or two may lie astray among those of a new class."""

TIMES = 4.0
"""Where the window is at least so many times denser than the reference, rows are outliers."""


@dataclass(frozen=True)
class Density:
    """How much denser the window is than the reference, about each row.

    Attributes:
        reference: float, one a row of the reference: 1 means as dense, 2 twice as dense.
        window: The same, one a row of the window.
    """

    reference: np.ndarray
    window: np.ndarray


@dataclass(frozen=True)
class Cluster:
    """Rows of the window that the reference has nothing like, and that are like each other.

    Attributes:
        rows: Their places in the window.
        outliers: All rows of the window that the reference has nothing like.
        cohesion: The share of the outliers that the cluster holds.
        expected: How many rows of the window would lie there if it were as the reference is.
    """

    rows: np.ndarray
    outliers: int
    cohesion: float
    expected: float


def density(reference: np.ndarray, window: np.ndarray) -> Density:
    """Compares two samples about each of their rows.

    Of the `NEIGHBOURS` rows that are nearest, in both samples together and without the row itself, the share
    that is of the window is what a nearest-neighbour classifier would tell (Schilling 1986, "Multivariate
    two-sample tests based on nearest neighbors"); its odds by those of the sizes are a density ratio. Shares
    are averaged over the nearest rows of the same sample. The whole window counts, so that a new class stands
    out by being gathered where the reference is not, though each of its rows may lie near one.

    Args:
        reference: (rows, directions).
        window: (rows, directions).

    Returns:
        Density ratios.

    >>> rng = np.random.default_rng(0)
    >>> window = np.vstack([rng.normal(size=(200, 2)), 9 + rng.normal(size=(50, 2))])
    >>> found = density(rng.normal(size=(300, 2)), window)
    >>> bool(found.window[200:].min() > 4 * found.window[:200].mean())
    True
    """
    n, m = len(reference), len(window)
    rows = np.vstack([reference, window])
    k, smooth = min(NEIGHBOURS, n + m - 1), min(SMOOTH, n, m)
    of_window = np.r_[np.zeros(n), np.ones(m)]
    share = of_window[_nearest(rows, k)].mean(axis=1)
    near_reference, near = (
        np.column_stack([np.arange(len(each)), _nearest(each, smooth - 1)]) for each in (reference, window)
    )
    return Density(_ratio(share[:n][near_reference], n, m, k), _ratio(share[n:][near], n, m, k))


def _nearest(rows: np.ndarray, count: int) -> np.ndarray:
    """The nearest other rows of each row."""
    if not count:
        return np.zeros((len(rows), 0), int)
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(rows)
    places: np.ndarray = found.kneighbors(return_distance=False)
    return places


def _ratio(shares: np.ndarray, n: int, m: int, k: int) -> np.ndarray:
    share = (shares.mean(axis=1) * k + 0.5) / (k + 1)  # never 0 or 1
    return share / (1 - share) * (n / m)


def cluster(found: Density, window: np.ndarray) -> Cluster:
    """Gathers the rows that the reference has nothing like, and keeps the largest group.

    Outliers are rows where the window is `TIMES` times denser. Each is tied to its `LINKS` nearest outliers;
    the largest group that hangs together is the cluster.

    Args:
        found: Density ratios.
        window: The points of the window.

    Returns:
        The cluster; without outliers an empty one.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    places = np.flatnonzero(found.window >= TIMES)
    expected = float((found.reference >= TIMES).mean() * len(window))
    if len(places) <= LINKS:
        return Cluster(places[:0], len(places), 0.0, expected)
    nearest = _nearest(window[places], LINKS)
    size = len(places)
    ties = coo_array(
        (np.ones(nearest.size), (np.repeat(np.arange(size), LINKS), nearest.ravel())), shape=(size, size)
    )
    _, part = connected_components(ties, directed=False)
    largest = part == np.bincount(part).argmax()
    return Cluster(places[largest], size, float(largest.mean()), expected)


def like(seeds: np.ndarray, found: Density, reference: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The rows of the window that are of one kind with some that are known to be of a new one.

    A row is, when a seed is nearer to it than the reference's row of rank `RANK`, and the window is
    denser there.

    Args:
        seeds: Places in the window of rows known to be of the new kind.
        found: Density ratios.
        reference: The points of the reference.
        window: The points of the window.

    Returns:
        Places in the window, the seeds among them.
    """
    from sklearn.neighbors import NearestNeighbors

    to_seed = NearestNeighbors(n_neighbors=1).fit(window[seeds]).kneighbors(window)[0][:, 0]
    known = NearestNeighbors(n_neighbors=min(RANK, len(reference))).fit(reference)
    to_reference = known.kneighbors(window)[0][:, -1]
    return np.union1d(seeds, np.flatnonzero((to_seed <= to_reference) & (found.window >= DENSER)))
