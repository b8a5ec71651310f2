"""The model in production while a strategy is played, and how it is put there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.local.learners import Answer, Train
from adsmu.monitor.history import PROFILE
from adsmu.profile.observations import write_observations
from adsmu.profile.run import profile_files
from adsmu.strategy import Strategy

HELD = 4
"""One row in so many measures a model before all are learnt from; production is compared with these."""


@dataclass(frozen=True)
class Champion:
    """The model in production.

    Attributes:
        name: Digest of the rows that it learnt from.
        answer: The model.
        folder: Holds `validation.parquet`, its answers to rows that it was measured on, and their profile.
    """

    name: str
    answer: Answer
    folder: Path

    @property
    def validation(self) -> Path:
        """The rows that it was measured on."""
        return self.folder / "validation.parquet"

    @property
    def profile(self) -> Path:
        """Their profile."""
        return self.folder / PROFILE


def into_service(
    rows: pa.Table, name: str, folder: Path, strategy: Strategy, train: Train, seed: int
) -> Champion:
    """Measures a model on rows that it has not learnt from, then trains it on all.

    Args:
        rows: Labelled observations.
        name: Digest of the rows.
        folder: Where the rows that it was measured on go, with its answers, and their profile.
        strategy: Says what the columns are.
        train: Trains a model.
        seed: Of what is random.
    """
    group = pc.replace_substring_regex(rows["id"], r"#[0-9]+$", "").to_pandas()  # copies stay together
    ids = group.unique()
    held = np.random.default_rng(seed).permutation(len(ids))[: max(len(ids) // HELD, 1)]
    out = pa.array(group.isin(ids[held]).to_numpy())
    measured = Champion(name, train(rows.filter(pc.invert(out)), strategy.columns, seed), folder)
    write_observations(answered(rows.filter(out), measured), measured.validation)
    profile_files(
        measured.validation,
        measured.profile,
        projections=strategy.columns.projected,
        strategy=strategy.digest,
        seed=seed,
    )
    return Champion(name, train(rows, strategy.columns, seed), folder)


def answered(rows: pa.Table, champion: Champion) -> pa.Table:
    """The rows with the answers of a model."""
    prediction, score = champion.answer(rows) if len(rows) else (np.zeros(0), None)
    kind = rows["label"].type
    columns = {
        "model": pa.array([champion.name] * len(rows), pa.string()),
        "prediction": pa.array(prediction.tolist(), kind),
        "score": pa.nulls(len(rows), pa.float64()) if score is None else pa.array(score),
    }
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows


def loss(rows: pa.Table, prediction: np.ndarray) -> np.ndarray:
    """The loss of each labelled row: 1 for a wrong class, else 0; of a number the absolute error."""
    label = np.array(rows["label"].to_pylist())
    if label.dtype.kind == "f":
        return np.asarray(np.abs(label - prediction))
    return np.asarray(label != prediction, float)


def mean_loss(rows: pa.Table, answer: Answer) -> float | None:
    """The mean loss of a model on labelled rows; None without rows."""
    return float(loss(rows, answer(rows)[0]).mean()) if len(rows) else None
