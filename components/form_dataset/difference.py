"""What a dataset has that the last one had not, and the other way round."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.profile.columns import Categorical, Column, Numeric
from adsmu.profile.drift import Drift, drift
from adsmu.profile.observations import features
from adsmu.profile.profiles import Profile, profile

SHOWN = 50
"""The most labels that are told apart, those that changed most."""


def difference(before: pa.Table | None, after: pa.Table, threshold: float) -> dict[str, Any]:
    """Compares two datasets as a trainer sees them: every copy counts, weights do not.

    Args:
        before: Rows of the last dataset; None: there is none.
        after: Rows of the new one.
        threshold: L1 from which on a column counts as moved, if it is above its noise floor too.

    Returns:
        `rows`, `times`, `labels` and `columns` as they stand in `difference.json`.
    """
    now = _profile(after)
    then = _profile(before, now) if before is not None else None
    moved = {each.column: each for each in drift(then, now)} if then else {}
    return {
        "rows": _rows(before, after),
        "times": {"before": _times(then) if then else None, "after": _times(now)},
        "labels": _labels(before, after),
        "columns": [
            _column(name, then.columns.get(name) if then else None, column, moved.get(name), threshold)
            for name, column in now.columns.items()
        ],
        "lost_columns": sorted(then.columns.keys() - now.columns.keys()) if then else [],
    }


def _profile(table: pa.Table, like: Profile | None = None) -> Profile:
    return profile(table.select(["time", "label", *features(table)]), like=like)


def _rows(before: pa.Table | None, after: pa.Table) -> dict[str, int]:
    old, new = _ids(before), _ids(after)
    return {
        "before": len(before) if before is not None else 0,
        "after": len(after),
        "kept": len(old & new),
        "added": len(new - old),
        "removed": len(old - new),
    }


def _ids(table: pa.Table | None) -> set[str]:
    return set(table["id"].to_pylist()) if table is not None else set()


def _times(of: Profile) -> dict[str, str | None]:
    return {name: at.isoformat() if at else None for name, at in (("from", of.first), ("to", of.last))}


def _labels(before: pa.Table | None, after: pa.Table) -> list[dict[str, Any]]:
    """The share of each label, those that changed most first; none for numbers."""
    if pa.types.is_floating(after["label"].type):
        return []
    old, new = _shares(before), _shares(after)
    order = sorted(
        old.keys() | new.keys(), key=lambda name: (-abs(new.get(name, 0.0) - old.get(name, 0.0)), name)
    )
    return [
        {"label": name, "before": old.get(name, 0.0) if old else None, "after": new.get(name, 0.0)}
        for name in order[:SHOWN]
    ]


def _shares(table: pa.Table | None) -> dict[str, float]:
    if table is None:
        return {}
    counts = pc.value_counts(table["label"])
    return {each["values"]: each["counts"] / len(table) for each in counts.to_pylist()}


def _column(name: str, then: Column | None, now: Column, moved: Drift | None, limit: float) -> dict[str, Any]:
    return {
        "column": name,
        "type": now.type,
        "before": _summary(then) if then else None,
        "after": _summary(now),
        "psi_excess": moved.psi_excess if moved else None,
        "w1": moved.w1 if moved else None,
        "l1": moved.l1 if moved else None,
        "mmd": moved.mmd if moved else None,
        "moved": bool(moved and moved.exceeds("l1", limit)),
    }


def _summary(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"missing": column.missing / column.rows if column.rows else 0.0}
    if isinstance(column, Numeric):
        found |= {"mean": column.mean, "sd": column.sd, "min": column.min, "max": column.max}
    if isinstance(column, Categorical):
        held = column.categories
        share = held.weights / held.weight if held.weight else held.weights
        top = sorted(zip(held.names, share.tolist(), strict=True), key=lambda each: (-each[1], each[0]))
        found |= {"distinct": round(held.distinct), "top": [list(each) for each in top[:3]]}
    return found
