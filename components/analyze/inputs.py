"""Tests of inputs and answers: they need no labels of the window."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.analyze.case import Case
from adsmu.analyze.novelty import cluster
from adsmu.analyze.outcome import Outcome
from adsmu.analyze.quality import Broken, broken_rules
from adsmu.analyze.shift import domain
from adsmu.profile.drift import BINS, population_stability_index
from adsmu.profile.observations import features, is_embedding, is_numeric, is_text, is_tokens

PSI_EXCESS = 0.1
"""PSI above its noise from which a column has drifted: what .1 is to everyone who uses PSI."""

AUC_FLOOR = 0.54
"""AUC from which a classifier tells window from reference; its interval must lie above .5 besides."""

EXPLAINED = 0.6
"""Other frequencies of classes explain a shift that is less than this part of itself without them."""

UNSEEN = 0.02
"""And whose AUC may then lie as close to .5 as this."""

SMALLEST, LARGEST, COHESION = 0.02, 0.5, 0.5
"""A new class holds a share of the window between the first two, and at least this share of its outliers."""


def contract(case: Case) -> Outcome:
    """Whether the data keep the rules of the reference; a finding that blocks counts as a broken one."""
    said = [
        each
        for each in (case.findings or {}).get("findings", [])
        if each.get("level") == "quality" and each.get("blocks")
    ]
    broken = _broken(case, case.window)
    rows = len(case.window)
    if broken:
        worst = broken[0]
        where = {
            "column": worst.column,
            "rule": worst.rule,
            "columns": list(dict.fromkeys(b.column for b in broken)),
        }
        return Outcome("broken", worst.share, worst.low, worst.high, rows, where)
    if said:
        worst = said[0]
        where = {"column": worst.get("column"), "rule": worst.get("text") or worst.get("signal")}
        value = float(worst.get("value") or 0.0)
        return Outcome("broken", value, worst.get("low", value), worst.get("high", value), rows, where)
    return Outcome("kept", 0.0, 0.0, 0.0, rows)


def breaking(case: Case, found: Outcome) -> np.ndarray:
    """The rows of the whole window that break a rule.

    Args:
        case: The case.
        found: What `contract` found.

    Returns:
        Their places; none where the rule is one of a monitor's findings.
    """
    columns = found.where.get("columns", ())
    rules = [each.rows for each in _broken(case, case.whole) if each.column in columns]
    return np.flatnonzero(np.any(rules, axis=0)) if rules else np.zeros(0, int)


def _broken(case: Case, window: pa.Table) -> list[Broken]:
    said = case.strategy.columns
    columns = list(dict.fromkeys(_reference_columns(case)))
    return broken_rules(case.reference, window, columns, said.text, said.contract)


def _reference_columns(case: Case) -> list[str]:
    strategy = case.strategy
    chosen = strategy.columns.chosen(features(case.reference))
    chosen += [cohort.column for cohort in strategy.cohorts.values()]
    return [c for c in chosen if c in case.reference.column_names and c not in strategy.columns.ignore]


def column_drift(case: Case) -> Outcome:
    """Whether a column by itself is distributed otherwise: the largest PSI above its noise."""
    worst = Outcome("same", 0.0, 0.0, 0.0, len(case.window))
    for name in case.columns:
        counts = _column_counts(case, name)
        if counts is not None:
            worst = max(worst, _drifted(case, counts, {"column": name}), key=lambda found: found.figure)
    return worst


def _column_counts(case: Case, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows in each bin: of a text or a vector, along its first principal direction."""
    both = case.reference[name], case.window[name]
    type_ = both[0].type
    if is_text(type_) and name not in case.strategy.columns.text:
        return _counted(*(np.array(column.fill_null("").to_pylist()) for column in both))
    if is_numeric(type_):
        before, now = (np.asarray(column.cast("float64").to_numpy(), float) for column in both)
    elif is_tokens(type_) or is_text(type_) or is_embedding(type_):
        rows = case.points if case.columns == [name] else case.points_of([name])
        before, now = rows[0][:, 0], rows[1][:, 0]
    else:
        return None
    before, now = before[np.isfinite(before)], now[np.isfinite(now)]
    return _binned(before, now) if len(before) and len(now) else None


def prediction_drift(case: Case) -> Outcome:
    """Whether the model answers otherwise."""
    if case.classes:
        return _drifted(case, _counted(case.prediction, case.window_prediction))
    return _drifted(case, _binned(case.prediction, case.window_prediction))


def confidence_drift(case: Case) -> Outcome:
    """Whether the model is as sure of itself."""
    before, now = (t["score"].to_numpy() for t in (case.reference, case.window))
    return _drifted(case, _binned(before, now))


def _drifted(
    case: Case, counts: tuple[np.ndarray, np.ndarray], where: dict[str, Any] | None = None
) -> Outcome:
    before, now = counts
    noise, bins = 1 / before.sum() + 1 / now.sum(), len(before)
    excess = population_stability_index(before, now) - (bins - 1) * noise
    half = 1.96 * float(np.sqrt(2 * (bins - 1))) * noise  # PSI without shift is noise times chi-squared
    result = "shifted" if excess > PSI_EXCESS else "same"
    return Outcome(result, excess, excess - half, excess + half, len(case.window), where or {})


def _binned(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
    return _bincounts(np.searchsorted(edges, before, "right"), np.searchsorted(edges, now, "right"))


def _counted(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = np.unique(np.r_[before, now])
    return _bincounts(np.searchsorted(values, before), np.searchsorted(values, now))


def _bincounts(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bins = int(max(before.max(), now.max())) + 1
    return np.bincount(before, minlength=bins), np.bincount(now, minlength=bins)


def domain_classifier(case: Case) -> Outcome:
    """Whether a classifier tells the window from the reference, and still once classes are as frequent.

    Where only the frequencies of classes have changed, weighting each row of the reference by its class
    (`shift.label_weights`) makes the two alike.
    """
    found, rows = case.separation, len(case.window)
    if found.low <= 0.5 or found.auc <= AUC_FLOOR:
        return Outcome("same", found.auc, found.low, found.high, rows)
    told = Outcome("shifted", found.auc, found.low, found.high, rows)
    if not case.classes:
        return told
    weights = case.class_weights
    weight = case.weight[0] * np.array([weights[str(name)] for name in case.label.tolist()])
    left = domain(*case.points, weight, case.weight[1], case.seed)
    if left.low < 0.5 + UNSEEN and left.auc - 0.5 < EXPLAINED * (found.auc - 0.5):
        return replace(told, result="reweighted", where={"auc": left.auc, "low": left.low, "high": left.high})
    return told


def new_cluster(case: Case) -> Outcome:
    """Whether there are rows that the reference has nothing like, and whether they are one group."""
    found = cluster(case.density, case.points[1])
    size, rows = len(found.rows), len(case.window)
    one = (
        max(10, SMALLEST * rows) <= size - found.expected
        and size <= LARGEST * rows
        and found.cohesion >= COHESION
    )
    spread = 1.96 * np.sqrt(size)
    return Outcome(
        "one" if one else "none",
        float(size),
        max(size - spread, 0.0),
        size + spread,
        rows,
        {"cohesion": found.cohesion, "expected": found.expected},
        found.rows,
    )
