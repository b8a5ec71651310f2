"""Which changes of a window are seen: rows that do not belong, and classes that no model has learnt.

    python -m benchmarks.monitoring.detection

Mixture: a window of texts of CLINC150 or images of Fashion-MNIST, a share of whose rows is of classes that
the reference has not; seen, by the profiles' MMD where it lies above its noise floor, and by the exact MMD
where at most one permutation in twenty reaches it. At share 0 what is seen is a false alarm.

Held back: a model that has learnt half of some intents answers all of them. Looked at is which signals are
found: answers, confidence, embedding, labels, and the schema, which is as it was.
"""

import datetime
import json
import logging
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression

from adsmu.curate.vectors import vectors
from adsmu.monitor.findings import Window
from adsmu.monitor.levels import Given, monitor
from adsmu.profile.drift import drift
from adsmu.profile.mmd import mmd
from adsmu.profile.observations import TIME, observations
from adsmu.profile.profiles import profile
from adsmu.strategy import LEVELS, MEASURES, Columns, Signal, Strategy
from benchmarks.monitoring.curation import corpus
from benchmarks.monitoring.new_class import images
from benchmarks.monitoring.record import asked_seeds, merge
from benchmarks.monitoring.summaries import rate

SEEDS = 50
SHARES = (0.0, 0.05, 0.1)
SIZES = {"clinc150": ((1000, 10), (5000, 10)), "fashion_mnist": ((1000, 1),)}
"""By data set: rows of reference and of window, and how many classes are held back."""
PERMUTATIONS = 100
MOST = 1000
"""Rows up to which the exact MMD is computed, too."""
INTENTS = 30
NOW = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
WEEK = datetime.timedelta(weeks=1)
Space = tuple[np.ndarray, np.ndarray]
"""Vectors of rows, and their classes."""
log = logging.getLogger(__name__)


def texts() -> Space:
    """All texts of CLINC150 as vectors."""
    train, labels, held, held_labels = corpus()
    table = pa.table({"text": train + held})
    return vectors(table, Columns(features=("text",), text=("text",))), np.r_[labels, held_labels]


def pictures() -> Space:
    """All images of a part of Fashion-MNIST."""
    train, labels, test, truth = images()
    return np.vstack([train, test]) / 255, np.r_[labels, truth]


def column(rows: np.ndarray) -> pa.Table:
    """Vectors as a table of one column."""
    flat = pa.array(rows.astype(np.float32).ravel())
    return pa.table({"vector": pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])})


def mixture(space: Space, size: int, held: int, share: float, seed: int) -> dict[str, bool]:
    """Whether a share of rows of other classes is seen."""
    rows, labels = space
    rng = np.random.default_rng(seed)
    strange = np.isin(labels, rng.choice(np.unique(labels), held, replace=False))
    usual, other = rng.permutation(np.flatnonzero(~strange)), rng.permutation(np.flatnonzero(strange))
    few = round(share * size)
    reference, window = rows[usual[:size]], rows[np.r_[usual[size : 2 * size - few], other[:few]]]
    before = profile(column(reference))
    found = drift(before, profile(column(window), like=before))[0]
    seen = {"profiles": found.exceeds("mmd", 0.0)}
    if size <= MOST:
        exact = mmd(reference, window, permutations=PERMUTATIONS, seed=seed)
        seen["exact"] = exact.p_value <= 0.05
    return seen


def mixtures(seeds: int) -> dict[str, Any]:
    """The share of windows in which something is seen, by data set, size and share of strange rows."""
    found: dict[str, Any] = {}
    for name, space in (("clinc150", texts()), ("fashion_mnist", pictures())):
        for size, held in SIZES[name]:
            for share in SHARES:
                seen = [mixture(space, size, held, share, seed) for seed in range(seeds)]
                key = f"{name}, {size} rows, {share:.0%} strange"
                found[key] = {way: rate([each[way] for each in seen]) for way in seen[0]}
                log.info("%s %s", key, json.dumps(found[key]))
    return found


def half(space: Space, seed: int) -> dict[str, bool]:
    """Which signals are found where half of the intents are new, and where none are."""
    rows, labels = space
    rng = np.random.default_rng(seed)
    intents = rng.choice(np.unique(labels), INTENTS, replace=False)
    known = rng.permutation(np.flatnonzero(np.isin(labels, intents[: INTENTS // 2])))
    new = rng.permutation(np.flatnonzero(np.isin(labels, intents[INTENTS // 2 :])))
    third = len(known) // 3
    learnt, reference, rest = known[:third], known[third : 2 * third], known[2 * third :]
    model = LogisticRegression(C=10.0, max_iter=200).fit(rows[learnt], labels[learnt])
    signals = {
        name: Signal(name, of.threshold)
        for name, of in MEASURES.items()
        if of.threshold is not None and not of.debug and of.level in ("quality", "drift") and not of.task
    }
    columns = Columns(features=("vector",), embedding=("vector",))
    plan = Strategy("half", columns=columns, signals=signals)
    validation = observed(rows[reference], labels[reference], model, NOW - WEEK)
    before = profile(validation)
    found: dict[str, bool] = {}
    for name, chosen in (("half", np.r_[rest[: third // 2], new[: third // 2]]), ("none", rest)):
        window = observed(rows[chosen], labels[chosen], model, NOW)
        now = profile(window, like=before)
        given = Given(window, now, validation, before)
        told = monitor(given, plan, Window(NOW, NOW + WEEK))["findings"]
        labelled = next(each for each in drift(before, now) if each.column == "label")
        found |= {
            f"{name}: answers": any(each["column"] == "prediction" for each in told),
            f"{name}: confidence": any(each["column"] == "score" for each in told),
            f"{name}: embedding": any(each["column"] == "vector" for each in told),
            f"{name}: labels": labelled.exceeds("psi", MEASURES["psi"].threshold or 0.0),
            f"{name}: quality": any(each["level"] == LEVELS[3] for each in told),
        }
    return found


def observed(rows: np.ndarray, labels: np.ndarray, model: Any, begin: datetime.datetime) -> pa.Table:
    """Observations of a week, with the answers of a model."""
    chance = model.predict_proba(rows)
    times = [begin + WEEK * place / len(rows) for place in range(len(rows))]
    return observations(
        pa.table(
            {
                "id": [f"{begin:%d}-{place}" for place in range(len(rows))],
                "time": pa.array(times, TIME),
                "prediction": model.classes_[chance.argmax(axis=1)].astype(str),
                "score": chance.max(axis=1),
                "label": labels.astype(str),
                "vector": column(rows)["vector"],
            }
        )
    )


def main() -> None:
    """Measures and merges the record."""
    seeds = asked_seeds(__doc__, SEEDS)
    space = texts()
    halves = [half(space, seed) for seed in range(seeds)]
    held = {name: rate([each[name] for each in halves]) for name in halves[0]}
    log.info("%s", json.dumps(held))
    stamp = {
        "seeds": seeds,
        "date": f"{datetime.date.today()}",
        "command": f"python -m benchmarks.monitoring.detection --seeds {seeds}",
    }
    merge({"half_of_the_intents": held | stamp})
    merge({"mixture": mixtures(seeds) | {"permutations": PERMUTATIONS} | stamp})


if __name__ == "__main__":
    main()
