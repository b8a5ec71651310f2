"""Machines that train together, here as processes that meet on this one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tables import both_splits

from adsmu import __version__
from adsmu.data.schema import write_utterances
from adsmu.errors import BadInput
from adsmu.files import read_json
from adsmu.store import open_store, upload
from adsmu.train.distributed import write_task
from adsmu.train.node import train_here
from adsmu.train.run import train_files

SETTINGS = {"hidden": 8, "domain_hidden": 4, "word_size": 8, "char_size": 4, "char_features": 4, "epochs": 6}
SETTINGS |= {"dropout": 0.0, "word_dropout": 0.0, "rare_word_dropout": 0.0, "device": "cpu"}


def handed_over(tmp_path, rows, **changes):
    """A task in a store, as the step train leaves it for the machines."""
    folder, store = tmp_path / "laid-out", open_store(tmp_path / "store")
    folder.mkdir()
    task = {"trainer": "adsmu.train.two_stage:TwoStageTrainer", "mode": "full", "settings": SETTINGS}
    task |= {"seed": 0, "base": None, "checkpoints": None, "version": __version__}
    write_task(folder, rows, **(task | changes))
    upload(folder, store, "task")
    return store


def meeting(machines):
    """What Kubeflow Trainer tells each machine, but for its own number."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {"PET_NNODES": str(machines), "PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(port)}


def test_two_machines_train_what_one_process_trains(tmp_path):
    rows = both_splits(200)
    store = handed_over(tmp_path, rows)
    places = [f"{store.uri}/task", str(tmp_path / "checkpoints"), f"{store.uri}/model-1"]
    meet = meeting(2)
    machines = [
        subprocess.Popen(
            [sys.executable, "-m", "adsmu.train.node", *places],
            env=os.environ | meet | {"PET_NODE_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [each.wait(timeout=600) for each in machines] == [0, 0]
    written = Path(store.uri) / "model-1"
    assert sorted(path.name for path in written.iterdir()) == ["figures.json", "model"]
    assert list((tmp_path / "checkpoints").iterdir()) == []

    write_utterances(rows, tmp_path / "existing.parquet")
    train_files(tmp_path / "existing.parquet", None, None, tmp_path / "one", mode="full", settings=SETTINGS)
    one, two = (load_file(at / "weights.safetensors") for at in (tmp_path / "one", written / "model"))
    for name, value in one.items():
        assert (value - two[name]).abs().max() < 1e-3, name
    alone = read_json(tmp_path / "one" / "model.json")["figures"]
    together = read_json(written / "figures.json")
    for name, value in alone.items():
        assert together[name] == pytest.approx(value, abs=0.01), name


def test_a_task_of_another_version_is_refused(tmp_path):
    store = handed_over(tmp_path, both_splits(20), version="0.0.1")
    with pytest.raises(BadInput, match=r"written by version 0.0.1, read by .*: the images differ"):
        train_here(*(store.below(each) for each in ("task", "state", "model-1")))
    assert [name for name in store.names() if name.startswith("model")] == []


def test_a_machine_that_fails_says_so_and_hands_nothing_over(tmp_path, monkeypatch):
    store = handed_over(tmp_path, both_splits(20), trainer="nowhere:Trainer")
    for name, value in (meeting(1) | {"PET_NODE_RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    assert train_here(*(store.below(each) for each in ("task", "state", "model-1"))) != 0
    assert [name for name in store.names() if name.startswith("model")] == []
