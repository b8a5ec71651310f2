"""What the network promises of every prediction."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import NEW, TEMPLATES, utterances

from adsmu.errors import BadInput
from adsmu.train.batches import encode_table, encode_tokens, reading_order, take, training_order
from adsmu.train.network import TwoStage
from adsmu.train.settings import Settings
from adsmu.train.two_stage import TwoStagePredictor
from adsmu.train.vocabulary import EMPTY, grow

WORDS = ["play", "moana", "wake", "me", "at", "noon", "Zanzibar", "é", "x" * 40]


@pytest.fixture(scope="module")
def predictor():
    """A model with random weights, large enough that labels vary from row to row."""
    torch.manual_seed(0)
    vocabulary = grow(EMPTY, utterances(60, templates=TEMPLATES | NEW))
    sizes = Settings(hidden=16, domain_hidden=8, word_size=12, char_size=6, char_features=6, layers=2)
    network = TwoStage(vocabulary, sizes, 0)
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.5)
    torch.nn.init.zeros_(network.features.characters.weight[0])  # padding, which training leaves at 0
    return TwoStagePredictor(network, vocabulary, None)


rows = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(0, 11))
def test_a_prediction_does_not_change_with_its_batch(predictor, tokens, chosen):
    chosen %= len(tokens)
    together, alone = predictor.predict(tokens), predictor.predict([tokens[chosen]])
    for column in ("domain", "intent", "tags"):
        assert getattr(together, column)[chosen] == getattr(alone, column)[0]

    def scores(rows):
        encoded = encode_tokens(rows, predictor.vocabulary, None)
        batch = take(encoded, reading_order(encoded.lengths, 99)[0], torch.device("cpu"))
        with torch.no_grad():
            parts = predictor.network(batch)
        place = batch.rows.tolist().index(chosen if len(rows) > 1 else 0)
        return [part[place] for part in parts]

    length = len(tokens[chosen])
    for beside, single in zip(scores(tokens), scores([tokens[chosen]]), strict=True):
        own = beside[:length] if beside.dim() > 1 else beside
        # A sum of float32 is rounded at the size of its terms, not of what is left of them.
        assert (own - single).abs().max() <= 1e-6 * max(1.0, single.abs().max().item())


@settings(max_examples=60, deadline=None)
@given(rows)
def test_labels_are_of_the_domain_and_tags_are_valid(predictor, tokens):
    predicted = predictor.predict(tokens)
    slots = {"music": {"title"}, "clock": {"time"}, "home": {"room"}}
    intents = {"music": {"Play", "Queue"}, "clock": {"Alarm", "Timer"}, "home": {"Light"}}
    for row, domain, intent, tags in zip(
        tokens, predicted.domain, predicted.intent, predicted.tags, strict=True
    ):
        assert intent in intents[domain]
        assert len(tags) == len(row)
        for before, tag in zip(["O", *tags], tags, strict=False):
            assert tag == "O" or tag[2:] in slots[domain]
            assert not tag.startswith("I-") or before in (tag, f"B-{tag[2:]}")


def test_no_rows_give_no_predictions(predictor):
    assert predictor.predict([]).domain == []


def test_a_row_without_tokens_is_named(predictor):
    with pytest.raises(BadInput, match="row 2, column tokens"):
        predictor.predict([["play"], []])


@given(st.lists(st.integers(1, 30), max_size=200), st.integers(1, 40), st.integers(0, 9))
def test_an_epoch_meets_every_row_once(lengths, size, seed):
    lengths = np.array(lengths, dtype=np.int64)
    batches = training_order(lengths, size, np.random.default_rng(seed))
    assert sorted(np.concatenate([np.zeros(0, int), *batches]).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert 0 < len(batch) <= size
        assert (np.diff(lengths[batch]) <= 0).all()


def test_a_vocabulary_only_grows_at_its_end():
    small = grow(EMPTY, utterances(60))
    large = grow(small, utterances(60, templates=NEW))
    for name in ("words", "characters", "domains", "intents", "slots"):
        known = getattr(small, name)
        assert getattr(large, name)[: len(known)] == known
    assert large.tags[: len(small.tags)] == small.tags
    assert large.intent_mask().tolist() == [
        [True, False, False, True, False],
        [False, True, True, False, False],
        [False, False, False, False, True],
    ]


def test_labels_that_a_model_does_not_know_have_no_code():
    vocabulary = grow(EMPTY, utterances(60))
    labels = encode_table(utterances(5, templates=NEW), vocabulary, None).known_labels()
    assert set(labels.domain) == {-1} and set(labels.intent) == {-1}
    assert set(labels.tags.tolist()) == {0, -1}
