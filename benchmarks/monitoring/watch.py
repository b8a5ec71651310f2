"""What following a strategy is worth beside always and never retraining, on bicycles and on intents.

Bicycles: a model of the hourly rentals, months in order, from each of several months on. Intents: a few of
them are held back and come later, one after the other; one label in four comes by itself, the others only
when they are asked for. Every stream is played as `adsmu watch --strategy` plays it.
"""

import argparse
import gzip
import json
import logging
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from adsmu.local.play import play
from adsmu.local.worth import worth
from adsmu.profile.observations import TIME, write_observations
from adsmu.strategy import read_strategy
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.summaries import mean

DATA = Path("../shared/data")
FEATURES = ("temp", "hum", "windspeed", "hr", "weekday", "workingday", "weathersit")
STARTS = ("2011-01", "2011-04", "2011-07", "2011-10", "2012-01")
MONTHS = 12
SEEDS = 5
START = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS, ROWS, LATE = 10, 300, 3
NEVER = datetime(2100, 1, 1, tzinfo=UTC)


def bike() -> pa.Table:
    """Bicycles rented in each hour of two years, as observations."""
    frame = pd.read_csv(DATA / "bike" / "bike_hour.csv.gz")
    time = pd.to_datetime(frame["dteday"], format="%m/%d/%Y", utc=True) + pd.to_timedelta(
        frame["hr"], unit="h"
    )
    return pa.table(
        {
            "id": frame["instant"].astype(str),
            "time": pa.array(time.dt.as_unit("us"), TIME),
            "label": frame["cnt"].astype(float),
            **{name: frame[name] for name in FEATURES},
        }
    )


def clinc150() -> list[tuple[str, str]]:
    """Text and intent of each row of CLINC150, but those of no intent."""
    with gzip.open(DATA / "clinc150" / "clinc_data_full.json.gz", "rt", encoding="utf-8") as file:
        held = json.load(file)
    return [(text, intent) for part in ("train", "val", "test") for text, intent in held[part]]


def snips() -> list[tuple[str, str]]:
    """Text and intent of each row of SNIPS."""
    with gzip.open(DATA / "snips" / "snips.jsonl.gz", "rt", encoding="utf-8") as file:
        return [(" ".join(row["tokens"]), row["intent"]) for row in map(json.loads, file)]


INTENTS = {"clinc150": (clinc150, 27), "snips": (snips, 7)}
"""Where rows come from, and how many intents are drawn."""


def arriving(rows: list[tuple[str, str]], intents: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """A reference, and weeks of production in which intents come that the reference has not.

    Args:
        rows: Text and intent.
        intents: How many are drawn, those that come late included.
        seed: Of what is drawn, and when.

    Returns:
        Labelled observations from before, and the stream. A tenth of a week's rows is of each intent that
        has come; the first comes in the third week, each other two weeks later.
    """
    rng = np.random.default_rng(seed)
    names = rng.permutation(sorted({intent for _, intent in rows}))[:intents]
    late = list(names[:LATE])
    drawn = [rows[place] for place in rng.permutation(len(rows))]
    pools = {name: [row for row in drawn if row[1] == name] for name in names}
    old = [row for row in drawn if row[1] in names[LATE:]]
    before, old = old[:1000], old[1000:]
    stream = []
    for number in range(WEEKS):
        week = []
        for place, name in enumerate(late):
            if number >= 2 + 2 * place:
                taken = min(ROWS // 10, len(pools[name]) // 2)
                week += [pools[name].pop() for _ in range(taken)]
        week += [old[place] for place in rng.integers(len(old), size=ROWS - len(week))]
        for place, row in enumerate(rng.permutation(len(week))):
            time = START + timedelta(weeks=number) + timedelta(weeks=1) * place / len(week)
            known = time + timedelta(days=1) if rng.random() < 0.25 else NEVER
            stream.append((f"{number}-{place}", time, *week[row], known))
    first = START - timedelta(weeks=4)
    reference = [(f"r{n}", first + timedelta(minutes=n), *row, START) for n, row in enumerate(before)]
    return _table(reference), _table(stream)


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    ids, times, texts, labels, known = zip(*rows, strict=True)
    return pa.table(
        {
            "id": ids,
            "time": pa.array(times, TIME),
            "text": texts,
            "label": labels,
            "label_time": pa.array(known, TIME),
        }
    )


def played(
    strategy: str, stream: pa.Table, reference: pa.Table | None, window: str, seed: int
) -> dict[str, Any]:
    """Plays a stream and gives what it was worth, with how often each decision was taken."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_observations(stream, place / "stream.parquet")
        if reference is not None:
            write_observations(reference, place / "reference.parquet")
        found = play(
            strategy,
            place / "stream.parquet",
            place / "out",
            reference=place / "reference.parquet" if reference is not None else None,
            window=window,
            seed=seed,
        )
    actions = [each.decision["action"] for each in found]
    return worth(found, read_strategy(strategy)) | {
        "actions": {name: actions.count(name) for name in set(actions)}
    }


def runs(name: str, seeds: int) -> Iterator[dict[str, Any]]:
    """Plays every stream of a data set."""
    if name == "bike":
        rows = bike()
        frame = rows.column("time").to_pandas()
        for start in STARTS:
            begin = pd.Timestamp(start, tz="UTC")
            inside = (frame >= begin) & (frame < begin + pd.DateOffset(months=MONTHS))
            yield played("examples/strategy.yaml", rows.filter(pa.array(inside)), None, "month", 0)
        return
    rows_of, intents = INTENTS[name]
    for seed in range(seeds):
        reference, stream = arriving(rows_of(), intents, seed)
        yield played("examples/intents.yaml", stream, reference, "", seed)


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over streams, and how much less following lost, with Student's interval of 95 % over streams."""
    arms = found[0]["arms"]
    loss = {arm: np.array([each["arms"][arm]["loss"] for each in found]) for arm in arms}
    cost = {arm: np.array([each["arms"][arm]["cost"] for each in found]) for arm in arms}
    return {
        "streams": len(found),
        **{
            arm: {
                key: round(float(np.mean([each["arms"][arm][key] for each in found])), 4) for key in arms[arm]
            }
            for arm in arms
        },
        "lost_less": {a: mean(loss[a] - loss["followed"]) for a in ("always", "never")},
        "cost_less": {a: mean(cost[a] - cost["followed"]) for a in ("always", "never")},
        "actions": {
            name: sum(each["actions"].get(name, 0) for each in found)
            for name in ("update", "do_not_update", "ask", "blocked")
        },
    }


def write(folder: Path) -> None:
    """Writes what `adsmu watch` plays: bicycles, and the intents of the first seed with their reference."""
    write_observations(bike(), folder / "bike.parquet")
    for name, (rows_of, intents) in INTENTS.items():
        reference, stream = arriving(rows_of(), intents, 0)
        write_observations(reference, folder / f"{name}-reference.parquet")
        write_observations(stream, folder / f"{name}.parquet")


def main() -> None:
    """Plays all streams and merges the figures into the record."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--only", nargs="*", default=["bike", "clinc150", "snips"])
    options.add_argument("--print", action="store_true", help="print the figures, and record nothing")
    options.add_argument("--write", type=Path, help="write the streams to this folder, and play none")
    given = options.parse_args()
    if given.write:
        write(given.write)
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in given.only:
        found = summary(list(runs(name, given.seeds)))
        logging.getLogger(__name__).info("%s %s", name, json.dumps(found))
        if not given.print:
            command = f"python -m benchmarks.monitoring.watch --only {name} --seeds {given.seeds}"
            merge({f"watch_{name}": found | {"date": f"{datetime.now(UTC):%F}", "command": command}})


if __name__ == "__main__":
    main()
