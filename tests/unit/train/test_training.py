"""When training stops, which weights it keeps, and what it says while it runs."""

import logging

import numpy as np
import pytest
import torch
from tables import both_splits, utterances

from adsmu.train.batches import encode_table
from adsmu.train.network import TwoStage
from adsmu.train.settings import Settings
from adsmu.train.training import fit, score
from adsmu.train.vocabulary import EMPTY, grow

TINY = {"hidden": 8, "domain_hidden": 4, "word_size": 8, "char_size": 4, "char_features": 4}


def trained(development=None, epochs=4, rate=0.004, **settings):
    sizes = Settings(**TINY | settings)
    table = utterances(150)
    vocabulary = grow(EMPTY, table)
    torch.manual_seed(0)
    network = TwoStage(vocabulary, sizes)
    rows = encode_table(table, vocabulary, None)
    held_back = encode_table(
        both_splits(60, seed=5) if development is None else development, vocabulary, None
    )
    figures = fit(network, rows, np.ones(len(table)), held_back, sizes, epochs, rate, 0, None)
    return network, held_back, figures


def test_training_stops_when_the_score_stands_still():
    _, _, figures = trained(epochs=30, rate=1e-12, patience=3)
    assert figures["epochs"] == 4


def test_without_development_rows_every_epoch_is_run():
    _, _, figures = trained(utterances(0), epochs=6, rate=1e-12, patience=1)
    assert figures["epochs"] == figures["best_epoch"] == 6
    assert not any(name.startswith("dev_") for name in figures)


def test_the_weights_kept_are_those_of_the_best_score():
    network, held_back, figures = trained(epochs=25, batch_size=16)
    found = score(network, held_back)
    assert found == {name: figures[name] for name in found}
    assert figures["dev_frame"] > 0.5


def test_the_weights_of_the_last_steps_are_averaged():
    """With one step an epoch and no chance, the mean of two steps is that of the two models."""
    fixed = {"batch_size": 150, "dropout": 0.0, "word_dropout": 0.0, "rare_word_dropout": 0.0}
    last, _, _ = trained(utterances(0), epochs=4, average_last=0.0, **fixed)
    mean, _, _ = trained(utterances(0), epochs=4, average_last=0.5, **fixed)
    newest, _, _ = trained(utterances(0), epochs=4, average_last=0.25, **fixed)
    name = "intent.bias"
    assert torch.equal(newest.state_dict()[name], last.state_dict()[name])
    before_last = 2 * mean.state_dict()[name] - last.state_dict()[name]
    distance = (before_last - last.state_dict()[name]).abs().max()
    assert 1e-5 < distance < 0.01  # one step of Adam at a rate of 0.004


def test_progress_tells_loss_and_speed_of_each_epoch(caplog):
    caplog.set_level(logging.INFO, logger="adsmu.train.training")
    trained(epochs=2)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert all("loss" in line and line.endswith("utterances/s") for line in lines)


def test_a_row_of_weight_zero_teaches_nothing():
    table = utterances(60)
    vocabulary = grow(EMPTY, table)
    results = []
    for changed in (False, True):
        torch.manual_seed(0)
        sizes = Settings(**TINY, dropout=0.0, word_dropout=0.0, rare_word_dropout=0.0)
        network = TwoStage(vocabulary, sizes)
        rows = encode_table(table, vocabulary, None)
        labels = rows.known_labels()
        weights = np.ones(60)
        weights[:10] = 0
        if changed:
            labels.intent[:10] = (labels.intent[:10] + 1) % 4
        fit(network, rows, weights, encode_table(utterances(0), vocabulary, None), sizes, 2, 0.004, 0, None)
        results.append(network.state_dict())
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name])


@pytest.fixture(autouse=True)
def callers_random_state():
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)
