"""What a user asks of a rollout, in one mapping."""

import pytest

from adsmu.canary_deploy.schedule import read_plan
from adsmu.errors import BadInput


def test_a_step_lasts_until_the_labels_of_its_first_look_are_due():
    plan, _ = read_plan({"look_seconds": 60, "label_seconds": 600, "settle_seconds": 10})
    assert plan.min_looks == 11
    assert read_plan({"look_seconds": 3, "label_seconds": 1, "settle_seconds": 1.5})[0].min_looks == 1
    assert read_plan({"min_looks": 2})[0].min_looks == 2


def test_an_ab_run_ends_with_its_last_look():
    plan, _ = read_plan({"strategy": "ab", "min_looks": 12})
    assert (plan.steps, plan.min_looks, plan.max_looks) == ((0.5,), 12, 12)


def test_a_first_deployment_is_held_to_its_offline_accuracy():
    plan, _ = read_plan({}, first=True, accuracy=0.91)
    assert (plan.proof, plan.min_accuracy, plan.steps) == ("limit", 0.91, (1.0,))
    assert read_plan({"min_accuracy": 0.8}, first=True, accuracy=0.91)[0].min_accuracy == 0.8


def test_what_a_plan_does_not_name_is_that_of_its_strategy():
    plan, schedule = read_plan({"strategy": "blue_green", "min_pairs": 50})
    assert (plan.proof, plan.min_pairs, schedule.strategy) == ("shadow", 50, "blue_green")


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ([], "plan: a plan is a mapping"),
        ({"stepps": [0.5]}, "plan, column stepps: unknown; there are"),
        ({"strategy": "hope"}, "plan, column strategy: 'hope' is not one of canary, shadow, ab, blue_green"),
        ({"look_seconds": 0}, "plan, column look_seconds: must be above 0"),
        ({"look_seconds": "1 min"}, "plan, column look_seconds: must be a number"),
        ({"max_unreadable": 1.5}, "plan, column max_unreadable: must be a number, for a count a whole one"),
        ({"approvals": "ramp"}, "plan, column approvals: must be a list of texts"),
        ({"approvals": ["lunch"]}, "plan, column approvals: 'lunch' is not one of ramp, promotion"),
        ({"steps": []}, "plan, column min_pairs: without steps there must be shadow pairs"),
        ({"margin": 2}, "plan, column margin: must be above 0 and below 1"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused_in_one_line(plan, words):
    with pytest.raises(BadInput) as refused:
        read_plan(plan)
    assert str(refused.value).startswith(words)
