"""Numbers that stand for texts, so that millions of rows are compared without a string being made."""

import numpy as np
import pandas as pd

from adsmu.data.columns import Flat, Spans

_STEP = np.uint64(0x9E3779B97F4A7C15)  # odd, so that its powers never vanish modulo 2**64


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers `start, start + 1, ...` of every range, one range after the other.

    Args:
        starts: The first number of each range.
        lengths: How many numbers each range has.

    Returns:
        int64, as many as the lengths sum to.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    numbers = np.repeat(starts - (ends - lengths), lengths)
    numbers += np.arange(len(numbers))
    return numbers


def text_keys(flat: Flat) -> np.ndarray:
    """A key of each row's text, capitals folded: equal texts have equal keys, in whatever table they stand.

    Args:
        flat: The rows; none is empty.

    Returns:
        uint64, one a row. Two different texts share a key with probability 2**-64.
    """
    return _keys(_hashes(flat.words), flat.tokens, flat.offsets[:-1], np.diff(flat.offsets))


def value_keys(flat: Flat, found: Spans) -> np.ndarray:
    """A key of each span's slot and value, capitals folded.

    Args:
        flat: The rows.
        found: Their spans.

    Returns:
        uint64, one a span.
    """
    keys = _keys(_hashes(flat.words), flat.tokens, found.start, found.end - found.start)
    return keys * _STEP + _hashes(found.names)[found.slot]


def shape_keys(flat: Flat, found: Spans) -> np.ndarray:
    """A key of each row's shape: its words outside slots, capitals folded, and its slots in order.

    Args:
        flat: The rows; none is empty.
        found: Their spans.

    Returns:
        uint64, one a row.
    """
    words = _hashes(flat.words)[flat.tokens]
    keep = np.array([label == "O" for label in flat.labels], dtype=bool)[flat.tags]
    keep[found.start] = True
    words[found.start] = ~_hashes(found.names)[found.slot]
    offsets = np.concatenate([[0], np.cumsum(keep)])[flat.offsets]
    return _keys(words[keep], np.arange(offsets[-1]), offsets[:-1], np.diff(offsets))


def _hashes(words: np.ndarray) -> np.ndarray:
    folded = np.array([word.casefold() for word in words], dtype=object)
    return pd.util.hash_array(folded, categorize=False)


def _keys(hashes: np.ndarray, codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The polynomial of the hashes of each segment of codes, modulo 2**64."""
    keys = np.zeros(len(starts), np.uint64)
    power = np.ones(1, np.uint64)
    longer: np.ndarray = np.arange(len(starts))
    for place in range(int(lengths.max(initial=0))):
        longer = longer[lengths[longer] > place]
        power *= _STEP
        keys[longer] += hashes[codes[starts[longer] + place]] * power
    return keys
