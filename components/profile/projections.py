"""Projections: a number a row, computed from the whole row, that is profiled and watched like a column."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.imports import load
from adsmu.profile.observations import is_text, is_tokens


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
