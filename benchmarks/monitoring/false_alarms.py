"""How often drift is found where there is none: 20 columns, 1,000 windows at each number of rows.

    python -m benchmarks.monitoring.false_alarms

A false alarm is a window of which any column is above its noise floor, whatever the size of the effect;
thresholds of effects only take from that. Columns are normal, lognormal, exponential, zero-inflated, whole
numbers, and categories of 2 to 100 names. Also counted: windows in alarm when the family is all columns of
all windows. `ALPHA` was chosen on seed 0, whose figures stand under a key of their own.
"""

import argparse
import datetime
import json
import logging
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.files import read_json
from adsmu.profile.drift import ALPHA, drift
from adsmu.profile.profiles import Profile, profile
from adsmu.stratified_evaluate.intervals import clopper_pearson
from benchmarks.monitoring.record import RESULTS, merge

COLUMNS, WINDOWS, REFERENCE = 20, 1_000, 100_000
ROWS = (100, 300, 1_000, 10_000, 100_000)
COMMAND = "python -m benchmarks.monitoring.false_alarms"
MEASURES = ("psi", "w1", "l_infinity", "l1")
log = logging.getLogger(__name__)


def window(random: np.random.Generator, rows: int) -> Profile:
    """The profile of so many rows of 20 columns that never change."""
    columns: dict[str, Any] = {f"normal {each}": random.standard_normal(rows) for each in range(5)}
    columns |= {f"lognormal {each}": np.exp(each * random.standard_normal(rows)) for each in (1, 1.5, 2)}
    columns |= {f"exponential {each}": random.standard_exponential(rows) for each in range(3)}
    zero = random.random((2, rows)) < np.array([[0.3], [0.8]])
    for each in range(2):
        columns[f"zero {each}"] = np.where(zero[each], 0.0, random.standard_exponential(rows))
    for mean in (2, 30):
        columns[f"whole {mean}"] = np.floor(mean * random.standard_exponential(rows))
    for names in (2, 5, 20, 50, 100):
        codes = (names * random.random(rows) ** 2).astype(np.int32)
        values = pa.array([f"value {each}" for each in range(names)])
        columns[f"names {names}"] = pa.DictionaryArray.from_arrays(pa.array(codes), values)
    return profile(pa.table(columns))


def count(rows: int, windows: int, seed: int) -> dict[str, Any]:
    """Counts windows in alarm, against references of their own kind drawn anew every tenth of the windows."""
    random = np.random.default_rng([seed, rows])
    alarms = dict.fromkeys(MEASURES, 0)
    of_all = dict.fromkeys(MEASURES, 0)
    for number in range(windows):
        if number % (windows // 10) == 0:
            reference = window(random, REFERENCE)
        current = window(random, rows)
        for held, family in ((alarms, COLUMNS), (of_all, COLUMNS * windows)):
            found = drift(reference, current, family=family)
            for measure in MEASURES:
                held[measure] += any(each.exceeds(measure, 0.0) for each in found)
    shares = {}
    for measure, hits in alarms.items():
        low, high = clopper_pearson(hits, windows, 0.95)
        shares[measure] = {"share": hits / windows, "low": float(low), "high": float(high)}
    return {"rows": rows, "windows": windows, "alarms": shares, "alarms_of_the_wider_family": of_all}


def main() -> None:
    """Counts and writes its key of the record."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--windows", type=int, default=WINDOWS)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--rows", type=int, nargs="*", default=ROWS, help="the numbers of rows to count anew"
    )
    given = options.parse_args()
    key = "false_alarm" if given.seed else "false_alarm_chosen_on"
    held = kept(key, given.windows, given.seed)
    for rows in given.rows:
        held[rows] = count(rows, given.windows, given.seed)
        log.info("%s", json.dumps(held[rows]))
        merge({key: summary([held[each] for each in sorted(held)], given.windows, given.seed)})


def kept(key: str, windows: int, seed: int) -> dict[int, dict[str, Any]]:
    """What was counted before of as many windows of the same seed, by the number of rows."""
    before = read_json(RESULTS).get(key, {}) if RESULTS.exists() else {}
    if before.get("command") != command(windows, seed):
        return {}
    return {run["rows"]: run for run in before["runs"]}


def command(windows: int, seed: int) -> str:
    """What measures a key of the record."""
    return f"{COMMAND} --windows {windows} --seed {seed}"


def summary(held: list[dict[str, Any]], windows: int, seed: int) -> dict[str, Any]:
    """The record of the numbers of rows that are done."""
    return {
        "date": datetime.date.today().isoformat(),
        "command": command(windows, seed),
        "n": [run["rows"] for run in held],
        "columns": COLUMNS,
        "reference_rows": REFERENCE,
        "value": max(each["share"] for run in held for each in run["alarms"].values()),
        "runs": held,
        "bar": f"at most {ALPHA} at every n",
    }


if __name__ == "__main__":
    main()
