"""How often a batch to learn from is stopped in which 5 % of the labels of one cohort were altered.

    python -m benchmarks.monitoring.poisoned

Every row has a label, and whoever is asked again gives the true one. Beside stand batches whose labels are
all true: how many of these are stopped. How labels are ranked was chosen on seeds from 1000.
"""

import argparse
import datetime
import json
import logging
import warnings
from typing import Any

import pyarrow as pa

from adsmu.analyze.analyze import analyze
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.scenarios import Source, draw, sources
from benchmarks.monitoring.summaries import mean, rate

SEEDS = 50
log = logging.getLogger(__name__)


def one(source: Source, seed: int) -> dict[str, dict[str, Any]]:
    """Analyzes a batch with altered labels, and the same batch with true ones."""
    drawn = draw(source, "poisoned", seed)
    place, true = drawn.window.column_names.index("label"), pa.array(list(drawn.truth.values()))
    windows = {"altered": drawn.window, "true": drawn.window.set_column(place, "label", true)}
    found = {
        name: analyze(drawn.reference, window, source.strategy, None, drawn.labels, seed)
        for name, window in windows.items()
    }
    return {
        name: {"stopped": each["diagnosis"] == "poisoned", "labels": each["labels_asked"]}
        for name, each in found.items()
    }


def main() -> None:
    """Measures and merges the record, a key for each data set."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--begin", type=int, default=0, help="the first seed")
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--only", nargs="*", help="data sets; none named: all")
    given = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    warnings.filterwarnings("ignore", module="sklearn")
    for source in sources():
        if given.only and source.name not in given.only:
            continue
        runs = [one(source, seed) for seed in range(given.begin, given.begin + given.seeds)]
        found: dict[str, Any] = {
            name: rate([run[name]["stopped"] for run in runs])
            | {"labels asked": mean([run[name]["labels"] for run in runs])}
            for name in ("altered", "true")
        }
        log.info("%s %s", source.name, json.dumps(found))
        stamp = {
            "seeds": [given.begin, given.begin + given.seeds - 1],
            "date": f"{datetime.date.today()}",
            "command": f"python -m benchmarks.monitoring.poisoned --only {source.name} --seeds {given.seeds}",
        }
        merge({f"poisoned_{source.name}": found | stamp})


if __name__ == "__main__":
    main()
