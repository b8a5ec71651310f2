"""One window looked at from outcome down to system."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.monitor import arrival
from adsmu.monitor.conditions import cohorts, within
from adsmu.monitor.contract import check_contract, rules
from adsmu.monitor.drifts import drifts, with_kinds
from adsmu.monitor.estimate import estimate
from adsmu.monitor.figures import Figure
from adsmu.monitor.findings import FORMAT, Window, as_json, measured
from adsmu.monitor.history import Compared, Earlier, past_series, persisted, references
from adsmu.monitor.labels import answered, check_task, judged, newest_model, of_model
from adsmu.monitor.outcome import outcome, outcomes
from adsmu.monitor.performance import performance
from adsmu.monitor.system import system
from adsmu.monitor.units import units
from adsmu.profile.observations import RESERVED
from adsmu.profile.profiles import Profile
from adsmu.strategy import Signal, Strategy

ANSWERS = ("prediction", "score")
"""Reserved columns that are watched like features."""

OF_TEXTS = ("schema", "missing")
"""What a reference tells of texts: no two are the same, so a new one is no new category."""


@dataclass(frozen=True)
class Given:
    """What a window is looked at with.

    Attributes:
        rows: All observations that are known: the window's, and earlier ones whose labels came late.
        profile: The window's profile.
        validation: Labelled observations that the model was evaluated on, or None.
        validation_profile: Their profile, or None.
        history: Earlier windows, in order of time.
        readings: Readings of the system, or None.
    """

    rows: pa.Table
    profile: Profile
    validation: pa.Table | None = None
    validation_profile: Profile | None = None
    history: Sequence[Earlier] = ()
    readings: pa.Table | None = None


def monitor(given: Given, strategy: Strategy, window: Window) -> dict[str, Any]:
    """Looks at a window.

    Args:
        given: What it is looked at with.
        strategy: The strategy.
        window: The window.

    Returns:
        The content of `findings.json`, without `inputs`.

    Raises:
        BadInput: What the strategy names is not there.
    """
    check_task(given.rows, strategy.columns.task, "observations")
    if given.validation is not None:
        check_task(given.validation, strategy.columns.task, "validation")
    rows = given.rows.filter(pa.array(within(given.rows, "time", window.begin, window.end)))
    compared = references(strategy.reference, window, given.history, given.validation_profile)
    series = _series(rows, strategy, window, given.history)
    figures = [
        *_answers(rows, given, strategy, window),
        *_quality(rows, given, strategy, compared),
        *_arrival(rows, given, strategy, window, series["rows"]),
        *_drift(given, strategy, compared),
        *_system(given, strategy, window),
    ]
    found = [each for each in figures if each.beyond and _lasting(each, given.history, strategy)]
    return {
        "format": FORMAT,
        "strategy": strategy.digest,
        "window": {
            "from": window.begin.isoformat(),
            "to": window.end.isoformat(),
            "rows": len(rows),
            "hours": arrival.present_hours(rows, window.begin, window.end),
        },
        "reference": {"kind": strategy.reference.kind, "compared": [each.as_json() for each in compared]},
        **as_json(found, window),
        "unmeasured": _unmeasured(given.rows, figures, strategy),
        "figures": [measured(each) for each in figures],
        "series": {name: _steps(each) for name, each in series.items()},
    }


def _answers(rows: pa.Table, given: Given, strategy: Strategy, window: Window) -> list[Figure]:
    """Outcome, performance and label-free estimate."""
    model = newest_model(given.rows, window.end)
    labelled = judged(given.rows, model, window.begin, window.end)
    groups = cohorts(strategy.cohorts, labelled)
    validation = None if given.validation is None else answered(given.validation)
    calibration = judged(given.rows, model, None, window.begin) if validation is None else validation
    found = []
    for name, signal in _signals(strategy, "outcome").items():
        found += outcome(name, signal, rows, strategy.confidence)
    for name, signal in _signals(strategy, "performance").items():
        found += performance(name, signal, labelled, groups, strategy.confidence, validation)
    for name, signal in _signals(strategy, "estimate").items():
        found += estimate(name, signal, of_model(rows, model), calibration, strategy.confidence)
    return found


def _quality(rows: pa.Table, given: Given, strategy: Strategy, compared: Sequence[Compared]) -> list[Figure]:
    """What the values of the window's rows break."""
    signals = _signals(strategy, "quality")
    reference = compared[0].profile if compared else given.validation_profile
    # What the model answers is not what it learns from: less sure of a new class, it breaks no rule.
    apart = (*strategy.columns.projected, *ANSWERS)
    watched = [name for name in _watched(strategy, reference) if name not in apart]
    found = []
    if len(rows):
        texts = [name for name in strategy.columns.text if name not in strategy.columns.ignore]
        kept = rules(reference, strategy.columns.contract, [*watched, *texts])
        kept = [
            each for each in kept if each.declared or each.column not in texts or each.measure in OF_TEXTS
        ]
        found = check_contract(rows, kept, signals, strategy.confidence)
    latest = [each.profile for each in given.history if each.healthy][-1:]
    profiles = [*([reference] if reference else []), *latest]
    for name, signal in signals.items():
        if signal.measure == "unit_change":
            found += units(name, signal, given.profile, profiles, watched)
    return found


def _arrival(
    rows: pa.Table, given: Given, strategy: Strategy, window: Window, volume: arrival.Series
) -> list[Figure]:
    """Whether the rows that were due came."""
    known = within(given.rows, "time", datetime.min.replace(tzinfo=UTC), window.end)
    newest = pc.max(given.rows["time"].filter(pa.array(known))).as_py()
    hours = [each.findings["window"]["hours"] for each in given.history]
    days = [arrival.present_steps(each.findings["series"].get("rows", [])) for each in given.history]
    found = []
    for name, signal in _signals(strategy, "quality").items():
        if signal.measure == "volume":
            found += arrival.volume(name, signal, volume)
        elif signal.measure == "staleness":
            found += arrival.staleness(name, signal, rows, newest, window.begin, window.end)
        elif signal.measure == "dropped":
            found += arrival.dropped(name, signal, rows, window.begin, window.end, hours, days)
    return found


def _drift(given: Given, strategy: Strategy, compared: Sequence[Compared]) -> list[Figure]:
    """How far the columns lie from each reference, and of the first which kind of drift that is."""
    signals = _signals(strategy, "drift")
    series = [*(each.profile for each in given.history if each.healthy), given.profile]
    found: list[Figure] = []
    for each in compared:
        watched = _watched(strategy, each.profile)
        figures = drifts(signals, each.name, each.profile, given.profile, watched)
        if each is compared[0]:
            # Answers of earlier windows may be another model's: they are no series.
            asked = [column for column in watched if column not in ANSWERS]
            figures = with_kinds(figures, series, each.profile, each.name, asked, signals)
        found += figures
    return found


def _system(given: Given, strategy: Strategy, window: Window) -> list[Figure]:
    if given.readings is None:
        return []
    readings = given.readings.filter(pa.array(within(given.readings, "time", window.begin, window.end)))
    return [
        found
        for name, signal in _signals(strategy, "system").items()
        for found in system(name, signal, readings)
    ]


def _unmeasured(known: pa.Table, figures: Sequence[Figure], strategy: Strategy) -> list[str]:
    """The cohorts, with those that only earlier rows show, of which no label came in within the window."""
    measured = {each.cohort for each in figures if each.level == "performance"}
    return [name for name in cohorts(strategy.cohorts, known, len(known)) if name not in measured]


def _series(
    rows: pa.Table, strategy: Strategy, window: Window, history: Sequence[Earlier]
) -> dict[str, arrival.Series]:
    """Day by day, and where it was expected: how many rows there were, and the mean of each outcome."""
    values: dict[str, np.ndarray | None] = {"rows": None}
    for signal in _signals(strategy, "outcome").values():
        values[signal.columns[0]] = outcomes(rows, signal.columns[0])
    return {
        name: arrival.series(name, rows, of, window.begin, window.end, past_series(history, name))
        for name, of in values.items()
    }


def _steps(series: arrival.Series) -> list[dict[str, Any]]:
    return [
        {
            "time": time.isoformat(),
            "value": None if math.isnan(value) else float(value),
            "low": range_.low if range_ else None,
            "high": range_.high if range_ else None,
        }
        for time, value, range_ in zip(series.times, series.values, series.ranges, strict=True)
    ]


def _signals(strategy: Strategy, level: str) -> dict[str, Signal]:
    return {name: signal for name, signal in strategy.signals.items() if signal.level == level}


def _watched(strategy: Strategy, reference: Profile | None) -> list[str]:
    """The columns that are looked at: the declared, or those of the reference; the model's answers always."""
    declared = strategy.columns
    known = [name for name in reference.columns if name not in RESERVED] if reference else []
    names = [*declared.chosen(known), *declared.projected, *ANSWERS]
    return [name for name in dict.fromkeys(names) if name not in (*declared.ignore, *declared.text)]


def _lasting(figure: Figure, history: Sequence[Earlier], strategy: Strategy) -> bool:
    """Whether a figure has been beyond its threshold for as long as its signal asks."""
    return figure.kind == "temporary" or persisted(
        figure, history, strategy.signals[figure.signal].persistence
    )
