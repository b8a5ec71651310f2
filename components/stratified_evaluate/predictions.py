"""The predictions table: which rows are right, beside what the champion had right."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.errors import BadInput
from adsmu.stratified_evaluate.correctness import FIGURES, Marks

NAMES = ("id", "source", "split", "stratum_id", "intent")
SCHEMA = pa.schema(
    [pa.field(name, pa.string()) for name in NAMES]
    + [pa.field(f"{whose}{figure}_correct", pa.bool_()) for whose in ("", "champion_") for figure in FIGURES]
)


def predictions_table(
    new: pa.Table, marks_new: Marks, old: pa.Table, marks_old: Marks, champion: pa.Table | None
) -> pa.Table:
    """Joins the marks of both tables, and those of the champion by id.

    Args:
        new: Rows of the new use case.
        marks_new: Their marks.
        old: Rows of the existing use cases.
        marks_old: Their marks.
        champion: The champion's predictions, or None.

    Returns:
        One row an utterance, those of the new use case first. The champion's columns are null where it has no
        prediction; on rows of the existing use cases it must have one.

    Raises:
        BadInput: The champion has no prediction for a row of the existing use cases.
    """
    names = pa.concat_tables(
        pa.table({name: part[name].cast(pa.string()) for name in NAMES}) for part in (new, old)
    )
    columns = {name: names[name] for name in NAMES}
    columns |= {f"{figure}_correct": pa.array(_joined(figure, marks_new, marks_old)) for figure in FIGURES}
    if champion is None:
        nothing = pa.nulls(len(names), pa.bool_())
        return pa.table(columns | {f"champion_{figure}_correct": nothing for figure in FIGURES}, SCHEMA)
    found = pc.index_in(names["id"], champion["id"])
    if (missing := found.slice(len(new)).null_count) > 0:
        raise BadInput(f"lacks {missing} of the {len(old)} held-out rows of the existing data", column="id")
    columns |= {f"champion_{figure}_correct": champion[f"{figure}_correct"].take(found) for figure in FIGURES}
    return pa.table(columns, SCHEMA)


def _joined(figure: str, first: Marks, second: Marks) -> np.ndarray:
    return np.concatenate([first[figure], second[figure]])


def read_predictions(path: str | Path) -> pa.Table:
    """Reads a predictions table.

    Args:
        path: Parquet file, as this step writes it.

    Returns:
        The table.

    Raises:
        BadInput: It is not readable, or a column is missing or of another type.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"not a readable Parquet file: {str(error).splitlines()[0]}", file=path) from error
    for field in SCHEMA:
        if field.name not in table.column_names:
            raise BadInput("missing", file=path, column=field.name)
        if table.schema.field(field.name).type != field.type:
            raise BadInput(f"must hold {field.type}", file=path, column=field.name)
    return table.select(SCHEMA.names)


def marks_of(table: pa.Table, whose: str = "") -> Marks:
    """The marks that a predictions table holds.

    Args:
        table: Predictions.
        whose: Empty for the model's, `champion_` for the champion's.

    Returns:
        The marks; a null counts as wrong.
    """
    return {
        figure: pc.fill_null(table[f"{whose}{figure}_correct"], False).to_numpy().astype(bool)
        for figure in FIGURES
    }
