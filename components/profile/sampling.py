"""Which observations are kept, and for how many each of them stands."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput


def sample(
    table: pa.Table, share: float, *, by: str | None = None, floor: int = 1, seed: int = 0
) -> pa.Table:
    """Keeps a share of observations, and multiplies their weights by one over the chance of being kept.

    Which rows are kept follows from their ids alone, so a program that runs again keeps the same. Weighted
    totals are unbiased (Horvitz and Thompson 1952, "A generalization of sampling without replacement from a
    finite universe").

    Args:
        table: Checked observations.
        share: Of the rows, above 0 and at most 1.
        by: A column whose every value is a stratum, null too: of each the share is kept exactly, rounded,
            and at least `floor` rows where it has them. None: each row is kept by chance.
        floor: Rows of a stratum, at least 1.
        seed: Of the chance.

    Returns:
        The rows kept, in order.

    Raises:
        BadInput: The share or the floor is out of range, or there is no such column.

    >>> from adsmu.profile.observations import observations
    >>> kinds, now = ["common"] * 98 + ["rare"] * 2, pd.Timestamp(2026, 1, 1, tz="UTC")
    >>> rows = pa.table({"id": [str(row) for row in range(100)], "time": [now] * 100, "kind": kinds})
    >>> kept = sample(observations(rows), 0.1, by="kind")
    >>> sorted(zip(kept["kind"].to_pylist(), kept["weight"].to_pylist()))[-2:]
    [('common', 9.8), ('rare', 2.0)]
    """
    if not 0 < share <= 1:
        raise BadInput(f"a share above 0 and at most 1 is needed, not {share}", file="share")
    if floor < 1:
        raise BadInput(f"at least 1 row of a stratum is needed, not {floor}", file="floor")
    chance = _chances(table["id"], seed)
    if by is None:
        kept, weights = chance < share, np.full(len(table), 1 / share)
    elif by not in table.column_names:
        raise BadInput("there is no such column", file="by", column=by)
    else:
        kept, weights = _of_strata(
            pd.factorize(table[by].to_pandas(), use_na_sentinel=False)[0], chance, share, floor
        )
    weights = weights * table["weight"].to_numpy()
    place = table.column_names.index("weight")
    return table.set_column(place, "weight", pa.array(weights)).filter(pa.array(kept))


def _of_strata(
    stratum: np.ndarray, chance: np.ndarray, share: float, floor: int
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.bincount(stratum) if len(stratum) else np.zeros(0, int)
    wanted = np.minimum(rows, np.maximum(floor, np.rint(share * rows))).astype(int)
    order = np.lexsort((chance, stratum))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(rows) - rows, rows)
    kept = np.zeros(len(stratum), dtype=bool)
    kept[order] = rank < wanted[stratum[order]]
    return kept, (rows / np.maximum(wanted, 1))[stratum]


def _chances(ids: pa.ChunkedArray, seed: int) -> np.ndarray:
    """A number from 0 to 1 for each id, the same in every process."""
    text = pc.binary_join_element_wise(ids, str(seed), "/").to_numpy()
    return np.asarray(pd.util.hash_array(text, categorize=False) / 2.0**64)
