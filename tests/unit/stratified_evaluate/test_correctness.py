"""Row by row: what counts as right."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.errors import BadInput
from adsmu.stratified_evaluate.correctness import mark
from adsmu.train.protocol import Predictions


def slots_right(gold: list[list[str]], predicted: list[list[str]]) -> list[bool]:
    names = ["x"] * len(gold)
    table = pa.table(
        {
            "tokens": pa.array([["w"] * len(row) for row in gold], pa.list_(pa.string())),
            "tags": pa.array(gold, pa.list_(pa.string())),
            "intent": names,
            "domain": names,
        }
    )
    return mark(table, Predictions(names, names, predicted))["slots"].tolist()


def spans(tags: list[str]) -> set[tuple[int, int, str]]:
    """The spans as conlleval reads them, one position after the other."""
    found, start = set(), None
    for place, tag in enumerate([*tags, "O"]):
        goes_on = start is not None and tag == f"I-{tags[start][2:]}"
        if start is not None and not goes_on:
            found.add((start, place, tags[start][2:]))
            start = None
        if tag != "O" and not goes_on:
            start = place
    return found


@pytest.mark.parametrize(
    ("gold", "predicted", "right"),
    [
        ("O B-a I-a", "O B-a I-a", True),
        ("O B-a I-a", "O I-a I-a", True),
        ("B-a B-a", "B-a I-a", False),
        ("B-a I-a", "B-a I-b", False),
        ("B-a O B-b", "B-a O I-b", True),
        ("B-a I-a O", "B-a I-a I-a", False),
        ("B-a I-a", "I-b I-a", False),
        ("O O", "O O", True),
    ],
)
def test_slots_are_right_when_the_spans_are(gold: str, predicted: str, right: bool) -> None:
    assert slots_right([gold.split()], [predicted.split()]) == [right]


def test_an_inside_tag_does_not_continue_the_row_before() -> None:
    assert slots_right([["O", "B-a"], ["B-a", "O"]], [["O", "B-a"], ["I-a", "O"]]) == [True, True]


TAGS = st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"])
ROWS = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=5), min_size=1, max_size=6)


@given(ROWS)
def test_many_rows_at_once_agree_with_one_span_after_the_other(rows: list[list[tuple[str, str]]]) -> None:
    gold = [[pair[0] for pair in row] for row in rows]
    predicted = [[pair[1] for pair in row] for row in rows]
    expected = [spans(a) == spans(b) for a, b in zip(gold, predicted, strict=True)]
    assert slots_right(gold, predicted) == expected


def test_a_frame_needs_all_three() -> None:
    table = pa.table({"tokens": [["w"]] * 4, "tags": [["B-a"]] * 4, "intent": ["i"] * 4, "domain": ["d"] * 4})
    tags = [["B-a"], ["B-a"], ["B-a"], ["O"]]
    marks = mark(table, Predictions(["d", "x", "d", "d"], ["i", "i", "x", "i"], tags))
    assert marks["frame"].tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("predicted", "words"),
    [
        ([["O"], ["O"]], "2 predictions for 1 rows"),
        ([["O", "O"]], "row 1, column tags: as many tags as tokens"),
        ([["NoLabel"]], "'NoLabel', which is no BIO tag"),
        ([["B-"]], "'B-', which is no BIO tag"),
        ([None], "predicted nothing for a row"),
        ([[3]], "predictions must be list"),
    ],
)
def test_a_trainer_that_predicts_something_else_is_refused(predicted: list[Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        slots_right([["O"]], predicted)
