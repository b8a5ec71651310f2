"""What is asked for, in which order, and why."""

from adsmu.stratified_evaluate.requests import MOST, missed_values, requests


def stratum(shape, verdict, frame, rows=80, needed=None, conflict=()):
    return {
        "stratum_id": f"id-{shape}",
        "shape": shape,
        "intent": "Play",
        "verdict": verdict,
        "dev": {"rows": rows, "frame": frame},
        "rows_to_decide": needed,
        "conflict_with": list(conflict),
        "examples": [],
    }


def test_failing_strata_come_first_and_the_worst_of_them_before():
    strata = [
        stratum("a", "pass", 1.0),
        stratum("b", "undecided", 0.94, needed=700),
        stratum("c", "undecided", 0.98, needed=40),
        stratum("d", "fail", 0.8),
        stratum("e", "fail", 0.1),
        stratum("f", "give_up", 0.0, conflict=["x"]),
    ]
    asked = requests({"strata": strata})
    assert [entry["shape"] for entry in asked] == ["e", "d", "f", "c", "b"]
    assert [entry["rows"] for entry in asked] == [3, 3, 3, 40, 700]
    assert asked[0]["why"].startswith("72 of 80 development rows are wrong")
    assert "say which are right" in asked[2]["why"]


def test_no_more_than_a_few_are_asked_for():
    assert len(requests({"strata": [stratum(str(n), "fail", 0.5) for n in range(50)]})) == MOST


def test_nothing_is_asked_for_when_every_stratum_passes():
    assert requests({"strata": [stratum("a", "pass", 1.0)]}) == []


def test_a_value_with_other_borders_is_missed():
    example = {
        "tokens": ["play", "let", "it", "go"],
        "tags": ["O", "B-title", "I-title", "I-title"],
        "predicted_tags": ["O", "O", "B-title", "I-title"],
    }
    assert missed_values([example, example]) == [("title", "let it go")]
