"""Drawing rows so that the same rows are drawn again, with the weights that keep estimates unbiased."""

import numpy as np
import pandas as pd
import pyarrow as pa


def lots(ids: pa.ChunkedArray, seed: int) -> np.ndarray:
    """A number for each row, uniform from 0 to below 1, that depends on nothing but its id and the seed.

    SipHash of the id with the seed as key: another order, other rows beside it, or another version of a
    random generator change nothing.

    Args:
        ids: The ids.
        seed: 0 or more.

    >>> rows = pa.chunked_array([["a", "b", "c"]])
    >>> bool((lots(rows, 1) == lots(rows.take([2, 1, 0]), 1)[::-1]).all())
    True
    """
    values = np.asarray(ids.to_numpy(), dtype=object)
    return pd.util.hash_array(values, hash_key=f"{seed:016d}"[:16], categorize=False) / 2.0**64


def drawn(lot: np.ndarray, count: int) -> np.ndarray:
    """The places of the rows with the lowest lots: a simple random sample, in order of place."""
    return np.sort(np.argsort(lot, kind="stable")[:count])


def shared_out(sizes: np.ndarray, budget: int) -> np.ndarray:
    """Shares a budget out evenly over strata; what a small one cannot use goes to the others.

    No stratum is left without a row while the budget has one for each.

    Args:
        sizes: Rows of each stratum.
        budget: Rows in all.

    Returns:
        Rows to draw from each, summing to the budget or, when it is larger, to all rows.

    >>> shared_out(np.array([100, 3, 50]), 21).tolist()
    [9, 3, 9]
    """
    given = np.zeros(len(sizes), np.int64)
    left = int(min(budget, sizes.sum()))
    while left:
        room = np.flatnonzero(given < sizes)
        share = max(left // len(room), 1)
        for place in room[:left]:
            more = min(share, int(sizes[place] - given[place]), left)
            given[place] += more
            left -= more
    return given


def in_proportion(sizes: np.ndarray, shares: np.ndarray, budget: int) -> np.ndarray:
    """Shares a budget out in stated proportions, to the row (largest remainders).

    Args:
        sizes: Rows of each stratum.
        shares: The proportion wanted of each, summing to 1.
        budget: Rows in all; fewer are given when a stratum has too few for its share.

    Returns:
        Rows to draw from each: the largest total up to the budget that no stratum is too small for.

    >>> in_proportion(np.array([100, 100, 100]), np.array([0.5, 0.3, 0.2]), 10).tolist()
    [5, 3, 2]
    >>> in_proportion(np.array([100, 1, 100]), np.array([0.5, 0.3, 0.2]), 10).tolist()
    [2, 1, 1]
    """
    wanted = shares > 0
    total = min(budget, int((sizes[wanted] / shares[wanted] + 1).min()))
    while True:
        exact = shares * total
        given = np.floor(exact + 1e-9).astype(np.int64)
        first = np.argsort(-(exact - given), kind="stable")[: total - int(given.sum())]
        given[first] += 1
        if (given <= sizes).all():
            return given
        total -= 1
