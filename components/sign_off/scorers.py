"""What a model answers, and how good each answer is: bring other models by an import path."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.stratified_evaluate.correctness import mark
from adsmu.train.model import load_model
from adsmu.train.protocol import Predictions


class Scorer(Protocol):
    """Knows how to ask a model of a kind. Made with the import path of the models' trainer.

    Attributes:
        lower_is_better: The figures that are losses; all others are rates, better when higher.
    """

    lower_is_better: frozenset[str]

    def answer(self, model: Path, rows: pa.Table) -> list[Any]:
        """The model's answer to each row, as JSON; that to a row does not depend on the rows beside it."""
        ...

    def measure(self, rows: pa.Table, answers: list[Any]) -> dict[str, np.ndarray]:
        """How good each answer is, by figure: rates as 0 or 1 a row, losses as numbers of 0 or more."""
        ...


class Utterances:
    """Models of utterances: domain, intent, tags; their rows are utterance tables."""

    lower_is_better: frozenset[str] = frozenset()

    def __init__(self, trainer: str) -> None:
        self.trainer = trainer

    def answer(self, model: Path, rows: pa.Table) -> list[dict[str, Any]]:
        """Domain, intent and tags of each row."""
        if "tokens" not in rows.column_names:
            raise BadInput("missing", file="evaluation set", column="tokens")
        found = load_model(model, self.trainer).predict(rows["tokens"].to_pylist())
        both = zip(found.domain, found.intent, found.tags, strict=True)
        return [{"domain": domain, "intent": intent, "tags": tags} for domain, intent, tags in both]

    def measure(self, rows: pa.Table, answers: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Whether domain, intent, slots and frame are right."""
        parts = ([each[name] for each in answers] for name in ("domain", "intent", "tags"))
        return {name: right.astype(float) for name, right in mark(rows, Predictions(*parts)).items()}


def measure_labels(rows: pa.Table, answers: list[Any]) -> dict[str, np.ndarray]:
    """How good answers are where the column `label` holds what is right: a class, or a number.

    Args:
        rows: The rows.
        answers: A class or a number a row.

    Returns:
        `accuracy`, or `absolute_error` and `squared_error`.

    Raises:
        BadInput: There is no label in some row.

    >>> measure_labels(pa.table({"label": ["a", "b"]}), ["a", "a"])
    {'accuracy': array([1., 0.])}
    """
    if "label" not in rows.column_names or rows["label"].null_count:
        raise BadInput("must be known in each row", file="evaluation set", column="label")
    label = rows["label"].combine_chunks()
    if pa.types.is_floating(label.type) or pa.types.is_integer(label.type):
        error = np.abs(np.asarray(answers, dtype=float) - label.to_numpy().astype(float))
        return {"absolute_error": error, "squared_error": error**2}
    right = pc.equal(label.cast(pa.string()), pa.array(answers, pa.string()))
    return {"accuracy": right.to_numpy(zero_copy_only=False).astype(float)}
