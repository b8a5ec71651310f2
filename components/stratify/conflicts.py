"""Label conflicts: the same sentence under other tags, which no data can repair."""

from itertools import combinations

import numpy as np
import pandas as pd

from adsmu.data.columns import Flat
from adsmu.stratify.sequences import Sequences, group
from adsmu.stratify.shapes import Marks, Shapes

MOST_OPENED = 3  # slots of a row that are shown as plain words at once, at most


def conflicts(
    flat: Flat, found: Marks, shapes: Shapes, text: np.ndarray, intent: np.ndarray, stratum: np.ndarray
) -> set[tuple[int, int]]:
    """Finds the strata whose delexicalised twin carries other tags.

    Two strata conflict when a row of one and a row of the other have the same text; or when a row of one,
    some of its slots shown as the plain words they hold, has the exact shape of a row of the other with the
    same intent (`remind me to {todo}`, with remind tagged as a slot and as a plain word). At most the first
    `MOST_OPENED` slots of a row that could be plain words are shown so.

    Args:
        flat: Codes of the rows.
        found: Their marks.
        shapes: Their exact shapes.
        text: The group of each row by text.
        intent: The intent of each row, as a code.
        stratum: The stratum of each row, as a code; -1 for none.

    Returns:
        Pairs of different strata, each pair both ways round.
    """
    rows = np.flatnonzero(stratum >= 0)
    repeated = rows[np.bincount(text[rows])[text[rows]] > 1]
    same_text = _keyed(text[repeated], stratum[repeated])
    pairs = set(_different(same_text, same_text))

    plain = Sequences(found.shape, found.offsets).take(shapes.first)
    plain = plain.where(plain.codes >= 0)
    seen = plain.take(np.unique(shapes.of_row[rows])).codes
    shown, variants = _opened(flat, found, rows, seen[seen < found.words])
    of_variant, _ = group(_stack(plain, variants))
    declared = of_variant[: len(shapes.first)]
    intents = int(intent.max(initial=0)) + 1
    known = _keyed(declared[shapes.of_row[rows]] * intents + intent[rows], stratum[rows])
    opened = _keyed(of_variant[len(declared) :] * intents + intent[shown], stratum[shown])
    pairs.update(_different(opened, known))
    return pairs | {(other, one) for one, other in pairs}


def _keyed(key: np.ndarray, stratum: np.ndarray) -> pd.DataFrame:
    """The distinct pairs of a key and a stratum."""
    strata = int(stratum.max(initial=0)) + 1
    pairs = np.unique(key * strata + stratum)
    return pd.DataFrame({"key": pairs // strata, "stratum": pairs % strata})


def _different(left: pd.DataFrame, right: pd.DataFrame) -> list[tuple[int, int]]:
    met = left.merge(right, on="key")
    met = met[met["stratum_x"] != met["stratum_y"]]
    return list(zip(met["stratum_x"].tolist(), met["stratum_y"].tolist(), strict=True))


def _opened(flat: Flat, found: Marks, rows: np.ndarray, carriers: np.ndarray) -> tuple[np.ndarray, Sequences]:
    """The rows with some slots shown as words: the row that each variant comes from, and the variants."""
    starts = np.flatnonzero(found.shape >= found.words)
    owner = np.searchsorted(flat.offsets, starts, side="right") - 1
    whole = np.zeros(len(flat.offsets) - 1, dtype=bool)
    whole[rows] = True
    possible = whole[owner]
    # Only a slot whose words all stand outside of slots somewhere can be part of another row's carrier.
    is_carrier = np.zeros(len(found.names), dtype=bool)
    is_carrier[carriers] = True
    outside = np.array([label == "O" for label in flat.labels], dtype=bool)
    inside = np.flatnonzero(~outside[flat.tags])
    word = found.word[inside]
    strange = inside[(word >= 0) & ~is_carrier[word]]
    possible[np.searchsorted(starts, strange, side="right") - 1] = False
    owners = owner[possible]
    if not len(owners):
        return np.empty(0, np.int64), Sequences(np.empty(0, np.int32), np.zeros(1, np.int64))
    change = np.flatnonzero(np.diff(owners, prepend=-1))
    counts = np.diff(np.append(change, len(owners)))
    ordinal = np.full(len(starts), -1)
    ordinal[possible] = np.arange(len(owners)) - np.repeat(change, counts)

    candidates = np.unique(owners)
    positions = Sequences(np.arange(len(found.shape)), found.offsets)
    sources, parts = [], []
    most = min(MOST_OPENED, int(counts.max()))
    for size in range(1, most + 1):
        for chosen in combinations(range(most), size):
            of = candidates[counts > chosen[-1]]
            at = positions.take(of)
            in_slot = ~outside[flat.tags[at.codes]]
            slot = np.searchsorted(starts, at.codes, side="right") - 1
            plain = in_slot & np.isin(ordinal[np.where(in_slot, slot, 0)], chosen)
            codes = np.where(plain, found.word[at.codes], found.shape[at.codes])
            parts.append(Sequences(codes, at.offsets).where(codes >= 0))
            sources.append(of)
    return np.concatenate(sources), _stack(*parts)


def _stack(*parts: Sequences) -> Sequences:
    sizes = np.cumsum([0, *(len(part.codes) for part in parts)])
    offsets = [part.offsets[:-1] + size for part, size in zip(parts, sizes[:-1], strict=True)]
    return Sequences(np.concatenate([part.codes for part in parts]), np.concatenate([*offsets, sizes[-1:]]))
