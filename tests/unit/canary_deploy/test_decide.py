"""What a rollout does next, and that anyone can recompute it."""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.canary_deploy.decide import Action, decide, findings
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
from adsmu.canary_deploy.state import COVERAGE, SPLIT, WEIGHTS, Observed, after, begin, observed, update
from adsmu.errors import BadInput

STRATA = ("flight", "hotel", "train")
PLAN = Plan()


def a_look(share, right=(0.9, 0.9, 0.9), errors=0, slow=0, requests=600, coverage=1.0, seen=None):
    """A look with exactly the expected counts; `right` is the canary's accuracy."""

    def of(arm, rates, failed, late, labelled):
        traffic = Traffic((arm,) * 3, (failed,) * 3, (late,) * 3)
        covered = round(labelled * arm)
        return traffic, Labels((arm,) * 3, (covered,) * 3, tuple(round(covered * rate) for rate in rates))

    canary = round(requests * (share if seen is None else seen))
    (ours, our_labels), (theirs, their_labels) = (
        of(canary, right, errors, slow, coverage),
        of(requests - canary, (0.9,) * 3, 0, 0, 1.0),
    )
    return Look(share, ours, theirs, (Served(our_labels, their_labels),))


def evidence(*looks):
    return Evidence(STRATA, looks)


RAMP = tuple(a_look(share) for share in (0.05, 0.05, 0.1, 0.25))


UNLABELLED = tuple(replace(look, labels=()) for look in RAMP)


def test_without_evidence_it_holds():
    assert decide(PLAN, evidence()).action == "hold"


def test_a_canary_that_nothing_speaks_against_is_advanced():
    decision = decide(PLAN, evidence(*RAMP[:2]))
    assert (decision.action, decision.reasons) == ("advance", ("nothing speaks against a share of 0.1",))


def test_a_step_needs_the_requests_and_looks_that_the_plan_asks_for():
    decision = decide(replace(PLAN, min_looks=3), evidence(a_look(0.05)))
    assert decision.action == "hold"
    assert decision.reasons == (
        "looks at this share: 1 of 3",
        "requests to the canary at this share: 90 of 100",
    )


def test_all_the_traffic_is_given_only_after_the_proof():
    unproven = evidence(*UNLABELLED, a_look(0.5, requests=40))
    assert decide(replace(PLAN, min_requests=20), unproven).action == "hold"
    assert decide(PLAN, evidence(*RAMP, a_look(0.5))).action == "advance"


def test_a_proven_canary_is_promoted_from_the_last_step():
    decision = decide(PLAN, evidence(*RAMP, a_look(0.5), a_look(1.0)))
    assert decision.action == "promote"
    assert decision.figures["difference"] == pytest.approx(0, abs=1e-3)
    assert decision.figures["difference_low"] > -PLAN.margin


def test_a_rollout_of_one_step_is_promoted_from_it():
    assert decide(Plan(steps=(0.5,)), evidence(a_look(0.5))).action == "promote"


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        ({"right": (0.9, 0.5, 0.9)}, "the canary is worse: wrong in hotel"),
        ({"errors": 20}, "the canary is worse: errors in all strata together"),
        ({"slow": 20}, "the canary is worse: slow in all strata together"),
    ],
)
def test_harm_is_rolled_back_and_named(worse, words):
    decision = decide(PLAN, evidence(a_look(0.05), a_look(0.25, **worse)))
    assert decision.action == "roll_back"
    assert decision.reasons[0].startswith(words)


def test_harm_in_shadow_pairs_is_rolled_back_before_any_traffic():
    quiet = Traffic((0,) * 3, (0,) * 3, (0,) * 3), Traffic((600,) * 3, (0,) * 3, (0,) * 3)
    alike, worse = Pairs((90,) * 3, (9, 9, 9), (9, 9, 9)), Pairs((90,) * 3, (9, 30, 9), (9, 1, 9))
    assert decide(PLAN, evidence(Look(0, *quiet, (), alike))).action == "advance"
    decision = decide(PLAN, evidence(Look(0, *quiet, (), worse)))
    assert (decision.action, decision.reasons[0]) == ("roll_back", "the canary is worse: shadow in hotel")


def test_harm_is_final():
    looks = (a_look(0.25, right=(0.9, 0.5, 0.9)), *(a_look(0.25, right=(1, 1, 1)) for _ in range(50)))
    assert decide(PLAN, evidence(*looks)).action == "roll_back"


def test_many_small_harms_count_together():
    looks = tuple(a_look(0.25, right=(0.86, 0.86, 0.86), errors=1, slow=1) for _ in range(3))
    state = after(PLAN, evidence(*looks))
    assert state.log_harm.max() < np.log(20) <= state.log_rollback
    assert decide(PLAN, evidence(*looks)).reasons[0].startswith("the canary is worse: by its parts together")


@pytest.mark.parametrize("seen", [0.0, 0.2, 0.3])
def test_a_split_that_is_not_the_configured_one_holds(seen):
    looks = tuple(a_look(0.25, seen=seen) for _ in range(3))
    decision = decide(PLAN, evidence(*looks))
    assert decision.action == "hold"
    assert decision.reasons[0] == (
        "the canary does not get the share of requests configured, 0.25 at present"
    )


@pytest.mark.parametrize("coverage", [0.0, 0.8])
def test_labels_that_are_less_complete_for_the_canary_hold(coverage):
    decision = decide(PLAN, evidence(*RAMP, a_look(0.5, coverage=coverage), a_look(0.5, coverage=coverage)))
    assert decision.action == "hold"
    assert decision.reasons[0].startswith("labels of canary and champion are not equally complete")


def test_labels_that_lack_alike_do_not_hold():
    look = a_look(0.5)
    half = Labels((300,) * 3, (150,) * 3, (135,) * 3)
    looks = tuple(replace(look, labels=(Served(half, half),)) for _ in range(3))
    assert decide(PLAN, evidence(*RAMP, *looks)).action == "advance"


def test_a_stratum_that_is_not_proven_blocks_what_the_mean_allows():
    strata = tuple(f"stratum {number}" for number in range(100))
    labels = np.full(100, 200), np.full(100, 180)
    short = labels[0].copy(), labels[1].copy()
    short[0][7], short[1][7] = 25, 20
    counts = [tuple(map(int, each)) for each in (*labels, *short)]
    traffic = Traffic(counts[0], (0,) * 100, (0,) * 100)
    served = Served(Labels(counts[2], counts[2], counts[3]), Labels(counts[0], counts[0], counts[1]))
    decision = decide(Plan(steps=(0.5,)), Evidence(strata, (Look(0.5, traffic, traffic, (served,)),)))
    assert decision.figures["proven"]
    assert (decision.action, decision.reasons) == (
        "hold",
        ("not yet proven: accuracy no lower by 0.2 in stratum 7",),
    )


def test_a_rollout_that_nothing_decides_ends_inconclusive():
    unlabelled = replace(a_look(0.5), labels=())
    plan = replace(PLAN, max_looks=6)
    assert decide(plan, evidence(*UNLABELLED, unlabelled)).action == "hold"
    decision = decide(plan, evidence(*UNLABELLED, unlabelled, unlabelled))
    assert decision.action == "inconclusive"
    assert decision.reasons


def test_late_labels_count_for_the_share_they_were_served_at():
    early = a_look(0.05, right=(0.7, 0.7, 0.7))
    falling = tuple(
        replace(look, labels=early.labels if number == 3 else ()) for number, look in enumerate(RAMP)
    )
    at_once = evidence(early, *(replace(look, labels=()) for look in RAMP[1:]))
    late = after(PLAN, evidence(*falling))
    assert late.mean.tolist() == after(PLAN, at_once).mean.tolist()


def test_a_decision_is_the_same_to_the_byte_from_its_record():
    looks = evidence(*RAMP, a_look(0.5, right=(0.85, 0.9, 0.93), errors=1))
    first = json.dumps(decide(PLAN, looks).to_json(), allow_nan=False)
    record = json.dumps({"plan": to_json(PLAN), "evidence": to_json(looks)})
    again = json.loads(record)
    assert first == json.dumps(
        decide(plan_from_json(again["plan"]), evidence_from_json(again["evidence"])).to_json()
    )


def test_a_carried_state_decides_as_all_the_evidence_does():
    state, looks = begin(PLAN, 3), (*RAMP, a_look(0.5, right=(0.8, 0.9, 0.9)), a_look(0.5))
    for number, look in enumerate(looks, 1):
        before = state
        state = update(state, look)
        assert before.looks == number - 1
        assert decide(PLAN, evidence(*looks[:number]), state) == decide(PLAN, evidence(*looks[:number]))


def test_rollouts_side_by_side_are_each_as_alone():
    ours = [(0.9, 0.9, 0.9), (0.9, 0.6, 0.9)]
    alone = [after(PLAN, evidence(a_look(0.25, right=right))) for right in ours]
    both = [observed(a_look(0.25, right=right)) for right in ours]
    side_by_side = update(
        begin(PLAN, 3, (2,)),
        Observed(
            np.array([0.25, 0.25]),
            np.stack([each.traffic for each in both], axis=2),
            np.stack([each.labels for each in both], axis=3),
            np.stack([each.pairs for each in both], axis=1),
        ),
    )
    assert side_by_side.log_rollback.tolist() == pytest.approx([float(each.log_rollback) for each in alone])
    assert findings(side_by_side).harmed.tolist() == [bool(findings(each).harmed) for each in alone]


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(BadInput, match=r"row 1, column share: the share 0\.3 is no step"):
        decide(PLAN, evidence(a_look(0.3)))
    with pytest.raises(BadInput, match="the state is of 0 looks, the evidence has 1"):
        decide(PLAN, evidence(a_look(0.5)), begin(PLAN, 3))


QUIET = Traffic((0,) * 3, (0,) * 3, (0,) * 3)


def alone(right=(0.9, 0.9, 0.9), errors=0, slow=0):
    """A look of a first deployment: there is no champion."""
    look = a_look(1.0, right, errors, slow)
    nobody = Labels((0,) * 3, (0,) * 3, (0,) * 3)
    return replace(look, champion=QUIET, labels=(Served(look.labels[0].canary, nobody),))


FIRST = Plan(steps=(1.0,), proof="limit", min_accuracy=0.88)


def test_a_first_deployment_is_held_to_absolute_limits():
    assert decide(FIRST, evidence(Look(0.0, QUIET, QUIET))).action == "advance"
    assert decide(FIRST, evidence(alone())).action == "promote"
    low = decide(FIRST, evidence(alone(right=(0.9, 0.5, 0.9))))
    assert (low.action, low.reasons) == ("roll_back", ("the canary is worse: too many wrong in hotel",))
    failing = decide(FIRST, evidence(alone(), alone(errors=100)))
    assert failing.action == "roll_back"
    assert failing.reasons[0].startswith("the canary is worse: too many errors in all strata together")
    close = decide(FIRST, evidence(alone(right=(0.82, 0.82, 0.82))))
    assert close.action == "hold"
    assert "no lower by 0.05 than 0.88" in close.reasons[0]


def test_a_canary_that_breaks_once_the_champion_gets_no_requests_is_rolled_back():
    looks = (*RAMP, a_look(0.5), a_look(1.0))
    plan = replace(PLAN, bake_looks=3)
    assert decide(plan, evidence(*looks)).reasons == ("looks at this share: 1 of 3",)
    assert decide(plan, evidence(*looks, a_look(1.0, errors=150))).action == "roll_back"


def test_limits_seldom_stop_a_canary_that_keeps_them():
    rng, state = np.random.default_rng(1), begin(FIRST, 3, (500,))
    for _ in range(100):
        count = np.stack([np.full((500, 3), 30), np.zeros((500, 3), dtype=int)])
        traffic = np.stack([count, rng.binomial(count, 0.05), rng.binomial(count, 0.25)])
        labels = np.stack([count, count, rng.binomial(count, 0.68)])[None]
        state = update(state, Observed(np.ones(500), traffic, labels, np.zeros((3, 500, 3), dtype=int)))
    assert findings(state).harmed.mean() <= 0.02


def test_blue_green_moves_all_the_traffic_on_the_proof_of_shadow_pairs():
    plan = Plan(steps=(1.0,), proof="shadow", min_pairs=300)
    few = Look(0.0, QUIET, QUIET, (), Pairs((90,) * 3, (1,) * 3, (2,) * 3))
    assert decide(plan, evidence(few)).reasons[0] == "shadow pairs: 270 of 300"
    assert decide(plan, evidence(few, few, few)).action == "advance"
    unlike = Look(0.0, QUIET, QUIET, (), Pairs((200,) * 3, (15,) * 3, (5,) * 3))
    assert decide(plan, evidence(unlike)).reasons[0].startswith("not yet proven: mean accuracy")


def test_a_shadow_run_moves_no_traffic():
    plan = Plan(steps=(), proof="shadow", min_pairs=300)
    look = Look(0.0, QUIET, QUIET, (), Pairs((300,) * 3, (1,) * 3, (2,) * 3))
    decision = decide(plan, evidence(look, look))
    assert decision.action == "inconclusive"
    assert decision.reasons[0].endswith("no traffic was moved")


def test_a_stratum_of_rare_requests_asks_for_no_proof_but_shows_harm():
    looks = (*RAMP, a_look(0.5))
    rare = Evidence(("flight", "hotel", "other"), looks)
    bare = tuple(
        replace(look, labels=tuple(replace(each, canary=_without_last(each.canary)) for each in look.labels))
        for look in looks
    )
    assert decide(PLAN, evidence(*bare)).action == "hold"
    assert decide(PLAN, replace(rare, looks=bare)).action == "advance"
    harmed = (*RAMP, a_look(0.5, right=(0.9, 0.9, 0.5)))
    assert (
        decide(PLAN, replace(rare, looks=harmed)).reasons[0].startswith("the canary is worse: wrong in other")
    )


def _without_last(labels):
    return Labels(*((*each[:2], 0) for each in (labels.due, labels.labelled, labels.correct)))


@st.composite
def any_look(draw):
    def three(bounds=(30,) * 3):
        return tuple(draw(st.integers(0, bound)) for bound in bounds)

    def traffic():
        requests = three()
        return Traffic(requests, three(requests), three(requests))

    def labels():
        due = three()
        labelled = three(due)
        return Labels(due, labelled, three(labelled))

    share = draw(st.sampled_from((0.0, *PLAN.steps)))
    served = tuple(Served(labels(), labels()) for _ in range(draw(st.integers(0, 2))))
    compared = three()
    pairs = Pairs(compared, three(compared), three(compared)) if draw(st.booleans()) else None
    return Look(share, traffic(), traffic(), served, pairs)


@settings(deadline=None, max_examples=50)
@given(st.lists(any_look(), max_size=4))
def test_any_evidence_has_a_decision_with_reasons_that_json_can_hold(looks):
    decision = decide(PLAN, evidence(*looks))
    assert decision.action in get_args(Action)
    assert decision.reasons
    assert json.loads(json.dumps(decision.to_json(), allow_nan=False)) == decision.to_json()
    assert evidence_from_json(json.loads(json.dumps(to_json(evidence(*looks))))) == evidence(*looks)


def test_alpha_is_spent_once():
    assert WEIGHTS.sum() + SPLIT + COVERAGE == pytest.approx(1)


def simulated(looks, champion, loss, requests=100, runs=300):
    """What the tests say after each look of a ramp, of rollouts side by side."""
    rng = np.random.default_rng(0)
    state, pairs = begin(PLAN, 3, (runs,)), np.zeros((3, runs, 3), dtype=int)
    for look in range(looks):
        share = min(0.05 * 2 ** (look // 5), 0.5)
        canary = rng.binomial(requests, share, (runs, 3))
        counts = np.stack([canary, requests - canary])
        labelled = rng.binomial(counts, 0.7)
        right = np.array([champion(look) - np.array(loss), np.full(3, champion(look))])[:, None]
        labels = np.stack([counts, labelled, rng.binomial(labelled, right)])[None]
        traffic = np.stack([counts, rng.binomial(counts, 0.02), rng.binomial(counts, 0.05)])
        state = update(state, Observed(np.full(runs, share), traffic, labels, pairs))
        yield findings(state)


def test_alike_variants_are_seldom_rolled_back_or_held_however_often_one_looks():
    *_, found = simulated(150, lambda look: 0.9 - 0.2 * look / 150, (0, 0, 0))
    assert found.harmed.mean() <= 0.02
    assert found.split_wrong.mean() <= 0.02
    assert found.coverage_wrong.mean() <= 0.02


def test_20_points_lost_in_one_stratum_are_found_and_seldom_proven_not_to_be():
    ever = np.zeros(300, dtype=bool)
    for found in simulated(25, lambda look: 0.9, (0.2, 0, 0), requests=300):
        ever |= ~found.few.any(axis=-1) & found.strata_proven[:, 0]
    assert found.harmed.mean() >= 0.99
    assert ever.mean() <= 0.05


def test_alike_variants_are_proven_alike():
    *_, found = simulated(25, lambda look: 0.9, (0, 0, 0), requests=300)
    assert (found.proven & found.strata_proven.all(axis=-1)).mean() >= 0.95
