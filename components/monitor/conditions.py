"""Which rows a figure is of, as data: what a finding says can be looked up again in the observations."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.profile.observations import is_numeric
from adsmu.strategy import Cohort

Condition = Mapping[str, Any]
"""What a row must be. `{"column", "is": "missing"}`; `{"column", "is": "in" or "not_in", "values"}` (a
missing value is neither; no row has a value of another type); `{"column", "is": "within" or "outside", "low",
"high"}`, where null is no bound, `within` takes its low end and leaves its high end out, and `outside` is
strict on both sides; `{"is": "wrong"}`: the prediction is not the label."""


def select(table: pa.Table, conditions: Iterable[Condition]) -> np.ndarray:
    """Finds the rows that meet all conditions.

    Args:
        table: Observations.
        conditions: Any number of them; none: every row.

    Returns:
        bool, one a row.

    Raises:
        BadInput: A column is missing, or a condition has another form.

    >>> table = pa.table({"id": list("abcd"), "x": [1.0, None, 5.0, 9.0]})
    >>> select(table, [{"column": "x", "is": "outside", "low": 2.0, "high": None}]).tolist()
    [True, False, False, False]
    >>> select(table, [{"column": "x", "is": "within", "low": 1.0, "high": 9.0}]).tolist()
    [True, False, True, False]
    """
    found = np.ones(len(table), dtype=bool)
    for condition in conditions:
        found &= _one(table, condition)
    return found


def within(table: pa.Table, column: str, begin: datetime, end: datetime) -> np.ndarray:
    """The rows whose time in a column lies from `begin` to before `end`."""
    return select(table, [{"column": column, "is": "within", "low": begin, "high": end}])


def cohorts(
    declared: Mapping[str, Cohort], table: pa.Table, most: int = 200
) -> dict[str, tuple[Condition, ...]]:
    """The cohorts of a strategy with the conditions that tell their rows.

    Args:
        declared: Cohorts by name. One without values and bounds stands for a cohort of each value, named
            `column=value`; within another it is named `column=value within NAME`.
        table: Observations: the values are taken from here.
        most: The most values that a column may be told apart by.

    Returns:
        Conditions by name; the first one is of the cohort's own column.

    Raises:
        BadInput: A column is missing, or has more values than that.

    >>> language, evening = Cohort("language", within="evening"), Cohort("hour", low=18)
    >>> rows = pa.table({"language": ["de", "en", None], "hour": [7, 19, 20]})
    >>> list(cohorts({"language": language, "evening": evening}, rows))
    ['language=en within evening', 'evening']
    """
    found: dict[str, tuple[Condition, ...]] = {}
    for name, cohort in declared.items():
        if cohort.column not in table.column_names:
            raise BadInput(
                f"cohort {name} needs the column, and the observations lack it", column=cohort.column
            )
        outer = _whole(declared[cohort.within]) if cohort.within else ()
        if not cohort.each_value:
            found[name] = (*_whole(cohort), *outer)
            continue
        inside = table.filter(pa.array(select(table, outer)))
        values = [each for each in pc.unique(inside[cohort.column]).to_pylist() if each is not None]
        if len(values) > most:
            rule = f"has {len(values):,} values: a cohort of each is too many; name values or bounds"
            raise BadInput(rule, column=cohort.column)
        for value in sorted(values, key=str):
            part = f"{cohort.column}={value}" + (f" within {cohort.within}" if outer else "")
            found[part] = ({"column": cohort.column, "is": "in", "values": [value]}, *outer)
    return found


def _whole(cohort: Cohort) -> tuple[Condition, ...]:
    """The condition of a cohort with values or bounds, without what it lies within."""
    if cohort.values:
        return ({"column": cohort.column, "is": "in", "values": list(cohort.values)},)
    return ({"column": cohort.column, "is": "within", "low": cohort.low, "high": cohort.high},)


def _one(table: pa.Table, condition: Condition) -> np.ndarray:
    if condition["is"] == "wrong":
        return _true(pc.not_equal(table["prediction"], table["label"]))
    name = condition["column"]
    if name not in table.column_names:
        raise BadInput("the column is missing", file="observations", column=name)
    column = table[name]
    match condition["is"]:
        case "missing":
            return missing(column)
        case "in":
            return _true(pc.is_in(column, _values(column, condition["values"])))
        case "not_in":
            known = pc.is_in(column, _values(column, condition["values"]))
            return _true(pc.and_(pc.invert(known), pc.is_valid(column)))
        case "within":
            return _sides(column, condition, pc.greater_equal, pc.less, np.logical_and)
        case "outside":
            return _sides(column, condition, pc.less, pc.greater, np.logical_or)
    raise BadInput(f"{condition['is']!r} is no condition", file="where")


def missing(column: pa.ChunkedArray) -> np.ndarray:
    """Whether each value is missing: null, or not a number.

    >>> missing(pa.chunked_array([[1.0, None, float("nan")]])).tolist()
    [False, True, True]
    """
    return _true(pc.is_null(column, nan_is_null=pa.types.is_floating(column.type)))


def _sides(column: pa.ChunkedArray, condition: Condition, low: Any, high: Any, join: Any) -> np.ndarray:
    if not (is_numeric(column.type) or pa.types.is_temporal(column.type)):
        return np.zeros(len(column), dtype=bool)
    sides = [
        _true(compare(column, _bound(column, condition[side])))
        for side, compare in (("low", low), ("high", high))
        if condition[side] is not None
    ]
    return join.reduce(sides) if sides else np.ones(len(column), dtype=bool)


def _bound(column: pa.ChunkedArray, value: Any) -> pa.Scalar:
    if pa.types.is_timestamp(column.type) and isinstance(value, str):
        value = datetime.fromisoformat(value)
    return pa.scalar(value, column.type) if pa.types.is_timestamp(column.type) else pa.scalar(value)


def _values(column: pa.ChunkedArray, values: Sequence[Any]) -> pa.Array:
    """The values that a column of this type can hold; no row has the others."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    held = []
    for value in values:
        with contextlib.suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
            if pa.scalar(value, kind).as_py() == value:
                held.append(value)
    return pa.array(held, kind)


def _true(flags: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(flags, False).to_numpy().astype(bool)
