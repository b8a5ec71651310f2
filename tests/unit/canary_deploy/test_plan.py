"""Plans and evidence: plain JSON both ways, and checked on the way in."""

import copy
import json

import pytest

from adsmu.canary_deploy.plan import (
    Evidence,
    Labels,
    Look,
    Pairs,
    Plan,
    Served,
    Traffic,
    evidence_from_json,
    plan_from_json,
    to_json,
)
from adsmu.errors import BadInput

LOOK = Look(
    0.25,
    Traffic((10, 0), (1, 0), (2, 0)),
    Traffic((30, 5), (0, 0), (0, 5)),
    (Served(Labels((8, 0), (7, 0), (6, 0)), Labels((20, 5), (20, 4), (19, 3))),),
    Pairs((5, 6), (1, 2), (0, 3)),
)
EVIDENCE = Evidence(("a", "b"), (LOOK, Look(0.5, LOOK.canary, LOOK.champion)))


def test_evidence_survives_json():
    assert evidence_from_json(json.loads(json.dumps(to_json(EVIDENCE)))) == EVIDENCE


def test_a_plan_survives_json():
    plan = Plan(steps=(0.1, 1.0), margin=0.02, min_labels=7)
    assert plan_from_json(json.loads(json.dumps(to_json(plan)))) == plan


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("strata",), [], "column strata: must be a list of names, at least one"),
        (("strata",), ["a", "a"], "column strata: names a stratum twice"),
        (("looks",), {}, "column looks: must be a list"),
        (("looks", 0, "share"), 1.5, "row 1, column share: must be a number from 0 to 1, not 1.5"),
        (("looks", 0, "share"), float("nan"), "row 1, column share: must be a number from 0 to 1, not nan"),
        (("looks", 0, "share"), True, "row 1, column share: must be a number from 0 to 1, not True"),
        (("looks", 1, "canary", "requests"), [1], "row 2, column canary: requests must be 2 whole numbers"),
        (("looks", 1, "canary", "requests"), [1, -1], "row 2, column canary: requests must be 2 whole"),
        (("looks", 1, "canary", "requests"), [1, 2.0], "row 2, column canary: requests must be 2 whole"),
        (
            ("looks", 1, "champion", "slow"),
            [31, 0],
            "row 2, column champion: there are more slow than requests",
        ),
        (
            ("looks", 0, "labels", 0, "canary", "correct"),
            [8, 0],
            "row 1, column labels: there are more correct",
        ),
        (
            ("looks", 0, "labels", 0, "canary", "labelled"),
            [9, 0],
            "row 1, column labels: there are more labelled",
        ),
        (("looks", 0, "labels"), {}, "row 1, column labels: must be a list"),
        (("looks", 0, "shadow"), {"worse": [0, 0]}, "row 1, column shadow: must be a mapping with the keys"),
        (("looks", 0), [], "row 1: must be a mapping with the keys share, canary"),
    ],
)
def test_evidence_that_breaks_a_rule_is_refused_in_one_line(place, value, words):
    broken = copy.deepcopy(to_json(EVIDENCE))
    holder = broken
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    with pytest.raises(BadInput) as error:
        evidence_from_json(broken)
    assert str(error.value).startswith(words)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "a plan is a mapping of alpha"),
        ({"confidence": 0.95}, "a plan is a mapping of alpha"),
        ({"steps": 0.5}, "column steps: must be a list of numbers"),
        ({"proof": "hope"}, "column proof: must be one of live, shadow, limit"),
        ({"proof": "limit"}, "column min_accuracy: must be above 0"),
        ({"max_errors": 0}, "column max_errors: must be above 0"),
        ({"steps": [0.5, 0.5]}, "column steps: must be shares that rise"),
        ({"steps": [0.5, 1.1]}, "column steps: must be shares that rise"),
        ({"alpha": 0}, "column alpha: must be above 0"),
        ({"alpha": "5 %"}, "column alpha: must be a number"),
        ({"margin": float("nan")}, "column margin: must be a number"),
        ({"min_looks": 1.5}, "column min_looks: must be a number, for a count a whole one"),
        ({"min_labels": 0}, "column min_labels: must be 1 or more"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused_in_one_line(value, words):
    with pytest.raises(BadInput) as error:
        plan_from_json(value)
    assert str(error.value).startswith(words)


def test_a_whole_number_that_came_as_a_fraction_is_a_count():
    plan = plan_from_json({"min_labels": 5.0})
    assert (plan.min_labels, type(plan.min_labels)) == (5, int)
