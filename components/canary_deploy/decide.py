"""What a rollout does next: pure, of its plan and its evidence alone, so that anyone can recompute it.

Alpha is spent once for all strata, metrics and looks: the weighted sum of all e-processes of harm is compared
with 1/alpha. Weights that sum to at most 1 make the sum one e-process more, under any dependence between them
(Vovk and Wang 2021, "E-values: calibration, combination and applications"), and it is never less than the
greatest part, which is what Bonferroni would look at. So a canary that is no worse in anything is rolled
back, or held for a wrong split or coverage, with a probability of at most alpha, however long and often one
looks. The sum asks more of late labels than each part does: that they do not depend on what was seen of the
same requests before, whether they were slow, say.
"""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from adsmu.canary_deploy import mean
from adsmu.canary_deploy.plan import Evidence, Plan
from adsmu.canary_deploy.state import METRICS, State, after, average, compared
from adsmu.errors import BadInput

Action = Literal["advance", "hold", "roll_back", "promote", "inconclusive"]

NAMED = 3
"""How many strata a reason names."""


@dataclass(frozen=True)
class Decision:
    """What to do, and why.

    Attributes:
        action: `advance` to the plan's next share, `hold` the present one, `roll_back`, `promote`, or
            `inconclusive`: the plan's looks are used up and nothing is proven.
        reasons: One sentence each.
        figures: What it was decided by, as JSON; e-values as their decimal logarithms, with six digits.
    """

    action: Action
    reasons: tuple[str, ...]
    figures: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The decision as a JSON value."""
        return asdict(self) | {"reasons": list(self.reasons)}


@dataclass(frozen=True)
class Findings:
    """What the tests say, each true or false (one a rollout, where many are carried side by side).

    Attributes:
        harmed: The canary is worse in something.
        split_wrong: It does not get the share of requests that was configured.
        coverage_wrong: Its labels are not as complete as the champion's.
        few: (..., strata): this stratum lacks labels or pairs that the plan asks for.
        proven: Its mean accuracy over strata is not worse by the margin.
        strata_proven: (..., strata): its accuracy in this stratum is not worse by the floor.
    """

    harmed: np.ndarray
    split_wrong: np.ndarray
    coverage_wrong: np.ndarray
    few: np.ndarray
    proven: np.ndarray
    strata_proven: np.ndarray


def findings(state: State) -> Findings:
    """What the tests say of a state.

    Every one of the proofs that a promotion asks for is at the level alpha by itself. That is enough: a
    canary that lacks one is promoted only if that very proof errs (Berger 1982, "Multiparameter hypothesis
    testing and acceptance sampling").

    Args:
        state: After any number of looks.
    """
    plan, bar = state.plan, math.log(1 / state.plan.alpha)
    few, strata_proven = compared(state).seen < plan.min_labels, state.log_strata_proof >= bar
    watched = np.arange(few.shape[-1]) >= few.shape[-1] - state.others
    return Findings(
        harmed=state.log_rollback >= bar,
        split_wrong=state.log_split >= bar,
        coverage_wrong=state.log_coverage >= bar,
        few=few & ~watched,
        proven=state.log_proof >= bar,
        strata_proven=strata_proven | watched,
    )


def decide(plan: Plan, evidence: Evidence, state: State | None = None) -> Decision:
    """What a rollout does next.

    A finding of harm is final, and so is a proof: looks that come later cannot take it back. No proof is
    asked for while the canary's share is raised step by step, only that nothing speaks against it; but it is
    neither promoted nor given all the traffic, after which there is no champion left to compare with, unless
    it is proven not to be worse.

    Args:
        plan: What a canary must show.
        evidence: All looks so far.
        state: What `state.update` carried through these looks; computed from them if left out.

    Returns:
        The decision; the same for the same plan and evidence, to the byte.

    Raises:
        BadInput: The latest share is not one of the plan's steps, or the state is not that of the evidence.

    >>> from adsmu.canary_deploy.plan import Labels, Look, Served, Traffic
    >>> def look(right):
    ...     traffic = Traffic((1000,), (0,), (0,)), Traffic((1000,), (0,), (0,))
    ...     labels = Served(Labels((1000,), (1000,), (right,)), Labels((1000,), (1000,), (900,)))
    ...     return Look(0.5, *traffic, (labels,))
    >>> plan = Plan(steps=(0.5,), min_looks=2)
    >>> decide(plan, Evidence(("all",), (look(900),))).reasons
    ('looks at this share: 1 of 2',)
    >>> decide(plan, Evidence(("all",), (look(900), look(895)))).action
    'promote'
    >>> print(*decide(plan, Evidence(("all",), (look(700),))).reasons)
    the canary is worse: wrong in all, wrong in all strata together
    """
    state = after(plan, evidence) if state is None else state
    if state.looks != len(evidence.looks) or state.correct.shape[-1] != len(evidence.strata):
        raise BadInput(f"the state is of {state.looks} looks, the evidence has {len(evidence.looks)}")
    if state.looks == 0:
        return Decision("hold", ("there is no evidence yet",), {"looks": 0})
    share = float(state.share)
    if share != 0 and share not in plan.steps:
        raise BadInput(f"the share {share:g} is no step of the plan", row=state.looks, column="share")
    if state.plan != plan:
        raise BadInput("the state is of another plan")
    found = findings(state)
    action, reasons = _action(plan, evidence, state, found, share)
    return Decision(action, tuple(reasons), _figures(plan, evidence, state, found, share))


def _action(
    plan: Plan, evidence: Evidence, state: State, found: Findings, share: float
) -> tuple[Action, list[str]]:
    if found.harmed:
        return "roll_back", [f"the canary is worse: {_worse(plan, evidence, state)}"]
    shares = (0.0, *plan.steps)
    following = dict(pairwise(shares)).get(share)
    last = following is None
    asked = plan.bake_looks if share == 1 else plan.min_looks if share > 0 else 1
    missing = []
    if found.split_wrong:
        missing.append(f"the canary does not get the share of requests configured, {share:g} at present")
    if found.coverage_wrong:
        missing.append(
            "labels of canary and champion are not equally complete, so accuracy cannot be compared"
        )
    if state.looks_at_share < asked:
        missing.append(f"looks at this share: {state.looks_at_share} of {asked}")
    if share == 0 and (pairs := int(state.pairs[0].sum())) < plan.min_pairs:
        missing.append(f"shadow pairs: {pairs} of {plan.min_pairs}")
    if share > 0 and state.requests_at_share < plan.min_requests:
        missing.append(
            f"requests to the canary at this share: {state.requests_at_share} of {plan.min_requests}"
        )
    if last or (following == 1 and plan.proof != "limit"):
        missing += _unproven(plan, evidence, found)
    if missing:
        return ("hold" if state.looks < plan.max_looks else "inconclusive"), missing
    if last:
        proven = (
            f"accuracy is proven no lower by {plan.margin:g}{_than(plan)} in the mean over strata "
            f"and by {plan.floor:g} in each, and no harm was found"
        )
        return ("promote" if share else "inconclusive"), [
            proven + ("" if share else "; no traffic was moved")
        ]
    return "advance", [f"nothing speaks against a share of {following:g}"]


def _unproven(plan: Plan, evidence: Evidence, found: Findings) -> list[str]:
    missing = []
    if found.few.any():
        what = {"live": "labels of each variant", "shadow": "shadow pairs", "limit": "labels"}[plan.proof]
        missing.append(f"fewer than {plan.min_labels} {what} in {_where(evidence, found.few)}")
    if not found.proven:
        missing.append(f"not yet proven: mean accuracy over strata no lower by {plan.margin:g}{_than(plan)}")
    if not found.strata_proven.all():
        where = _where(evidence, ~found.strata_proven)
        missing.append(f"not yet proven: accuracy no lower by {plan.floor:g}{_than(plan)} in {where}")
    return missing


def _than(plan: Plan) -> str:
    return f" than {plan.min_accuracy:g}" if plan.proof == "limit" else ""


def _worse(plan: Plan, evidence: Evidence, state: State) -> str:
    """Names what is worse: what alone passes the bar, or else what comes nearest to it."""
    rows = [
        (float(value), f"{metric} in {name}")
        for metric, values in zip(METRICS, state.log_harm, strict=True)
        for name, value in zip((*evidence.strata, "all strata together"), values, strict=True)
    ]
    rows.sort(key=lambda row: (-round(row[0], 6), row[1]))
    alone = [text for value, text in rows if value >= math.log(1 / plan.alpha)]
    return _named(alone) if alone else f"by its parts together, most by {rows[0][1]}"


def _where(evidence: Evidence, chosen: np.ndarray) -> str:
    return _named([name for name, here in zip(evidence.strata, chosen, strict=True) if here])


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _figures(plan: Plan, evidence: Evidence, state: State, found: Findings, share: float) -> dict[str, Any]:
    of = compared(state)
    difference, variance = (float(figure) for figure in average(state, of))
    strata = [
        {"stratum": name, "labelled": labelled, "correct": correct, "difference": _rounded(shift)}
        | {metric: _rounded(value / math.log(10)) for metric, value in zip(METRICS, harm, strict=True)}
        | {"proven": proven}
        for name, labelled, correct, shift, harm, proven in zip(
            evidence.strata,
            state.labelled.T.tolist(),
            state.correct.T.tolist(),
            of.difference.tolist(),
            state.log_harm[:, :-1].T.tolist(),
            found.strata_proven.tolist(),
            strict=True,
        )
    ]
    together = zip(METRICS, state.log_harm[:, -1].tolist(), strict=True)
    return {
        "looks": state.looks,
        "share": share,
        "looks_at_share": int(state.looks_at_share),
        "requests_at_share": int(state.requests_at_share),
        "bar": _rounded(math.log10(1 / plan.alpha)),
        "rollback": _rounded(float(state.log_rollback) / math.log(10)),
        "split": _rounded(float(state.log_split) / math.log(10)),
        "coverage": _rounded(float(state.log_coverage) / math.log(10)),
        "difference": _rounded(difference),
        "difference_low": _rounded(mean.lower_bound(difference, variance, plan.margin, plan.alpha)),
        "labels_enough": not found.few.any(),
        "proven": bool(found.proven),
        "together": {metric: _rounded(value / math.log(10)) for metric, value in together},
        "strata": strata,
    }


def _rounded(value: float) -> float | None:
    """Six digits: more could differ in the last place between processors; no figure where there is none."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
