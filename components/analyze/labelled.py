"""Tests that need labels of rows of the window, and ask for them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from adsmu.analyze.case import Case, present
from adsmu.analyze.losses import change
from adsmu.analyze.novelty import cluster
from adsmu.analyze.outcome import UNKNOWN, Outcome
from adsmu.stratified_evaluate.intervals import clopper_pearson

LABELS, COHORT_LABELS, CLUSTER_LABELS, AUDIT_LABELS = 60, 50, 12, 30
"""Labels that a test asks for: at random, of each cohort, of a cluster, of suspicious rows."""

ENOUGH = 0.5
"""The part of the labels asked for that a test needs to say anything."""

WORSE = 0.02
"""Points of accuracy that a model may lose before it is worse; the lower bound must lie beyond."""

WORSE_PART = 0.1
"""The same for errors of numbers, as a part of their mean on the reference."""

ALTERED = 0.05
"""More of the labels that are asked for again than this, surely, must come back otherwise."""

REPEATED = 0.02
"""A label that the reference never had is a class where this share of labelled rows has it, and two."""


def cluster_labels(case: Case) -> Outcome:
    """Whether the rows of the cluster carry a label that the model has never learnt."""
    found = cluster(case.density, case.points[1]).rows
    inside = np.zeros(len(case.window), bool)
    inside[found] = True
    rows = case.labelled(inside, CLUSTER_LABELS)
    if len(rows) < ENOUGH * min(CLUSTER_LABELS, len(found)):
        return _too_few(rows)
    known = set(case.label.tolist())
    labels = case.known(rows)
    new = np.array([label not in known for label in labels.tolist()])
    low, high = clopper_pearson(new.sum(), len(new), 0.95)
    names, counts = np.unique(labels[new].astype(str), return_counts=True)
    where = {"label": str(names[counts.argmax()])} if len(names) else {}
    return Outcome(
        "new" if new.mean() >= 0.5 else "known",
        float(new.mean()),
        float(low),
        float(high),
        len(rows),
        where,
        found,
    )


def random_labels(case: Case) -> Outcome:
    """Whether the model loses more than on the reference, on rows chosen at random."""
    rows = case.labelled(np.ones(len(case.window), bool), LABELS)
    if len(rows) < ENOUGH * min(LABELS, len(case.window)):
        return _too_few(rows)
    if (new := _new_label(case, rows)) is not None:
        return new
    found = change(case.loss(), case.loss(rows), case.classes)
    result = "worse" if found.low > margin(case) else "same"
    return Outcome(result, found.figure, found.low, found.high, len(rows), places=rows)


def cohort_labels(case: Case) -> Outcome:
    """Whether it loses more in one cohort, or everywhere."""
    rows = [case.labelled(group.window, COHORT_LABELS) for group in case.groups]
    every = np.unique(np.concatenate(rows))
    wanted = [ENOUGH * min(COHORT_LABELS, int(group.window.sum())) for group in case.groups]
    if any(len(each) < least for each, least in zip(rows, wanted, strict=True)):
        return _too_few(every)
    if (new := _new_label(case, every)) is not None:
        return new
    groups = [(group.name, group.reference, group.window[every]) for group in case.groups]
    found = _contrast(groups, case.loss(), case.loss(every), case.classes, margin(case))
    if found.result == "one":
        group = next(group for group in case.groups if group.name == found.where["cohort"])
        return replace(found, places=np.flatnonzero(group.window))
    return found


def label_audit(case: Case) -> Outcome:
    """Whether the labels that are likeliest to be altered are given again by someone who is asked."""
    rows = np.flatnonzero(present(case.supplied))
    rows = rows[case.supplied[rows] != case.window_prediction[rows]]
    chosen = np.sort(rows[np.argsort(-suspicion(case, rows), kind="stable")][:AUDIT_LABELS])
    answers = case.ask(chosen)
    given = present(answers)
    if given.sum() < ENOUGH * len(chosen):
        return _too_few(chosen[given])
    altered = chosen[given & (answers != case.supplied[chosen])]
    count, asked = len(altered), int(given.sum())
    low, high = clopper_pearson(count, asked, 0.95)
    share = count / asked if asked else 0.0
    held = [(int(group.window[altered].sum()), group.name) for group in case.groups]
    where = {"cohort": max(held)[1]} if count and held else {}
    return Outcome(
        "altered" if low > ALTERED else "confirmed", share, float(low), float(high), asked, where, altered
    )


def suspicion(case: Case, rows: np.ndarray) -> np.ndarray:
    """How much likelier a label that contradicts the model was altered than that the model errs so.

    An altered label is any of the others; where the model errs, the right one is mostly a neighbour of its
    answer. So of two answers that are as sure, that one is the more suspicious whose label the reference
    seldom has beside such an answer: log odds of the score, less the log of the share of that label among the
    reference's rows of that answer, a row added for each label. The counts are those of Northcutt, Jiang and
    Chuang 2021, "Confident learning: estimating uncertainty in dataset labels".

    Args:
        case: A case of classes with scores.
        rows: Places of rows of the window whose label was supplied and is not what the model answered.

    Returns:
        One number a row, the higher the more suspicious.
    """
    score = np.clip(case.window["score"].to_numpy()[rows], 1e-6, 1 - 1e-6)
    answers = Counter(case.prediction.tolist())
    pairs = Counter(zip(case.prediction.tolist(), case.label.tolist(), strict=True))
    told = list(zip(case.window_prediction[rows].tolist(), case.supplied[rows].tolist(), strict=True))
    labels = len({*case.label.tolist(), *(label for _, label in told)})
    share = np.array([(pairs[pair] + 1) / (answers[pair[0]] + labels) for pair in told])
    return np.log(score / (1 - score)) - np.log(share)


def margin(case: Case) -> float:
    """How much the mean loss may rise before it is worse: points of accuracy, or a part of a mean error."""
    return WORSE if case.classes else WORSE_PART * float(case.loss().mean())


def _contrast(
    groups: Sequence[tuple[str, np.ndarray, np.ndarray]],
    before: np.ndarray,
    now: np.ndarray,
    classes: bool,
    margin: float,
) -> Outcome:
    """Whether a loss has risen in one group, everywhere, or nowhere."""
    whole = change(before, now, classes)
    confidence = 1 - 0.01 / max(len(groups), 1)
    each = [(change(before[old], now[new], classes, confidence), name, old, new) for name, old, new in groups]
    found, name, old, new = max(each, key=lambda item: item[0].low)
    if found.low > margin:
        rest = change(before[~old], now[~new], classes)
        if rest.low <= margin or rest.figure < found.figure / 2:
            return Outcome("one", found.figure, found.low, found.high, found.rows, {"cohort": name})
        return Outcome("everywhere", whole.figure, whole.low, whole.high, whole.rows)
    return Outcome(
        "everywhere" if whole.low > margin else "same", whole.figure, whole.low, whole.high, whole.rows
    )


def _new_label(case: Case, rows: np.ndarray) -> Outcome | None:
    if not case.classes:
        return None
    known, labels = set(case.label.tolist()), case.known(rows)
    new = [str(label) for label in labels.tolist() if label not in known]
    names, counts = np.unique(np.array(new, str), return_counts=True)
    if not len(names) or counts.max() < max(2, REPEATED * len(rows)):
        return None
    label, count = str(names[counts.argmax()]), int(counts.max())
    low, high = clopper_pearson(count, len(rows), 0.95)
    places = rows[labels == label]
    return Outcome("new", count / len(rows), float(low), float(high), len(rows), {"label": label}, places)


def _too_few(rows: np.ndarray) -> Outcome:
    return Outcome(UNKNOWN, 0.0, -np.inf, np.inf, len(rows))
