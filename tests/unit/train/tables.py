"""Small utterance tables of these tests' own writing."""

import numpy as np
import pyarrow as pa

from adsmu.data.schema import SCHEMA

TEMPLATES = {
    ("music", "Play"): (["play", "put on", "start"], "title", ["moana", "frozen two", "blue train"]),
    ("music", "Queue"): (["add", "queue up"], "title", ["moana", "frozen two", "kind of blue"]),
    ("clock", "Alarm"): (["wake me at", "alarm for"], "time", ["seven", "half past nine", "noon"]),
    ("clock", "Timer"): (["timer for", "count down"], "time", ["ten minutes", "one hour"]),
}
NEW = {("home", "Light"): (["dim the", "turn off the"], "room", ["kitchen", "living room", "garden shed"])}


def utterances(count, source="existing", split="train", seed=0, templates=None, start=0):
    random = np.random.default_rng([seed, count])
    chosen = list((templates or TEMPLATES).items())
    rows = []
    for number in range(count):
        (domain, intent), (carriers, slot, values) = chosen[random.integers(len(chosen))]
        carrier = carriers[random.integers(len(carriers))].split()
        value = values[random.integers(len(values))].split()
        rows.append(
            {
                "id": f"{source}-{split}-{start + number}",
                "tokens": carrier + value,
                "tags": ["O"] * len(carrier) + [f"B-{slot}"] + [f"I-{slot}"] * (len(value) - 1),
                "intent": intent,
                "domain": domain,
                "source": source,
                "split": split,
                "stratum_id": None if source == "existing" else f"s{len(carrier)}",
                "round": 1 if source == "synthetic" else None,
                "weight": 1.0,
            }
        )
    return pa.Table.from_pylist(rows, SCHEMA)


def both_splits(count, **kwargs):
    return pa.concat_tables(
        [utterances(count, split="train", **kwargs), utterances(max(count // 4, 4), split="dev", **kwargs)]
    )
