"""How many healthy days lie in the range that was predicted of them, and how wide the ranges are.

    python -m benchmarks.monitoring.ranges

Bicycles rented a day: each month of 2012 from the days before it. The two days of the hurricane are no
healthy ones; they stand for themselves. Beside it series of the benchmark's own: a weekly season, growth, and
noise that remembers the day before, which the width knows nothing of.
"""

import datetime
import json
import logging
from typing import Any

import numpy as np
import pandas as pd

from adsmu.monitor.ranges import CONFIDENCE, predicted_ranges
from benchmarks.monitoring.record import asked_seeds, merge
from benchmarks.monitoring.scenarios import DATA
from benchmarks.monitoring.summaries import mean, rate

SEEDS = 20
HURRICANE = ("2012-10-29", "2012-10-30")
HISTORY, DAYS = 200, 90
MEMORY = (0.0, 0.5, 0.8)
log = logging.getLogger(__name__)


def bicycles() -> dict[str, Any]:
    """The days of 2012, by month."""
    frame = pd.read_csv(DATA / "bike" / "bike_hour.csv.gz")
    days = frame.groupby(pd.to_datetime(frame["dteday"], format="%m/%d/%Y"))["cnt"].sum()
    held, width = {}, []
    for first in pd.date_range("2012-01-01", "2012-12-01", freq="MS"):
        month = days[first : first + pd.offsets.MonthEnd()]
        ranges = predicted_ranges(days[: first - pd.Timedelta(days=1)], month, 7)
        for (day, value), predicted in zip(month.items(), ranges, strict=True):
            if predicted:
                held[day] = predicted.holds(value)
                width.append((predicted.high - predicted.low) / predicted.expected)
    odd = [pd.Timestamp(day) for day in HURRICANE]
    return {
        "healthy days": rate([good for day, good in held.items() if day not in odd]),
        "days of the hurricane": rate([held[day] for day in odd]),
        "width, as a part of what was expected": mean(width),
    }


def made(memory: float, seeds: int) -> dict[str, Any]:
    """Days of a made series; the interval is over seeds, since days of one series go together."""
    week = np.log([1.0, 1.2, 1.2, 1.2, 1.1, 0.7, 0.6])
    shares = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        noise = np.zeros(HISTORY + DAYS)
        for day in range(1, len(noise)):
            noise[day] = memory * noise[day - 1] + random.normal(0, 0.1 * np.sqrt(1 - memory**2))
        days = np.arange(len(noise))
        values = 1_000 * np.exp(week[days % 7] + 0.001 * days + noise)
        ranges = predicted_ranges(values[:HISTORY], values[HISTORY:], 7)
        held = [each.holds(x) for each, x in zip(ranges, values[HISTORY:], strict=True) if each]
        shares.append(float(np.mean(held)))
    return mean(shares)


def main() -> None:
    """Measures, and writes its key of the record."""
    seeds = asked_seeds(__doc__, SEEDS)
    found = {"bike": bicycles()} | {f"memory {each:g}": made(each, seeds) for each in MEMORY}
    log.info("%s", json.dumps(found))
    stamp = {
        "nominal": CONFIDENCE,
        "seeds": seeds,
        "date": f"{datetime.date.today()}",
        "command": f"python -m benchmarks.monitoring.ranges --seeds {seeds}",
    }
    merge({"predicted_ranges": found | stamp})


if __name__ == "__main__":
    main()
