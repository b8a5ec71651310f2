"""What is carried from look to look, so that a decision costs what is new and not all that was ever seen.

Every array may have dimensions of its own before the strata: many rollouts are then carried side by side.
"""

from dataclasses import dataclass, replace

import numpy as np

from adsmu.canary_deploy import mean, shadow
from adsmu.canary_deploy.harm import RATIOS, TWO_SIDED, Mixture, limit_growth, strata_growth, with_all
from adsmu.canary_deploy.plan import OTHER, Evidence, Labels, Look, Pairs, Plan, Traffic
from adsmu.canary_deploy.split import coverage_growth, split_growth

METRICS = ("wrong", "errors", "slow", "shadow", "too many wrong", "too many errors", "too many slow")
"""In what a canary can be worse than the champion: wrong answers, errors, slow answers, and wrong ones among
shadow pairs; and the same three beyond the plan's own limits."""

WEIGHTS = np.array([0.44, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02])
"""The part of alpha that each metric may spend. A limit that is broken needs little to be seen."""

SPLIT, COVERAGE = 0.1, 0.1
"""The parts of alpha of the two tests whether the evidence is what it should be; with `WEIGHTS`, 1 in all."""

ALL = 0.15
"""The part of a metric's alpha for all strata together; the rest is shared out evenly among them."""


@dataclass(frozen=True)
class Observed:
    """One look in arrays, the canary first where there are two variants.

    Attributes:
        share: As configured, one number or one a rollout.
        traffic: (3, 2, ..., strata): requests, errors, slow answers, of either variant.
        labels: (groups, 3, 2, ..., strata): due, labelled, correct, a group for each share they were served
            at.
        pairs: (3, ..., strata): compared, worse, better.
    """

    share: np.ndarray
    traffic: np.ndarray
    labels: np.ndarray
    pairs: np.ndarray


@dataclass(frozen=True)
class State:
    """The e-processes and sums after some looks.

    Attributes:
        looks: How many.
        share: The share of the latest.
        looks_at_share: Looks since the share last changed.
        requests_at_share: The canary's requests in them.
        plan: What the canary must show.
        others: How many of the last strata are only watched for harm.
        harm: Wrong, errors, slow, against the champion and against the limits: (6, ..., strata and all).
        split: (...).
        coverage: (..., strata and all).
        mean: What `mean.differences` added up to, (4, ..., strata).
        correct: (2, ..., strata).
        labelled: (2, ..., strata).
        pairs: (3, ..., strata).
        log_harm: The highest that each weighted e-process of harm ever was, (7, ..., strata and all).
        log_rollback: The highest that their sum ever was.
        log_split: The same of the split.
        log_coverage: The same of the coverage, strata and all together.
        log_proof: The highest that the proof of the mean ever was, with labels enough in every stratum.
        log_strata_proof: The same of each stratum, (..., strata).
    """

    looks: int
    share: np.ndarray
    looks_at_share: np.ndarray
    requests_at_share: np.ndarray
    plan: Plan
    others: int
    harm: Mixture
    split: Mixture
    coverage: Mixture
    mean: np.ndarray
    correct: np.ndarray
    labelled: np.ndarray
    pairs: np.ndarray
    log_harm: np.ndarray
    log_rollback: np.ndarray
    log_split: np.ndarray
    log_coverage: np.ndarray
    log_proof: np.ndarray
    log_strata_proof: np.ndarray


def begin(plan: Plan, strata: int, rollouts: tuple[int, ...] = (), others: int = 0) -> State:
    """The state before the first look.

    Args:
        plan: What the canary must show.
        strata: How many.
        rollouts: The dimensions of rollouts carried side by side; none for one.
        others: How many of the last strata are only watched for harm.

    >>> begin(Plan(), 3).harm.looks.shape
    (6, 4)
    """
    zeros, rows = np.zeros((3, *rollouts, strata), dtype=np.int64), (*rollouts, strata + 1)
    none = np.zeros(rollouts, dtype=np.int64)
    never = np.full(rollouts, -np.inf)
    return State(
        looks=0,
        share=np.full(rollouts, np.nan),
        looks_at_share=none,
        requests_at_share=none,
        plan=plan,
        others=others,
        harm=Mixture.begin((6, *rows), len(RATIOS)),
        split=Mixture.begin(rollouts, len(TWO_SIDED)),
        coverage=Mixture.begin(rows, len(TWO_SIDED)),
        mean=np.zeros((4, *rollouts, strata)),
        correct=zeros[:2],
        labelled=zeros[:2],
        pairs=zeros,
        log_harm=np.full((len(METRICS), *rows), -np.inf),
        log_rollback=never,
        log_split=never,
        log_coverage=never,
        log_proof=never,
        log_strata_proof=np.full((*rollouts, strata), -np.inf),
    )


def observed(look: Look) -> Observed:
    """One look of one rollout in arrays."""
    none = (0,) * len(look.canary.requests)
    return Observed(
        np.array(look.share),
        np.array(
            [[getattr(arm, name) for arm in (look.canary, look.champion)] for name in Traffic.__annotations__]
        ),
        np.array(
            [
                [
                    [getattr(arm, name) for arm in (group.canary, group.champion)]
                    for name in Labels.__annotations__
                ]
                for group in look.labels
            ],
            dtype=np.int64,
        ).reshape(len(look.labels), 3, 2, len(none)),
        np.array(
            [getattr(look.shadow, name) if look.shadow else none for name in Pairs.__annotations__],
            dtype=np.int64,
        ),
    )


def update(state: State, look: Look | Observed) -> State:
    """The state after one more look; costs what the look holds, however many came before.

    Args:
        state: After the looks before.
        look: What is new.

    Returns:
        A new state.

    Five failures of five are the canary's, of which a twentieth were to be expected:

    >>> a = Traffic((5,), (5,), (0,)), Traffic((95,), (0,), (0,))
    >>> round(float(update(begin(Plan(), 1), Look(0.05, *a)).log_rollback), 2)
    3.46
    """
    new = observed(look) if isinstance(look, Look) else look
    requests, errors, slow = new.traffic
    same = new.share == state.share
    # Labels come in groups, each a look of its own for its tests; the product of their ratios is one step.
    wrong = np.zeros(state.harm.log_sums.shape[1:]), np.zeros(state.harm.looks.shape[1:], dtype=bool)
    too_many = wrong
    plan, most_wrong = state.plan, min(1 - state.plan.min_accuracy + state.plan.floor, 1.0)
    coverage = np.zeros(state.coverage.log_sums.shape), np.zeros(state.coverage.looks.shape, dtype=bool)
    sums, all_labelled, all_correct = state.mean, state.labelled, state.correct
    for due, labelled, correct in new.labels:
        wrong = _both(wrong, strata_growth(labelled - correct, labelled))
        too_many = _both(
            too_many,
            limit_growth((labelled - correct)[0], labelled[0], most_wrong if plan.min_accuracy else 1.0),
        )
        coverage = _both(coverage, coverage_growth(due, labelled))
        sums = sums + mean.differences(correct, labelled)
        all_labelled, all_correct = all_labelled + labelled, all_correct + correct
    growths, saids = zip(
        wrong,
        strata_growth(errors, requests),
        strata_growth(slow, requests),
        too_many,
        limit_growth(errors[0], requests[0], plan.max_errors),
        limit_growth(slow[0], requests[0], plan.max_slow),
        strict=True,
    )
    harm = state.harm.after(np.stack(growths), np.stack(saids))
    split = state.split.after(*split_growth(requests, new.share))
    covered = state.coverage.after(*coverage)
    pairs = state.pairs + new.pairs
    _, worse, better = with_all(pairs, axis=-1)
    against, limited = np.split(harm.log_e(), 2)
    log_harm = np.concatenate([against, shadow.log_e(worse, better)[None], limited])
    parts = _parts(log_harm.shape[-1] - 1)
    metrics = np.log(WEIGHTS).reshape(-1, *(1,) * (log_harm.ndim - 1))
    log_harm = log_harm + metrics + parts
    rollback = np.logaddexp.reduce(np.logaddexp.reduce(log_harm, axis=-1), axis=0)
    new_state = State(
        looks=state.looks + 1,
        share=new.share,
        looks_at_share=np.where(same, state.looks_at_share, 0) + 1,
        requests_at_share=np.where(same, state.requests_at_share, 0) + requests[0].sum(axis=-1),
        plan=plan,
        others=state.others,
        harm=harm,
        split=split,
        coverage=covered,
        mean=sums,
        correct=all_correct,
        labelled=all_labelled,
        pairs=pairs,
        log_harm=np.maximum(state.log_harm, log_harm),
        log_rollback=np.maximum(state.log_rollback, rollback),
        log_split=np.maximum(state.log_split, split.log_e() + np.log(SPLIT)),
        log_coverage=np.maximum(
            state.log_coverage, np.logaddexp.reduce(covered.log_e() + parts, axis=-1) + np.log(COVERAGE)
        ),
        log_proof=state.log_proof,
        log_strata_proof=state.log_strata_proof,
    )
    return _proven(new_state)


@dataclass(frozen=True)
class Compared:
    """What a proof rests on, of each stratum.

    Attributes:
        seen: Labels, of the variant that has fewer, or shadow pairs, (..., strata).
        difference: Of the accuracies, canary less champion, or less the limit.
        variance: Its variance.
    """

    seen: np.ndarray
    difference: np.ndarray
    variance: np.ndarray


def compared(state: State) -> Compared:
    """What the plan's proof rests on by now."""
    if state.plan.proof == "shadow":
        return Compared(state.pairs[0], *mean.paired(*state.pairs))
    if state.plan.proof == "limit":
        limited = mean.against_limit(state.correct[0], state.labelled[0], state.plan.min_accuracy)
        return Compared(state.labelled[0], *limited)
    estimate = mean.estimate(state.mean, state.correct, state.labelled)
    return Compared(state.labelled.min(axis=0), *estimate)


def average(state: State, of: Compared) -> tuple[np.ndarray, np.ndarray]:
    """The equal-weighted mean of the difference over the strata that a proof is of, and its variance."""
    proved = slice(None, of.seen.shape[-1] - state.others)
    return mean.equal_weighted(of.difference[..., proved], of.variance[..., proved])


def _proven(state: State) -> State:
    """Takes up what the latest look proves. Once proven is proven: the bound holds at every look together."""
    of = compared(state)
    enough = of.seen >= state.plan.min_labels
    strata = np.where(enough, mean.log_proof(of.difference, of.variance, state.plan.floor), -np.inf)
    every = enough[..., : enough.shape[-1] - state.others].all(axis=-1)
    whole = np.where(every, mean.log_proof(*average(state, of), state.plan.margin), -np.inf)
    return replace(
        state,
        log_proof=np.maximum(state.log_proof, whole),
        log_strata_proof=np.maximum(state.log_strata_proof, strata),
    )


def after(plan: Plan, evidence: Evidence) -> State:
    """The state after all looks of an evidence."""
    state = begin(plan, len(evidence.strata), others=others_in(evidence.strata))
    for look in evidence.looks:
        state = update(state, look)
    return state


def others_in(strata: tuple[str, ...]) -> int:
    """How many of the last strata no proof is asked of: the rare ones, unless there are no others."""
    return int(len(strata) > 1 and strata[-1] == OTHER)


def _both(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    return one[0] + other[0], one[1] | other[1]


def _parts(strata: int) -> np.ndarray:
    return np.log(np.append(np.full(strata, (1 - ALL) / strata), ALL))
