"""How well each model would have done in each window since it was trained: the losses all studies rest on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from adsmu.errors import BadInput
from adsmu.files import written_whole

COLUMNS = ("trained", "tested", "loss")


@dataclass(frozen=True)
class Losses:
    """The loss of the model that was trained just before window i, in window j.

    Attributes:
        of: Windows by windows, float64; NaN where j < i: no model is tested on what it learnt from.
    """

    of: np.ndarray

    def __post_init__(self) -> None:
        windows = len(self.of)
        if self.of.shape != (windows, windows) or windows < 2:
            raise BadInput(
                f"must be of two windows or more, each by each, not {self.of.shape}", file="losses"
            )
        later = np.triu(np.ones(self.of.shape, dtype=bool))
        if not np.isfinite(self.of[later]).all() or not np.isnan(self.of[~later]).all():
            raise BadInput(
                "must have a finite loss for each model and each window since, and no other", file="losses"
            )

    def __len__(self) -> int:
        return len(self.of)


def losses_of(windows: int, fit: Callable[[int], Any], loss: Callable[[Any, int], np.ndarray]) -> Losses:
    """Trains a model before each window and tests it on all from there on.

    Args:
        windows: How many there are.
        fit: Gives the model that is trained on what was known before a window.
        loss: The mean loss of a model in a window and in each after it, in order.

    >>> level = np.array([1.0, 2.0, 4.0])
    >>> losses_of(3, lambda i: level[i], lambda model, i: abs(level[i:] - model)).of.tolist()
    [[0.0, 1.0, 3.0], [nan, 0.0, 2.0], [nan, nan, 0.0]]
    """
    of = np.full((windows, windows), np.nan)
    for window in range(windows):
        of[window, window:] = loss(fit(window), window)
    return Losses(of)


def read_losses(path: str | Path) -> Losses:
    """Reads losses.

    Args:
        path: Parquet or, by its ending, CSV: `trained` and `tested`, the numbers of windows counted from 0,
            and `loss`. Each model has one in each window from the one it was trained before.

    Raises:
        BadInput: It is not readable, or a row or a column breaks a rule.
    """
    try:
        table = pa.csv.read_csv(path) if str(path).endswith(".csv") else pq.read_table(path)
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path) from error
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"not readable: {str(error).splitlines()[0]}", file=path) from error
    for name in COLUMNS:
        if name not in table.column_names:
            raise BadInput("missing", file=path, column=name)
        if table[name].null_count or not (
            pa.types.is_integer(table[name].type)
            or (name == "loss" and pa.types.is_floating(table[name].type))
        ):
            raise BadInput("must hold numbers, of windows whole ones, in each row", file=path, column=name)
    trained, tested, loss = (table[name].to_numpy() for name in COLUMNS)
    windows = int(tested.max(initial=-1)) + 1
    for holds, column, rule in (
        (trained >= 0, "trained", "must be 0 or more"),
        (trained <= tested, "tested", "must not lie before the window that the model was trained before"),
        (np.isfinite(loss), "loss", "must be finite"),
    ):
        if not holds.all():
            raise BadInput(rule, file=path, row=int(np.argmin(holds)) + 1, column=column)
    if len(table) != windows * (windows + 1) // 2 or len(np.unique(trained * windows + tested)) != len(table):
        rule = f"must hold each model in each window since, once: {windows * (windows + 1) // 2} rows"
        raise BadInput(f"{rule}, not {len(table)}", file=path)
    of = np.full((windows, windows), np.nan)
    of[trained, tested] = loss
    return Losses(of)


def write_losses(losses: Losses, path: str | Path) -> None:
    """Writes losses as Parquet, whole or not at all.

    Args:
        losses: The losses.
        path: The file.
    """
    trained, tested = np.nonzero(np.isfinite(losses.of))
    table = pa.table({"trained": trained, "tested": tested, "loss": losses.of[trained, tested]})
    with written_whole(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
