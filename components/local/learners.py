"""The models that a played strategy retrains: two of scikit-learn, or a user's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from adsmu.errors import BadInput
from adsmu.profile.observations import features, is_embedding, is_numeric, is_text, is_tokens
from adsmu.strategy.watched import Columns

Answer = Callable[[pa.Table], tuple[np.ndarray, np.ndarray | None]]
"""Gives the prediction of each row and, of classes, how sure it is."""

Train = Callable[[pa.Table, Columns, int], Answer]
"""Learns from labelled observations; the columns say what they are, the number makes it reproducible."""


def train(rows: pa.Table, columns: Columns, seed: int) -> Answer:
    """Trains what fits the columns: of text a logistic regression, else gradient-boosted trees.

    Args:
        rows: Labelled observations.
        columns: The strategy's columns.
        seed: Of the trees.

    Returns:
        The model.

    Raises:
        BadInput: No column can be learnt from.
    """
    chosen = columns.chosen(features(rows))
    for name in chosen:
        if name not in rows.column_names:
            raise BadInput("the column is missing", file="observations", column=name)
    label = np.array(rows["label"].to_pylist())
    words = [name for name in chosen if name in columns.text or is_tokens(rows.schema.field(name).type)]
    if words:
        # So weak a penalty leaves the classes of short texts apart: there are few rows of each.
        model = LogisticRegression(C=20, max_iter=1000)
        text = make_pipeline(TfidfVectorizer(tokenizer=str.split, token_pattern=None), model)
        return _classes(text.fit(_texts(rows, words), label), lambda table: _texts(table, words))
    known = {name: _values(rows, name) for name in chosen if _usable(rows.schema.field(name).type)}
    if not known:
        raise BadInput("no column holds numbers, categories or text: name a --model", file="observations")
    categories = {name: pd.unique(each.dropna()) for name, each in known.items() if each.dtype == object}

    def frame(table: pa.Table) -> pd.DataFrame:
        made = {name: _values(table, name) for name in known}
        return pd.DataFrame(
            {
                name: pd.Categorical(each, categories=categories[name]) if name in categories else each
                for name, each in made.items()
            }
        )

    if columns.task == "regression":
        regressor = HistGradientBoostingRegressor(random_state=seed, early_stopping=False)
        regressor.fit(frame(rows), label.astype(float))
        return lambda table: (regressor.predict(frame(table)), None)
    classifier = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
    return _classes(classifier.fit(frame(rows), label), frame)


def _classes(model: Any, taken: Callable[[pa.Table], Any]) -> Answer:
    def answer(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        chance = model.predict_proba(taken(table))
        return model.classes_[chance.argmax(axis=1)], chance.max(axis=1)

    return answer


def _texts(table: pa.Table, words: list[str]) -> list[str]:
    columns = [
        [" ".join(each) if isinstance(each, list) else each or "" for each in table[name].to_pylist()]
        for name in words
    ]
    return [" ".join(parts) for parts in zip(*columns, strict=True)]


def _usable(type_: pa.DataType) -> bool:
    return (is_numeric(type_) or is_text(type_)) and not is_embedding(type_)


def _values(table: pa.Table, name: str) -> pd.Series:
    if is_text(table.schema.field(name).type):
        return pd.Series(table[name].to_pylist(), dtype=object)
    return pd.Series(table[name].cast(pa.float64()).to_numpy())
