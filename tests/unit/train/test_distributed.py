"""A training in several processes is the training of one."""

import json
import os
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tables import both_splits

from adsmu.data.schema import write_utterances
from adsmu.errors import BadInput
from adsmu.train.distributed import processes_here
from adsmu.train.run import train_files

sys.path.insert(0, str(Path(__file__).parent))
SETTINGS = {"hidden": 8, "domain_hidden": 4, "word_size": 8, "char_size": 4, "char_features": 4, "epochs": 6}
NO_CHANCE = {"dropout": 0.0, "word_dropout": 0.0, "rare_word_dropout": 0.0}


def test_two_processes_train_what_one_trains(tmp_path):
    write_utterances(both_splits(200), tmp_path / "existing.parquet")
    folders = {}
    for processes in (1, 2):
        folders[processes] = tmp_path / str(processes)
        settings = SETTINGS | NO_CHANCE | {"processes": processes, "device": "cpu"}
        train_files(
            tmp_path / "existing.parquet", None, None, folders[processes], mode="full", settings=settings
        )
    one, two = (load_file(folder / "weights.safetensors") for folder in folders.values())
    # The order of a sum differs, and Adam divides by small numbers: weights are near, not equal.
    for name, value in one.items():
        assert (value - two[name]).abs().max() < 1e-3, name
    one, two = (json.loads((folder / "model.json").read_text())["figures"] for folder in folders.values())
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert two[name] == pytest.approx(value, abs=0.01), name


def test_checkpoints_in_a_file_are_refused_before_any_process_starts(tmp_path):
    write_utterances(both_splits(20), tmp_path / "existing.parquet")
    (tmp_path / "checkpoints").write_text("no folder")
    with pytest.raises(BadInput, match="checkpoints: no folder can be here"):
        train_files(
            tmp_path / "existing.parquet",
            None,
            None,
            tmp_path / "m",
            mode="full",
            settings=SETTINGS | {"processes": 2},
            checkpoints=tmp_path / "checkpoints",
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "existing.parquet"]


def test_a_killed_process_fails_the_training_which_goes_on_from_its_checkpoint(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    write_utterances(both_splits(20), tmp_path / "existing.parquet")
    files = (tmp_path / "existing.parquet", None, None, tmp_path / "m")
    given = {"mode": "full", "settings": SETTINGS | {"processes": 2}, "checkpoints": tmp_path / "checkpoints"}
    with pytest.raises(RuntimeError, match="2 processes ended with exit code"):
        train_files(*files, trainer="dying_trainer:DyingTrainer", **given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "existing.parquet"]
    assert "SIGKILL" in capfd.readouterr().err
    assert train_files(*files, **given)["epochs"] == SETTINGS["epochs"]
    assert "resumed after epoch 2" in capfd.readouterr().err
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.parametrize(
    ("gpus", "settings", "processes"),
    [(0, {}, 1), (0, {"processes": 3}, 3), (4, {}, 4), (4, {"processes": 2}, 2), (4, {"device": "cpu"}, 1)],
)
def test_a_process_trains_on_each_gpu_unless_set(monkeypatch, gpus, settings, processes):
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert processes_here(settings) == processes


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(BadInput, match="3 is more than the GPUs here, 2"):
        processes_here({"processes": 3})


def test_bad_settings_are_refused_before_any_process_starts(tmp_path):
    write_utterances(both_splits(20), tmp_path / "existing.parquet")
    settings = SETTINGS | {"processes": 2, "vectors": "nowhere"}
    with pytest.raises(BadInput, match="no such file"):
        train_files(tmp_path / "existing.parquet", None, None, tmp_path / "m", mode="full", settings=settings)
