"""How late a change at a known time is told, and how often where there is none, with labels a week late.

    python -m benchmarks.monitoring.delay

SEA (Street and Kim 2001, "A streaming ensemble algorithm for large-scale classification"): three numbers from
0 to 10, and the class is whether the first two add up to no more than a bound that moves from one concept to
the next; a tenth of the labels is wrong. A model knows one concept. Weeks of 500 rows follow, some before the
change and as many behind it, in which either the bound moves as in SEA, or the second number comes from
another distribution and means what it did. Each week is looked at and decided on as in the pipeline:
performance by the labels that have come, drift by profiles, and drift opens an update only with an analysis,
whose questions are answered with labels. Nothing is retrained: told is the first week in which a trigger
fires.
"""

import datetime
import json
import logging
import warnings
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.analyze.analyze import analyze
from adsmu.decide.triggers import Situation, ask_trigger
from adsmu.local.learners import Answer, train
from adsmu.monitor.findings import Window
from adsmu.monitor.history import Earlier
from adsmu.monitor.levels import Given, monitor
from adsmu.profile.observations import TIME, observations
from adsmu.profile.profiles import profile
from adsmu.strategy import Columns, Signal, Strategy
from adsmu.strategy.updates import Trigger
from benchmarks.monitoring.record import asked_seeds, merge
from benchmarks.monitoring.summaries import mean, rate

SEEDS = 10
WEEKS, ROWS, TAUGHT = 6, 500, 2000
"""Weeks on either side of the change; rows of each; rows that the model and its validation have."""
CHANGES = {"8 to 9": (8.0, 9.0), "9 to 7": (9.0, 7.0), "7 to 9.5": (7.0, 9.5), "inputs": (8.0, 8.0)}
NOISE = 0.1
START = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
WEEK = datetime.timedelta(weeks=1)
STRATEGY = Strategy(
    "sea",
    Columns(features=("a", "b", "c")),
    signals={"accuracy": Signal("accuracy", 0.85), "psi": Signal("psi", 0.25)},
    triggers={"accuracy": Trigger("performance", signal="accuracy"), "drift": Trigger("drift")},
    combine={"any": ["accuracy", "drift"]},
)
log = logging.getLogger(__name__)


def rows(
    count: int, bound: float, moved: bool, begin: datetime.datetime, rng: np.random.Generator
) -> pa.Table:
    """Rows of one concept over a week; where inputs have moved the second number is the larger of two."""
    x = rng.uniform(0, 10, (count, 3))
    if moved:
        x[:, 1] = np.maximum(x[:, 1], rng.uniform(0, 10, count))
    label = (x[:, 0] + x[:, 1] <= bound) != (rng.random(count) < NOISE)
    time = [begin + WEEK * place / count for place in range(count)]
    return pa.table(
        {
            "id": [f"{begin:%Y%m%d}-{place}" for place in range(count)],
            "time": pa.array(time, TIME),
            "label": np.where(label, "in", "out"),
            "label_time": pa.array([each + WEEK for each in time], TIME),
            **{name: x[:, place] for place, name in enumerate("abc")},
        }
    )


def answered(table: pa.Table, model: Answer) -> pa.Table:
    """Rows with the answers of a model."""
    prediction, score = model(table)
    table = table.append_column("prediction", pa.array(prediction.tolist()))
    return observations(table.append_column("score", pa.array(score)))


def stream(bounds: tuple[float, float], moved: bool, seed: int) -> list[dict[str, bool]]:
    """What is found and decided in each week, the change between the two halves."""
    rng = np.random.default_rng([seed, *(int(10 * bound) for bound in bounds), moved])
    model = train(rows(TAUGHT, bounds[0], False, START - 20 * WEEK, rng), STRATEGY.columns, seed)
    validation = answered(rows(TAUGHT, bounds[0], False, START - 10 * WEEK, rng), model)
    before = profile(validation)
    history: list[Earlier] = []
    seen = validation.slice(0, 0)
    found = []
    for number in range(2 * WEEKS):
        late = number >= WEEKS
        window = Window(START + number * WEEK, START + (number + 1) * WEEK)
        here = answered(rows(ROWS, bounds[late], moved and late, window.begin, rng), model)
        seen = pa.concat_tables([seen, here])
        now = profile(here, like=before)
        told = monitor(Given(seen, now, validation, before, tuple(history)), STRATEGY, window)
        history.append(Earlier(window, now, told))
        drifted = any(each["level"] == "drift" for each in told["findings"])
        analysis = analyzed(validation, here, told, seed) if drifted else None
        situation = Situation(window.end, told, analysis)
        found.append(
            {
                "accuracy": ask_trigger("accuracy", STRATEGY, situation).fired,
                "drift is found": drifted,
                "drift opens an update": ask_trigger("drift", STRATEGY, situation).fired,
            }
        )
    return found


def analyzed(validation: pa.Table, here: pa.Table, told: dict[str, Any], seed: int) -> dict[str, Any]:
    """The analysis of a week, whose questions are answered with its labels."""
    truth = dict(zip(here["id"].to_pylist(), here["label"].to_pylist(), strict=True))
    return analyze(
        validation, unlabelled(here), STRATEGY, told, lambda ids: [truth[each] for each in ids], seed
    )


def unlabelled(table: pa.Table) -> pa.Table:
    """The rows as they are before their labels come."""
    for name in ("label", "label_time"):
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.nulls(len(table), table.schema.field(name).type))
    return table


def summary(streams: list[list[dict[str, bool]]]) -> dict[str, Any]:
    """By what is told: how many weeks after the change, in how many streams at all, and wrongly before it."""
    found = {}
    for name in streams[0][0]:
        told = [[week[name] for week in weeks[WEEKS:]] for weeks in streams]
        weeks = [each.index(True) + 1 for each in told if any(each)]
        found[name] = {
            "told": rate([any(each) for each in told]),
            "weeks until told": mean(weeks) if weeks else None,
            "false alarms, by week": rate([week[name] for weeks in streams for week in weeks[:WEEKS]]),
        }
    return found


def main() -> None:
    """Measures and merges the record."""
    seeds = asked_seeds(__doc__, SEEDS)
    warnings.filterwarnings("ignore", module="sklearn")
    found: dict[str, Any] = {}
    for name, bounds in CHANGES.items():
        moved = name == "inputs"
        found[name] = summary([stream(bounds, moved, seed) for seed in range(seeds)])
        log.info("%s %s", name, json.dumps(found[name]))
    merge(
        {
            "detection_delay": found
            | {
                "seeds": seeds,
                "weeks on either side": WEEKS,
                "rows of a week": ROWS,
                "labels come after": "1 week",
                "date": f"{datetime.date.today()}",
                "command": f"python -m benchmarks.monitoring.delay --seeds {seeds}",
            }
        }
    )


if __name__ == "__main__":
    main()
