"""Sheets of costs: what cadences cost, and from when on they pay."""

import pytest

from adsmu.errors import BadInput
from adsmu.value.sheet import compare, read_sheet


def sheet(tmp_path, text):
    (tmp_path / "costs.yaml").write_text(text)
    return read_sheet(tmp_path / "costs.yaml")


def test_less_retraining_at_equal_accuracy_saves_what_it_costs_less(tmp_path):
    cadences = "{daily: {per_week: 7, cost: 200, points: 85}, twice: {per_week: 2, cost: 200, points: 85}}"
    (change,) = compare(sheet(tmp_path, f"cadences: {cadences}"))
    assert change.costs_more == -1000
    assert f"{100 * change.share:.2f}" == "-71.43"
    assert change.words == "pays"


def test_more_retraining_pays_from_what_a_point_must_be_worth(tmp_path):
    cadences = "{once: {per_week: 1, cost: 200, points: 65}, twice: {per_week: 2, cost: 200, points: 85}}"
    (change,) = compare(sheet(tmp_path, f"point_week: 9.5\ncadences: {cadences}"))
    assert (change.costs_more, change.points, change.pays_from) == (200, 20, 10)
    assert change.words == "pays from 10.00 a point"
    assert change.gain == pytest.approx(-10)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ((1, 200, 85), "pays at any worth"),
        ((2, 200, 65), "costs the same"),
        ((3, 200, 65), "does not pay"),
        ((1, 200, 60), "pays up to 40.00 a point"),
        ((3, 200, 60), "pays at no worth"),
    ],
)
def test_each_kind_of_change_is_said_in_words(tmp_path, other, words):
    week, cost, points = other
    other = f"{{per_week: {week}, cost: {cost}, points: {points}}}"
    cadences = f"{{now: {{per_week: 2, cost: 200, points: 65}}, other: {other}}}"
    (change,) = compare(sheet(tmp_path, f"cadences: {cadences}"))
    assert change.words == words


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[]", "must be a mapping"),
        ("{}", "neither cadences nor a study"),
        ("cadences: {a: {per_week: 1, cost: 1, points: 1}}", "two cadences or more"),
        ("cadences: {a: {per_week: 1, cost: 1}, b: {}}", "column cadences.a.points: must be a number"),
        ("cadences: {a: 1, b: 2}", "column cadences.a: must be a mapping"),
        ("studies: {}", "column studies: unknown"),
        ("study: {retraining: 1, loss: 0, weekly: 7}", "study.loss: must be above 0"),
        ("study: {retraining: .inf, loss: 1, weekly: 7}", "study.retraining: must be a number"),
        ("study: {retraining: 1, loss: 1, weekly: 1.5}", "study.weekly: must be a whole number"),
        ("study: {retraining: yes, loss: 1, weekly: 7}", "study.retraining: must be a number"),
    ],
)
def test_a_sheet_that_breaks_a_rule_is_refused_with_the_key(tmp_path, text, rule):
    with pytest.raises(BadInput, match=rule):
        sheet(tmp_path, text)
