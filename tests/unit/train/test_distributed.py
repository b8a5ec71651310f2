"""A training in several processes is the training of one."""

import json

import pytest
from safetensors.torch import load_file
from tables import both_splits

from adsmu.data.schema import write_utterances
from adsmu.errors import BadInput
from adsmu.train.run import train_files

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


def test_a_failing_process_fails_the_training_and_leaves_nothing(tmp_path):
    write_utterances(both_splits(20), tmp_path / "existing.parquet")
    (tmp_path / "checkpoints").write_text("no folder")
    with pytest.raises(RuntimeError, match="2 processes ended with exit code"):
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


def test_bad_settings_are_refused_before_any_process_starts(tmp_path):
    write_utterances(both_splits(20), tmp_path / "existing.parquet")
    settings = SETTINGS | {"processes": 2, "vectors": "nowhere"}
    with pytest.raises(BadInput, match="no such file"):
        train_files(tmp_path / "existing.parquet", None, None, tmp_path / "m", mode="full", settings=settings)
