"""What forms of datasets are worth: history beside recent rows, and weak segments several times.

    python -m benchmarks.monitoring.forming

Bicycles: at the end of each month from the eighth on, models learn from the last four weeks alone, from as
many rows of which half are older, and from all rows; they are tested on what came before these weeks, on days
that no model learns from, and on the month that comes. CLINC150: of 30 intents, few of them frequent, the
five that a model is worst at on one part of the held-out rows are learnt from three times as often; tested on
the other part.
"""

import datetime
import json
import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from adsmu.form_dataset.forms import form
from adsmu.local.learners import train
from adsmu.strategy import Columns, Dataset
from benchmarks.monitoring.curation import corpus, production
from benchmarks.monitoring.record import asked_seeds, merge
from benchmarks.monitoring.summaries import mean
from benchmarks.monitoring.watch import FEATURES, bike

FIRST, LAST = 8, 23
RECENT = datetime.timedelta(weeks=4)
HELD_DAYS = 5
"""One day in so many is never learnt from."""
SEEDS, INTENTS, WEAK, FACTOR = 10, 30, 5, 3.0
MARGIN = 0.02
"""Points of accuracy that the other intents may lose."""
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
log = logging.getLogger(__name__)


def months() -> dict[str, Any]:
    """The mean absolute error of each form on old months and on the next, paired over months."""
    rows = bike()
    rows = rows.append_column("weight", pa.array(np.ones(len(rows))))
    moment = rows["time"].to_pandas()
    held = (moment.dt.dayofyear % HELD_DAYS == 0).to_numpy()
    begins = pd.date_range("2011-01-01", periods=LAST + 2, freq="MS", tz="UTC")
    columns = Columns("regression", features=FEATURES)
    errors: dict[str, list[float]] = {}
    for today in range(FIRST, LAST + 1):
        until = begins[today].to_pydatetime()
        before, late = (moment < until).to_numpy(), (moment >= until - RECENT).to_numpy()
        learnt = rows.filter(pa.array(before & ~held))
        recent = int((before & ~held & late).sum())
        old = rows.filter(pa.array(before & held & ~late))
        coming = rows.filter(pa.array(~before & (moment < begins[today + 1]).to_numpy()))
        for name, dataset in {
            "recent": Dataset("sliding", window=RECENT),
            "mix": Dataset("mix", window=RECENT, history=0.5, rows=recent),
            "all": Dataset("all"),
        }.items():
            formed = form(learnt, dataset, until)
            model = train(learnt.take(pa.array(np.repeat(formed.rows, formed.copies))), columns, 0)
            for where, test in (("old months", old), ("next month", coming)):
                error = np.abs(model(test)[0] - test["label"].to_numpy()).mean()
                errors.setdefault(f"{name}, {where}", []).append(float(error))
    found: dict[str, Any] = {"months": LAST - FIRST + 1}
    found |= {name: mean(of) for name, of in errors.items()}
    for where in ("old months", "next month"):
        less = np.array(errors[f"recent, {where}"]) - np.array(errors[f"mix, {where}"])
        found[f"mix loses less than recent, {where}"] = mean(less)
    return found


def weak(seed: int) -> dict[str, float]:
    """What upsampling weak intents gains there, and what the others lose."""
    texts, labels, held_texts, held_labels = corpus()
    rng = np.random.default_rng(seed)
    intents = rng.choice(np.unique(labels), INTENTS, replace=False)
    own = production(labels, intents, rng)
    rows = table([texts[place] for place in own], labels[own])
    test = rng.permutation(np.flatnonzero(np.isin(held_labels, intents)))
    parts = [
        table([held_texts[place] for place in part], held_labels[part]) for part in np.array_split(test, 2)
    ]
    columns = Columns(features=("text",), text=("text",))
    before = train(rows, columns, seed)
    choose, measure = (right(before, part) for part in parts)
    names = np.array(parts[0]["label"].to_pylist())
    worst = sorted(intents, key=lambda name: choose[names == name].mean())[:WEAK]
    dataset = Dataset("upsampled", by="label", segments=tuple(worst), factor=FACTOR)
    formed = form(rows, dataset, NOW + datetime.timedelta(days=1))
    after = right(train(rows.take(pa.array(np.repeat(formed.rows, formed.copies))), columns, seed), parts[1])
    those = np.isin(np.array(parts[1]["label"].to_pylist()), worst)
    return {
        "weak before": measure[those].mean(),
        "weak gain": after[those].mean() - measure[those].mean(),
        "others before": measure[~those].mean(),
        "others gain": after[~those].mean() - measure[~those].mean(),
    }


def table(texts: list[str], labels: np.ndarray) -> pa.Table:
    """Observations of texts with their labels."""
    return pa.table(
        {
            "id": [str(number) for number in range(len(texts))],
            "time": pa.array([NOW] * len(texts), pa.timestamp("us", "UTC")),
            "text": texts,
            "label": labels.tolist(),
            "weight": np.ones(len(texts)),
        }
    )


def right(model: Any, rows: pa.Table) -> np.ndarray:
    """Whether a model is right on each row."""
    return np.asarray(model(rows)[0] == np.array(rows["label"].to_pylist()), float)


def main() -> None:
    """Measures and merges the record."""
    seeds = asked_seeds(__doc__, SEEDS)
    warnings.filterwarnings("ignore", module="sklearn")
    found = {"bike": months()}
    log.info("%s", json.dumps(found["bike"]))
    runs = [weak(seed) for seed in range(seeds)]
    found["clinc150, weak intents"] = {name: mean([run[name] for run in runs]) for name in runs[0]}
    others = found["clinc150, weak intents"]["others gain"]["low"]
    found["clinc150, weak intents"] |= {"margin": MARGIN, "others kept": bool(others > -MARGIN)}
    log.info("%s", json.dumps(found["clinc150, weak intents"]))
    merge(
        {
            "dataset_forms": found
            | {
                "seeds": seeds,
                "date": f"{datetime.date.today()}",
                "command": f"python -m benchmarks.monitoring.forming --seeds {seeds}",
            }
        }
    )


if __name__ == "__main__":
    main()
