"""Is newer better? Models of old windows tested on today, on bicycles and on a stream that repeats itself.

    python -m benchmarks.monitoring.freshness

Each model learnt from as many rows: of bicycles 1,000 hours of the eight weeks before it, on each of five
draws of 80 % of the hours; of the stream seven windows of 100 rows. Each age is tested on the same todays.
"""

import datetime
import json
import logging
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from adsmu.value.freshness import freshness
from adsmu.value.losses import Losses
from benchmarks.monitoring.cadence import DRAWS, bicycles, stream
from benchmarks.monitoring.record import merge

ROWS = 1000
WEEKS, WINDOWS = [1, 2, 4, 8, 13, 26, 39, 52], [7, 14, 28, 56, 84, 112]
SEED = 0


def study(losses: Losses, ages: list[int]) -> list[dict[str, Any]]:
    """Each age with what was found, rounded."""
    found = []
    for age in freshness(losses, ages):
        value = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(age).items()}
        found.append(value | {"finding": age.finding})
        logging.info("%s", json.dumps(found[-1]))
    return found


def main() -> None:
    """Measures and merges the record."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    draws = [bicycles(8, draw, ROWS).of for draw in DRAWS]
    bike = study(Losses(np.mean(draws, axis=0)), WEEKS)
    periodic = study(stream("periodic", SEED), WINDOWS)
    value = {
        "date": datetime.date.today().isoformat(),
        "command": "python -m benchmarks.monitoring.freshness",
        "rows_learnt_from": {"bike": ROWS, "periodic": 700},
        "bike, by weeks": bike,
        "periodic stream, by windows": periodic,
        "newer_is_always_better": {
            "bike": all(a["loss"] <= b["loss"] for a, b in pairwise(bike)),
            "periodic": all(a["loss"] <= b["loss"] for a, b in pairwise(periodic)),
        },
    }
    merge({"freshness": value})


if __name__ == "__main__":
    main()
