"""The forms of a dataset: which rows are learnt from, how often, and what each stands for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.draw import drawn, lots, shared_out
from adsmu.errors import BadInput
from adsmu.form_dataset.matching import matching_window
from adsmu.profile.observations import TIME
from adsmu.strategy import Dataset

RECENT_ONLY = "recent rows only: what is rare or comes with the seasons is forgotten; form mix keeps history"


@dataclass(frozen=True)
class Formed:
    """Which rows make a dataset.

    Attributes:
        rows: Places of the rows in the table they are taken from, each once.
        weights: For each, how many rows of the table it stands for, all its copies together: its own weight
            over the chance that it was drawn. Horvitz and Thompson 1952, "A generalization of sampling
            without replacement from a finite universe": weighted sums estimate those of the `population`.
        copies: For each, how many times it is learnt from.
        population: What weighted sums estimate, in words.
        warnings: What to think of.
        facts: What else is worth keeping.
    """

    rows: np.ndarray
    weights: np.ndarray
    copies: np.ndarray
    population: str
    warnings: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def form(table: pa.Table, dataset: Dataset, until: datetime) -> Formed:
    """Chooses rows.

    Args:
        table: Labelled observations before `until`, in order of time.
        dataset: The form and its parameters.
        until: The end of the newest window.

    Returns:
        The rows, their weights and copies.

    Raises:
        BadInput: A column is missing, or there are no rows of a kind that the form needs.
    """
    if not len(table):
        raise BadInput("no labelled rows to learn from", file="observations")
    return _FORMS[dataset.form](table, dataset, until)


def _all(table: pa.Table, dataset: Dataset, until: datetime) -> Formed:
    return _as_they_are(table, np.arange(len(table)), "all rows")


def _sliding(table: pa.Table, dataset: Dataset, until: datetime) -> Formed:
    recent = _recent(table, dataset, until)
    if not recent.any():
        raise BadInput(f"no labelled rows since {(until - dataset.window).isoformat()}", file="observations")
    warnings = () if recent.all() else (RECENT_ONLY,)
    since = (until - dataset.window).isoformat()
    return _as_they_are(table, np.flatnonzero(recent), f"rows since {since}", warnings)


def _sampled(table: pa.Table, dataset: Dataset, until: datetime) -> Formed:
    """A simple random sample; with `by`, as many rows of each of its values as there are, evenly."""
    groups = _groups(table, dataset.by)
    lot = lots(table["id"], dataset.seed)
    sizes = np.array([len(places) for places in groups.values()])
    parts = [
        _part(table, places, lot, count)
        for places, count in zip(groups.values(), shared_out(sizes, dataset.rows), strict=True)
    ]
    lost = [name for (name, _), part in zip(groups.items(), parts, strict=True) if not len(part[0])]
    warnings = (f"no row of {', '.join(lost[:3])}{', …' if len(lost) > 3 else ''}",) if lost else ()
    return _joined(parts, "all rows" if not lost else "rows of the values drawn from", warnings)


def _mix(table: pa.Table, dataset: Dataset, until: datetime) -> Formed:
    """History and the latest rows in a stated ratio."""
    recent = _recent(table, dataset, until)
    places = np.flatnonzero(~recent), np.flatnonzero(recent)
    shares = dataset.history, 1 - dataset.history
    for part, share, name in zip(places, shares, ("before", "since"), strict=True):
        if share and not len(part):
            since = (until - dataset.window).isoformat()
            raise BadInput(f"no labelled rows {name} {since}, and the mix needs some", file="observations")
    most = int(min(len(part) / share for part, share in zip(places, shares, strict=True) if share))
    total = min(dataset.rows or most, most)
    history = round(total * dataset.history)
    lot = lots(table["id"], dataset.seed)
    parts = [
        _part(table, part, lot, count) for part, count in zip(places, (history, total - history), strict=True)
    ]
    warnings: tuple[str, ...] = (RECENT_ONLY,) if not history else ()
    if dataset.rows > most:
        warnings += (f"{most:,} rows, not {dataset.rows:,}: there are no more in this ratio",)
    return _joined(
        parts, "all rows" if len(parts[0][0]) and len(parts[1][0]) else "rows of one side", warnings
    )


def _upsampled(table: pa.Table, dataset: Dataset, until: datetime) -> Formed:
    """All rows, those of weak segments several times; of a fraction, as many rows once more as it says."""
    values = pc.cast(_column(table, dataset.by), pa.string())
    weak = pc.fill_null(pc.is_in(values, pa.array(dataset.segments, pa.string())), False).to_numpy()
    if not weak.any():
        raise BadInput("no row of the segments to upsample", file="observations", column=dataset.by)
    absent = sorted(set(dataset.segments) - set(values.to_pylist()))
    warnings = (f"no row of the segment {', '.join(absent)}",) if absent else ()
    whole = int(dataset.factor)
    lot = lots(table["id"], dataset.seed)
    more = drawn(np.where(weak, lot, 2.0), round((dataset.factor - whole) * int(weak.sum())))
    copies = np.where(weak, whole, 1)
    copies[more] += 1
    formed = _as_they_are(table, np.arange(len(table)), "all rows")
    return Formed(formed.rows, formed.weights, copies, formed.population, warnings)


def _matching(table: pa.Table, dataset: Dataset, until: datetime) -> Formed:
    """The newest window, and the old one that is most like it."""
    found = matching_window(table, dataset.window, until)
    chosen = _recent(table, dataset, until) | _between(table, found.begin, found.end)
    facts = {"matched": found.as_json()}
    population = f"rows of the newest window and of {found.begin.isoformat()} to {found.end.isoformat()}"
    return _as_they_are(table, np.flatnonzero(chosen), population, facts=facts)


_FORMS: dict[str, Callable[[pa.Table, Dataset, datetime], Formed]] = {
    "all": _all,
    "sliding": _sliding,
    "sampled": _sampled,
    "mix": _mix,
    "upsampled": _upsampled,
    "matching": _matching,
}


def _as_they_are(
    table: pa.Table, rows: np.ndarray, population: str, warnings: tuple[str, ...] = (), **of: Any
) -> Formed:
    weights = table["weight"].to_numpy()[rows]
    return Formed(rows, weights, np.ones(len(rows), np.int64), population, warnings, **of)


def _part(table: pa.Table, places: np.ndarray, lot: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A sample of some rows, and what each stands for."""
    rows = places[drawn(lot[places], count)]
    return rows, table["weight"].to_numpy()[rows] * (len(places) / max(count, 1))


def _joined(parts: list[tuple[np.ndarray, np.ndarray]], population: str, warnings: tuple[str, ...]) -> Formed:
    rows = np.concatenate([part[0] for part in parts])
    weights = np.concatenate([part[1] for part in parts])
    order = np.argsort(rows)
    return Formed(rows[order], weights[order], np.ones(len(rows), np.int64), population, warnings)


def _groups(table: pa.Table, by: str) -> dict[str, np.ndarray]:
    """Places of the rows of each value of a column, by value; without a column, of all rows."""
    if not by:
        return {"": np.arange(len(table))}
    values = pc.fill_null(pc.cast(_column(table, by), pa.string()), "").to_numpy()
    names, which = np.unique(values.astype(str), return_inverse=True)
    return {str(name): np.flatnonzero(which == number) for number, name in enumerate(names)}


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise BadInput("the column is missing", file="observations", column=name)
    return table[name]


def _recent(table: pa.Table, dataset: Dataset, until: datetime) -> np.ndarray:
    return _between(table, until - dataset.window, until)


def _between(table: pa.Table, begin: datetime, end: datetime) -> np.ndarray:
    times = table["time"]
    inside = pc.and_(
        pc.greater_equal(times, pa.scalar(begin, TIME)),
        pc.less(times, pa.scalar(end, TIME)),
    )
    return inside.to_numpy()
