"""How well the model did, by the labels that came in: of all rows and of each cohort, with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike
from scipy import stats

from adsmu.monitor.conditions import Condition, select
from adsmu.monitor.figures import Figure, figure
from adsmu.strategy import Signal
from adsmu.stratified_evaluate.intervals import clopper_pearson

MEASURED = ("accuracy", "mean_absolute_error")


@dataclass(frozen=True)
class Mean:
    """A mean with its interval.

    Attributes:
        rows: The rows that it is of.
        value: The mean.
        low: Lower bound.
        high: Upper bound; None where the rows bound nothing.
    """

    rows: int
    value: float
    low: float | None
    high: float | None


def rate(right: ArrayLike, weights: ArrayLike, confidence: float) -> Mean:
    """A weighted rate, with the exact interval at the effective number of rows.

    Source: Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data", with Kish's effective number of rows (Σw)² / Σw².

    Args:
        right: Whether each row is right.
        weights: One over the chance that each row was kept.
        confidence: Two-sided.

    >>> rate([True] * 57 + [False] * 3, np.ones(60), 0.95).low.__round__(4)
    0.8608
    """
    x, w = np.asarray(right, dtype=float), np.asarray(weights, dtype=float)
    value = float(x @ w / w.sum())
    effective = w.sum() ** 2 / (w @ w)
    low, high = clopper_pearson(value * effective, effective, confidence)
    return Mean(len(x), value, float(low), float(high))


def clustered_mean(values: ArrayLike, weights: ArrayLike, clusters: ArrayLike, confidence: float) -> Mean:
    """A weighted mean, with an interval that allows for rows of one cluster that go together.

    The mean is the ratio Σwy / Σw; its variance that of the clusters' totals of w(y - mean), C / (C - 1) Σz²
    / (Σw)², with Student's t at C - 1 degrees of freedom. Errors of neighbouring hours are alike, so an
    interval from the rows would be far too narrow.

    Source: Cochran 1977, "Sampling Techniques", 9A (clusters of unequal size, ratio estimate).

    Args:
        values: One number a row.
        weights: One over the chance that each row was kept.
        clusters: The cluster of each row, such as its day.
        confidence: Two-sided.

    >>> found = clustered_mean([1, 1, 3, 3], np.ones(4), [0, 0, 1, 1], 0.95)
    >>> found.value, round(found.low, 1), round(found.high, 1)
    (2.0, -10.7, 14.7)
    """
    y, w = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    mean = float(y @ w / w.sum())
    which = np.unique(clusters, return_inverse=True)[1]
    totals = np.bincount(which, w * (y - mean))
    count = len(totals)
    if count < 2:
        return Mean(len(y), mean, None, None)
    error = np.sqrt(count / (count - 1) * (totals @ totals)) / w.sum()
    half = float(stats.t.ppf(0.5 + confidence / 2, count - 1) * error)
    return Mean(len(y), mean, mean - half, mean + half)


def performance(
    name: str,
    signal: Signal,
    labelled: pa.Table,
    cohorts: Mapping[str, tuple[Condition, ...]],
    confidence: float,
    validation: pa.Table | None = None,
) -> list[Figure]:
    """Measures the model on labelled rows, all of them and cohort by cohort.

    A figure is beyond its threshold when its whole interval is. Over k cohorts each interval has the level 1
    - (1 - confidence) / k, so that all of them hold together (Bonferroni; Dunn 1961, "Multiple comparisons
    among means"). A cohort that was beyond the threshold on the validation rows already is beyond only when
    it has become worse than it was there.

    Args:
        name: The signal's name.
        signal: A signal of accuracy or mean absolute error.
        labelled: Rows with prediction and label.
        cohorts: Conditions of each cohort by name.
        confidence: Of the intervals, two-sided.
        validation: Labelled rows that the model was evaluated on, or None.

    Returns:
        One figure of all rows, and one of each cohort that has rows.
    """
    found = []
    groups: list[tuple[str | None, tuple[Condition, ...]]] = [(None, ()), *cohorts.items()]
    for cohort, conditions in groups:
        chosen = select(labelled, conditions)
        if not chosen.any():
            continue
        level = confidence if cohort is None else 1 - (1 - confidence) / len(cohorts)
        now = measure(signal, labelled.filter(pa.array(chosen)), level)
        before = _before(signal, validation, conditions, level)
        beyond = _worse(signal, now, signal.threshold)
        if beyond and cohort is not None and before and _worse(signal, before, signal.threshold):
            bar = before.low if signal.of.lower_is_worse else before.high
            beyond = bar is not None and _worse(signal, now, bar)
        found.append(
            figure(
                name,
                signal,
                value=now.value,
                low=now.low,
                high=now.high,
                rows=now.rows,
                beyond=beyond,
                text=_text(name, signal, cohort, now, before),
                cohort=cohort,
                conditions=(*conditions, *_wrong(signal)),
                times=_times(labelled.filter(pa.array(chosen))),
            )
        )
    return found


def measure(signal: Signal, rows: pa.Table, confidence: float) -> Mean:
    """The figure of a signal on labelled rows.

    Args:
        signal: A signal of accuracy or mean absolute error.
        rows: At least one row, each with prediction and label.
        confidence: Two-sided.
    """
    weights = rows["weight"].to_numpy()
    if signal.measure == "accuracy":
        return rate(pc.equal(rows["prediction"], rows["label"]).to_numpy(), weights, confidence)
    errors = pc.abs(pc.subtract(rows["prediction"], rows["label"])).to_numpy()
    found = clustered_mean(errors, weights, days(rows), confidence)
    return replace(found, low=max(found.low, 0.0)) if found.low is not None else found


def days(rows: pa.Table) -> np.ndarray:
    """The day that each row is from, as whole days since 1970."""
    return rows["time"].cast(pa.int64()).to_numpy() // 86_400_000_000


def _before(
    signal: Signal, validation: pa.Table | None, conditions: tuple[Condition, ...], level: float
) -> Mean | None:
    if validation is None or not (chosen := select(validation, conditions)).any():
        return None
    return measure(signal, validation.filter(pa.array(chosen)), level)


def _worse(signal: Signal, mean: Mean, bar: float) -> bool:
    if signal.of.lower_is_worse:
        return mean.high is not None and mean.high < bar
    return mean.low is not None and mean.low > bar


def _wrong(signal: Signal) -> tuple[Condition, ...]:
    return ({"is": "wrong"},) if signal.measure == "accuracy" else ()


def _times(rows: pa.Table) -> tuple[str, str]:
    """When rows are from: the end lies just behind the last one."""
    bounds = pc.min_max(rows["time"]).as_py()
    return bounds["min"].isoformat(), (bounds["max"] + timedelta(microseconds=1)).isoformat()


def _text(name: str, signal: Signal, cohort: str | None, now: Mean, before: Mean | None) -> str:
    def shown(value: float | None) -> str:
        if value is None:
            return "unknown"
        return f"{100 * value:.1f} %" if signal.measure == "accuracy" else f"{value:.4g}"

    whose = f" of {cohort}" if cohort else ""
    text = f"{name.replace('_', ' ')}{whose} is {shown(now.value)} ({shown(now.low)} to {shown(now.high)})"
    side = "at least" if signal.of.lower_is_worse else "at most"
    text += f" on {now.rows:,} labelled rows; {side} {shown(signal.threshold)} is wanted"
    return text + (f"; it was {shown(before.value)} on the validation rows" if before else "")
