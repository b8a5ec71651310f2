"""Rows of integer codes, one after the other, and their grouping by equality."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no power of it is 0 modulo 2^64


@dataclass(frozen=True)
class Sequences:
    """Rows of codes of any length, laid flat.

    Attributes:
        codes: One integer a position.
        offsets: int64, rows + 1. Row i holds positions `offsets[i]` to `offsets[i + 1] - 1`.
    """

    codes: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def where(self, kept: np.ndarray) -> "Sequences":
        """The same rows without some of their positions.

        Args:
            kept: bool, one a position.

        Returns:
            The shorter rows.
        """
        before = np.zeros(len(kept) + 1, np.int32)
        np.cumsum(kept, dtype=np.int32, out=before[1:])
        return Sequences(self.codes[kept], before[self.offsets].astype(np.int64))

    def take(self, rows: np.ndarray) -> "Sequences":
        """Some of the rows, in the order asked for.

        Args:
            rows: Row numbers.

        Returns:
            Those rows.
        """
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        shift = np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Sequences(self.codes[np.arange(offsets[-1]) + shift], offsets)


def fingerprints(rows: Sequences, values: np.ndarray) -> np.ndarray:
    """A polynomial hash of every row, modulo 2^64, by Horner's rule.

    Args:
        rows: The rows.
        values: uint64, well spread, one for each code.

    Returns:
        uint64, one a row; 0 for a row without positions. Equal rows have equal ones.
    """
    hashes = np.zeros(len(rows), np.uint64)
    for longer, at in _columns(rows.offsets):
        hashes[longer] = hashes[longer] * _BASE + values[rows.codes[at]]
    return hashes


def _columns(offsets: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For the first position, the second, ...: the rows that have it, and where it is."""
    lengths = np.diff(offsets)
    longer: np.ndarray = np.arange(len(lengths))
    for place in range(int(lengths.max(initial=0))):
        longer = longer[lengths[longer] > place]
        yield longer, offsets[longer] + place


def spread(values: np.ndarray) -> np.ndarray:
    """Maps integers one to one to integers that look random.

    The finaliser of splitmix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014).

    Args:
        values: Integers.

    Returns:
        uint64.
    """
    mixed = values.astype(np.uint64) + _BASE
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def group(rows: Sequences, hashes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Groups equal rows.

    Rows are brought together by hash and then compared with the first row of their group, so a collision
    costs another pass and never joins two different rows.

    Args:
        rows: The rows.
        hashes: One a row, equal for equal rows, where they are known already.

    Returns:
        The group of each row, and the first row of each group (int64 both).

    >>> of_row, first = group(Sequences(np.array([5, 6, 7, 5, 6]), np.array([0, 2, 3, 5, 5])))
    >>> of_row.tolist(), first.tolist()
    ([0, 1, 0, 2], [0, 1, 3])
    """
    if hashes is None:
        largest = int(rows.codes.max(initial=0))
        hashes = fingerprints(rows, spread(np.arange(largest + 1)))
    of_row = np.empty(len(rows), np.int64)
    firsts: list[np.ndarray] = []
    left, known = np.arange(len(rows)), 0
    while len(left):
        found, _ = pd.factorize(hashes[left])
        first = np.empty(found.max() + 1, np.int64)
        first[found[::-1]] = left[::-1]
        same = _equal(rows, left, first[found])
        of_row[left[same]] = known + found[same]
        firsts.append(first)
        known += len(first)
        left = left[~same]
    return of_row, np.concatenate(firsts) if firsts else np.empty(0, np.int64)


def _equal(rows: Sequences, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Whether row `left[i]` equals row `right[i]`."""
    lengths = np.diff(rows.offsets)
    same = lengths[left] == lengths[right]
    places = np.flatnonzero(same & (left != right))
    one, other, length = rows.offsets[left[places]], rows.offsets[right[places]], lengths[left[places]]
    for place in range(int(length.max(initial=0))):
        kept = length > place
        if not kept.all():
            places, one, other, length = places[kept], one[kept], other[kept], length[kept]
        same[places[rows.codes[one + place] != rows.codes[other + place]]] = False
    return same
