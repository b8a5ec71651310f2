"""Which rows of a pool are taken."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from adsmu.data.columns import Flat, flatten, spans
from adsmu.errors import BadInput
from adsmu.synthesize.greedy import lazy_greedy
from adsmu.synthesize.keys import ranges, value_keys

MANY_VALUES = 20  # a slot with fewer values is not balanced: its few values must recur
PASSES = 32  # at most, over the strata


@dataclass(frozen=True)
class Pool:
    """Rows to select from.

    Attributes:
        rows: Utterance rows; those of one stratum stand together.
        offsets: int64, strata + 1: stratum i has the rows `offsets[i]` to `offsets[i + 1] - 1`.
        wanted: int64, how many rows each stratum is to get; it gets all that it has when these are fewer.
        present: Rows that are there already, on the same side (training or development).
        open_slots: The slots with at least `MANY_VALUES` values.
    """

    rows: pa.Table
    offsets: np.ndarray
    wanted: np.ndarray
    present: pa.Table
    open_slots: frozenset[str]


Selection = Callable[[Pool, np.random.Generator], np.ndarray]


def random(pool: Pool, dice: np.random.Generator) -> np.ndarray:
    """Takes rows of each stratum at random.

    Args:
        pool: The rows.
        dice: The randomness.

    Returns:
        int64, the rows taken, ascending.
    """
    sizes = np.diff(pool.offsets)
    order = np.lexsort((dice.random(len(pool.rows)), np.repeat(np.arange(len(sizes)), sizes)))
    taken = order[ranges(pool.offsets[:-1], np.minimum(pool.wanted, sizes))]
    return np.sort(taken)


def balanced(pool: Pool, dice: np.random.Generator) -> np.ndarray:
    """Takes rows so that the values of open slots are used equally often.

    Passes go over the strata; each takes of each stratum the unused rows whose (slot, value) pairs were used
    least, by their sum; the counts are shared over the strata and start with the rows that are present. A
    pass takes one row of a stratum, or as many as it needs to end within `PASSES` passes. Equals by chance.

    Args and returns as `random`.
    """
    pairs, row_offsets, used = _pairs(pool)
    sizes = np.diff(pool.offsets)
    wanted = np.minimum(pool.wanted, sizes)
    passes = min(PASSES, int(wanted.max(initial=0)))
    free = np.ones(len(pool.rows), dtype=bool)
    free[ranges(pool.offsets[:-1], np.where(wanted == sizes, sizes, 0))] = False
    np.add.at(used, pairs[ranges(row_offsets[:-1], np.diff(row_offsets) * ~free)], 1)
    choosing = np.flatnonzero(wanted < sizes).tolist()
    left = {stratum: _side_by_side(pool, stratum, pairs, row_offsets, len(used)) for stratum in choosing}
    used = np.append(used, 0)  # what pads a row that has fewer pairs than others
    for number in range(passes):
        for stratum in dice.permutation(choosing):
            step = _part(wanted[stratum], passes, number)
            if not step:
                continue
            rows, of_rows = left[stratum]
            cost = dice.random(len(rows))
            for column in of_rows:
                cost += used.take(column)
            taken = np.argpartition(cost, step - 1)[:step]
            free[rows[taken]] = False
            np.add.at(used, of_rows[:, taken], 1)
            used[-1] = 0
            cost[taken] = -1
            stay = np.flatnonzero(cost >= 0)
            left[stratum] = rows.take(stay), of_rows.take(stay, axis=1)
    return np.flatnonzero(~free)


def submodular(pool: Pool, dice: np.random.Generator) -> np.ndarray:
    """Takes the rows that cover most word and word-pair features, by `lazy_greedy`, stratum after stratum.

    What the rows taken for earlier strata cover counts for the later ones. Rows that are present do not.

    Args and returns as `random`; nothing here is random.
    """
    features = ngrams(flatten(pool.rows))
    covered = np.zeros(features.shape[1])
    taken = []
    for start, end, wanted in zip(pool.offsets[:-1], pool.offsets[1:], pool.wanted, strict=True):
        part = features[start:end]
        picks = lazy_greedy(part, min(wanted, end - start), covered)
        covered += np.asarray(part[picks].sum(axis=0)).ravel()
        taken.append(start + np.sort(picks))
    return np.concatenate([np.zeros(0, np.int64), *taken])


SELECTIONS: dict[str, Selection] = {"balanced": balanced, "submodular": submodular, "random": random}


def find_selection(name: str) -> Selection:
    """The selection of a name.

    Args:
        name: A key of `SELECTIONS`.

    Returns:
        The selection.

    Raises:
        BadInput: There is none of this name.
    """
    if name not in SELECTIONS:
        raise BadInput(f"no selection {name!r}; there are {', '.join(SELECTIONS)}", file="selection")
    return SELECTIONS[name]


def ngrams(flat: Flat) -> sparse.csr_array:
    """Counts the words and the pairs of neighbouring words of each row, capitals folded.

    Args:
        flat: The rows.

    Returns:
        Float counts, rows by features.
    """
    _, folded = np.unique(np.array([word.casefold() for word in flat.words], dtype=str), return_inverse=True)
    words = folded[flat.tokens].astype(np.int64)
    rows = flat.rows
    inner = np.flatnonzero(rows[1:] == rows[:-1])
    size = int(folded.max(initial=0)) + 1
    pairs = size + words[inner] * size + words[inner + 1]
    _, column = np.unique(np.concatenate([words, pairs]), return_inverse=True)
    shape = (len(flat.offsets) - 1, int(column.max(initial=-1)) + 1)
    where = (np.concatenate([rows, rows[inner]]), column)
    return sparse.coo_array((np.ones(len(column)), where), shape=shape).tocsr()


def _pairs(pool: Pool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the (slot, value) pairs of open slots, row after row, each row's first, and their counts."""
    keys = []
    for table in (pool.rows, pool.present):
        flat = flatten(table)
        found = spans(flat)
        is_open = np.array([name in pool.open_slots for name in found.names], dtype=bool)[found.slot]
        keys.append((value_keys(flat, found)[is_open], found.row[is_open]))
    (ours, row), (theirs, _) = keys
    pairs, distinct = pd.factorize(np.concatenate([ours, theirs]))
    used = np.bincount(pairs[len(ours) :], minlength=len(distinct)).astype(float)
    return pairs[: len(ours)], np.searchsorted(row, np.arange(len(pool.rows) + 1)), used


def _side_by_side(
    pool: Pool, stratum: int, pairs: np.ndarray, row_offsets: np.ndarray, padding: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a stratum, and their pairs, a column a row: short ones are padded."""
    rows = np.arange(pool.offsets[stratum], pool.offsets[stratum + 1])
    lengths = row_offsets[rows + 1] - row_offsets[rows]
    padded = np.full((len(rows), lengths.max()), padding)
    padded[np.arange(lengths.max()) < lengths[:, None]] = pairs[
        row_offsets[rows[0]] : row_offsets[rows[-1] + 1]
    ]
    return rows, np.ascontiguousarray(padded.T)


def _part(total: int, parts: int, number: int) -> int:
    """How many of `total` things fall into part `number` of `parts` equal ones, early parts first."""
    return -(-total // parts) if number < total % parts else total // parts
