"""Static word-piece vectors, and a model that carries them with it."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tables import NEW, both_splits

from adsmu.data.schema import write_utterances
from adsmu.errors import BadInput
from adsmu.train.model import load_model
from adsmu.train.pieces import read_word_pieces, word_pieces
from adsmu.train.run import train_files

PIECES = [
    "[PAD]",
    "[UNK]",
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
    "play",
    "##ing",
]
TINY = {"hidden": 8, "domain_hidden": 4, "word_size": 8, "char_size": 4, "char_features": 4, "epochs": 2}


@pytest.fixture
def encoder(tmp_path):
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    table = np.random.default_rng(0).normal(size=(len(PIECES), 6)).astype(np.float32)
    save_file({"embeddings.word_embeddings.weight": table}, folder / "model.safetensors")
    return folder


@given(st.text("abcginply", max_size=12))
def test_pieces_put_together_are_the_word(word):
    pieces = word_pieces(word, {piece: index for index, piece in enumerate(PIECES)})
    assert pieces == ["[UNK]"] if not word else "".join(piece.removeprefix("##") for piece in pieces) == word


def test_a_word_is_the_mean_of_its_pieces(encoder):
    vectors = read_word_pieces(encoder)
    whole, first, second, unknown = vectors.vectors(["playing", "play", "ing", "日"])
    place = {piece: index for index, piece in enumerate(PIECES)}
    scaled = vectors.table / vectors.table.std()
    assert first == pytest.approx(scaled[place["play"]], abs=1e-6)
    assert whole == pytest.approx((scaled[place["play"]] + scaled[place["##ing"]]) / 2, abs=1e-6)
    assert second == pytest.approx(scaled[[place["i"], place["##n"], place["##g"]]].mean(axis=0), abs=1e-6)
    assert unknown == pytest.approx(scaled[place["[UNK]"]], abs=1e-6)


def test_a_model_and_its_heirs_keep_their_vectors_when_the_folder_is_gone(encoder, tmp_path):
    write_utterances(both_splits(60), tmp_path / "existing.parquet")
    write_utterances(both_splits(20, source="user", templates=NEW), tmp_path / "data.parquet")
    settings = TINY | {"vectors": str(encoder)}
    train_files(tmp_path / "existing.parquet", None, None, tmp_path / "base", mode="full", settings=settings)
    shutil.rmtree(encoder)
    train_files(
        tmp_path / "existing.parquet",
        tmp_path / "data.parquet",
        tmp_path / "base",
        tmp_path / "heir",
        settings={"epochs": 1},
    )
    predictor = load_model(tmp_path / "heir", "adsmu.train.two_stage:TwoStageTrainer")
    assert predictor.pieces.pieces == PIECES
    # Two words that training never met differ by nothing but letters and vectors.
    assert len(predictor.predict([["quartz", "jukebox"]]).tags[0]) == 2


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda f: (f / "vocab.txt").unlink(), "no such file"),
        (lambda f: (f / "vocab.txt").write_text("[UNK]\na\n"), "do not fit"),
        (lambda f: (f / "model.safetensors").write_bytes(b"12345678"), "not readable"),
        (lambda f: save_file({"x": np.zeros(3)}, f / "model.safetensors"), "holds none of"),
    ],
)
def test_a_damaged_encoder_folder_is_named(encoder, damage, text):
    damage(encoder)
    with pytest.raises(BadInput, match=text):
        read_word_pieces(encoder)


def test_damaged_vectors_of_a_model_are_refused(encoder, tmp_path):
    write_utterances(both_splits(20), tmp_path / "existing.parquet")
    settings = TINY | {"vectors": str(encoder), "epochs": 1}
    train_files(tmp_path / "existing.parquet", None, None, tmp_path / "m", mode="full", settings=settings)
    (tmp_path / "m" / "pieces.json").write_text(json.dumps(PIECES[:-1]))
    with pytest.raises(BadInput, match="does not fit"):
        load_model(tmp_path / "m", "adsmu.train.two_stage:TwoStageTrainer")
