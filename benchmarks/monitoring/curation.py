"""Does choosing rows for labels beat drawing them? Learning curves and lift, paired by seed.

    python -m benchmarks.monitoring.curation

Texts of CLINC150, images of Fashion-MNIST: some classes are frequent, most are not.
"""

import argparse
import datetime
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.curate.scores import SCORES, Pool
from adsmu.curate.select import lift, similar_to_errors, worth_a_label
from adsmu.curate.vectors import vectors
from adsmu.strategy import Columns
from benchmarks.monitoring.new_class import images
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.scenarios import DATA
from benchmarks.monitoring.summaries import mean

FIRST, STEP, STEPS = 60, 30, 5
SEEDS = 10


@dataclass(frozen=True)
class Task:
    """What is learnt and tested.

    Attributes:
        rows: Vectors to choose from.
        labels: Their classes.
        held: Vectors to test on.
        truth: Their classes.
        classes: How many classes a seed draws.
        half_life: Classes by rank until one is half as frequent in production.
    """

    rows: np.ndarray
    labels: np.ndarray
    held: np.ndarray
    truth: np.ndarray
    classes: int
    half_life: int


def intents() -> Task:
    """Texts of CLINC150."""
    texts, labels, held_texts, held_labels = corpus()
    table = pa.table({"text": texts + held_texts})
    space = vectors(table, Columns(features=("text",), text=("text",)))
    return Task(space[: len(texts)], labels, space[len(texts) :], held_labels, classes=30, half_life=10)


def fashion() -> Task:
    """Images of Fashion-MNIST, by their pixels."""
    train, labels, test, truth = images()
    table = pa.table({"image": pa.FixedSizeListArray.from_arrays(np.r_[train, test].ravel(), train.shape[1])})
    space = vectors(table, Columns(features=("image",)))
    return Task(space[: len(train)], labels, space[len(train) :], truth, classes=10, half_life=3)


TASKS: dict[str, Callable[[], Task]] = {"clinc150": intents, "fashion_mnist": fashion}


def measure(task: Task, seeds: int) -> dict[str, Any]:
    """Runs all seeds.

    Returns:
        By score the accuracy gained over drawing at random, averaged over the curve, with an interval
        over seeds; and the lift of rows similar to errors.
    """
    curves: dict[str, list[list[float]]] = {name: [] for name in ("random", *SCORES)}
    lifts = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        names = random.choice(np.unique(task.labels), task.classes, replace=False)
        own, test = production(task.labels, names, task.half_life, random), np.isin(task.truth, names)
        begin = random.permutation(len(own))
        data = task.rows[own], task.labels[own], task.held[test], task.truth[test]
        for name, found in curves.items():
            found.append(_curve(name, begin, *data, seed))
        lifts.append(_errors_found(begin, *data[:2], seed))
    area = {name: np.array(found).mean(axis=1) for name, found in curves.items()}
    found, chosen, errors, rows = np.array(lifts).sum(axis=0)
    return {
        "rows_labelled": [FIRST + STEP * step for step in range(STEPS + 1)],
        "curves": {name: np.mean(found, axis=0).round(4).tolist() for name, found in curves.items()},
        "gain_over_random": {name: mean(area[name] - area["random"]) for name in SCORES},
        "similar_to_errors": dict(
            zip(("lift", "low", "high"), lift(int(found), int(chosen), int(errors), int(rows)), strict=True)
        ),
    }


def corpus() -> tuple[list[str], np.ndarray, list[str], np.ndarray]:
    """Texts and intents of the training part, less texts that are tested on, then of the test part."""
    path = DATA / "clinc150" / "clinc_data_full.json.gz"
    content = json.loads(gzip.decompress(path.read_bytes()))
    seen = {text for text, _ in content["test"]}
    train = [pair for pair in content["train"] if pair[0] not in seen]
    parts = []
    for pairs in (train, content["test"]):
        parts += [[text for text, _ in pairs], np.array([label for _, label in pairs])]
    return tuple(parts)  # type: ignore[return-value]


def production(
    labels: np.ndarray, names: np.ndarray, half_life: int, random: np.random.Generator
) -> np.ndarray:
    """Rows as production sees them: few classes are frequent, most are not."""
    kept = []
    for rank, name in enumerate(names):
        rows = random.permutation(np.flatnonzero(labels == name))
        kept.append(rows[: max(int(len(rows) * 0.5 ** (rank / half_life)), 5)])
    return np.concatenate(kept)


def _curve(
    name: str,
    begin: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    truth: np.ndarray,
    seed: int,
) -> list[float]:
    """Accuracy on test rows after each step of labelling, all ways from the same first rows."""
    known, rest = begin[:FIRST], begin[FIRST:]
    found = []
    for step in range(STEPS + 1):
        pool = Pool(rows[known], labels[known], rows[rest], STEP, seed)
        found.append(float((pool.probe.predict(test) == truth).mean()))
        if step < STEPS:
            chosen = rest[:STEP] if name == "random" else worth_a_label(pool, name, rest).rows
            known, rest = np.append(known, chosen), rest[~np.isin(rest, chosen)]
    return found


def _errors_found(
    begin: np.ndarray, rows: np.ndarray, labels: np.ndarray, seed: int
) -> tuple[int, int, int, int]:
    """Errors among the rows most similar to known errors, and among all that could be chosen."""
    known, told, rest = np.split(begin, [4 * FIRST, 5 * FIRST])
    model = Pool(rows[known], labels[known], rows[rest], STEP, seed).probe

    def wrong(at: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(rows[at]) != labels[at])

    chosen = similar_to_errors(rows, told[wrong(told)], rest, 2 * FIRST).rows
    return int(wrong(chosen).sum()), len(chosen), int(wrong(rest).sum()), len(rest)


def main() -> None:
    """Measures, and merges the record, a key for each data set."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--only", choices=list(TASKS), help="a data set; none named: all")
    given = options.parse_args()
    for name in [given.only] if given.only else TASKS:
        stamp = {
            "seeds": given.seeds,
            "date": f"{datetime.date.today()}",
            "command": f"python -m benchmarks.monitoring.curation --only {name} --seeds {given.seeds}",
        }
        merge({f"curation_{name}": measure(TASKS[name](), given.seeds) | stamp})


if __name__ == "__main__":
    main()
