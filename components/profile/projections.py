"""Projections: a number a row, computed from the whole row, that is profiled and watched like a column."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.imports import load


def project(table: pa.Table, path: str, name: str) -> pa.Array:
    """Computes a projection.

    Args:
        table: The rows.
        path: `package.module:function` of a function `f(table) -> array`.
        name: What it is called, for errors.

    Returns:
        One number a row, float64; null or NaN where there is none.

    Raises:
        BadInput: The path names nothing, or the function gives no such array.

    >>> rows = pa.table({"tokens": [["play", "it"], ["stop"]]})
    >>> project(rows, "adsmu.profile.projections:token_count", "length").to_pylist()
    [2.0, 1.0]
    """
    given = load(path, "projections")(table)
    given = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    try:
        made = (given if isinstance(given, pa.Array) else pa.array(np.asarray(given))).cast(pa.float64())
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise BadInput(f"gives no array of numbers: {error}", file=path, column=name) from error
    if len(made) != len(table):
        raise BadInput(f"gives {len(made)} numbers for {len(table)} rows", file=path, column=name)
    return made


def token_count(table: pa.Table) -> pa.ChunkedArray:
    """How many words the column `tokens` holds in each row."""
    return pc.list_value_length(table["tokens"])
