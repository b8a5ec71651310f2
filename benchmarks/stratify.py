"""Stratify by exact shape, against the time pyarrow takes to read the same Parquet file."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adsmu.data.columns import flatten, list_column
from adsmu.data.schema import SCHEMA, read_utterances, utterances, write_utterances
from adsmu.stratify.shapes import exact, marks
from adsmu.stratify.strata import stratify, stratify_files
from benchmarks.measure import command_line, peak_memory_of, record

ROWS, SHAPES, SLOTS, WORDS, VALUES = 1_000_000, 5_000, 30, 800, 20_000
REPEATS = 5
BAR_TIMES, BAR_BYTES = 5, 2 * 10**9


def generate(path: Path, rows: int = ROWS, shapes: int = SHAPES, seed: int = 0) -> None:
    """Writes utterances of about 8 tokens: shapes by Zipf's law, slots filled with values of 1 to 4 tokens.

    Args:
        path: The Parquet file.
        rows: How many utterances.
        shapes: How many carrier phrases.
        seed: Makes them reproducible.
    """
    dice = np.random.default_rng(seed)
    labels = ["O", *(f"{mark}-slot{slot}" for slot in range(SLOTS) for mark in "BI")]
    values = [dice.integers(0, VALUES, dice.integers(1, 5)) + WORDS for _ in range(VALUES)]
    carriers = []
    for _ in range(shapes):
        words = dice.zipf(1.3, dice.integers(3, 8)) % WORDS
        slots = dice.choice(SLOTS, dice.integers(1, 4), replace=False)
        places = np.sort(dice.integers(0, len(words) + 1, len(slots)))
        carriers.append((words, dict(zip(places.tolist(), slots.tolist(), strict=True))))
    weights = 1 / np.arange(1, shapes + 1)
    tokens: list[int] = []
    tags: list[int] = []
    offsets = [0]
    picks = iter(dice.integers(0, len(values), rows * 3).tolist())
    for shape in dice.choice(shapes, rows, p=weights / weights.sum()).tolist():
        words, slots = carriers[shape]
        for place in range(len(words) + 1):
            if place in slots:
                value = values[next(picks)]
                tokens.extend(value.tolist())
                tags.extend([1 + 2 * slots[place]] + [2 + 2 * slots[place]] * (len(value) - 1))
            if place < len(words):
                tokens.append(int(words[place]))
                tags.append(0)
        offsets.append(len(tokens))
    spelt = np.array([f"word{word}" for word in range(WORDS + VALUES)], dtype=object)
    same = {"intent": "Play", "domain": "music", "source": "user"}
    columns = {
        "id": pa.array([f"user-{row:07d}" for row in range(rows)]),
        "tokens": list_column(spelt, np.array(tokens), np.array(offsets)),
        "tags": list_column(np.array(labels, dtype=object), np.array(tags), np.array(offsets)),
        **{name: pa.array([text]).take(pa.array(np.zeros(rows, np.int8))) for name, text in same.items()},
        **{name: pa.nulls(rows, SCHEMA.field(name).type) for name in ("split", "stratum_id", "round")},
        "weight": pa.array(np.ones(rows, np.float32)),
    }
    write_utterances(pa.table({name: columns[name] for name in SCHEMA.names}), path)


def whole_step(folder: str) -> None:
    """The step as the pipeline runs it: read, check, stratify, write.

    Args:
        folder: Holds `user.parquet` and `test.parquet`.
    """
    path = Path(folder)
    stratify_files(*(path / f"{name}.parquet" for name in ("user", "test", "utterances", "strata")))


def timed(folder: str) -> dict[str, float]:
    """Seconds of each part, one after the other in one process.

    Args:
        folder: Holds `user.parquet` and `test.parquet`.

    Returns:
        The seconds, by name.
    """
    path = Path(folder)
    seconds: dict[str, float] = {}

    def take(name: str, work: Any) -> Any:
        begin = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - begin
        return result

    take("read_table", lambda: pq.read_table(path / "user.parquet"))
    user = take("read_and_check", lambda: read_utterances(path / "user.parquet", encoded=True))
    take("group_by_shape", lambda: exact(marks(flatten(user))))
    rows, _ = take("stratify", lambda: stratify(user, read_utterances(path / "test.parquet", encoded=True)))
    take("write", lambda: write_utterances(rows, path / "utterances.parquet"))
    return seconds


def run() -> dict[str, Any]:
    """Measures; see `benchmarks.measure.record` for the form.

    Returns:
        The record.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        generate(path / "user.parquet")
        write_utterances(utterances(), path / "test.parquet")
        parts = [peak_memory_of(timed, folder)[2] for _ in range(REPEATS)]
        whole = [peak_memory_of(whole_step, folder)[:2] for _ in range(REPEATS)]
    seconds = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    step = statistics.median(second for second, _ in whole)
    peak = max(peak for _, peak in whole)
    figures = {
        "rows": ROWS,
        **{f"{name}_seconds": round(value, 3) for name, value in seconds.items()},
        "step_seconds": round(step, 3),
        "step_without_writing_seconds": round(step - seconds["write"], 3),
        "step_times_read": round(step / seconds["read_table"], 2),
        "step_without_writing_times_read": round((step - seconds["write"]) / seconds["read_table"], 2),
        "grouping_times_read": round(seconds["group_by_shape"] / seconds["read_table"], 2),
        "peak_bytes": peak,
    }
    return record(
        "stratify by exact shape, 1,000,000 utterances",
        "python -m benchmarks.stratify",
        figures,
        "reading, checking, grouping and writing take at most 5 times as long as pyarrow reads it, in 2 GB",
        figures["step_times_read"] <= BAR_TIMES and peak <= BAR_BYTES,
    )


if __name__ == "__main__":
    command_line(run, __doc__)
