"""How far an accuracy that is estimated without labels lies from the one that labels show, where data drift.

    python -m benchmarks.monitoring.estimates

Bicycles, in five levels of rentals: a model learns from three months, its confidence is calibrated on the
fourth, and each later month is estimated before its labels are looked at. CLINC150: a window whose mix of
intents or whose texts have changed. Beside the estimate stands what one would say without it: that the model
is as right as it was on the calibration rows. In the last three cases answers stay as sure and are wrong, or
the new rows are of a class that the model has not: the estimate cannot see that, or not all of it.
"""

import datetime
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from adsmu.local.learners import train
from adsmu.monitor.estimate import estimated_accuracy
from adsmu.strategy import Columns
from benchmarks.monitoring.record import asked_seeds, merge
from benchmarks.monitoring.scenarios import draw, sources
from benchmarks.monitoring.summaries import mean, rate
from benchmarks.monitoring.watch import FEATURES, bike

SEEDS = 10
CONFIDENCE = 0.95
LEVELS = (25, 120, 250, 450)
LEARNT, MONTHS = 3, 24
CASES = ("none", "label_shift", "covariate", "new_class", "cohort", "concept")
log = logging.getLogger(__name__)

Told = tuple[np.ndarray, np.ndarray]
"""The confidence of answers, and whether each is right."""


def compared(known: Told, new: Told) -> dict[str, float]:
    """The estimate of new rows beside the truth, and beside the accuracy of the calibration rows."""
    found = estimated_accuracy(new[0], np.ones(len(new[0])), *known, CONFIDENCE)
    truth, before = float(new[1].mean()), float(known[1].mean())
    return {
        "truth": truth,
        "error": found.value - truth,
        "distance": abs(found.value - truth),
        "distance of no change": abs(before - truth),
        "holds": found.low <= truth <= found.high,
    }


def months() -> Iterator[dict[str, float]]:
    """Each month of the bicycles, from each fourth month on that a model can be calibrated in."""
    rows = bike()
    level = np.searchsorted(LEVELS, rows["label"].to_numpy(), "right")
    rows = rows.set_column(
        rows.column_names.index("label"), "label", pa.array([f"level {each}" for each in level])
    )
    number = pd.factorize(rows["time"].to_pandas().dt.strftime("%Y-%m"))[0]  # they are in order of time
    columns = Columns(features=FEATURES)
    for begin in range(0, MONTHS - LEARNT - 1, LEARNT + 1):
        model = train(rows.filter(pa.array((number >= begin) & (number < begin + LEARNT))), columns, begin)
        told = []
        for each in range(begin + LEARNT, MONTHS):
            here = rows.filter(pa.array(number == each))
            answer, score = model(here)
            told.append((score, answer == np.array(here["label"].to_pylist())))
        for new in told[1:]:
            yield compared(told[0], new)


def case(name: str, seed: int) -> dict[str, float]:
    """A scenario of CLINC150."""
    drawn = draw(next(each for each in sources() if each.name == "clinc150"), name, seed)
    truth = np.array(list(drawn.truth.values()))
    labels = np.array(drawn.reference["label"].to_pylist()), truth
    known, new = (
        (table["score"].to_numpy(), np.array(table["prediction"].to_pylist()) == label)
        for table, label in zip((drawn.reference, drawn.window), labels, strict=True)
    )
    return compared(known, new)


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Means over windows, and how often the interval holds the truth."""
    names = ("truth", "error", "distance", "distance of no change")
    return {
        "windows": len(rows),
        **{name: mean([row[name] for row in rows]) for name in names},
        "interval holds": rate([bool(row["holds"]) for row in rows]),
    }


def main() -> None:
    """Measures and merges the record."""
    seeds = asked_seeds(__doc__, SEEDS)
    warnings.filterwarnings("ignore", module="sklearn")
    found = {"bike, months": summary(list(months()))}
    for name in CASES:
        found[f"clinc150, {name}"] = summary([case(name, seed) for seed in range(seeds)])
    for name, of in found.items():
        log.info("%s %s", name, json.dumps(of))
    merge(
        {
            "label_free_estimate": found
            | {
                "seeds": seeds,
                "date": f"{datetime.date.today()}",
                "command": f"python -m benchmarks.monitoring.estimates --seeds {seeds}",
            }
        }
    )


if __name__ == "__main__":
    main()
