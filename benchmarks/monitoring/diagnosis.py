"""How often an analysis tells what has happened, and of how many tests: seven scenarios, three data sets.

Nothing is known beforehand, no row of a window has a label, and labels that are asked for are true. The table
of likelihoods and all thresholds were chosen on seeds from 1000; the figures are of seeds 0 to 49.
"""

import argparse
import json
import logging
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from adsmu.analyze.analyze import analyze_case
from adsmu.analyze.case import Case
from adsmu.analyze.diagnose import DIAGNOSES, prior, updated
from adsmu.analyze.tests import TESTS
from adsmu.files import read_json, write_json
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.scenarios import SCENARIOS, Drawn, draw, sources
from benchmarks.monitoring.summaries import rate

SEEDS = 50
RUN_ALL = 5
"""Seeds below this are analyzed by every test as well."""
ROWS = ("precision", "recall")
BAR_ACCURACY, BAR_SHARE = 0.9, 0.5


def everything(case: Case, results: dict[str, str]) -> str:
    """What all tests together say, those that were left out run as well.

    Args:
        case: The case.
        results: The results of the tests that were run.
    """
    possible = [test for test in TESTS if test.possible(case)]
    belief, results = prior(possible), dict(results)
    for test in possible:
        if test.name not in results and (test.needs is None or results.get(test.needs[0]) == test.needs[1]):
            results[test.name] = test.run(case).result
        if test.name in results:
            belief = updated(belief, test.name, results[test.name])
    return DIAGNOSES[int(belief.argmax())]


def one(drawn: Drawn, scenario: str, seed: int) -> dict[str, Any]:
    """Analyzes one scenario until it is settled."""
    case = Case(drawn.reference, drawn.window, drawn.source.strategy, None, drawn.labels, seed)
    began = time.process_time()
    found = analyze_case(case)
    seconds = time.process_time() - began
    new, told = {row for row, label in drawn.truth.items() if label == drawn.held}, set(found["rows"])
    return {
        "source": drawn.source.name,
        "scenario": scenario,
        "diagnosis": found["diagnosis"],
        "run_all": everything(case, {test["name"]: test["result"] for test in found["tests"]})
        if seed < RUN_ALL
        else None,
        "tests": found["stopped_after"],
        "available": found["tests_available"],
        "labels": found["labels_asked"],
        "seconds": seconds,
        "precision": len(new & told) / len(told) if new and told else None,
        "recall": len(new & told) / len(new) if new else None,
    }


def bank(seed: int, strength: float, kept: Path | None) -> list[dict[str, Any]]:
    """Analyzes every scenario of one seed, unless it stands in the folder `kept` already."""
    path = kept / f"{seed}.json" if kept else None
    if path and path.exists():
        rows: list[dict[str, Any]] = read_json(path)
        return rows
    warnings.filterwarnings("ignore", module="sklearn")  # a model that has not quite converged is a model
    found = []
    for source in sources():
        found += [one(draw(source, name, seed, strength), name, seed) for name in SCENARIOS]
    if path:
        write_json(found, path)
    return found


def mean(values: list[float | None]) -> float | None:
    """The mean of those there are."""
    there = [value for value in values if value is not None]
    return round(float(np.mean(there)), 4) if there else None


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares, with intervals, by scenario and data set."""
    right = [row["diagnosis"] == row["scenario"] for row in rows]
    shares = np.array([row["tests"] / row["available"] for row in rows])
    half = 1.96 * shares.std(ddof=1) / np.sqrt(len(shares))
    wrong = Counter((row["source"], row["scenario"], row["diagnosis"]) for row in rows)
    by = {
        f"{source} {scenario}": rate(
            [r["diagnosis"] == scenario for r in rows if (r["source"], r["scenario"]) == (source, scenario)]
        )
        for source in dict.fromkeys(row["source"] for row in rows)
        for scenario in SCENARIOS
    }
    return {
        "accuracy": rate(right),
        "tests_share": {
            "mean": round(float(shares.mean()), 4),
            "low": round(float(shares.mean() - half), 4),
            "high": round(float(shares.mean() + half), 4),
        },
        "tests": round(float(np.mean([row["tests"] for row in rows])), 2),
        "available": round(float(np.mean([row["available"] for row in rows])), 2),
        "labels_asked": round(float(np.mean([row["labels"] for row in rows])), 1),
        "run_all": rate([row["run_all"] == row["scenario"] for row in rows if row["run_all"]]),
        "as_run_all": rate([row["run_all"] == row["diagnosis"] for row in rows if row["run_all"]]),
        "new_class_rows": {
            source: {name: mean([row[name] for row in rows if row["source"] == source]) for name in ROWS}
            for source in dict.fromkeys(row["source"] for row in rows)
        },
        "by": by,
        "tests_by": {
            name: round(float(np.mean([row["tests"] for row in rows if row["scenario"] == name])), 2)
            for name in SCENARIOS
        },
        "mistaken": [
            {"source": source, "scenario": scenario, "diagnosis": told, "times": times}
            for (source, scenario, told), times in sorted(wrong.items())
            if scenario != told
        ],
        "cpu_seconds_an_analysis": round(float(np.mean([row["seconds"] for row in rows])), 3),
    }


def main() -> None:
    """Runs the bank and merges its figures into the record."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--begin", type=int, default=0, help="the first seed")
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--keep", type=Path, help="a folder that each seed is kept in, to go on from")
    options.add_argument("--print", action="store_true", help="print the figures, and record nothing")
    options.add_argument(
        "--strength", type=float, default=1.0, help="how strong what happens is, beside the bank's"
    )
    given = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    log = logging.getLogger(__name__)
    rows: list[dict[str, Any]] = []
    seeds = range(given.begin, given.begin + given.seeds)
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as workers:
        for seed, found in zip(
            seeds, workers.map(partial(bank, strength=given.strength, kept=given.keep), seeds), strict=True
        ):
            rows += found
            log.info(
                "seed %d: %d wrong of %d", seed, sum(r["diagnosis"] != r["scenario"] for r in rows), len(rows)
            )
    found = summary(rows)
    found["met"] = found["accuracy"]["rate"] >= BAR_ACCURACY and found["tests_share"]["mean"] <= BAR_SHARE
    found["seeds"] = [given.begin, given.begin + given.seeds - 1]
    found["command"] = "python -m benchmarks.monitoring.diagnosis"
    log.info("%s", json.dumps(found, indent=1))
    if not given.print:
        merge(
            {
                "diagnosis_accuracy": found["accuracy"]["rate"],
                "tests_share": found["tests_share"]["mean"],
                "diagnosis": found,
            }
        )


if __name__ == "__main__":
    main()
