"""How far the columns of a window lie from a reference, and which kind of drift it is: told from profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from adsmu.monitor.conditions import Condition
from adsmu.monitor.figures import Figure, figure
from adsmu.monitor.history import comparable
from adsmu.monitor.kind import recognise
from adsmu.monitor.units import SHARES
from adsmu.profile.columns import Categorical, Column, Embedding, Numeric
from adsmu.profile.drift import BINS, Drift, drift
from adsmu.profile.profiles import Profile
from adsmu.strategy import MEASURES, Signal

WORDS = {
    "psi": "PSI above its mean without shift is",
    "w1": "W1, in standard deviations of the reference, is",
    "l_infinity": "the largest change of a share is",
    "l1": "the sum of changes of shares is",
    "mmd": "MMD², by random features, is",
    "ks": "the largest distance of the distribution functions (KS, for debugging) is",
    "kl": "the Kullback-Leibler divergence (for debugging) is",
}
MOST_WINDOWS = 60
"""Windows that the kind of a drift is told from, the latest."""


def drifts(
    signals: Mapping[str, Signal],
    name: str,
    reference: Profile,
    current: Profile,
    watched: Sequence[str],
) -> list[Figure]:
    """Measures the drift of each column from a reference.

    A figure is beyond its threshold when the effect is, and lies above the noise floor of so many rows
    (`adsmu.profile.drift`). KS and KL are measured where a strategy asks for them, and are never beyond.

    Args:
        signals: Signals of level drift by name.
        name: The reference's name.
        reference: Its profile.
        current: The window's.
        watched: The columns that are looked at.

    Returns:
        A figure for each signal and each column that it has a meaning for.
    """
    wanted = [signal for signal in signals.values() if not signal.of.debug]
    found = [each for each in drift(reference, current) if each.column in watched]
    made = []
    for each in found:
        before, now = reference.columns[each.column], current.columns[each.column]
        for signal_name, signal in signals.items():
            value = (
                debug_figure(signal.measure, before, now) if signal.of.debug else _value(each, signal.measure)
            )
            if value is None or (signal.columns and each.column not in signal.columns):
                continue
            text = f"{each.column}: {WORDS[signal.measure]} {value:.3g} from {name}"
            made.append(
                figure(
                    signal_name,
                    signal,
                    column=each.column,
                    value=value,
                    rows=round(each.rows),
                    beyond=signal in wanted and each.exceeds(signal.measure, signal.threshold),
                    text=text + _means(before, now),
                    conditions=_grown(each.column, before, now),
                    reference=name,
                )
            )
    return made


def debug_figure(measure: str, before: Column, now: Column) -> float | None:
    """KS of two columns of numbers, or KL over tenths of the reference; None of other columns.

    Sources: Kolmogorov 1933; Kullback and Leibler 1951, half a row added to each tenth.
    """
    if not isinstance(before, Numeric) or not isinstance(now, Numeric) or not before.weight or not now.weight:
        return None
    if measure == "ks":
        knots = np.union1d(before.distribution.values, now.distribution.values)
        f, g = (each.distribution.up_to(knots) / each.distribution.weight for each in (before, now))
        return float(np.abs(f - g).max())
    shares = [_tenths(before, each)[1] * each.effective_rows + 0.5 for each in (before, now)]
    p, q = (share / share.sum() for share in shares)
    return float((q * np.log(q / p)).sum())


def with_kinds(
    figures: Sequence[Figure],
    series: Sequence[Profile],
    reference: Profile,
    name: str,
    watched: Sequence[str],
    signals: Mapping[str, Signal],
) -> list[Figure]:
    """Says of each drift which kind it is, and tells of drifts that have passed.

    Args:
        figures: Figures of drift from the reference.
        series: Profiles of the windows, oldest first, the present one last.
        reference: The reference's profile.
        name: Its name.
        watched: The columns that are looked at.
        signals: Signals of level drift by name.

    Returns:
        The figures, with kinds; and for each column whose drift was temporary one that says so.
    """
    drifted = {each.column for each in figures if each.beyond and each.reference == name}
    measured = {each.column: each for each in drift(reference, series[-1])}
    kinds = {
        column: column_kind(column, series[-MOST_WINDOWS:], reference, measured[column], column in drifted)
        for column in watched
        if column in measured
    }
    made = [
        replace(each, kind=kinds.get(each.column or "")) if each.beyond and each.reference == name else each
        for each in figures
    ]
    for column, kind in kinds.items():
        if kind == "temporary" and (found := _first(signals, measured[column])):
            signal_name, signal, value = found
            text = f"{column}: was drifted from {name} and is back: temporary, so nothing is to be done"
            made.append(
                figure(
                    signal_name,
                    signal,
                    column=column,
                    value=value,
                    rows=round(measured[column].rows),
                    beyond=True,
                    text=text,
                    kind=kind,
                    reference=name,
                    alerts=False,
                )
            )
    return made


def column_kind(
    column: str, series: Sequence[Profile], reference: Profile, now: Drift, drifted: bool
) -> str | None:
    """The kind of drift of one column: see `adsmu.monitor.kind.recognise`.

    Distances grow in proportion to the shift: W1 in standard deviations of the reference, the sum of changes
    of shares, or the distance of mean maps of vectors.

    Args:
        column: Its name.
        series: Profiles of the windows, oldest first.
        reference: The reference's profile.
        now: The last window's drift.
        drifted: Whether the last window's figure is beyond its threshold.
    """
    columns = [each.columns.get(column) for each in series]
    before = reference.columns[column]
    alike = comparable(before)
    known = [each for each in columns if each is not None and comparable(each) == alike and each.weight]
    if len(known) < 2 or columns[-1] is not known[-1]:
        return None
    between = _distances([before, *known])
    measure = {Numeric: "w1", Embedding: "mmd"}.get(type(before), "l1")
    floor = getattr(now, f"{measure}_floor") or 0.0
    threshold = max(float(MEASURES[measure].threshold or 0.0), floor)
    if measure == "mmd":
        threshold = float(np.sqrt(threshold))
    if drifted:  # another measure may have told it, by which this distance is a small one
        threshold = min(threshold, 0.75 * float(between[0, -1]))
    return recognise(between[0, 1:], between[1:, 1:], threshold)


def _distances(columns: Sequence[Column]) -> np.ndarray:
    """Distances between columns of one kind, the first of which is the reference."""
    first = columns[0]
    if isinstance(first, Numeric):
        lines = np.array(
            [each.distribution.quantiles(SHARES) for each in columns if isinstance(each, Numeric)]
        )
        return np.abs(lines[:, None] - lines).mean(axis=2) / (first.sd or 1.0)
    if isinstance(first, Categorical):
        shares = _shares([each for each in columns if isinstance(each, Categorical)])
        return np.abs(shares[:, None] - shares).sum(axis=2)
    maps = [each.map for each in columns if isinstance(each, Embedding) and each.map is not None]
    means = np.array([each.mean for each in maps])
    noise = np.array(
        [each.spread / max(column.effective_rows - 1, 1) for each, column in zip(maps, columns, strict=True)]
    )
    squares = ((means[:, None] - means) ** 2).sum(axis=2) - noise[:, None] - noise
    return np.sqrt(np.maximum(squares, 0))


def _shares(columns: Sequence[Categorical]) -> np.ndarray:
    names = sorted({name for each in columns for name in each.categories.names})
    place = {name: number for number, name in enumerate(names)}
    found = np.zeros((len(columns), len(names) + 1))
    for number, each in enumerate(columns):
        found[number, [place[name] for name in each.categories.names]] = each.categories.weights
        found[number, -1] = each.categories.other
    return found / found.sum(axis=1, keepdims=True)


def _value(of: Drift, measure: str) -> float | None:
    value: float | None = getattr(of, "psi_excess" if measure == "psi" else measure)
    return None if value is None else float(value)


def _first(signals: Mapping[str, Signal], of: Drift) -> tuple[str, Signal, float] | None:
    """The first signal that has a figure of a column."""
    for name, signal in signals.items():
        if not signal.of.debug and (value := _value(of, signal.measure)) is not None:
            return name, signal, value
    return None


def _means(before: Column, now: Column) -> str:
    if isinstance(before, Numeric) and isinstance(now, Numeric):
        return f"; the mean went from {before.mean:.4g} to {now.mean:.4g}"
    return ""


def _tenths(before: Numeric, now: Numeric) -> tuple[np.ndarray, np.ndarray]:
    """The edges of the tenths of a reference, and a column's share of each."""
    edges = np.unique(before.distribution.quantiles(np.linspace(0, 1, BINS + 1)[1:-1]))
    up_to = now.distribution.under(edges) / now.distribution.weight
    return edges, np.diff(np.concatenate([[0.0], up_to, [1.0]]))


def _grown(column: str, before: Column, now: Column) -> tuple[Condition, ...]:
    """The tenth of the reference, or the category, whose share grew most: where to look at rows."""
    if isinstance(before, Numeric) and isinstance(now, Numeric):
        edges, share = _tenths(before, now)
        bounds = [None, *edges.tolist(), None]
        most = int((share - _tenths(before, before)[1]).argmax())
        return ({"column": column, "is": "within", "low": bounds[most], "high": bounds[most + 1]},)
    if isinstance(before, Categorical) and isinstance(now, Categorical):
        names = sorted({*before.categories.names, *now.categories.names})
        shares = _shares([before, now])
        most = int((shares[1] - shares[0])[:-1].argmax()) if names else 0
        return ({"column": column, "is": "in", "values": [names[most]]},) if names else ()
    return ()
