"""Rows as vectors of length one: what similarity and the probe are computed on."""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.profile.columns import vectors as column_vectors
from adsmu.profile.observations import features, is_embedding, is_numeric, is_text, is_tokens
from adsmu.profile.projections import project
from adsmu.strategy import Columns

DIRECTIONS = 100
"""Of a text: with few labels a probe learns more from these than from the words themselves."""
CATEGORIES = 200
"""Values of a category that are told apart, the most frequent: a column of names would fill all memory."""


def vectors(table: pa.Table, columns: Columns) -> np.ndarray:
    """Turns the features of observations into one vector a row.

    Vectors stand as they are; a text is the first directions of the singular value decomposition of its
    weighted words and pairs of words (Deerwester et al. 1990, "Indexing by latent semantic analysis");
    categories become one column a value; numbers are standardised, one that is missing is taken for the mean.
    A projection of the strategy is a number. Each kind has length one by itself, then all of a row together.

    Args:
        table: Observations.
        columns: Says which columns count, and which are text.

    Returns:
        float64 of shape (rows, directions); each row has length one, or zero where nothing is known of it.

    Raises:
        BadInput: There is no column to make vectors of.
    """
    from sklearn.preprocessing import OneHotEncoder, StandardScaler, normalize

    parts, numbers, categories = [], [], []
    for name in columns.chosen(features(table)):
        if name not in table.column_names:
            raise BadInput("the column is missing", file="observations", column=name)
        column = table[name].combine_chunks()
        if is_embedding(column.type):
            parts.append(_given(table[name], name))
        elif is_tokens(column.type):
            parts.append(_meaning(pc.binary_join(column, " ")))
        elif name in columns.text:
            parts.append(_meaning(column))
        elif is_text(column.type):
            categories.append(pc.fill_null(column.cast(pa.string()), "").to_pylist())
        elif is_numeric(column.type):
            numbers.append(_number(column))
    numbers += [_number(project(table, path, name)) for name, path in columns.projections.items()]
    if numbers:
        parts.append(StandardScaler().fit_transform(np.column_stack(numbers)))
    if categories:
        one_hot = OneHotEncoder(
            sparse_output=False, max_categories=CATEGORIES, handle_unknown="infrequent_if_exist"
        )
        parts.append(one_hot.fit_transform(np.array(categories, dtype=object).T))
    if not parts:
        raise BadInput("no column to tell rows apart by", file="observations")
    made: np.ndarray = normalize(np.hstack([normalize(part) for part in parts]))
    return made


def _given(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Vectors as they are; 0 where one, or a number of one, is missing."""
    known = column.is_valid().to_numpy()
    if not known.any():
        return np.zeros((len(column), 1))
    there = column_vectors(column.drop_null(), name)
    made = np.zeros((len(column), there.shape[1]))
    made[known] = np.where(np.isfinite(there), there, 0.0)
    return made


def _number(column: pa.Array) -> np.ndarray:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    good = np.isfinite(values)
    return np.where(good, values, values[good].mean() if good.any() else 0.0)


def _meaning(texts: Any) -> np.ndarray:
    """The directions of texts."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, analyzer=_words_and_pairs)
    known = pc.fill_null(texts, "").to_pylist()
    if not any(_words_and_pairs(text) for text in known):
        return np.zeros((len(known), 1))
    weighted = words.fit_transform(known)
    directions = min(DIRECTIONS, *weighted.shape)
    return np.asarray(TruncatedSVD(directions, random_state=0).fit_transform(weighted))


def _words_and_pairs(text: str) -> list[str]:
    """The words of a text, and each pair of neighbours."""
    words = text.lower().split()
    return words + [f"{first} {second}" for first, second in pairwise(words)]
