"""What to do about a diagnosis, with what data, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.analyze.case import Case, Group, present
from adsmu.analyze.diagnose import SETTLED
from adsmu.analyze.inputs import breaking
from adsmu.analyze.labelled import LABELS, margin
from adsmu.analyze.losses import Change, change
from adsmu.analyze.novelty import cluster, like
from adsmu.analyze.outcome import Outcome
from adsmu.monitor.conditions import select

FREQUENT = 1.2
"""A class that has become so many times as frequent is drawn more often."""

FACTOR = 3.0
"""How many times as often a cohort is drawn that the model does badly on."""

SEGMENTS = 50
"""The most values that a cohort is drawn by: more are of a column that measures something."""


@dataclass(frozen=True)
class Recommendation:
    """What to do.

    Attributes:
        action: nothing, retrain, new_mix, new_class or mend_data.
        reason: Why, in words.
        dataset: `{"form", "parameters"}` as a strategy's `dataset` has them; None: what the strategy says.
        where: Column, cohort, rule or label that it is about.
        places: Rows of the whole window that it is about.
    """

    action: str
    reason: str
    dataset: dict[str, Any] | None
    where: dict[str, Any]
    places: np.ndarray


def recommend(
    case: Case, diagnosis: str, confidence: float, outcomes: Mapping[str, Outcome]
) -> Recommendation:
    """Says what to do.

    Args:
        case: The case.
        diagnosis: The likeliest diagnosis.
        confidence: Its probability.
        outcomes: What each test that was run found.

    Returns:
        The recommendation; `nothing` while the diagnosis is not settled.
    """
    none = np.zeros(0, int)
    if confidence < SETTLED:
        reason = f"not settled: {diagnosis} is likeliest, at {confidence:.0%}; labels would tell more"
        return Recommendation("nothing", reason, None, {}, none)
    return {
        "none": _nothing,
        "quality": _mend,
        "covariate": _covariate,
        "label_shift": _label_shift,
        "new_class": _new_class,
        "concept": _concept,
        "cohort": _cohort,
        "poisoned": _poisoned,
    }[diagnosis](case, outcomes)


def _nothing(case: Case, outcomes: Mapping[str, Outcome]) -> Recommendation:
    looked = ", ".join(name.replace("_", " ") for name in outcomes)
    return Recommendation(
        "nothing", f"nothing is wrong that was looked for: {looked}", None, {}, np.zeros(0, int)
    )


def _mend(case: Case, outcomes: Mapping[str, Outcome]) -> Recommendation:
    found = outcomes["contract"]
    reason = (
        f"column {found.where['column']} breaks a rule of the reference, {found.where['rule']}, in "
        f"{found.figure:.1%} of rows: mend them at their source, and learn from none of them"
    )
    return Recommendation("mend_data", reason, None, found.where, breaking(case, found))


def _covariate(case: Case, outcomes: Mapping[str, Outcome]) -> Recommendation:
    lost = expected_loss(case)
    told = (
        f"inputs have changed (AUC {case.separation.auc:.2f}), and not for other frequencies of classes; "
        f"on the reference, weighted as the window is, the loss changes by {_bounds(lost)}"
    )
    measured = _measured(case, outcomes)
    if measured is not None:
        told += f"; measured on {measured.rows} labelled rows, by {_bounds(measured)}"
    if max(lost.high, measured.high if measured else -np.inf) <= margin(case):
        return Recommendation("nothing", f"{told}: the model holds", None, {}, np.zeros(0, int))
    far = np.flatnonzero(case.density.window > FREQUENT)
    dataset = {"form": "mix", "parameters": {"history": 0.5}}
    told = f"{told}: learn from history and the window"
    return Recommendation("new_mix", told, dataset, {}, case.alike(far))


def expected_loss(case: Case) -> Change:
    """The loss that the reference, weighted as the window is distributed, lets one expect, less what it is.

    Source: Shimodaira 2000, "Improving predictive inference under covariate shift by weighting the
    log-likelihood function". It cannot see a change of what inputs mean.

    Args:
        case: The case.

    Returns:
        The change, with a normal interval of 95 %.
    """
    loss, weight = case.loss(), case.separation.importance * case.weight[0]
    share = weight / weight.sum()
    difference = share - case.weight[0] / case.weight[0].sum()
    figure = float(difference @ loss)
    half = 1.96 * float(np.sqrt(((difference * (loss - share @ loss)) ** 2).sum()))
    return Change(figure, figure - half, figure + half, len(case.window))


def _label_shift(case: Case, outcomes: Mapping[str, Outcome]) -> Recommendation:
    weights = case.class_weights
    often = {name: weight for name, weight in weights.items() if weight >= FREQUENT}
    most = sorted(often, key=lambda name: -often[name])[:3]
    reason = "classes have other frequencies, and what belongs to a class is as it was: " + ", ".join(
        f"{name} is {often[name]:.1f} times as frequent" for name in most
    )
    dataset = None
    if often:
        texts = case.reference["label"].cast(pa.string()).to_pylist()
        named = {text for name, text in zip(case.label.tolist(), texts, strict=True) if str(name) in often}
        factor = round(float(np.mean(list(often.values()))), 2)
        parameters = {"by": "label", "segments": sorted(named), "factor": factor}
        dataset = {"form": "upsampled", "parameters": parameters}
    rows = np.flatnonzero(np.isin(np.array(case.whole["prediction"].to_pylist(), str), list(often)))
    return Recommendation(
        "new_mix", reason, dataset, {"weights": {n: round(w, 3) for n, w in weights.items()}}, rows
    )


def _new_class(case: Case, outcomes: Mapping[str, Outcome]) -> Recommendation:
    seeds, label = np.zeros(0, int), None
    for found in outcomes.values():
        if found.result == "new":
            seeds, label = found.places, found.where["label"]
    if not case.columns:
        rows = case.places(seeds)
    elif len(seeds):
        rows = case.alike(like(seeds, case.density, *case.points))
    else:
        rows = case.alike(cluster(case.density, case.points[1]).rows)
    named = f", labelled {label!r} where asked" if label else ""
    reason = f"these {len(rows)} rows form one new class{named}: the reference holds none of it; label them"
    return Recommendation("new_class", reason, {"form": "all", "parameters": {}}, {"label": label}, rows)


def _concept(case: Case, outcomes: Mapping[str, Outcome]) -> Recommendation:
    found = _measured(case, outcomes)
    risen = f" by {_bounds(found)}" if found else ""
    reason = f"inputs are as they were, and the loss has risen{risen}: their meaning has changed"
    return Recommendation(
        "retrain", reason, {"form": "sliding", "parameters": {}}, {}, np.arange(len(case.whole))
    )


def _cohort(case: Case, outcomes: Mapping[str, Outcome]) -> Recommendation:
    found = outcomes["cohort_labels"]
    name = found.where["cohort"]
    group = next(each for each in case.groups if each.name == name)
    reason = f"the loss has risen by {_bounds(found)} in {name}, and not elsewhere"
    rows, segments = np.flatnonzero(select(case.whole, group.conditions)), _segments(case, group)
    if len(segments) > SEGMENTS:
        reason += f"; its {len(segments):,} values are too many to draw it more often by"
        return Recommendation("new_mix", reason, None, {"cohort": name}, rows)
    parameters = {"by": group.column, "segments": segments, "factor": FACTOR}
    return Recommendation(
        "new_mix", reason, {"form": "upsampled", "parameters": parameters}, {"cohort": name}, rows
    )


def _segments(case: Case, group: Group) -> list[str]:
    """The values that the rows of a cohort have, as text: a range too is drawn by these."""
    found: set[str] = set()
    for table, chosen in ((case.reference, group.reference), (case.window, group.window)):
        found |= set(table[group.column].filter(pa.array(chosen)).cast(pa.string()).unique().to_pylist())
    return sorted(found)


def _poisoned(case: Case, outcomes: Mapping[str, Outcome]) -> Recommendation:
    found = outcomes["label_audit"]
    cohort = found.where.get("cohort", "the window")
    reason = (
        f"of {found.rows} supplied labels that contradict the model most surely, {found.figure:.0%} were "
        f"given otherwise when asked again, most in {cohort}: learn from none of these labels"
    )
    where = found.where | {"column": "label", "rule": "labels are what a person gives when asked again"}
    return Recommendation("mend_data", reason, None, where, case.places(found.places))


def _measured(case: Case, outcomes: Mapping[str, Outcome]) -> Change | Outcome | None:
    """What labels told of the loss: on most rows, if two tests did; else those that came with the window."""
    told = [each for name, each in outcomes.items() if name in ("random_labels", "cohort_labels")]
    known = [each for each in told if each.result in ("same", "worse", "one", "everywhere")]
    if known:
        return max(known, key=lambda each: each.rows)
    rows = np.flatnonzero(present(case.supplied))
    return change(case.loss(), case.loss(rows), case.classes) if len(rows) >= LABELS // 2 else None


def _bounds(found: Change | Outcome) -> str:
    return f"{found.figure:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
