"""How often the kind of a drift is told rightly: kinds put into real rows, and the seasons of two years.

    python -m benchmarks.monitoring.kinds

Windows of 300 hours are drawn at random from the bicycle rentals, so that nothing drifts by itself; then rows
are preferred by one column's value, more or less so from window to window: all at once, window by window, up
and down, or for a window or two. When each begins, how long it takes and how strong it is are drawn by seed.
The last window is judged, as `monitor` judges it. Beside it stand the months as they were, held against the
first two.
"""

import datetime
import json
import logging
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.monitor.drifts import drifts, with_kinds
from adsmu.profile.profiles import Profile, merge, profile
from adsmu.strategy import MEASURES, Signal
from benchmarks.monitoring import record
from benchmarks.monitoring.summaries import rate
from benchmarks.monitoring.watch import bike

SEEDS = 100
ROWS = 300
KINDS = ("none", "sudden", "gradual", "periodic", "temporary")
COLUMNS = ("temp", "hum", "windspeed", "weathersit")
SIGNALS = {name: Signal(name, MEASURES[name].threshold or 0.0) for name in ("psi", "w1", "l1")}
REFERENCE = 2
"""Months that later ones are held against."""
log = logging.getLogger(__name__)


def shifts(kind: str, rng: np.random.Generator) -> np.ndarray:
    """How strongly rows are preferred in each window, from 0 to 1 or -1.

    The last window is one that the kind can be told by: drifted for long enough, or just healthy again.
    """
    before = np.zeros(rng.integers(5, 10))
    if kind == "none":
        return np.append(before, np.zeros(6))
    if kind == "sudden":
        return np.append(before, np.ones(rng.integers(3, 7)))
    if kind == "gradual":
        steps = rng.integers(5, 10)
        return np.append(before, np.arange(1, steps + 1) / steps)
    if kind == "temporary":
        return np.append(before, [*np.ones(rng.integers(1, 3)), 0.0])
    cycle = rng.integers(4, 9)
    wave = np.sin(2 * np.pi * (np.arange(3 * cycle) + rng.integers(cycle)) / cycle)
    return wave[: np.flatnonzero(np.abs(wave) > 0.7)[-1] + 1]


def drawn(rows: pa.Table, prefer: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """A window of rows at random, those preferred that have more weight."""
    lot = rng.exponential(size=len(rows)) / prefer
    return rows.take(pa.array(np.argsort(lot)[:ROWS]))


def preference(rows: pa.Table, column: str) -> np.ndarray:
    """What rows are preferred by: the value in standard deviations; of weather, whether it is not clear."""
    values = rows[column]
    if pa.types.is_string(values.type):
        return np.where(pc.equal(values, "1").to_numpy(), -1.0, 1.0)
    x = values.to_numpy().astype(float)
    return np.asarray((x - x.mean()) / x.std())


def told(series: list[Profile], reference: Profile, column: str) -> str:
    """The kind that the last window's drift of a column is taken for; `none`: it has not drifted.

    `young` is a drift that is not named yet.
    """
    found = with_kinds(
        drifts(SIGNALS, "fixed", reference, series[-1], [column]),
        series,
        reference,
        "fixed",
        [column],
        SIGNALS,
    )
    beyond = [each for each in found if each.beyond]
    return (beyond[0].kind or "young") if beyond else "none"


def one(rows: pa.Table, kind: str, column: str, seed: int) -> str:
    """What a kind of drift of a column is taken for."""
    rng = np.random.default_rng([seed, KINDS.index(kind), COLUMNS.index(column)])
    rows = rows.select([column])
    z, strength = preference(rows, column), rng.uniform(1.0, 2.0) * rng.choice([-1, 1])
    reference = profile(rows.take(pa.array(rng.permutation(len(rows))[: 4 * ROWS])))
    by_window = [np.exp(strength * shift * z) for shift in shifts(kind, rng)]
    return told([profile(drawn(rows, prefer, rng)) for prefer in by_window], reference, column)


def injected(rows: pa.Table, seeds: int) -> dict[str, Any]:
    """Each kind, over seeds and columns: how often it is told rightly, and what it is taken for."""
    table, right = {}, []
    for kind in KINDS:
        found = [one(rows, kind, column, seed) for seed in range(seeds) for column in COLUMNS]
        right += [each == kind for each in found]
        names = (*KINDS, "young")
        table[kind] = rate([each == kind for each in found]) | {
            "taken for": {name: found.count(name) for name in names if name in found}
        }
        log.info("%s %s", kind, json.dumps(table[kind]))
    return {"all": rate(right), "by kind": table}


def seasons(rows: pa.Table) -> dict[str, list[str]]:
    """What each month's drift from the first months is taken for, column by column."""
    month = rows["time"].to_pandas().dt.tz_localize(None).dt.to_period("M")
    months = [profile(rows.filter(pa.array(month == each)).select(COLUMNS)) for each in pd.unique(month)]
    reference = months[0]
    for each in months[1:REFERENCE]:
        reference = merge(reference, each)
    return {
        column: [told(months[: end + 1], reference, column) for end in range(REFERENCE, len(months))]
        for column in COLUMNS
    }


def main() -> None:
    """Measures and merges the record."""
    seeds = record.asked_seeds(__doc__, SEEDS)
    rows = bike()
    weather = pc.cast(rows["weathersit"], pa.string())
    rows = rows.set_column(rows.column_names.index("weathersit"), "weathersit", weather)
    found = injected(rows, seeds) | {"bike, months 3 to 24": seasons(rows)}
    log.info("%s", json.dumps(found["bike, months 3 to 24"]))
    record.merge(
        {
            "drift_kinds": found
            | {
                "seeds": seeds,
                "rows": ROWS,
                "date": f"{datetime.date.today()}",
                "command": f"python -m benchmarks.monitoring.kinds --seeds {seeds}",
            }
        }
    )


if __name__ == "__main__":
    main()
