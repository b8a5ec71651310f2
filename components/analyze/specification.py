"""What an analysis needs from production: a schema, made once and checked when observations are written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.analyze.quality import kind
from adsmu.errors import BadInput
from adsmu.profile.observations import features, observations, write_observations
from adsmu.strategy import Strategy

KINDS = ("numbers", "text", "lists of words", "vectors")


def specification(reference: pa.Table, strategy: Strategy) -> dict[str, Any]:
    """Says what a window must hold so that it can be analyzed against a reference.

    Args:
        reference: Observations with labels and predictions.
        strategy: Says what the columns are, and names the cohorts.

    Returns:
        `{"format": 1, "strategy": digest, "columns": {name: {"kind", "role", "length"?}}}`: `prediction`
        (`answer`) and cohorts need a value in every row; features must be there; vectors have one length.

    Raises:
        BadInput: The reference lacks a column that the strategy names.
    """
    reference = observations(reference, "reference")
    columns = {"prediction": {"kind": kind(reference["prediction"].type), "role": "answer"}}
    chosen = strategy.columns.chosen(features(reference))
    cohorts = {cohort.column for cohort in strategy.cohorts.values()}
    for name in dict.fromkeys([*chosen, *sorted(cohorts)]):
        if name not in reference.column_names:
            raise BadInput("the column is missing", file="reference", column=name)
        if name in strategy.columns.ignore or (held := kind(reference[name].type)) not in KINDS:
            continue
        columns[name] = {"kind": held, "role": "cohort" if name in cohorts else "feature"}
        if held == "vectors":
            columns[name]["length"] = pc.max(pc.list_value_length(reference[name])).as_py()
    return {"format": 1, "strategy": strategy.digest, "columns": columns}


def check_window(table: pa.Table, needs: Mapping[str, Any], file: str | Path = "window") -> pa.Table:
    """Checks observations against a specification.

    Args:
        table: The rows.
        needs: What `specification` gives.
        file: Where they come from or go to, for errors.

    Returns:
        The rows, reserved columns completed.

    Raises:
        BadInput: A column is missing or of another kind, a value is missing, or a vector has another length.
    """
    table = observations(table, file)
    for name, need in needs["columns"].items():
        if name not in table.column_names:
            raise BadInput("the column is missing, which an analysis needs", file=file, column=name)
        column = table[name]
        if kind(column.type) != need["kind"]:
            raise BadInput(f"{need['kind']} are needed, not {kind(column.type)}", file=file, column=name)
        broken = pc.is_null(column) if need["role"] != "feature" else None
        rule = "a value is missing, which an analysis needs"
        if "length" in need:
            broken = pc.fill_null(pc.not_equal(pc.list_value_length(column), need["length"]), False)
            rule = f"a vector of {need['length']} numbers is needed"
        if broken is not None and pc.any(broken).as_py():
            raise BadInput(rule, file=file, row=pc.index(broken, True).as_py() + 1, column=name)
    return table


def write_window(table: pa.Table, path: str | Path, needs: Mapping[str, Any]) -> None:
    """Writes observations that an analysis can use, whole or not at all.

    Args:
        table: The rows.
        path: The Parquet file to write.
        needs: What `specification` gives.

    Raises:
        BadInput: They break the specification; nothing is written.
    """
    write_observations(check_window(table, needs, path), path)
