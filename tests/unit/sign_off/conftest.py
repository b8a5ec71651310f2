"""Small models of two kinds, an evaluation set, and keys of two signers."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from adsmu.files import write_json
from adsmu.sign_off.evaluation_set import write_evaluation_set

sys.path.insert(0, str(Path(__file__).parent))
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

SCORER = "linear_scorer:Linear"


def written_key(folder, name):
    """The files of a private and of its public key."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.key", folder / f"{name}.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return SimpleNamespace(private=private, public=public)


@pytest.fixture
def keys(tmp_path):
    """Those of the one who may sign, and of somebody else."""
    return SimpleNamespace(ours=written_key(tmp_path, "ours"), others=written_key(tmp_path, "others"))


def linear_model(folder, weights, data="sha256:" + "1" * 64, mode="full"):
    """A model folder whose answer is the sum of weights times columns."""
    labels = {"domains": [], "intents": [], "slots": []}
    model = {"format": 1, "trainer": "linear", "parent": None, "data": {"existing": data}, "mode": mode}
    write_json(model | {"settings": {}, "seed": 0, "labels": labels, "figures": {}}, folder / "model.json")
    write_json(weights, folder / "weights.json")
    return folder


@pytest.fixture
def models(tmp_path):
    """A champion that overstates what warmth does and misses rain, and a candidate that knows both."""
    champion = linear_model(tmp_path / "champion", {"warm": 60.0, "rain": 0.0})
    candidate = linear_model(tmp_path / "candidate", {"warm": 50.0, "rain": -20.0}, "sha256:" + "2" * 64)
    return SimpleNamespace(champion=champion, candidate=candidate)


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


@pytest.fixture
def evaluation_set(tmp_path):
    (tmp_path / "pairs.jsonl").write_text(PAIRS)
    write_evaluation_set(bike_rows(), tmp_path / "pairs.jsonl", tmp_path / "set")
    return tmp_path / "set"
