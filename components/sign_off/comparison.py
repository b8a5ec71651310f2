"""Old against new: on all rows, in each stratum and cohort, and on behavioural tests."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.columns import flatten
from adsmu.data.schema import LISTS
from adsmu.errors import BadInput
from adsmu.sign_off.paired import compare_pairs, estimated_total
from adsmu.sign_off.pairs import Pair
from adsmu.strategy import Cohort
from adsmu.stratified_evaluate.compare import holm
from adsmu.stratify.shapes import exact, marks

Measured = dict[str, np.ndarray]
Group = tuple[str, str, np.ndarray]
"""Kind (all, stratum, cohort), name, and which rows belong to it."""


def groups_of(rows: pa.Table, cohorts: dict[str, Cohort]) -> Iterator[Group]:
    """All rows; those of each stratum, where there is a column `stratum_id`; those of each cohort.

    Args:
        rows: The rows of an evaluation set.
        cohorts: As a strategy declares them.

    Raises:
        BadInput: A cohort's bounds are of a column without numbers, or its values of another type.
    """
    yield "all", "all rows", np.ones(len(rows), dtype=bool)
    if "stratum_id" in rows.column_names:
        for value, member in _each_value(rows["stratum_id"]):
            yield "stratum", value, member
    for name, cohort in cohorts.items():
        if cohort.column not in rows.column_names:  # told as a cohort without rows
            yield "cohort", name, np.zeros(len(rows), dtype=bool)
            continue
        column = rows[cohort.column]
        if cohort.low is not None or cohort.high is not None:
            if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
                raise BadInput("bounds need numbers", file="evaluation set", column=cohort.column)
            number = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
            low = -np.inf if cohort.low is None else cohort.low
            high = np.inf if cohort.high is None else cohort.high
            yield "cohort", name, (number >= low) & (number < high)
        elif cohort.values:
            try:
                wanted = pa.array(cohort.values, pa.string()) if _text(column) else pa.array(cohort.values)
                yield "cohort", name, pc.is_in(column, wanted.cast(column.type)).to_numpy()
            except pa.ArrowException as error:
                rule = f"the values of the cohort {name} are of another type"
                raise BadInput(rule, file="evaluation set", column=cohort.column) from error
        else:
            for value, member in _each_value(column):
                yield "cohort", f"{name}: {value}", member


def named_strata(rows: pa.Table, shapes: Mapping[str, str]) -> dict[str, str]:
    """What people call the strata: their intent and shape.

    Args:
        rows: The rows of an evaluation set.
        shapes: Of strata that were declared, their shape by id. Of any other, such as one of an earlier
            update, the first row's carrier words and slots are taken.

    Returns:
        By stratum id; nothing where rows are no utterances.
    """
    if not {"stratum_id", "intent", *LISTS} <= set(rows.column_names):
        return {}
    rows = rows.filter(pc.is_valid(rows["stratum_id"]))
    found = exact(marks(flatten(rows)))
    named: dict[str, str] = {}
    for stratum, intent, shape in zip(
        rows["stratum_id"].to_pylist(), rows["intent"].to_pylist(), found.of_row.tolist(), strict=True
    ):
        named.setdefault(stratum, f"{intent}: {shapes.get(stratum, found.texts[shape])}")
    return named


def _text(column: pa.ChunkedArray) -> bool:
    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def _each_value(column: pa.ChunkedArray) -> Iterator[tuple[str, np.ndarray]]:
    values = column.drop_null()
    for value in sorted(pc.unique(values).to_pylist(), key=str):
        yield str(value), pc.fill_null(pc.equal(column, value), False).to_numpy()


def comparisons(
    groups: list[Group],
    champion: Measured,
    candidate: Measured,
    weight: np.ndarray,
    lower_is_better: frozenset[str],
    confidence: float,
    named: Mapping[str, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Compares two models on each figure in each group.

    Args:
        groups: See `groups_of`.
        champion: Its values by figure, one a row.
        candidate: Its values in the same rows.
        weight: One over the chance that a row was sampled.
        lower_is_better: Which figures are losses.
        confidence: Of every interval, two-sided.
        named: See `named_strata`; what is not in it goes by its group.

    Returns:
        COMPARISON of `docs/watching.md`. p_harm of strata and cohorts is adjusted by Holm over all of them,
        each figure by itself.
    """
    found = []
    for figure in champion:
        entries = [
            _entry(group, named, figure, champion, candidate, weight, lower_is_better, confidence)
            for group in groups
            if group[2].any()
        ]
        parts = [entry for entry in entries if entry["kind"] != "all"]
        for entry, p in zip(parts, holm([entry["p_harm"] for entry in parts]), strict=True):
            entry["p_harm"] = float(p)
        found += entries
    return found


def _entry(
    group: Group,
    named: Mapping[str, str],
    figure: str,
    champion: Measured,
    candidate: Measured,
    weight: np.ndarray,
    lower_is_better: frozenset[str],
    confidence: float,
) -> dict[str, Any]:
    kind, name, member = group
    lower = figure in lower_is_better
    values = champion[figure][member], candidate[figure][member], weight[member]
    return {
        "kind": kind,
        "group": name,
        "name": named.get(name, name) if kind == "stratum" else name,
        "figure": figure,
        "lower_is_better": lower,
        **vars(compare_pairs(*values, lower, confidence)),
    }


def totals(
    champion: Measured,
    candidate: Measured,
    weight: np.ndarray,
    lower_is_better: frozenset[str],
    confidence: float,
) -> list[dict[str, Any]]:
    """What would have been counted on all rows that there were: losses summed, and wrong answers counted.

    Args:
        champion: Its values by figure, one a row.
        candidate: Its values in the same rows.
        weight: One over the chance that a row was sampled.
        lower_is_better: Which figures are losses.
        confidence: Two-sided.

    Returns:
        TOTAL of `docs/watching.md`, one a figure.
    """
    found = []
    for figure in champion:
        entry: dict[str, Any] = {"figure": figure, "rows": float(weight.sum())}
        for name, values in (("champion", champion[figure]), ("candidate", candidate[figure])):
            lost = values if figure in lower_is_better else 1 - values
            entry[name] = dict(
                zip(("total", "low", "high"), estimated_total(lost, weight, confidence), strict=True)
            )
        found.append(entry)
    return found


def behaviour(
    pairs: tuple[Pair, ...], champion: list[bool], candidate: list[bool], confidence: float
) -> list[dict[str, Any]]:
    """Compares how many pairs of each test two models keep to.

    Args:
        pairs: The pairs.
        champion: Whether it keeps to each.
        candidate: Likewise.
        confidence: Two-sided.

    Returns:
        TEST of `docs/watching.md`, in the order the tests are first met; p_harm is adjusted by Holm.
    """
    found = []
    for test in dict.fromkeys(pair.test for pair in pairs):
        member = [index for index, pair in enumerate(pairs) if pair.test == test]
        old, new = ([each[index] for index in member] for each in (champion, candidate))
        kinds = sorted({pairs[index].kind for index in member})
        compared = vars(compare_pairs(old, new, np.ones(len(member)), False, confidence))
        found.append({"test": test, "kind": " and ".join(kinds), **compared})
    for entry, p in zip(found, holm([entry["p_harm"] for entry in found]), strict=True):
        entry["p_harm"] = float(p)
    return found
