"""A cell: one use case of one corpus with one seed, and the files that all its arms share."""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.catalog import Catalog, harvest, read_catalog
from adsmu.data.corpus import Corpus
from adsmu.data.prepare import prepare
from adsmu.data.schema import read_utterances, write_utterances
from adsmu.data.strata import read_strata, write_strata
from adsmu.files import read_json, write_json, written_whole
from adsmu.stratified_evaluate.correctness import mark
from adsmu.stratify.strata import stratify
from adsmu.train.model import load_model
from adsmu.train.run import train_files
from benchmarks.table1.setting import TUNED, Setting

TRAINER = "adsmu.train.two_stage:TwoStageTrainer"


@dataclass(frozen=True)
class Cell:
    """Where the shared files of a cell are, or are to be made.

    Attributes:
        corpus: A labelled corpus that `prepare` reads.
        use_case: The intent that plays the new use case.
        seed: Decides the cut, the strata's split, all rows and all trainings.
        setting: What every arm is given.
        work: Folder for what outlives a process but is no result.
    """

    corpus: Path
    use_case: str
    seed: int
    setting: Setting
    work: Path

    @property
    def corpus_name(self) -> str:
        """The file's name without its endings."""
        return self.corpus.name.split(".")[0]

    @property
    def name(self) -> str:
        """The cell's name in files."""
        return f"{self.corpus_name}--{self.use_case}--{self.seed}"

    @property
    def tuned(self) -> bool:
        """Whether defaults were chosen on this use case."""
        return self.use_case in TUNED

    @property
    def folder(self) -> Path:
        """Where its shared files are; another setting has another folder."""
        text = json.dumps(self.setting.stated(), sort_keys=True)
        return self.work / f"{self.name}--{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def existing(self) -> Path:
        """Utterance table: existing rows, no more than the setting allows."""
        return self.folder / "existing.parquet"

    @property
    def champion(self) -> Path:
        """The model that was trained on them."""
        return self.folder / "champion"


@dataclass(frozen=True)
class Shared:
    """What all arms of a cell are given.

    Attributes:
        cell: The cell.
        rows: The user's rows and the test rows, with split and stratum id.
        strata: The strata table; `active` are measured.
        catalog: The user's values.
        kept: Real rows that no arm but the ceiling learns from.
        natural: For each stratum id, how many real rows it has that are not of the test.
        outside: bool, for each test row: it holds a value that the catalog lacks.
        champion_right: bool, for each existing test row: the champion has the frame right.
        facts: What `prepare` did.
    """

    cell: Cell
    rows: pa.Table
    strata: pa.Table
    catalog: Catalog
    kept: pa.Table
    natural: dict[str, int]
    outside: np.ndarray
    champion_right: np.ndarray
    facts: dict[str, Any]

    @property
    def user(self) -> pa.Table:
        """The user's rows that are learnt from."""
        return self.rows.filter(pc.equal(self.rows["split"], "train"))

    @property
    def test(self) -> pa.Table:
        """The real, held-out rows of the new use case."""
        return self.rows.filter(pc.equal(self.rows["split"], "test"))

    @property
    def existing_test(self) -> pa.Table:
        """The held-out rows of the existing use cases."""
        rows = read_utterances(self.cell.existing)
        return rows.filter(pc.equal(rows["split"], "test"))

    @property
    def active(self) -> list[str]:
        """The ids of the strata that are measured."""
        rows = self.strata.filter(pc.equal(self.strata["status"], "active"))
        return rows["stratum_id"].to_pylist()

    @property
    def budget(self) -> int:
        """Rows of the new use case that every arm may learn from."""
        return len(self.user) + self.cell.setting.rows_per_stratum * len(self.active)


def open_cell(cell: Cell) -> Shared:
    """Makes the shared files of a cell unless they are there, and reads them. One process at a time makes.

    Args:
        cell: The cell.

    Raises:
        BadInput: The corpus breaks a rule or lacks the use case.
    """
    with _locked(cell.folder.with_suffix(".lock")):
        if not cell.folder.exists():
            with written_whole(cell.folder) as made:
                made.mkdir()
                _make(cell, made)
    return _read(cell)


def _make(cell: Cell, made: Path) -> None:
    setting = cell.setting
    facts = prepare(cell.corpus, cell.use_case, made / "corpus", seed=cell.seed)
    by_trail = facts["grouping"] == "slot trail"
    if by_trail:
        facts = prepare(
            cell.corpus,
            cell.use_case,
            made / "trail",
            seed=cell.seed,
            seeds_per_stratum=setting.trail_user_rows,
        )
    parts = Corpus(made / ("trail" if by_trail else "corpus"))
    existing = read_utterances(parts.existing)
    limits = {"train": setting.existing_train, "dev": setting.existing_dev, "test": setting.existing_test}
    # The rows are in random order, so the first ones are a random sample.
    existing = pa.concat_tables(
        existing.filter(pc.equal(existing["split"], split)).slice(0, most) for split, most in limits.items()
    )
    write_utterances(existing, made / "existing.parquet")

    rule = "fuzzy" if by_trail else "exact"
    user, test = read_utterances(parts.user), read_utterances(parts.test)
    rows, strata = stratify(user, test, rule=rule, seed=cell.seed)
    write_utterances(rows, made / "rows.parquet")
    write_strata(strata, made / "strata.parquet")
    kept = read_utterances(parts.path / "trainfold.parquet")
    as_test = kept.set_column(kept.column_names.index("split"), "split", pa.array(["test"] * len(kept)))
    joined, _ = stratify(user, as_test, rule=rule, seed=cell.seed)
    natural = {s: int(n) for s, n in _counts(joined["stratum_id"]).items() if s is not None}
    kept = kept.set_column(
        kept.column_names.index("stratum_id"), "stratum_id", joined["stratum_id"].slice(len(user))
    )
    write_utterances(kept, made / "kept.parquet")
    catalog = read_catalog(parts.catalog)
    held = rows.filter(pc.equal(rows["split"], "test"))
    train_files(
        made / "existing.parquet",
        None,
        None,
        made / "champion",
        mode="full",
        settings=setting.trainer | {"epochs": setting.epochs},
        seed=cell.seed,
    )
    old = existing.filter(pc.equal(existing["split"], "test"))
    predicted = load_model(made / "champion", TRAINER).predict(old["tokens"].to_pylist())
    shared = {
        "facts": {name: value for name, value in facts.items() if name not in ("digests", "catalog_values")},
        "catalog": {slot: list(values) for slot, values in catalog.items()},
        "natural": natural,
        "outside": outside(held, catalog).tolist(),
        "champion_right": mark(old, predicted)["frame"].tolist(),
    }
    write_json(shared, made / "shared.json")


def _read(cell: Cell) -> Shared:
    stored = read_json(cell.folder / "shared.json")
    return Shared(
        cell=cell,
        rows=read_utterances(cell.folder / "rows.parquet"),
        strata=read_strata(cell.folder / "strata.parquet"),
        catalog=stored["catalog"],
        kept=read_utterances(cell.folder / "kept.parquet"),
        natural=stored["natural"],
        outside=np.array(stored["outside"], dtype=bool),
        champion_right=np.array(stored["champion_right"], dtype=bool),
        facts=stored["facts"],
    )


def outside(rows: pa.Table, catalog: Catalog) -> np.ndarray:
    """Says of each row whether a slot of it holds a value that the catalog lacks.

    Args:
        rows: Labelled rows.
        catalog: The values of each slot.

    Returns:
        bool, one a row.

    >>> row = {"tokens": ["play", "red"], "tags": ["O", "B-song"]}
    >>> outside(pa.Table.from_pylist([row]), {"song": ["blue"]}).tolist()
    [True]
    """
    known = {slot: set(values) for slot, values in catalog.items()}
    found = [harvest(rows.slice(row, 1)) for row in range(len(rows))]
    return np.array(
        [any(not known.get(slot, set()).issuperset(values) for slot, values in row.items()) for row in found],
        dtype=bool,
    )


def _counts(column: pa.ChunkedArray) -> dict[str | None, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds the file; a killed process lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
