"""Verdicts of strata and rounds."""

from typing import Any

import pytest

from adsmu.stratified_evaluate.gate import Rule, conditions, judge_round, judge_stratum, next_round
from adsmu.stratified_evaluate.intervals import clopper_pearson

RULE = Rule(target=0.95, margin=0.02, confidence=0.95, patience=2, max_rounds=3)


def judge(
    right: int,
    rows: int,
    *,
    round: int = 1,
    history: list[float] | None = None,
    conflicts: list[str] | None = None,
    before: str | None = None,
) -> tuple[str, str]:
    low, high = (float(bound) for bound in clopper_pearson(right, rows, RULE.confidence))
    rate = {"rows": rows, "low": low, "high": high}
    now = [right / rows] if rows else []
    return judge_stratum(RULE, round, rate, 12, [*(history or []), *now], conflicts or [], before)


def test_a_stratum_passes_when_its_lower_bound_clears_the_target() -> None:
    assert judge(80, 80) == ("pass", "at least 95.5 %")
    assert (judge(72, 72)[0], judge(71, 71)[0]) == ("pass", "undecided")


def test_a_stratum_of_sixty_right_rows_is_undecided_and_says_how_many_would_decide() -> None:
    assert judge(60, 60) == ("undecided", "94.0 % to 100.0 %; 12 more rows at this rate would decide")


def test_a_stratum_fails_when_its_upper_bound_lies_below_the_target() -> None:
    assert judge(30, 60)[0] == "fail"


def test_a_declared_stratum_without_rows_fails() -> None:
    assert judge(0, 0) == ("fail", "no development rows: a declared stratum must be measured")


@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        ([], "fail"),
        ([0.5], "fail"),
        ([0.5, 0.5], "give_up"),
        ([0.6, 0.55], "give_up"),
        ([0.2, 0.4], "fail"),
        ([0.2, 0.5], "fail"),
        ([0.0, 0.5, 0.4], "give_up"),
    ],
)
def test_a_failing_stratum_is_given_up_after_two_rounds_without_a_rise(
    history: list[float], verdict: str
) -> None:
    assert judge(30, 60, round=len(history), history=history)[0] == verdict


def test_a_label_conflict_is_given_up_after_a_round_of_training() -> None:
    assert judge(30, 60, round=0, conflicts=["remind me to {todo}"])[0] == "fail"
    assert judge(30, 60, round=1, history=[0.1], conflicts=["remind me to {todo}"]) == (
        "give_up",
        "label conflict with remind me to {todo}",
    )


def test_a_label_conflict_that_does_not_fail_is_no_reason_to_give_up() -> None:
    assert judge(60, 60, conflicts=["x"])[0] == "undecided"


def test_what_was_given_up_stays_so_until_it_passes() -> None:
    assert judge(30, 60, history=[0.1, 0.2], before="label conflict with x") == (
        "give_up",
        "label conflict with x",
    )
    assert judge(60, 60, history=[0.1, 0.2], before="label conflict with x")[0] == "give_up"
    assert judge(80, 80, history=[0.1, 0.2], before="label conflict with x")[0] == "pass"


def evaluation(**changes: Any) -> dict[str, Any]:
    """An evaluation that passes, with changes: a key with dots names what to change."""
    scores = {"mean": 0.98, "low": 0.96, "high": 0.99}
    found: dict[str, Any] = {
        "round": 1,
        "max_rounds": 3,
        "gate": {"target": 0.95, "margin": 0.02, "confidence": 0.95, "patience": 2, "measured_on": "test"},
        "splits": {"dev": dict(scores), "test": dict(scores)},
        "existing": {
            "frame": 0.93,
            "champion": 0.93,
            "difference_low": -0.01,
            "difference_high": 0.01,
            "intents": [{"intent": "play", "harmed": False}],
        },
        "strata": [{"shape": f"shape {i}", "verdict": "undecided", "p_harm": 1.0} for i in range(20)],
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        at: Any = found
        for key in way:
            at = at[int(key)] if isinstance(at, list) else at[key]
        at[last] = value
    return found


def test_all_conditions_together_are_a_pass() -> None:
    verdict, reasons = judge_round(evaluation())
    assert verdict == "pass" and len(reasons) == 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"splits__test__low": 0.949}, "mean over strata on real held-out rows"),
        ({"strata__4__verdict": "fail"}, "strata that fail: 1 (shape 4)"),
        ({f"strata__{i}__verdict": "give_up" for i in range(3)}, "strata given up: 3"),
        ({"existing__difference_low": -0.021}, "the lower bound must not lie below -2.0"),
        ({"existing__intents__0__harmed": True}, "existing intents harmed: 1 (play)"),
        ({"strata__2__p_harm": 0.01}, "strata harmed: 1 (shape 2)"),
        ({"gate__measured_on": "dev", "splits__test__high": 0.9}, "the strata that have real held-out rows"),
        ({"gate__measured_on": "dev", "splits__dev__low": 0.9}, "mean over strata on development rows"),
    ],
)
def test_each_condition_by_itself_stops_a_pass(changes: dict[str, Any], words: str) -> None:
    verdict, reasons = judge_round(evaluation(**changes))
    assert verdict == "refine"
    assert len(reasons) == 1 and words in reasons[0]
    verdict, reasons = judge_round(evaluation(**changes, round=3))
    assert verdict == "exhausted" and reasons[0] == "round 3 was the last allowed"


def test_a_tenth_of_the_strata_may_be_given_up() -> None:
    assert judge_round(evaluation(strata__0__verdict="give_up", strata__1__verdict="give_up"))[0] == "pass"


def test_undecided_strata_do_not_stop_a_pass() -> None:
    assert {stratum["verdict"] for stratum in evaluation()["strata"]} == {"undecided"}
    assert judge_round(evaluation())[0] == "pass"


def test_a_champion_is_not_compared_with_itself() -> None:
    alone = evaluation(existing__champion=None, existing__difference_low=None)
    assert len(conditions(alone)) == 3 and judge_round(alone)[0] == "pass"


def test_without_held_out_rows_the_development_rows_decide() -> None:
    assert judge_round(evaluation(gate__measured_on="dev", splits__test=None))[0] == "pass"


def test_a_scout_does_not_pass_whatever_it_reaches() -> None:
    verdict, reasons = judge_round(evaluation(mode="scout"))
    assert verdict == "refine" and "a scout" in reasons[0]
    assert judge_round(evaluation(mode="scout", round=3))[0] == "exhausted"


def test_a_scout_that_needs_no_more_data_calls_for_the_last_round() -> None:
    assert next_round(evaluation(mode="scout", max_rounds=5)) == 5
    # What it cost existing use cases is no reason for more data: a scout saw few of their rows.
    assert next_round(evaluation(mode="scout", max_rounds=5, existing__difference_low=-0.2)) == 5


def test_rounds_follow_one_another_while_data_is_lacking_or_models_are_whole() -> None:
    assert next_round(evaluation(mode="scout", max_rounds=5, strata__0__verdict="fail")) == 2
    assert next_round(evaluation(mode="warm", max_rounds=5)) == 2
