"""Behavioural tests: what must hold, and what may stand in their file."""

from pathlib import Path

import pytest

from adsmu.errors import BadInput
from adsmu.sign_off.pairs import Pair, read_pairs


@pytest.mark.parametrize(
    ("holds", "kept"),
    [("same", [False, True, False]), ("up", [False, False, True]), ("down", [True, False, False]),
     ("not_up", [True, True, False]), ("not_down", [False, True, True])],
)  # fmt: skip
def test_what_holds_when_an_answer_falls_stays_or_rises(holds, kept):
    pair = Pair("test", {}, {}, holds)
    assert [pair.kept(2.0, changed) for changed in (1.0, 2.0, 3.0)] == kept


def test_numbers_are_the_same_within_what_is_allowed():
    assert Pair("test", {}, {}, "same", within=0.5).kept(2.0, 2.4)
    assert not Pair("test", {}, {}, "same", within=0.5).kept(2.0, 2.6)
    assert not Pair("test", {}, {}, "up", within=0.5).kept(2.0, 2.4)
    assert Pair("test", {}, {}, "not_up", within=0.5).kept(2.0, 2.4)


def test_a_part_of_an_answer_is_looked_at():
    pair = Pair("city", {}, {}, "same", at="intent")
    assert pair.kept({"intent": "Fly", "tags": ["B-city"]}, {"intent": "Fly", "tags": ["O"]})
    with pytest.raises(BadInput, match="no 'intent'"):
        pair.kept({"tags": []}, {"tags": []})


def test_a_direction_needs_numbers():
    with pytest.raises(BadInput, match="'Fly' is no number, so it cannot go up"):
        Pair("test", {}, {}, "up").kept("Fly", "Fly")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("{", "row 1: not JSON"),
        ("[]", "must be an object"),
        ('{"test": "a", "input": {}, "changed": {}, "holds": "more"}', "column holds: must be one of"),
        ('{"test": "", "input": {}, "changed": {}, "holds": "up"}', "column test: must be text"),
        ('{"test": "a", "input": [], "changed": {}, "holds": "up"}', "column input: must be an object"),
        ('{"test": "a", "input": {}, "holds": "up"}', "column changed: must be an object"),
        ('{"test": "a", "input": {}, "holds": "equals"}', "column value: must be given"),
        (
            '{"test": "a", "input": {}, "changed": {}, "value": 1, "holds": "up"}',
            "column value: must be given",
        ),
        ('{"test": "a", "input": {}, "changed": {}, "holds": "up", "within": -1}', "column within"),
        ('{"test": "a", "input": {}, "changed": {}, "holds": "up", "by": 1}', "column by: unknown"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(tmp_path, line, rule):
    (tmp_path / "pairs.jsonl").write_text(line + "\n")
    with pytest.raises(BadInput, match=rule):
        read_pairs(tmp_path / "pairs.jsonl")


def test_a_pair_is_written_as_it_was_read(tmp_path):
    text = '{"test": "a", "input": {"x": 1}, "holds": "equals", "value": null, "at": "b"}'
    (tmp_path / "pairs.jsonl").write_text(text)
    (pair,) = read_pairs(tmp_path / "pairs.jsonl")
    assert pair.as_json() == {"test": "a", "input": {"x": 1}, "holds": "equals", "value": None, "at": "b"}


def test_the_example_holds_expectations_and_invariances():
    pairs = read_pairs(Path(__file__).parents[3] / "examples" / "pairs.jsonl")
    assert {pair.kind for pair in pairs} == {"expectation", "invariance"}
    assert all(pair.input["tokens"] and pair.at in ("intent", "tags") for pair in pairs)
