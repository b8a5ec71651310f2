"""Synthesizing a million utterances, beside writing them as Parquet."""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adsmu.data.catalog import write_catalog
from adsmu.data.schema import read_utterances, utterances, write_utterances
from adsmu.synthesize.allocate import find_allocation
from adsmu.synthesize.fill import fill
from adsmu.synthesize.rows import synthesize
from adsmu.synthesize.select import find_selection
from benchmarks.measure import command_line, peak_memory_of, record

STRATA, ROWS_PER_STRATUM = 500, 2000
REPEATS = 3
SLOWER, MEMORY = 5, 2 * 10**9


def corpus(folder: Path) -> None:
    """Writes a new use case of `STRATA` shapes with two or three slots, and 2,000 values a slot.

    Args:
        folder: Where the files go.
    """
    dice = np.random.default_rng(0)
    words = [f"w{number}" for number in range(3000)]
    slots = ["title", "artist", "place"]
    catalog = {
        slot: sorted({" ".join(dice.choice(words, dice.integers(1, 4))) for _ in range(2000)})
        for slot in slots
    }
    records = []
    for number in range(STRATA):
        tokens, tags = [f"say{number}"], ["O"]
        for slot in slots[: 2 + number % 2]:
            value = catalog[slot][int(dice.integers(len(catalog[slot])))].split()
            tokens += [*value, *dice.choice(words, 2)]
            tags += [f"B-{slot}", *[f"I-{slot}"] * (len(value) - 1), "O", "O"]
        row = {"id": str(number), "tokens": tokens, "tags": tags, "intent": "Say", "domain": "talk"}
        records.append(row | {"source": "user", "split": "train", "stratum_id": f"s{number}"})
    write_utterances(utterances(records), folder / "utterances.parquet")
    write_utterances(utterances(), folder / "existing.parquet")
    write_catalog(catalog, folder / "catalog.json")
    ids = [f"s{number}" for number in range(STRATA)]
    ones = pa.array([1] * STRATA, pa.int32())
    same = {
        name: [value] * STRATA
        for name, value in (("domain", "talk"), ("intent", "Say"), ("status", "active"))
    }
    pq.write_table(
        pa.table({"stratum_id": ids, "train": ones, "dev": ones} | same), folder / "strata.parquet"
    )


def synthesize_and_write(folder: Path, selection: str) -> dict[str, Any]:
    """Synthesizes the rows with what is set by default but the selection, then writes them.

    Args:
        folder: What `corpus` wrote.
        selection: Which rows of the pool are taken.

    Returns:
        The rows and the seconds of either.
    """
    given = [read_utterances(folder / f"{name}.parquet", encoded=True) for name in ("utterances", "existing")]
    strata = pq.read_table(folder / "strata.parquet")
    catalog = json.loads((folder / "catalog.json").read_text())
    begin = time.perf_counter()
    made = synthesize(
        given[0],
        strata,
        given[1],
        catalog,
        evaluation=None,
        round=1,
        rows_per_stratum=ROWS_PER_STRATUM,
        allocation=find_allocation("equal"),
        selection=find_selection(selection),
        generator=fill,
        seed=0,
    )
    middle = time.perf_counter()
    write_utterances(made.data, folder / "data.parquet")
    end = time.perf_counter()
    return {
        "rows": sum(made.added.values()),
        "synthesize_seconds": middle - begin,
        "own_write_seconds": end - middle,
    }


def write_plainly(folder: Path) -> float:
    """Writes the same rows as pyarrow does, lists of strings with Zstandard.

    Args:
        folder: What `synthesize_and_write` wrote.

    Returns:
        The seconds.
    """
    rows = pq.read_table(folder / "data.parquet")
    begin = time.perf_counter()
    pq.write_table(rows, folder / "plain.parquet", compression="zstd")
    return time.perf_counter() - begin


def run() -> list[dict[str, Any]]:
    """Measures both ways to take rows that scale.

    Returns:
        A record for each.
    """
    records = []
    for selection in ("balanced", "random"):
        with tempfile.TemporaryDirectory() as folder:
            corpus(Path(folder))
            runs = [peak_memory_of(synthesize_and_write, Path(folder), selection) for _ in range(REPEATS)]
            written = [peak_memory_of(write_plainly, Path(folder))[2] for _ in range(REPEATS)]
        peak, write = max(peak for _, peak, _ in runs), statistics.median(written)
        figures = {name: statistics.median(one[name] for _, _, one in runs) for name in runs[0][2]}
        slower = figures["synthesize_seconds"] / write
        records.append(
            record(
                f"synthesize {figures['rows']:,} utterances of {STRATA} strata, selection {selection}",
                "python -m benchmarks.synthesize",
                {**figures, "write_seconds": write, "times_the_write": slower, "peak_bytes": peak},
                f"at most {SLOWER} times the time pyarrow takes to write them as Parquet, at most 2 GB",
                slower <= SLOWER and peak <= MEMORY and figures["rows"] == STRATA * ROWS_PER_STRATUM,
            )
        )
    return records


if __name__ == "__main__":
    command_line(run, __doc__)
