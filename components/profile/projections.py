"""Projections: a number a row, computed from the whole row, that is profiled and watched like a column."""

import hashlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.imports import load
from adsmu.profile.columns import vectors
from adsmu.profile.observations import is_embedding, is_text, is_tokens


def project(table: pa.Table, path: str, name: str) -> pa.Array:
    """Computes a projection.

    Args:
        table: The rows.
        path: `package.module:function` of a function `f(table) -> array`, or
            `package.module:function:column` of a function `f(table, column) -> array`.
        name: What it is called, for errors.

    Returns:
        One number a row, float64; null or NaN where there is none.

    Raises:
        BadInput: The path names nothing, or the function gives no such array.

    >>> rows = pa.table({"tokens": [["play", "it"], ["stop"]]})
    >>> project(rows, "adsmu.profile.projections:token_count", "length").to_pylist()
    [2.0, 1.0]
    """
    module, function, *column = path.split(":")
    given = load(f"{module}:{function}", "projections")(table, *column)
    given = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    try:
        made = (given if isinstance(given, pa.Array) else pa.array(np.asarray(given))).cast(pa.float64())
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise BadInput(f"gives no array of numbers: {error}", file=path, column=name) from error
    if len(made) != len(table):
        raise BadInput(f"gives {len(made)} numbers for {len(table)} rows", file=path, column=name)
    return made


def token_count(table: pa.Table, column: str = "tokens") -> pa.Array:
    """How many words a column holds in each row: lists of words, or texts.

    >>> token_count(pa.table({"query": ["play  it", "", None]}), "query").to_pylist()
    [2, 0, None]
    """
    values = _words(table, column)
    return pc.list_value_length(values) if pa.types.is_list(values.type) else values


def word_length(table: pa.Table, column: str = "tokens") -> np.ndarray:
    """The mean number of characters of a row's words; NaN of a row without any.

    >>> word_length(pa.table({"query": ["play it", "", None]}), "query").tolist()
    [3.0, nan, nan]
    """
    values = _words(table, column)
    if not pa.types.is_list(values.type):
        return np.full(len(table), np.nan)
    rows = pc.list_parent_indices(values).to_numpy()
    characters = pc.fill_null(pc.utf8_length(pc.list_flatten(values)), 0).to_numpy()
    count, total = (np.bincount(rows, of, len(table)) for of in (None, characters))
    return np.divide(total, count, out=np.full(len(table), np.nan), where=count > 0)


def mean_value(table: pa.Table, column: str) -> np.ndarray:
    """The mean of a row's numbers: of an image, how bright it is. NaN of a row without any.

    >>> mean_value(pa.table({"image": [[0.0, 1.0], None, [0.5, 0.5]]}), "image").tolist()
    [0.5, nan, 0.5]
    """
    return _of_vectors(table, column, lambda vectors: vectors.mean(axis=1))


def random_direction(table: pa.Table, column: str) -> np.ndarray:
    """Where a row's vector lies along a direction that is drawn once for the column's name and length.

    A shift of the vectors shows in most directions as a shift of one number (Johnson and Lindenstrauss 1984,
    "Extensions of Lipschitz mappings into a Hilbert space").

    >>> one, twice, none = random_direction(pa.table({"v": [[3.0, 4.0], [6.0, 8.0], None]}), "v")
    >>> bool(twice == 2 * one), bool(np.isnan(none))
    (True, True)
    """

    def along(vectors: np.ndarray) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(column.encode()).digest()[:8])
        direction = np.random.default_rng([seed, vectors.shape[1]]).standard_normal(vectors.shape[1])
        return vectors @ (direction / np.linalg.norm(direction))

    return _of_vectors(table, column, along)


def _of_vectors(table: pa.Table, column: str, number: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A number of each row that has a vector; NaN of others, and where the column holds something else."""
    made = np.full(len(table), np.nan)
    if column in table.column_names and is_embedding(table.schema.field(column).type):
        known = pc.fill_null(pc.greater(pc.list_value_length(table[column]), 0), False)
        if pc.any(known).as_py():
            made[known.to_numpy()] = number(vectors(table[column].filter(known), column))
    return made


def _words(table: pa.Table, column: str) -> pa.Array:
    """The words of each row; nulls where the column is absent or holds something else, as a contract says."""
    if column not in table.column_names:
        return pa.nulls(len(table))
    values = table[column].combine_chunks()
    if is_tokens(values.type):
        return values.cast(pa.list_(pa.string()))
    if not is_text(values.type):
        return pa.nulls(len(table))
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    words = pc.utf8_split_whitespace(texts)
    empty = pa.array([[]], words.type)[0]
    return pc.if_else(pc.equal(texts, ""), empty, words)
