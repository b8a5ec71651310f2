"""Kinds of change, and what becomes of the weights of labels that were there before."""

import torch
from safetensors.torch import load_file

from adsmu.lineage.change import change_of
from adsmu.train.model import read_model
from adsmu.train.run import train_files


def test_other_rows_are_a_data_iteration(generations):
    change = change_of(*(read_model(model) for model in generations.models[:2]))
    assert (change.kind, change.changed) == ("data", ("data.data",))
    assert change.new_labels == {} and change.keeps_weights


def test_other_settings_are_a_model_iteration():
    model = {"trainer": "a:A", "data": {"existing": "1"}, "mode": "full", "settings": {}, "seed": 0}
    model["labels"] = {"domains": [], "intents": ["a"], "slots": []}
    assert change_of(model, model).kind == "none"
    assert change_of(model, model | {"seed": 1}).kind == "seed"
    wider = model | {"settings": {"hidden": 64}}
    assert change_of(model, wider).kind == "model"
    assert change_of(model, wider | {"data": {"existing": "2"}}).kind == "data and model"
    fewer = model | {"labels": {"domains": [], "intents": [], "slots": []}, "data": {"existing": "2"}}
    assert change_of(model, fewer).lost_labels == {"intents": ["a"]}


def test_a_new_intent_keeps_the_old_weights(generations, tmp_path):
    """With a learning rate of almost nothing all that was there before comes out as it was."""
    still = generations.settings | {"learning_rate": 1e-9, "epochs": 1}
    third = generations.tables[2][0]
    train_files(
        generations.existing, third, generations.models[1], tmp_path / "m", mode="warm", settings=still
    )
    change = change_of(read_model(generations.models[1]), read_model(tmp_path / "m"))
    assert change.new_labels["intents"] == ["Light"]
    old, new = (load_file(each / "weights.safetensors") for each in (generations.models[1], tmp_path / "m"))
    grown = 0
    for name, weight in old.items():
        kept = new[name][tuple(slice(0, size) for size in weight.shape)]
        torch.testing.assert_close(kept, weight, atol=1e-5, rtol=0)
        grown += new[name].shape != weight.shape
    assert grown > 0
