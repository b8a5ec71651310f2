"""What an arm does its work with: rows, trainings and looks at development rows, and what they cost."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.schema import read_utterances, write_utterances
from adsmu.data.strata import write_strata
from adsmu.files import read_json
from adsmu.local.folder import Parameters
from adsmu.stratified_evaluate.correctness import mark
from adsmu.stratified_evaluate.evaluate import evaluate_files
from adsmu.synthesize.allocate import Allocation, equal
from adsmu.synthesize.fill import Generator, fill
from adsmu.synthesize.rows import synthesize
from adsmu.synthesize.select import Selection, random
from adsmu.train.model import load_model
from adsmu.train.run import train_files
from benchmarks.table1.cell import TRAINER, Shared
from benchmarks.table1.figures import figures

JUDGED_ROWS = 40  # development rows of each stratum that a loop looks at; half the product's default
FORWARD = 1 / 3  # a look at a row, in steps of training on it: a backward pass costs two forward ones
PLAIN: dict[str, Any] = {
    "weight_user": 1.0,
    "weight_synthetic": 1.0,
    "average_last": 0.0,
}  # nothing of the product's recipe
SHIPPED = Parameters()  # what `adsmu run` does where nothing is said


@dataclass
class Cost:
    """What an arm cost; measuring its figures is not part of it.

    Attributes:
        trainings: How many.
        utterance_epochs: Rows learnt from times epochs, over all trainings.
        utterances_scored: Rows looked at without learning.
        seconds: Of synthesizing, training and looking, on a machine that may have had other work.
    """

    trainings: int = 0
    utterance_epochs: float = 0.0
    utterances_scored: int = 0
    seconds: float = 0.0


@dataclass
class Bench:
    """One arm at work on one cell.

    Attributes:
        shared: What the cell gives to every arm.
        folder: For models and tables; they go when the arm is done.
        seed: Of every training of the arm; not the champion's.
        cost: What was spent so far.
        rounds: The figures after each training that the arm would hand on, with `rows`, those added so far.
        notes: What else is worth telling.
    """

    shared: Shared
    folder: Path
    seed: int
    cost: Cost = field(default_factory=Cost)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    number: int = 0

    def path(self, what: str) -> Path:
        """A new path in the arm's folder."""
        self.number += 1
        return self.folder / f"{self.number}-{what}"

    def train(
        self, data: pa.Table | None, mode: str, base: Path | None = None, **settings: Any
    ) -> tuple[Path, dict[str, float]]:
        """Trains a model on the existing rows and the training rows of `data`.

        Args:
            data: Rows of the new use case, or None; only the first development rows of each stratum choose
                the best epoch, the same number for every arm.
            mode: full, warm or finetune.
            base: The model to start from.
            **settings: What differs from the trainer's defaults.

        Returns:
            The model's folder and the training's figures.
        """
        began = time.perf_counter()
        setting, cell = self.shared.cell.setting, self.shared.cell
        if mode == "full":
            settings = {"epochs": setting.epochs} | settings
        model, file, tables = self.path("model"), None, [read_utterances(cell.existing)]
        if data is not None:
            file = self.path("data.parquet")
            tables.append(first_development(data, setting.steering_rows))
            write_utterances(tables[-1], file)
        made = train_files(
            cell.existing, file, base, model, mode=mode, settings=setting.trainer | settings, seed=self.seed
        )
        learnt, scored = (sum(_of(table, split) for table in tables) for split in ("train", "dev"))
        self.cost.trainings += 1
        self.cost.utterance_epochs += learnt * made["epochs"]
        self.cost.utterances_scored += round(scored * made["epochs"])
        self.cost.seconds += time.perf_counter() - began
        return model, made

    def judge(
        self,
        model: Path,
        data: pa.Table,
        strata: pa.Table,
        round: int,
        before: "Judged | None",
    ) -> "Judged":
        """Evaluates a model as the product does, on development rows; test rows are taken out before.

        Args:
            model: The model.
            data: Rows of the new use case.
            strata: The strata table.
            round: The round, 0 for the champion.
            before: The evaluation before this one; None for the champion's.
        """
        began = time.perf_counter()
        seen = first_development(data.filter(pc.not_equal(data["split"], "test")), JUDGED_ROWS)
        files = {name: self.path(name) for name in ("evaluation", "predictions", "report")}
        rows, table = self.path("seen.parquet"), self.path("strata.parquet")
        write_utterances(seen, rows)
        write_strata(strata, table)
        evaluate_files(
            model,
            rows,
            table,
            self.shared.cell.existing,
            **files,
            champion_predictions=before.champion_predictions if before else None,
            previous=before.file if before else None,
            round=round,
            max_rounds=self.shared.cell.setting.rounds,
            target=SHIPPED.target,
            margin=SHIPPED.margin,
            confidence=0.95,
            patience=2,
            churn_floor=None,
            trainer=TRAINER,
        )
        self.cost.utterances_scored += _of(seen, "dev") + len(self.shared.champion_right)
        self.cost.seconds += time.perf_counter() - began
        predictions = before.champion_predictions if before else files["predictions"]
        return Judged(files["evaluation"], predictions, read_json(files["evaluation"]))

    def synthesize(
        self,
        data: pa.Table,
        rows: int,
        *,
        strata: pa.Table | None = None,
        round: int = 1,
        evaluation: dict[str, Any] | None = None,
        allocation: Allocation = equal,
        selection: Selection = random,
        generator: Generator = fill,
    ) -> pa.Table:
        """Puts synthetic rows behind `data`, as the product does.

        Args:
            data: Rows of the new use case so far.
            rows: How many; the product rounds up to a multiple of the strata, what is over goes by chance.
            strata: The strata table; None: the cell's own.
            round: The round.
            evaluation: The last evaluation, for the allocation.
            allocation: Spreads the rows over strata.
            selection: Takes rows of the pool.
            generator: Makes the pool.
        """
        began = time.perf_counter()
        cell = self.shared.cell
        table = self.shared.strata if strata is None else strata
        active = _of(table, "active", "status")
        made = synthesize(
            data,
            table,
            read_utterances(cell.existing),
            self.shared.catalog,
            evaluation=evaluation,
            round=round,
            rows_per_stratum=-(-rows // active),
            allocation=allocation,
            selection=selection,
            generator=generator,
            seed=cell.seed,
        ).data
        fresh = len(made) - len(data)
        stay = np.sort(np.random.default_rng([cell.seed, round]).permutation(fresh)[:rows])
        self.cost.seconds += time.perf_counter() - began
        return made.take(pa.array(np.concatenate([np.arange(len(data)), len(data) + stay])))

    def development(self, data: pa.Table, strata: pa.Table | None = None) -> pa.Table:
        """Puts synthetic development rows behind `data`, whose values no training row has."""
        table = self.shared.strata if strata is None else strata
        rows = self.shared.cell.setting.evaluation_rows * _of(table, "active", "status")
        return self.synthesize(data, rows, strata=strata, round=0)

    def note(self, model: Path, data: pa.Table | None) -> None:
        """Measures a model on the test rows, for the table; nothing that the arm does depends on it.

        Args:
            model: The model.
            data: Rows of the new use case that it learnt from.
        """
        test, old = self.shared.test, self.shared.existing_test
        predictor = load_model(model, TRAINER)
        marks, marks_old = (mark(rows, predictor.predict(rows["tokens"].to_pylist())) for rows in (test, old))
        ids = self.shared.active
        group = pc.fill_null(pc.index_in(test["stratum_id"], pa.array(ids), skip_nulls=True), -1)
        found = figures(
            marks,
            group.to_numpy(),
            np.array([self.shared.natural.get(stratum, 0) for stratum in ids]),
            self.shared.outside,
            marks_old,
            self.shared.champion_right,
        )
        rows = _of(data, "train") if data is not None else 0
        self.rounds.append({"rows": rows, **asdict(self.cost), **found})


@dataclass(frozen=True)
class Judged:
    """An evaluation on development rows.

    Attributes:
        file: `evaluation.json`.
        champion_predictions: The champion's predictions on the same rows.
        content: What the file holds.
    """

    file: Path
    champion_predictions: Path
    content: dict[str, Any]


Arm = Callable[[Bench], None]


def first_development(data: pa.Table, rows: int) -> pa.Table:
    """The training rows, and the first development rows of each stratum.

    Args:
        data: Rows of the new use case.
        rows: Development rows of a stratum that stay.
    """
    dev = pc.equal(data["split"], "dev")
    frame = data.select(["stratum_id"]).to_pandas()
    number = frame[dev.to_numpy()].groupby("stratum_id").cumcount()
    stay = np.concatenate(
        [np.flatnonzero(pc.equal(data["split"], "train")), number.index[number < rows].to_numpy()]
    )
    return data.take(pa.array(np.sort(stay)))


def full_build(shared: Shared) -> float:
    """The cost of one training from scratch on the whole budget, in utterance-epochs; one build."""
    setting = shared.cell.setting
    existing = read_utterances(shared.cell.existing)
    learnt = _of(existing, "train") + shared.budget
    scored = _of(existing, "dev") + setting.steering_rows * len(shared.active)
    return setting.epochs * (learnt + FORWARD * scored)


def builds(cost: Cost, shared: Shared) -> float:
    """A cost in builds: what was learnt and a third of what was looked at, over that of one full build."""
    return (cost.utterance_epochs + FORWARD * cost.utterances_scored) / full_build(shared)


def _of(table: pa.Table, value: str, column: str = "split") -> int:
    return int(pc.sum(pc.equal(table[column], value)).as_py() or 0)
