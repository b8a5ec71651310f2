"""Evaluate a million predictions over a thousand strata, champion and candidate."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adsmu.data.columns import list_column
from adsmu.data.schema import SCHEMA, read_utterances, write_utterances
from adsmu.data.strata import STRATA_SCHEMA, write_strata
from adsmu.stratified_evaluate.assess import assess
from adsmu.stratified_evaluate.correctness import mark
from adsmu.stratified_evaluate.examples import add_examples
from adsmu.stratified_evaluate.gate import Rule
from adsmu.stratified_evaluate.predictions import predictions_table, read_predictions
from adsmu.stratified_evaluate.report import render_report
from adsmu.train.protocol import Predictions
from benchmarks.measure import command_line, peak_memory_of, record

NEW, OLD, STRATA, INTENTS = 800_000, 200_000, 1_000, 50
REPEATS = 3
BAR_SECONDS = 5
LABELS = np.array(["O", "B-title", "I-title", "B-artist", "I-artist", "B-list", "I-list"], dtype=object)


def utterances_of(rows: int, dice: np.random.Generator, **columns: Any) -> pa.Table:
    """Rows of 4 to 12 tokens, tagged at random in valid BIO.

    Args:
        rows: How many.
        dice: Where chance comes from.
        **columns: The other columns.

    Returns:
        An utterance table.
    """
    offsets = np.concatenate([[0], np.cumsum(dice.integers(4, 13, rows))])
    # Within a row every second token goes on with the slot before it, or stands outside.
    second = (np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))) % 2 == 1
    begins = dice.choice([0, 0, 1, 3, 5], offsets[-1])
    before = np.concatenate([[0], begins[:-1]])
    tags = np.where(second, np.where((before > 0) & (dice.random(offsets[-1]) < 0.5), before + 1, 0), begins)
    words = np.array([f"word{word}" for word in range(5_000)], dtype=object)
    made = {
        "tokens": list_column(words, dice.integers(0, len(words), offsets[-1]), offsets),
        "tags": list_column(LABELS, tags, offsets),
        "round": pa.nulls(rows, pa.int32()),
        "weight": pa.array(np.ones(rows, np.float32)),
    }
    return pa.table({name: (made | columns)[name] for name in SCHEMA.names}).cast(SCHEMA)


def generate(folder: Path, seed: int = 0) -> None:
    """Writes `new.parquet`, `old.parquet` and `strata.parquet`.

    Args:
        folder: Where to.
        seed: Makes them reproducible.
    """
    dice = np.random.default_rng(seed)
    stratum = np.array([f"stratum-{code}" for code in range(STRATA)], dtype=object)
    write_utterances(
        utterances_of(
            NEW,
            dice,
            id=[f"new-{row}" for row in range(NEW)],
            intent=["Add"] * NEW,
            domain=["music"] * NEW,
            source=["user"] * NEW,
            split=np.where(np.arange(NEW) % 10 < 9, "dev", "test"),
            stratum_id=stratum[dice.integers(0, STRATA, NEW)],
        ),
        folder / "new.parquet",
    )
    intents = dice.integers(0, INTENTS, OLD)
    write_utterances(
        utterances_of(
            OLD,
            dice,
            id=[f"old-{row}" for row in range(OLD)],
            intent=[f"Intent{code}" for code in intents],
            domain=[f"domain{code % 8}" for code in intents],
            source=["existing"] * OLD,
            split=["test"] * OLD,
            stratum_id=pa.nulls(OLD, pa.string()),
        ),
        folder / "old.parquet",
    )
    strata = {
        "stratum_id": stratum,
        "shape": [f"shape {code} {{title}}" for code in range(STRATA)],
        "domain": ["music"] * STRATA,
        "intent": ["Add"] * STRATA,
        "rule": ["exact"] * STRATA,
        "slots": [["title"]] * STRATA,
        **{split: np.full(STRATA, 10) for split in ("train", "dev", "test")},
        "status": ["active"] * STRATA,
        "reason": [None] * STRATA,
        "conflict_with": [[]] * STRATA,
        "merged": [[]] * STRATA,
    }
    write_strata(pa.Table.from_pydict(strata, STRATA_SCHEMA), folder / "strata.parquet")


def predict(rows: pa.Table, wrong: float, dice: np.random.Generator) -> Predictions:
    """Predictions that are right but for a share of rows.

    Args:
        rows: Utterance rows.
        wrong: The share that gets another row's tag in one place.
        dice: Where chance comes from.

    Returns:
        Lists of Python strings, as a trainer gives them.
    """
    tags = rows["tags"].to_pylist()
    for row in np.flatnonzero(dice.random(len(rows)) < wrong).tolist():
        tags[row][-1] = "B-artist" if tags[row][-1] != "B-artist" else "O"
    return Predictions(rows["domain"].to_pylist(), rows["intent"].to_pylist(), tags)


def timed(folder: str) -> dict[str, float]:
    """Seconds of each part, one after the other in one process.

    Args:
        folder: Holds what `generate` wrote.

    Returns:
        The seconds, by name.
    """
    path, dice, seconds = Path(folder), np.random.default_rng(1), {}

    def take(name: str, work: Any) -> Any:
        begin = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - begin
        return result

    rule = Rule(0.95, 0.02, 0.95, 2, 3)
    new, old = take("read", lambda: [read_utterances(path / f"{name}.parquet") for name in ("new", "old")])
    strata = pq.read_table(path / "strata.parquet")
    common = {"added": pa.chunked_array([[]], pa.string()), "churn_floor": None}
    champion, before = None, None
    for round, wrong in enumerate((0.5, 0.06)):
        predicted = [predict(rows, wrong, dice) for rows in (new, old)]
        marks = take(
            "mark", lambda given=predicted: [mark(*pair) for pair in zip((new, old), given, strict=True)]
        )
        table = take(
            "join", lambda given=marks, other=champion: predictions_table(new, given[0], old, given[1], other)
        )
        found = take(
            "assess",
            lambda given=table, number=round, earlier=before: assess(
                given, strata, old["domain"], rule, round=number, previous=earlier, **common
            ),
        )
        take("examples", lambda: add_examples(found["strata"], new, predicted[0], marks[0]))  # noqa: B023
        found |= {"model": {"digest": ""}, "data": {}}
        found["rounds"][-1]["seconds"] = 0.0
        take("report", lambda given=found: render_report(given))
        take(
            "write",
            lambda given=table: pq.write_table(given, path / "predictions.parquet", compression="zstd"),
        )
        champion = take("read_champion", lambda: read_predictions(path / "predictions.parquet"))
        before = found
    return seconds


def run() -> dict[str, Any]:
    """Measures; see `benchmarks.measure.record` for the form.

    Returns:
        The record. The parts are those of the candidate's evaluation, which has a champion to compare with.
    """
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        parts = [peak_memory_of(timed, folder)[2] for _ in range(REPEATS)]
    seconds = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    core = sum(seconds[name] for name in ("mark", "join", "assess", "examples"))
    figures = {
        "predictions": NEW + OLD,
        "strata": STRATA,
        **{f"{name}_seconds": round(value, 3) for name, value in seconds.items()},
        "evaluation_seconds": round(core, 3),
        "with_files_and_report_seconds": round(sum(seconds.values()), 3),
    }
    return record(
        "evaluate 1,000,000 predictions over 1,000 strata: marks, intervals, paired tests, verdicts",
        "python -m benchmarks.evaluate",
        figures,
        "from predictions in memory to the evaluation in at most 5 s",
        core <= BAR_SECONDS,
    )


if __name__ == "__main__":
    command_line(run, __doc__)
