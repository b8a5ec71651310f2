"""A transformer as the encoder, from a folder in the Hugging Face layout."""

import json
import shutil
import sys
from string import ascii_lowercase

import pytest
from safetensors.torch import load_file, save_file
from tables import NEW, both_splits

from adsmu.data.schema import write_utterances
from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.train.model import load_model
from adsmu.train.run import train_files
from adsmu.train.transformer import SIZES

TWO_STAGE = "adsmu.train.two_stage:TwoStageTrainer"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *ascii_lowercase, *(f"##{c}" for c in ascii_lowercase)]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    transformers = pytest.importorskip("transformers", reason="the extra `encoder` is not installed")
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    config = transformers.BertConfig(
        vocab_size=len(PIECES),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    return folder


@pytest.fixture(scope="module")
def files(pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_utterances(both_splits(240), folder / "existing.parquet")
    write_utterances(both_splits(40, source="user", templates=NEW), folder / "data.parquet")
    settings = {"encoder": str(pretrained), "epochs": 20, "batch_size": 16, "encoder_learning_rate": 0.002}
    train_files(folder / "existing.parquet", None, None, folder / "m", mode="full", settings=settings)
    return folder


def test_a_model_with_a_transformer_learns_and_needs_its_folder_no_more(files, pretrained, tmp_path):
    moved = shutil.move(pretrained, tmp_path / "elsewhere")
    try:
        predictor = load_model(files / "m", TWO_STAGE)
    finally:
        shutil.move(moved, pretrained)
    rows = [["play", "frozen", "two"], ["alarm", "for", "noon"]]
    predicted = predictor.predict(rows)
    assert predicted.domain == ["music", "clock"]
    assert predicted.intent == ["Play", "Alarm"]
    assert predicted.tags == [["O", "B-title", "I-title"], ["O", "O", "B-time"]]
    for index, row in enumerate(rows):
        assert predictor.predict([row]).tags[0] == predicted.tags[index]


def test_fine_tuning_leaves_the_transformer_as_it_was(files, tmp_path):
    existing, data = files / "existing.parquet", files / "data.parquet"
    settings = {"epochs": 1}
    train_files(existing, data, files / "m", tmp_path / "m", mode="finetune", settings=settings)
    before, after = (load_file(folder / "m" / "weights.safetensors") for folder in (files, tmp_path))
    names = [name for name in before if name.startswith("features.transformer.")]
    assert names
    assert all((before[name] == after[name]).all() for name in names)


def test_training_starts_from_the_pretrained_weights(files, pretrained, tmp_path):
    settings = {"encoder": str(pretrained), "epochs": 1, "encoder_learning_rate": 1e-12}
    train_files(files / "existing.parquet", None, None, tmp_path / "m", mode="full", settings=settings)
    given, found = (
        load_file(pretrained / "model.safetensors"),
        load_file(tmp_path / "m" / "weights.safetensors"),
    )
    name = "embeddings.word_embeddings.weight"
    assert (given[name] - found[f"features.transformer.{name}"]).abs().max() < 1e-6


def test_a_row_longer_than_the_encoder_reads_is_refused(files):
    with pytest.raises(BadInput, match="102 word pieces; the encoder reads at most 64"):
        load_model(files / "m", TWO_STAGE).predict([["abcde"] * 20])


def test_the_folder_of_the_encoder_is_left_alone(files, pretrained):
    before = digest(pretrained)
    settings = {"encoder": str(pretrained), "epochs": 1}
    train_files(files / "existing.parquet", None, None, files / "once", mode="full", settings=settings)
    assert digest(pretrained) == before


def _set(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json: no such file"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors: no such file"),
        (lambda f: (f / "model.safetensors").write_bytes(b"cut"), "not the weights of this BERT"),
        (lambda f: (f / "vocab.txt").write_text("\n".join(PIECES[:-1]) + "\n"), "do not fit a vocabulary"),
        (lambda f: (f / "vocab.txt").write_text("a\nb\n"), "has no piece"),
        (lambda f: (f / "config.json").write_text(json.dumps({"model_type": "x"})), "architecture bert"),
        (lambda f: _set(f, hidden_size=48), "not the weights of this BERT"),
        (lambda f: _set(f, num_attention_heads=5), "not the weights of this BERT"),
        (lambda f: _set(f, hidden_act="hub/kernel"), "not one of gelu"),
        (lambda f: _set(f, num_hidden_layers="2"), "not a size"),
    ],
)
def test_a_damaged_encoder_is_named(files, pretrained, tmp_path, damage, text):
    copy = shutil.copytree(pretrained, tmp_path / "encoder")
    damage(copy)
    settings = {"encoder": str(copy), "epochs": 1}
    with pytest.raises(BadInput, match=text):
        train_files(files / "existing.parquet", None, None, tmp_path / "m", mode="full", settings=settings)


def test_without_the_extra_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    write_utterances(both_splits(20), tmp_path / "existing.parquet")
    config = dict.fromkeys(SIZES, 58) | {"hidden_act": "gelu"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "vocab.txt").write_text("\n".join([*PIECES, "##1", "##2"]) + "\n")
    save_file({}, tmp_path / "model.safetensors")
    settings = {"encoder": str(tmp_path)}
    with pytest.raises(BadInput, match=r"pip install 'adsmu\[encoder\]'"):
        train_files(tmp_path / "existing.parquet", None, None, tmp_path / "m", mode="full", settings=settings)
