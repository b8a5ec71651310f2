"""Small models of two kinds, an evaluation set, and keys of two signers."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from adsmu.sign_off.evaluation_set import write_evaluation_set

sys.path.insert(0, str(Path(__file__).parent))
from bike_models import PAIRS, bike_rows, linear_model

os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


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


@pytest.fixture
def models(tmp_path):
    """A champion that overstates what warmth does and misses rain, and a candidate that knows both."""
    champion = linear_model(tmp_path / "champion", {"warm": 60.0, "rain": 0.0})
    candidate = linear_model(tmp_path / "candidate", {"warm": 50.0, "rain": -20.0}, "sha256:" + "2" * 64)
    return SimpleNamespace(champion=champion, candidate=candidate)


@pytest.fixture
def evaluation_set(tmp_path):
    (tmp_path / "pairs.jsonl").write_text(PAIRS)
    write_evaluation_set(bike_rows(), tmp_path / "pairs.jsonl", tmp_path / "set")
    return tmp_path / "set"
