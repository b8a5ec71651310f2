"""Token and tag columns as flat integer codes, so that work over millions of rows stays in NumPy."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Flat:
    """The tokens and tags of a table, one after the other.

    Attributes:
        offsets: int64, rows + 1. Row i holds positions `offsets[i]` to `offsets[i + 1] - 1`.
        tokens: int32, one code a position, an index into `words`.
        tags: int32, one code a position, an index into `labels`.
        words: The distinct tokens.
        labels: The distinct tags.
    """

    offsets: np.ndarray
    tokens: np.ndarray
    tags: np.ndarray
    words: np.ndarray
    labels: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """The row of each position (int64)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def flatten(table: pa.Table) -> Flat:
    """Lays the tokens and tags of a table flat.

    Args:
        table: Rows with `tokens` and `tags` of equal length.

    Returns:
        Their codes.

    >>> table = pa.table({"tokens": [["play", "moana"], ["stop"]], "tags": [["O", "B-title"], ["O"]]})
    >>> flat = flatten(table)
    >>> flat.words[flat.tokens].tolist(), flat.labels[flat.tags].tolist(), flat.offsets.tolist()
    (['play', 'moana', 'stop'], ['O', 'B-title', 'O'], [0, 2, 3])
    """
    lengths, tokens, words = list_codes(table["tokens"])
    _, tags, labels = list_codes(table["tags"])
    return Flat(np.concatenate([[0], np.cumsum(lengths)]), tokens, tags, words, labels)


def list_codes(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One list column as codes.

    Args:
        column: Lists of strings, none of them null. A null string in a list counts as an empty one.

    Returns:
        The length of each list (int64), one code for each position (int32), and the distinct strings.

    >>> lengths, codes, words = list_codes(pa.chunked_array([[["play", "moana"], ["play"]]]))
    >>> lengths.tolist(), codes.tolist(), words.tolist()
    ([2, 1], [0, 1, 0], ['play', 'moana'])
    """
    lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
    values = pc.list_flatten(column)
    if values.null_count:
        values = pc.fill_null(values, "")
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    encoded = values.combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # combine_chunks keeps an empty column chunked
        encoded = pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    words = np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    return lengths, encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), words


def list_column(values: np.ndarray, codes: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """The inverse of `flatten` for one column.

    Args:
        values: The distinct strings.
        codes: One index into `values` for each position.
        offsets: rows + 1 positions.

    Returns:
        A `list<string>` array.

    >>> list_column(np.array(["play", "stop"]), np.array([0, 1, 1]), np.array([0, 1, 3])).to_pylist()
    [['play'], ['stop', 'stop']]
    """
    strings = pa.array(values, pa.string()).take(pa.array(codes))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), strings)


@dataclass(frozen=True)
class Spans:
    """The slots of a table, in order of position.

    Attributes:
        row: int64, the row that each slot stands in.
        start: int64, its first flat position.
        end: int64, one past its last flat position.
        slot: int32, its name, an index into `names`.
        names: The distinct slot names.
    """

    row: np.ndarray
    start: np.ndarray
    end: np.ndarray
    slot: np.ndarray
    names: np.ndarray


def spans(flat: Flat) -> Spans:
    """Finds the BIO spans of every row at once.

    Args:
        flat: Codes of rows whose tags are valid BIO.

    Returns:
        The spans.

    >>> tags = ["O", "B-title", "I-title", "I-title"]
    >>> table = pa.table({"tokens": [["play", "let", "it", "go"]], "tags": [tags]})
    >>> found = spans(flatten(table))
    >>> found.names[found.slot].tolist(), found.start.tolist(), found.end.tolist()
    (['title'], [1], [4])
    """
    names, of_label = np.unique([label[2:] for label in flat.labels] or [""], return_inverse=True)
    begins = np.array([label.startswith("B-") for label in flat.labels], dtype=bool)
    inside = np.array([label.startswith("I-") for label in flat.labels], dtype=bool)
    start = np.flatnonzero(begins[flat.tags])
    # A span ends with the run of I- tags behind it: at the last of them that the next one does not follow.
    within = np.flatnonzero(inside[flat.tags])
    last = np.append(within[np.flatnonzero(np.diff(within, append=-1) != 1)], len(flat.tags))
    follows = np.append(inside[flat.tags[start[start + 1 < len(flat.tags)] + 1]], False)[: len(start)]
    row_of = np.searchsorted(flat.offsets, start, side="right") - 1
    end = np.where(follows, last[np.searchsorted(last, start + 1)] + 1, start + 1)
    end = np.minimum(end, flat.offsets[row_of + 1])
    return Spans(row_of, start, end, of_label[flat.tags[start]].astype(np.int32), names.astype(object))
