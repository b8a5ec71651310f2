"""Three generations of a small model, made once: the third can answer an intent more."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adsmu.data.schema import utterances, write_utterances
from adsmu.train.run import train_files

os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

SMALL = {"hidden": 8, "word_size": 8, "char_features": 0, "domain_hidden": 8, "epochs": 2, "device": "cpu"}
CARRIERS = {
    "Play": ["play", "put on"],
    "Alarm": ["wake me at", "alarm for"],
    "Light": ["dim the", "light the"],
}
VALUES = ["moana", "noon", "seven", "kitchen", "blue train", "half past nine"]


def rows(count, intents, source, seed):
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        intent = intents[random.integers(len(intents))]
        carrier = CARRIERS[intent][random.integers(2)].split()
        value = VALUES[random.integers(len(VALUES))].split()
        found.append(
            {
                "id": f"{source}-{seed}-{number}",
                "tokens": carrier + value,
                "tags": ["O"] * len(carrier) + ["B-value"] + ["I-value"] * (len(value) - 1),
                "intent": intent,
                "domain": "home",
                "source": source,
                "split": ("train", "train", "train", "dev", "test")[number % 5],
            }
        )
    return utterances(found)


@pytest.fixture(scope="session")
def generations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generations")
    write_utterances(rows(60, ["Play", "Alarm"], "existing", 1), folder / "existing.parquet")
    write_utterances(rows(30, ["Play", "Alarm"], "user", 2), folder / "second.parquet")
    write_utterances(rows(30, ["Play", "Light"], "user", 3), folder / "third.parquet")
    existing, models = folder / "existing.parquet", [folder / f"model-{number}" for number in range(3)]
    train_files(existing, None, None, models[0], mode="full", settings=SMALL, seed=7)
    for number, data in ((1, "second"), (2, "third")):
        train_files(
            existing,
            folder / f"{data}.parquet",
            models[number - 1],
            models[number],
            mode="warm",
            settings=SMALL,
            seed=7,
        )
    tables = [[existing], [folder / "second.parquet"], [folder / "third.parquet"]]
    return SimpleNamespace(folder=folder, models=models, tables=tables, existing=existing, settings=SMALL)
