"""Rows as points of one space, whatever their columns hold."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.profile.observations import is_embedding, is_numeric, is_text, is_tokens

DIMENSIONS = 50
"""Of a text or a vector; neighbours in more dimensions are further apart and no better."""

WIDE = 10.0
"""The variance of a text or a vector, in columns: it tells more than one number does."""

CATEGORIES = 30
"""The most frequent values of a category that are told apart."""


def points(
    reference: pa.Table, window: pa.Table, columns: Sequence[str], text: Sequence[str], seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Places the rows of two tables in one space, in which distances mean something.

    A number is standardised; a category is one axis a value; a text is the first principal directions of its
    weighted words, a vector those of its numbers. Each number or category has variance 1, each text or vector
    `WIDE`. Scales and directions are those of both tables together, so that neither is favoured.

    Args:
        reference: Rows.
        window: Rows with the same columns.
        columns: The columns to use; times, and columns without any value, are passed over.
        text: Columns of strings that are text, not categories.
        seed: Of the decomposition.

    Returns:
        float32 of shape (rows, directions), for the reference and for the window.

    Raises:
        BadInput: No column is left, or vectors of a column differ in length.

    >>> a, b = pa.table({"x": [0.0, 2.0]}), pa.table({"x": [4.0, 6.0]})
    >>> [[round(float(x), 2) for x in side.ravel()] for side in points(a, b, ["x"], [])]
    [[-1.34, -0.45], [0.45, 1.34]]
    """
    both = pa.concat_tables(
        [t.select(list(columns)) for t in (reference, window)], promote_options="permissive"
    )
    blocks = []
    for name in columns:
        column, type_ = both[name], both.schema.field(name).type
        if column.null_count == len(column) or pa.types.is_temporal(type_):
            continue
        if is_numeric(type_):
            blocks.append(_scaled(_number(column)[:, None], 1.0))
        elif is_tokens(type_) or name in text:
            blocks.append(_scaled(_words(column, seed), WIDE))
        elif is_text(type_):
            blocks.append(_scaled(_one_hot(column), 1.0))
        elif is_embedding(type_):
            blocks.append(_scaled(_principal(vectors(column, name)), WIDE))
    if not blocks:
        raise BadInput("no column to compare is left", file="window")
    made = np.hstack(blocks).astype(np.float32)
    return made[: len(reference)], made[len(reference) :]


def vectors(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """The vectors of a column as one array; a missing vector, or number, is NaN.

    Args:
        column: Lists of numbers, all of one length.
        name: Its name, for the error.

    Returns:
        float of shape (rows, length).

    Raises:
        BadInput: Their lengths differ.
    """
    flat = column.combine_chunks()
    there = pc.is_valid(flat).to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(flat).drop_null().to_numpy()
    if (lengths != lengths[:1]).any():
        row = np.flatnonzero(there)[np.argmax(lengths != lengths[0])]
        raise BadInput("vectors of a column must be of one length", row=int(row) + 1, column=name)
    made = np.full((len(flat), int(lengths[0]) if len(lengths) else 0), np.nan)
    if not made.size:
        return made
    made[there] = pc.list_flatten(flat).to_numpy(zero_copy_only=False).reshape(-1, made.shape[1])
    return made


def words(column: pa.ChunkedArray) -> list[str]:
    """The texts of a column; lists of words are joined, missing ones are empty."""
    values = column.to_pylist()
    return [" ".join(value) if isinstance(value, list) else value or "" for value in values]


def _number(column: pa.ChunkedArray) -> np.ndarray:
    values = column.cast(pa.float64()).to_numpy()
    good = np.isfinite(values)
    return np.where(good, values, values[good].mean() if good.any() else 0.0)


def _one_hot(column: pa.ChunkedArray) -> np.ndarray:
    values = column.fill_null("").to_pandas().astype(str)
    kept = values.value_counts().index[:CATEGORIES]
    return np.asarray(values.to_numpy()[:, None] == kept.to_numpy()[None, :], float)


def _words(column: pa.ChunkedArray, seed: int) -> np.ndarray:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = words(column)
    try:
        table = TfidfVectorizer(min_df=2, sublinear_tf=True, token_pattern=r"\S+").fit_transform(texts)  # noqa: S106
    except ValueError:  # not a word stands in two rows
        return np.zeros((len(texts), 1))
    size = min(DIMENSIONS, table.shape[1] - 1)
    return TruncatedSVD(size, random_state=seed).fit_transform(table) if size else table.toarray()


def _principal(values: np.ndarray) -> np.ndarray:
    centre = np.nanmean(np.where(np.isfinite(values), values, np.nan), axis=0)
    values = np.where(np.isfinite(values), values, centre) - centre
    variances, directions = np.linalg.eigh(values.T @ values / len(values))
    return values @ directions[:, np.argsort(-variances)[:DIMENSIONS]]


def _scaled(block: np.ndarray, variance: float) -> np.ndarray:
    total = block.var(axis=0).sum()
    return (block - block.mean(axis=0)) * np.sqrt(variance / total) if total > 0 else block * 0
