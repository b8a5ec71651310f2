"""Right or wrong, row by row: domain, intent, slots and frame."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.columns import list_codes
from adsmu.errors import BadInput
from adsmu.train.protocol import Predictions

FIGURES = ("domain", "intent", "slots", "frame")
Marks = dict[str, np.ndarray]
"""For each of `FIGURES` one bool a row."""


def mark(table: pa.Table, predictions: Predictions) -> Marks:
    """Marks each row of a table as right or wrong.

    Slots are right when the row's spans are, exactly: the same slots at the same first and last tokens.
    Tags are read as conlleval reads them (Tjong Kim Sang and Buchholz 2000, "Introduction to the CoNLL-2000
    Shared Task: Chunking"): an I- that follows no tag of its own slot begins a span, just as a B- does.
    The frame is right when domain, intent and slots all are.

    Args:
        table: Utterance rows.
        predictions: One prediction a row.

    Returns:
        The marks.

    Raises:
        BadInput: There are more or fewer predictions than rows or tokens, or a tag is not BIO.

    >>> rows = {"tokens": [["call", "ann"]], "tags": [["O", "B-name"]], "intent": ["call"], "domain": ["tel"]}
    >>> marks = mark(pa.table(rows), Predictions(domain=["tel"], intent=["text"], tags=[["O", "I-name"]]))
    >>> {figure: right.tolist() for figure, right in marks.items()}
    {'domain': [True], 'intent': [False], 'slots': [True], 'frame': [False]}
    """
    for what, given in (
        ("domain", predictions.domain),
        ("intent", predictions.intent),
        ("tags", predictions.tags),
    ):
        if len(given) != len(table):
            raise BadInput(f"{len(given)} predictions for {len(table)} rows", file="trainer", column=what)
    marks = {
        "domain": _equal(table["domain"], predictions.domain, "domain"),
        "intent": _equal(table["intent"], predictions.intent, "intent"),
        "slots": _spans_equal(table["tags"], predictions.tags),
    }
    return marks | {"frame": marks["domain"] & marks["intent"] & marks["slots"]}


def _column(predicted: Any, type: pa.DataType, what: str) -> pa.ChunkedArray:
    try:
        column = pa.chunked_array([pa.array(predicted, type)])
    except (pa.ArrowException, TypeError) as error:
        raise BadInput(f"predictions must be {type}: {error}", file="trainer", column=what) from error
    if column.null_count:
        raise BadInput("predicted nothing for a row", file="trainer", column=what)
    return column


def _equal(column: pa.ChunkedArray, predicted: list[str], what: str) -> np.ndarray:
    right = pc.equal(column.cast(pa.string()), _column(predicted, pa.string(), what))
    return right.to_numpy().astype(bool)


def _spans_equal(column: pa.ChunkedArray, predicted: list[list[str]]) -> np.ndarray:
    lengths, gold, gold_labels = list_codes(column)
    lengths_predicted, tags, labels = list_codes(_column(predicted, pa.list_(pa.string()), "tags"))
    if not np.array_equal(lengths, lengths_predicted):
        row = int(np.flatnonzero(lengths != lengths_predicted)[0])
        raise BadInput("as many tags as tokens must be predicted", file="trainer", row=row + 1, column="tags")
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    names = {name: code for code, name in enumerate({tag[2:] for tag in [*gold_labels, *labels]})}
    first = np.zeros(len(gold), dtype=bool)
    first[offsets[:-1][lengths > 0]] = True
    wrong = _canonical(gold, gold_labels, names, first) != _canonical(tags, labels, names, first)
    before = np.concatenate([[0], np.cumsum(wrong)])
    return before[offsets[1:]] == before[offsets[:-1]]


def _canonical(tags: np.ndarray, labels: np.ndarray, names: dict[str, int], first: np.ndarray) -> np.ndarray:
    """One code a position: 0 outside, odd where a span begins, even where it goes on.

    Two rows hold the same spans exactly when their codes are equal.
    """
    for label in labels:
        if label != "O" and (label[:2] not in ("B-", "I-") or len(label) < 3):
            raise BadInput(f"predicted {label!r}, which is no BIO tag", file="trainer", column="tags")
    slot = np.array([0 if label == "O" else 1 + names[label[2:]] for label in labels], dtype=np.int32)[tags]
    begins = np.array([label.startswith("B-") for label in labels], dtype=bool)[tags]
    begins |= first | np.concatenate([[True], slot[1:] != slot[:-1]])[: len(slot)]
    return np.where(slot > 0, 2 * slot - begins, 0)
