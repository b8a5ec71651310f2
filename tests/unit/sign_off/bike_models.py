"""Linear models of bicycles rented, rows of them, and behavioural tests; for tests of report cards."""

import json

import numpy as np
import pyarrow as pa

from adsmu.files import write_json

SCORER = "linear_scorer:Linear"


def linear_model(folder, weights, data="sha256:" + "1" * 64, mode="full"):
    """A model folder whose answer is the sum of weights times columns."""
    labels = {"domains": [], "intents": [], "slots": []}
    model = {"format": 1, "trainer": "linear", "parent": None, "data": {"existing": data}, "mode": mode}
    write_json(model | {"settings": {}, "seed": 0, "labels": labels, "figures": {}}, folder / "model.json")
    write_json(weights, folder / "weights.json")
    return folder


def bike_rows(count=400, seed=0):
    random = np.random.default_rng(seed)
    warm, rain = random.random(count), (random.random(count) < 0.3).astype(float)
    label = 50 * warm - 20 * rain + random.normal(0, 3, count)
    season = np.where(warm > 0.5, "summer", "winter")
    return pa.table(
        {
            "id": [f"{seed}-{n}" for n in range(count)],
            "warm": warm,
            "rain": rain,
            "season": season,
            "label": label,
        }
    )


def raining(warm):
    dry = {"warm": warm, "rain": 0.0}
    return {"test": "rain up, count not up", "input": dry, "changed": dry | {"rain": 1.0}, "holds": "down"}


COLD = {
    "test": "cold and dry is nobody",
    "input": {"warm": 0.0, "rain": 0.0},
    "holds": "equals",
    "value": 0.0,
}
PAIRS = "".join(json.dumps(pair) + "\n" for pair in (raining(0.5), raining(0.9), COLD | {"within": 1.0}))
