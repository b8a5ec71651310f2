"""A training that is killed for real goes on where it was, and ends as if nothing had been."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tables import both_splits

from adsmu.data.schema import write_utterances
from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.train.run import train_files

SETTINGS = {"hidden": 8, "domain_hidden": 4, "word_size": 8, "char_size": 4, "char_features": 4, "epochs": 12}
PROGRAM = """
import sys
from adsmu.train.run import train_files
existing, output, checkpoints = sys.argv[1:]
train_files(existing, None, None, output, mode="full", settings={settings}, checkpoints=checkpoints)
"""


@pytest.fixture(scope="module")
def existing(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "existing.parquet"
    write_utterances(both_splits(400), path)
    return path


def _start(existing, output, checkpoints):
    program = PROGRAM.format(settings=SETTINGS)
    return subprocess.Popen([sys.executable, "-c", program, str(existing), str(output), str(checkpoints)])


def test_a_killed_training_ends_bit_equal_to_one_never_killed(existing, tmp_path, caplog):
    caplog.set_level("INFO", logger="adsmu.train.training")
    whole, killed, checkpoints = tmp_path / "whole", tmp_path / "killed", tmp_path / "checkpoints"
    process = _start(existing, killed, checkpoints)
    for _ in range(6000):
        if process.poll() is not None or list(checkpoints.glob("*/*.safetensors")):
            break
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the training was over before it could be killed"
    assert not killed.exists()
    assert list(checkpoints.glob("*/*.safetensors"))

    for output, state in ((killed, checkpoints), (whole, tmp_path / "others")):
        train_files(existing, None, None, output, mode="full", settings=SETTINGS, checkpoints=state)
    assert "resumed after epoch" in caplog.text
    assert digest(killed) == digest(whole)


def test_a_checkpoint_is_resumed_by_the_same_training_only(existing, tmp_path, caplog):
    caplog.set_level("INFO", logger="adsmu.train.training")
    checkpoints = tmp_path / "checkpoints"
    _stop_after_one_epoch(existing, checkpoints)
    for name, seed, epochs in (("other-seed", 1, 2), ("other-settings", 0, 3)):
        settings = SETTINGS | {"epochs": epochs}
        arguments = {"mode": "full", "settings": settings, "checkpoints": checkpoints, "seed": seed}
        train_files(existing, None, None, tmp_path / name, **arguments)
    assert "resumed" not in caplog.text
    arguments = {"mode": "full", "settings": SETTINGS | {"epochs": 2}, "checkpoints": checkpoints}
    train_files(existing, None, None, tmp_path / "same", **arguments)
    assert "resumed after epoch 1" in caplog.text


def test_a_damaged_checkpoint_is_named(existing, tmp_path):
    checkpoints = tmp_path / "checkpoints"
    state = _stop_after_one_epoch(existing, checkpoints)
    state.write_bytes(state.read_bytes()[:-100])
    arguments = {"mode": "full", "settings": SETTINGS | {"epochs": 2}, "checkpoints": checkpoints}
    with pytest.raises(BadInput, match="damaged checkpoint; remove it"):
        train_files(existing, None, None, tmp_path / "m", **arguments)


def test_a_training_that_ended_leaves_no_checkpoint(existing, tmp_path):
    arguments = {
        "mode": "full",
        "settings": SETTINGS | {"epochs": 1},
        "checkpoints": tmp_path / "checkpoints",
    }
    train_files(existing, None, None, tmp_path / "m", **arguments)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def _stop_after_one_epoch(existing, checkpoints):
    """Leaves the checkpoint of a training of two epochs, interrupted in the second."""
    from adsmu.train.checkpoint import Checkpoint

    class Interrupted(Exception):
        pass

    save = Checkpoint.save

    def save_and_stop(checkpoint, state):
        save(checkpoint, state)
        raise Interrupted

    Checkpoint.save = save_and_stop
    try:
        with pytest.raises(Interrupted):
            arguments = {"mode": "full", "settings": SETTINGS | {"epochs": 2}, "checkpoints": checkpoints}
            train_files(existing, None, None, checkpoints.parent / "never", **arguments)
    finally:
        Checkpoint.save = save
    (state,) = checkpoints.glob("*/*.safetensors")
    return state


def test_only_the_newest_state_is_kept_and_a_later_one_is_never_taken_away(tmp_path):
    import torch

    from adsmu.store import open_store
    from adsmu.train.checkpoint import Checkpoint, State

    store = open_store(tmp_path)
    checkpoint, other = Checkpoint(store, "a"), Checkpoint(store, "b")
    assert checkpoint.read(torch.device("cpu")) is None
    for epoch in (1, 2, 3):
        checkpoint.save(State(epoch=epoch, weights={"w": torch.full((2,), float(epoch))}))
        other.save(State(epoch=1))
    assert store.names() == ["a/000003.safetensors", "b/000001.safetensors"]
    checkpoint.save(State(epoch=2))  # an equal training that is behind
    state = checkpoint.read(torch.device("cpu"))
    assert (state.epoch, state.weights["w"].tolist()) == (3, [3.0, 3.0])
    checkpoint.remove()
    assert store.names() == ["b/000001.safetensors"]
