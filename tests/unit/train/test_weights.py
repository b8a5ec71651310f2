"""Row weights, and what a model keeps of its base."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from tables import NEW, both_splits, utterances

from adsmu.data.schema import write_utterances
from adsmu.train.run import train_files
from adsmu.train.settings import Settings
from adsmu.train.weights import row_weights

TINY = {"hidden": 8, "domain_hidden": 4, "word_size": 8, "char_size": 4, "char_features": 4, "epochs": 2}
ENCODER = ("features.", "domain_encoder.", "encoder.")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_utterances(both_splits(60), folder / "existing.parquet")
    write_utterances(both_splits(40, source="user", templates=NEW), folder / "data.parquet")
    train_files(folder / "existing.parquet", None, None, folder / "base", mode="full", settings=TINY)
    return folder


def trained(files, name, **settings):
    mode = settings.pop("mode", "warm")
    train_files(
        files / "existing.parquet",
        files / "data.parquet",
        files / "base",
        files / name,
        mode=mode,
        settings=settings,
    )
    return load_file(files / name / "weights.safetensors")


def leading(value, smaller):
    return value[tuple(slice(0, size) for size in smaller.shape)]


def test_a_warm_start_copies_every_weight_of_its_base(files):
    base = load_file(files / "base" / "weights.safetensors")
    # A step so small that it changes no weight by more than rounding shows what training started from.
    started = trained(files, "started", learning_rate=1e-12)
    assert started["intent.weight"].shape[0] == base["intent.weight"].shape[0] + 1
    assert started["features.words.weight"].shape[0] > base["features.words.weight"].shape[0]
    for name, value in base.items():
        torch.testing.assert_close(leading(started[name], value), value, rtol=0, atol=1e-6)


def test_fine_tuning_leaves_the_encoder_as_it_was(files):
    base = load_file(files / "base" / "weights.safetensors")
    tuned = trained(files, "tuned", mode="finetune")
    for name, value in base.items():
        same = torch.equal(leading(tuned[name], value), value)
        assert same == name.startswith(ENCODER), name
    new_words = tuned["features.words.weight"][len(base["features.words.weight"]) :]
    untrained = trained(files, "untrained", mode="finetune", learning_rate=1e-12)
    assert not torch.equal(new_words, untrained["features.words.weight"][-len(new_words) :])


def test_interpolation_lies_between_base_and_candidate(files):
    base = load_file(files / "base" / "weights.safetensors")
    candidate, between = trained(files, "candidate"), trained(files, "between", interpolate=0.25)
    for name, value in base.items():
        expected = 0.75 * leading(candidate[name], value) + 0.25 * value
        torch.testing.assert_close(leading(between[name], value), expected)
    new = len(base["intent.bias"])
    assert torch.equal(between["intent.bias"][new:], candidate["intent.bias"][new:])


def test_full_interpolation_is_the_base(files):
    base = load_file(files / "base" / "weights.safetensors")
    whole = trained(files, "whole", interpolate=1.0)
    for name, value in base.items():
        torch.testing.assert_close(leading(whole[name], value), value)


@pytest.fixture
def mixed():
    table = pa.concat_tables(
        [
            utterances(30),
            utterances(10, source="user", templates=NEW),
            utterances(20, source="synthetic", templates=NEW),
        ]
    )
    own = pa.array(np.linspace(0.5, 2, 60), pa.float32())
    return table.set_column(table.column_names.index("weight"), "weight", own)


def test_a_row_weighs_its_own_weight_times_its_source(mixed):
    weights = row_weights(mixed, Settings(weight_existing=1, weight_user=3, weight_synthetic=2))
    own = mixed["weight"].to_numpy()
    assert weights == pytest.approx(own * np.repeat([1, 3, 2], [30, 10, 20]))


@pytest.mark.parametrize(
    ("setting", "column"), [("class_weights", "intent"), ("stratum_weights", "stratum_id")]
)
def test_balanced_groups_weigh_the_same(mixed, setting, column):
    plain = row_weights(mixed, Settings())
    weights = row_weights(mixed, Settings(**{setting: "balanced"}))
    group = np.array(mixed[column].to_pylist(), dtype=object)
    sums = [weights[group == name].sum() for name in sorted({name for name in group if name is not None})]
    assert sums == pytest.approx([sums[0]] * len(sums))
    outside = group == None  # noqa: E711
    assert weights[outside] == pytest.approx(plain[outside])
    assert weights.sum() == pytest.approx(plain.sum())
