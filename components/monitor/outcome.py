"""What the business counts: the mean of a column, or the share of answers that nobody complained of."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.monitor.conditions import Condition, missing
from adsmu.monitor.figures import Figure, figure
from adsmu.monitor.performance import clustered_mean, days
from adsmu.profile.observations import is_numeric
from adsmu.strategy import Signal

DOWN = "down"
"""The feedback of a user who was not served."""


def outcomes(rows: pa.Table, column: str) -> np.ndarray:
    """The outcome of each row.

    Args:
        rows: Observations.
        column: `feedback`: 0 where it is `DOWN`, else 1, silence included; else a column of numbers.

    Returns:
        One number a row, NaN where it is missing.

    Raises:
        BadInput: There is no such column, or it holds no numbers.
    """
    if column == "feedback":
        return (~pc.fill_null(pc.equal(rows[column], DOWN), False).to_numpy().astype(bool)).astype(float)
    if column not in rows.column_names or not is_numeric(rows[column].type):
        raise BadInput("an outcome needs the column, with numbers in it", file="observations", column=column)
    return rows[column].cast(pa.float64()).to_numpy()


def outcome(name: str, signal: Signal, rows: pa.Table, confidence: float) -> list[Figure]:
    """The mean outcome of a window, with an interval over its days.

    Args:
        name: The signal's name.
        signal: A signal of outcome, with its column.
        rows: The window's rows.
        confidence: Two-sided.

    Returns:
        One figure; none without any outcome.
    """
    column = signal.columns[0]
    values = outcomes(rows, column)
    known = np.isfinite(values)
    if not known.any():
        return []
    found = clustered_mean(values[known], rows["weight"].to_numpy()[known], days(rows)[known], confidence)
    bounds = "one day alone bounds nothing" if found.low is None else f"{found.low:.4g} to {found.high:.4g}"
    conditions: tuple[Condition, ...] = ()
    if column == "feedback":
        conditions = ({"column": column, "is": "in", "values": [DOWN]},)
    elif missing(rows[column]).any():
        conditions = ({"column": column, "is": "within", "low": float(values[known].min()), "high": None},)
    return [
        figure(
            name,
            signal,
            column=column,
            value=found.value,
            low=found.low,
            high=found.high,
            rows=found.rows,
            beyond=found.high is not None and found.high < signal.threshold,
            text=f"{name.replace('_', ' ')}, the mean of {column}, is {found.value:.4g} ({bounds}); at least"
            f" {signal.threshold:.4g} is wanted",
            conditions=conditions,
        )
    ]
