"""Suspected values: found where they are wrong, and seldom where none is."""

import numpy as np
import pyarrow as pa

from adsmu.stratified_evaluate.suspects import suspects


def said(chances, each=20, seed=0, length=1):
    """Rows of one slot whose values are missed with these chances, and what was predicted."""
    dice = np.random.default_rng(seed)
    rows, told = [], []
    for number, chance in enumerate(chances):
        for _ in range(each):
            words = [f"v{number}"] * length
            tags = ["O", "B-x", *["I-x"] * (length - 1)]
            rows.append({"tokens": ["go", *words], "tags": tags, "split": "dev"})
            told.append(tags if dice.random() >= chance else ["O"] * (1 + length))
    return pa.Table.from_pylist(rows), told


def found(*arguments, **more):
    return [entry["value"] for entry in suspects(*said(*arguments, **more), 0.95)]


def test_a_value_that_is_always_missed_is_found_among_values_that_are_often_missed():
    assert found([0.3] * 40 + [1.0]) == ["v40"]


def test_without_a_bad_value_seldom_any_is_named():
    named = [bool(found([0.6] * 40, seed=seed)) for seed in range(200)]
    assert np.mean(named) <= 0.08  # 5 % and three standard errors of 200 runs


def test_one_row_is_no_evidence():
    assert not found([0.0] * 40 + [1.0], each=1)


def test_a_span_that_is_too_long_or_of_another_slot_is_missed():
    rows = [{"tokens": ["a", "b", "c"], "tags": ["B-x", "O", "O"], "split": "dev"}] * 8
    rows += [{"tokens": ["d", "b", "c"], "tags": ["B-x", "O", "O"], "split": "dev"}] * 60
    for wrong in (["B-x", "I-x", "O"], ["B-y", "O", "O"], ["O", "B-x", "O"]):
        told = [wrong] * 8 + [["B-x", "O", "O"]] * 60
        assert [entry["value"] for entry in suspects(pa.Table.from_pylist(rows), told, 0.95)] == ["a"]


def test_a_span_at_the_end_of_a_row_does_not_go_on_into_the_next():
    rows = [
        {"tokens": ["a"], "tags": ["B-x"], "split": "dev"},
        {"tokens": ["b"], "tags": ["B-x"], "split": "dev"},
    ]
    found = suspects(pa.Table.from_pylist(rows * 30), [["B-x"], ["I-x"]] * 30, 0.95)
    assert [entry["value"] for entry in found] == ["b"]


def test_rows_without_slots_have_no_suspects():
    rows = pa.Table.from_pylist([{"tokens": ["stop"], "tags": ["O"], "split": "dev"}])
    assert suspects(rows, [["O"]], 0.95) == []
