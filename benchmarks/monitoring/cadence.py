"""When to retrain: the rule by degradation beside schedules, a published rule and the best in hindsight.

    python -m benchmarks.monitoring.cadence

On streams that change suddenly, gradually and periodically (730 windows of a day; the rule's numbers were
chosen on seeds from 1000 on, the figures are of seeds 0 to 4), and on two years of bicycles by the week, with
ridge regression (by hour of working days and of others, each with warmth) on all weeks before and on eight. A
retraining costs 2, 5 or 15 times what noise alone costs in a window; of bicycles 1, 2 or 4 times what a fresh
model loses in a week. Costs are those of all losses and retrainings in the windows after a history (a fifth),
which the rules may learn from.
`regret` is the share by which a rule costs more than the best in hindsight; `regret_above_fresh` leaves out
of both what models would lose that were retrained in each window for nothing, so it is the harder figure.
Intervals are Student's over seeds; of bicycles over five times 80 % of the hours, drawn at random: they say
how far the figure rests on the rows, not how it would be for other cities.
"""

import datetime
import json
import logging
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from adsmu.value.cadence import Rule, best_in_hindsight, best_period, cost_aware, every, never, play
from adsmu.value.degradation import online
from adsmu.value.losses import Losses, losses_of
from benchmarks.monitoring.record import merge
from benchmarks.snips import DATA

WINDOWS, ROWS, COLUMNS, MEMORY = 730, 100, 8, 7
SEEDS, DRAWS = range(5), range(5)
KINDS, BIKES = ("sudden", "gradual", "periodic"), {"bike, all weeks": 0, "bike, eight weeks": 8}
COSTS, WEEKS = (2.0, 5.0, 15.0), (1.0, 2.0, 4.0)
FIRST = 8
BIKE = DATA.parents[1] / "bike" / "bike_hour.csv.gz"
WET = 3
BAR = 0.1


def concepts(kind: str, windows: int, random: np.random.Generator) -> np.ndarray:
    """The weights that make the label, window by window.

    Args:
        kind: sudden: other weights after 60 windows on average; gradual: they move on, in a direction that
            changes after 80 on average; periodic: to other weights and back, in 40 to 120.
        windows: How many.
        random: Source of chance.

    Returns:
        Windows by columns.
    """

    def some() -> np.ndarray:
        return random.normal(size=COLUMNS) / np.sqrt(COLUMNS)

    if kind == "periodic":
        first, other, period = some(), some(), random.integers(40, 120)
        part = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(windows) / period)
        return first + part[:, None] * (other - first)
    weights, direction, speed, found = some(), some(), random.uniform(0.01, 0.03), []
    for _ in range(windows):
        if kind == "sudden" and random.random() < 1 / 60:
            weights = some()
        elif kind == "gradual":
            direction = some() if random.random() < 1 / 80 else direction
            weights = weights + speed * direction
        found.append(weights)
    return np.array(found)


def stream(kind: str, seed: int) -> Losses:
    """Squared errors of ridge regressions that learnt from the `MEMORY` windows before each, noise of 1."""
    random = np.random.default_rng(seed)
    truth = concepts(kind, WINDOWS + MEMORY, random)
    x = random.normal(size=(len(truth), ROWS, COLUMNS))
    y = np.einsum("tnd,td->tn", x, truth) + random.normal(size=x.shape[:2])
    squares, products = np.einsum("tni,tnj->tij", x, x), np.einsum("tni,tn->ti", x, y)
    weights = np.array(
        [
            np.linalg.solve(squares[i : i + MEMORY].sum(0) + np.eye(COLUMNS), products[i : i + MEMORY].sum(0))
            for i in range(WINDOWS)
        ]
    )
    squares, products, own = squares[MEMORY:], products[MEMORY:], (y[MEMORY:] ** 2).sum(1)
    explained = np.einsum("id,jde,ie->ij", weights, squares, weights, optimize=True)
    of = (own - 2 * weights @ products.T + explained) / ROWS
    return Losses(np.where(np.triu(np.ones(of.shape, dtype=bool)), of, np.nan))


def bicycles(memory: int, draw: int, rows: int = 0) -> Losses:
    """Mean absolute errors by the week, of ridge regression on the weeks before.

    Args:
        memory: How many weeks are learnt from; 0: all before.
        draw: Which 80 % of the hours are there.
        rows: How many of them are learnt from at most; 0: all.
    """
    table = pd.read_csv(BIKE)
    random = np.random.default_rng(draw)
    table = table[random.random(len(table)) < 0.8]
    day = pd.to_datetime(table["dteday"], format="mixed")
    week = ((day - day.min()).dt.days // 7).to_numpy()
    hour = np.eye(48)[table["hr"] + 24 * table["workingday"]]
    warm = table[["temp", "hum", "windspeed"]].to_numpy()
    x = np.column_stack([hour, warm, hour * warm[:, :1], table["weathersit"] == WET])
    y = table["cnt"].to_numpy(float)
    windows = int(week.max()) + 1 - FIRST

    def fit(window: int) -> np.ndarray:
        now = window + FIRST
        known = np.flatnonzero((week < now) & (week >= now - (memory or now)))
        if rows:
            known = random.choice(known, min(rows, len(known)), replace=False)
        return np.linalg.solve(x[known].T @ x[known] + np.eye(x.shape[1]), x[known].T @ y[known])

    def loss(weights: np.ndarray, window: int) -> np.ndarray:
        later = week >= window + FIRST
        error, group = np.abs(x[later] @ weights - y[later]), week[later] - window - FIRST
        return np.bincount(group, error) / np.bincount(group)

    return losses_of(windows, fit, loss)


def compared(
    losses: Losses, retraining: float, memory: int, rules: dict[str, Rule], late: bool
) -> dict[str, tuple[float, float, int]]:
    """Regret, regret above fresh and number of retrainings of each rule, after a fifth of the windows."""
    history = len(losses) // 5
    best = best_in_hindsight(losses, retraining, history)
    fresh = float(np.diag(losses.of)[history:].sum())
    played = {name: play(losses, retraining, rule, history) for name, rule in rules.items()}
    played["best period in hindsight"] = best_period(losses, retraining, history)[1]
    for variant in ("threshold", "cumulative", "periodic"):
        rule = cost_aware(losses, retraining, history, variant)
        played[f"cost-aware, {variant}"] = play(losses, retraining, rule, history)
    played["by degradation"] = play(losses, retraining, online(memory), history)
    if late:
        played["by degradation, labels a window late"] = play(losses, retraining, online(memory), history, 1)
    found = {"best in hindsight": (0.0, 0.0, len(best.retrained))}
    for name, each in played.items():
        above = each.total - best.total
        found[name] = (above / best.total, above / (best.total - fresh), len(each.retrained))
    return found


def one(setting: str, seed: int) -> dict[str, dict[str, tuple[float, float, int]]]:
    """All rules on the losses of one seed, by cost; late labels only at the middle one."""
    if setting in KINDS:
        losses, costs, memory, unit = stream(setting, seed), COSTS, MEMORY, 1.0
        rules: dict[str, Rule] = {"never": never, "daily": every(1), "weekly": every(7)}
    else:
        weeks = BIKES[setting]
        losses, costs, memory = bicycles(weeks, seed), WEEKS, weeks or 10**6
        rules, unit = {"never": never, "weekly": every(1)}, float(np.diag(losses.of).mean())
    return {f"{cost:g}": compared(losses, cost * unit, memory, rules, cost == costs[1]) for cost in costs}


def measure() -> dict[str, Any]:
    """Runs all settings.

    Returns:
        By setting, cost and rule the mean of regret, its interval, and the mean number of retrainings.
    """
    tasks = [(kind, seed) for kind in KINDS for seed in SEEDS]
    tasks += [(bike, draw) for bike in BIKES for draw in DRAWS]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        done = dict(zip(tasks, pool.map(one, *zip(*tasks, strict=True)), strict=True))
    figures: dict[str, Any] = {}
    for name in (*KINDS, *BIKES):
        runs = [found for (setting, _), found in done.items() if setting == name]
        figures[name] = {
            cost: {rule: summary([run[cost][rule] for run in runs]) for rule in runs[0][cost]}
            for cost in runs[0]
        }
    return figures


def summary(runs: list[tuple[float, float, int]]) -> dict[str, Any]:
    """Mean and 95 % interval of regret over runs, and means of the rest."""
    regret, above, retrained = np.array(runs).T
    half = stats.t.ppf(0.975, len(runs) - 1) * regret.std(ddof=1) / np.sqrt(len(runs))
    return {
        "regret": round(float(regret.mean()), 4),
        "interval": [round(float(regret.mean() + sign * half), 4) for sign in (-1, 1)],
        "regret_above_fresh": round(float(above.mean()), 4),
        "retrained": round(float(retrained.mean()), 1),
    }


def main() -> None:
    """Measures and merges the record."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    figures = measure()
    ours = {
        name: [costs[cost]["by degradation"]["regret"] for cost in costs] for name, costs in figures.items()
    }
    by_setting = {name: round(float(np.mean(each)), 4) for name, each in ours.items()}
    cheaper = all(
        costs[cost]["by degradation"]["regret"] < costs[cost]["weekly"]["regret"]
        for costs in figures.values()
        for cost in costs
    )
    value = {
        "date": datetime.date.today().isoformat(),
        "command": "python -m benchmarks.monitoring.cadence",
        "value": round(float(np.mean(list(by_setting.values()))), 4),
        "by_setting": by_setting,
        "worst": max(max(each) for each in ours.values()),
        "cheaper_than_weekly_everywhere": cheaper,
        "bar": f"at most {BAR} on bike and on generated streams; cheaper than weekly",
        "figures": figures,
    }
    merge({"cadence_regret": value})
    logging.info("%s", json.dumps({name: value[name] for name in ("value", "by_setting", "worst")}))


if __name__ == "__main__":
    main()
