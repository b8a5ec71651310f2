"""Which rows a window can be judged by: labels come late, and models change."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput


def newest_model(rows: pa.Table, end: datetime) -> str | None:
    """The model that answered the last request before a time; None where that is not known.

    Args:
        rows: Observations.
        end: The time.
    """
    before = rows.filter(pc.less(rows["time"], _scalar(rows, end)))
    if not len(before):
        return None
    last = pc.index(before["time"], pc.max(before["time"])).as_py()
    model: str | None = before["model"][last].as_py()
    return model


def judged(rows: pa.Table, model: str | None, begin: datetime | None, end: datetime) -> pa.Table:
    """The answers of a model whose labels came between two times, each row in one window only.

    Args:
        rows: Observations. A label without a time of its own came with its row.
        model: The model that answered; None: rows that name no model.
        begin: From then on; None: ever.
        end: Before then.
    """
    rows = of_model(rows, model)
    came = pc.coalesce(rows["label_time"], rows["time"])
    chosen = pc.less(came, _scalar(rows, end))
    if begin is not None:
        chosen = pc.and_(chosen, pc.greater_equal(came, _scalar(rows, begin)))
    return answered(rows.filter(chosen))


def of_model(rows: pa.Table, model: str | None) -> pa.Table:
    """The rows that a model answered; None: those that name no model."""
    named = rows["model"]
    return rows.filter(pc.is_null(named) if model is None else pc.fill_null(pc.equal(named, model), False))


def check_task(rows: pa.Table, task: str, file: str) -> None:
    """Refuses answers that are not of a strategy's task: regression needs numbers.

    Args:
        rows: Observations.
        task: classification or regression.
        file: Where they come from, for errors.

    Raises:
        BadInput: Predictions or labels are text.
    """
    for name in ("prediction", "label"):
        if task == "regression" and pa.types.is_string(rows[name].type):
            raise BadInput("the strategy's task is regression: numbers are needed", file=file, column=name)


def answered(rows: pa.Table) -> pa.Table:
    """The rows that have a prediction and a label."""
    return rows.filter(pc.and_(pc.is_valid(rows["prediction"]), pc.is_valid(rows["label"])))


def _scalar(rows: pa.Table, time: datetime) -> pa.Scalar:
    return pa.scalar(time, rows["time"].type)
