"""Small models, and a service of them on a real cluster."""

import os
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from adsmu.canary_deploy.release import Release, register
from adsmu.canary_deploy.rollout import Ports
from adsmu.canary_deploy.service import Service, cluster_ports
from adsmu.canary_deploy.traffic.inference import INFERENCE_SERVICE
from adsmu.cluster import connect
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


@dataclass(frozen=True)
class Entrance:
    """A traffic backend, and where its users come in.

    Attributes:
        backend: Its name.
        url: Where it is reached from here.
        gateway: The Gateway, of backend `gateway`.
    """

    backend: str
    url: str
    gateway: str = ""

    def serving(self, where: dict[str, str], namespace: str, **more: Any) -> dict[str, Any]:
        """Settings of a service in a namespace that conftest.py made."""
        own = (
            {"gateway": self.gateway, "hostname": HOST} if self.gateway else {"service_account": "predictors"}
        )
        given = {
            "namespace": namespace,
            "image": where["ADSMU_IMAGE"],
            "memory": "512Mi",
            "secret": "storage",
        }
        return given | own | more

    def ports(self, serving: dict[str, Any], store: str) -> Ports:
        """What a rollout of the service works with."""
        return cluster_ports(Service(SERVICE, self.backend, store, serving, TRAINER))

    def host(self, namespace: str) -> str:
        """The host that users ask for; of an InferenceService, the one that KServe gave it."""
        if self.gateway:
            return HOST
        cluster = connect(namespace)

        def url():
            found = cluster.read(INFERENCE_SERVICE, SERVICE) or {}
            return (found.get("status") or {}).get("url", "")

        wait(lambda: "" if url() else "the InferenceService has no URL yet", 60)
        return urlsplit(url()).netloc


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


def begin(ports: Ports, entrance: Entrance, namespace: str, release: Release) -> str:
    """Makes a first model the champion, and waits until requests reach it; gives the host to ask for."""
    traffic = ports.traffic
    traffic.deploy(release)
    wait(traffic.unready)
    traffic.set_share(1.0)
    host = entrance.host(namespace)
    wait(lambda: unanswered(entrance.url, host))
    traffic.promote()
    time.sleep(SETTLE)
    assert traffic.champion() == release.digest
    return host


def unanswered(url: str, host: str) -> str:
    """How a request through the gateway fails; empty when it is answered."""
    request = urllib.request.Request(f"{url}/v1/models/{SERVICE}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=5):
            return ""
    except OSError as error:
        return str(error)
