"""Small models, and a service of them on a real cluster."""

import os
import time
import urllib.request
from pathlib import Path

import pyarrow as pa

from adsmu.canary_deploy.release import Release, register
from adsmu.canary_deploy.traffic.port import Traffic
from adsmu.data.schema import SCHEMA, write_utterances
from adsmu.store import open_store
from adsmu.stratify.assign import build_stratifier
from adsmu.train.run import train_files

HOST, SERVICE = "nlu.adsmu.test", "nlu"
TRAINER = "word_trainer:WordTrainer"
RATE = float(os.environ.get("ADSMU_RATE", "50"))
SETTLE = 4.0
"""Seconds after which a gateway surely follows a route."""

OLD = {"Play": ["play moana", "play halo now"], "Stop": ["stop", "stop the music"]}
NEW = {"to": ["add halo to my list", "add moana to my list"], "in": ["add halo in list gym"]}


def rows(texts: dict[str, list[str]], *, new: bool, split: str = "train") -> pa.Table:
    """Utterances of one split; `texts` by stratum (new use case) or intent (existing)."""
    made = [
        {
            "id": f"{split}-{name}-{number}",
            "tokens": text.split(),
            "tags": ["O"] * len(text.split()),
            "intent": "Add" if new else name,
            "domain": "music",
            "source": "user" if new else "existing",
            "split": split,
            "stratum_id": name if new else None,
            "round": None,
            "weight": 1.0,
        }
        for name, lines in texts.items()
        for number, text in enumerate(lines)
    ]
    return pa.Table.from_pylist(made, schema=SCHEMA)


def train(folder: Path, new: pa.Table, existing: pa.Table) -> Path:
    """Writes both tables to a folder, and a model of them; gives the model's folder."""
    write_utterances(existing, folder / "existing")
    write_utterances(new, folder / "data")
    train_files(
        folder / "existing",
        folder / "data",
        None,
        folder / "model",
        mode="full",
        trainer=TRAINER,
        settings={},
    )
    return folder / "model"


def released(place: str, model: Path, new: pa.Table, existing: pa.Table) -> Release:
    """Puts a model into the object storage, with strata named as in the table."""
    names = {name: name for name in new["stratum_id"].unique().to_pylist()}
    return register(open_store(place), model, build_stratifier(new, existing, names))


def wait(what, seconds=600.0):
    """Waits for a function to say nothing; fails with its last words."""
    end = time.monotonic() + seconds
    while words := what():
        assert time.monotonic() < end, words
        time.sleep(0.2)


def begin(traffic: Traffic, url: str, host: str, release: Release) -> None:
    """Makes a first model the champion, and waits until the gateway sends requests to it."""
    traffic.deploy(release)
    wait(traffic.unready)
    traffic.set_share(1.0)
    wait(lambda: unanswered(url, host))
    traffic.promote()
    time.sleep(SETTLE)
    assert traffic.champion() == release.digest


def unanswered(url: str, host: str) -> str:
    """How a request through the gateway fails; empty when it is answered."""
    request = urllib.request.Request(f"{url}/v1/models/{SERVICE}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=5):
            return ""
    except OSError as error:
        return str(error)
