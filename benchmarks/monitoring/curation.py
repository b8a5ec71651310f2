"""Does choosing rows for labels beat drawing them? Learning curves and lift on CLINC150, paired by seed."""

import gzip
import json
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.curate.scores import SCORES, Pool
from adsmu.curate.select import lift, similar_to_errors, worth_a_label
from adsmu.curate.vectors import vectors
from adsmu.strategy import Columns
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.scenarios import DATA
from benchmarks.monitoring.summaries import mean

INTENTS = 30
FIRST, STEP, STEPS = 60, 30, 5
SEEDS = 10
HALF_LIFE = 10
"""Intents by rank until one is half as frequent in production."""


def measure() -> dict[str, Any]:
    """Runs all seeds.

    Returns:
        By score the accuracy gained over drawing at random, averaged over the curve, with an interval
        over seeds; and the lift of rows similar to errors.
    """
    texts, labels, held_texts, held_labels = corpus()
    table = pa.table({"text": texts + held_texts})
    space = vectors(table, Columns(features=("text",), text=("text",)))
    train, held = space[: len(texts)], space[len(texts) :]
    curves: dict[str, list[list[float]]] = {name: [] for name in ("random", *SCORES)}
    lifts = []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        intents = random.choice(np.unique(labels), INTENTS, replace=False)
        own, test = production(labels, intents, random), np.isin(held_labels, intents)
        begin = random.permutation(len(own))
        data = train[own], labels[own], held[test], held_labels[test]
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


def production(labels: np.ndarray, intents: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rows as production sees them: few intents are frequent, most are not."""
    kept = []
    for rank, intent in enumerate(intents):
        rows = random.permutation(np.flatnonzero(labels == intent))
        kept.append(rows[: max(int(len(rows) * 0.5 ** (rank / HALF_LIFE)), 5)])
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


if __name__ == "__main__":
    merge({"curation": measure() | {"command": "python -m benchmarks.monitoring.curation"}})
