"""Rows as vectors of length one: what similarity and the probe model are computed on."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from adsmu.errors import BadInput
from adsmu.profile.observations import features, is_embedding, is_numeric, is_text, is_tokens
from adsmu.strategy import Columns


def vectors(table: pa.Table, columns: Columns) -> sparse.csr_matrix:
    """Turns the features of observations into one vector a row.

    Vectors stand as they are; text and words become TF-IDF of words and pairs of words; categories become
    one column a value; numbers are standardised. Each kind has length one by itself, then all of a row
    together.

    Args:
        table: Observations.
        columns: Says which columns count, and which are text.

    Returns:
        float64, rows x features; no row is longer than one.

    Raises:
        BadInput: There is no column to make vectors of.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler, normalize

    names = [name for name in columns.features or features(table) if name not in columns.ignore]
    parts, numbers, categories = [], [], []
    for name in names:
        if name not in table.column_names:
            raise BadInput("the column is missing", file="observations", column=name)
        column = table[name].combine_chunks()
        if is_embedding(column.type):
            parts.append(np.nan_to_num(np.array(column.to_pylist(), dtype=float)))
        elif is_tokens(column.type) or name in columns.text:
            texts = column if name in columns.text else pc.binary_join(column, " ")
            words = TfidfVectorizer(
                ngram_range=(1, 2), sublinear_tf=True, tokenizer=str.split, token_pattern=None
            )
            parts.append(words.fit_transform(pc.fill_null(texts, "").to_pylist()))
        elif is_text(column.type):
            categories.append(pc.fill_null(column.cast(pa.string()), "").to_pylist())
        elif is_numeric(column.type):
            numbers.append(np.nan_to_num(column.cast(pa.float64()).to_numpy(zero_copy_only=False)))
    if numbers:
        parts.append(StandardScaler().fit_transform(np.column_stack(numbers)))
    if categories:
        parts.append(OneHotEncoder().fit_transform(np.array(categories, dtype=object).T))
    if not parts:
        raise BadInput("no column to tell rows apart by", file="observations")
    return normalize(sparse.hstack([normalize(sparse.csr_matrix(part)) for part in parts], format="csr"))


def _words_and_pairs(text: str) -> list[str]:
    """The words of a text, and each pair of neighbours."""
    words = text.lower().split()
    return words + [f"{first} {second}" for first, second in pairwise(words)]
