"""Training from files to files, and loading what it wrote."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from safetensors.torch import load_file, save_file
from tables import NEW, both_splits, utterances

from adsmu.data.schema import write_utterances
from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.train.model import load_model
from adsmu.train.run import train_files

SIZES = {"hidden": 16, "domain_hidden": 8, "word_size": 16, "char_size": 8, "char_features": 8}
TINY = SIZES | {"epochs": 16, "batch_size": 16}
TWO_STAGE = "adsmu.train.two_stage:TwoStageTrainer"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_utterances(both_splits(240), folder / "existing.parquet")
    new = pa.concat_tables(
        [
            both_splits(40, source="user", templates=NEW),
            both_splits(40, source="synthetic", templates=NEW, seed=3),
        ]
    )
    write_utterances(new, folder / "data.parquet")
    return folder


@pytest.fixture(scope="module")
def champion(files):
    train_files(files / "existing.parquet", None, None, files / "champion", mode="full", settings=TINY)
    return files / "champion"


@pytest.fixture
def copied(champion, tmp_path):
    import shutil

    return Path(shutil.copytree(champion, tmp_path / "model"))


def test_a_trained_model_predicts_rows_it_never_saw(champion):
    predicted = load_model(champion, TWO_STAGE).predict([["play", "frozen", "two"], ["alarm", "for", "noon"]])
    assert predicted.domain == ["music", "clock"]
    assert predicted.intent == ["Play", "Alarm"]
    assert predicted.tags == [["O", "B-title", "I-title"], ["O", "O", "B-time"]]


def test_two_trainings_with_one_seed_write_the_same_bytes(files, champion, tmp_path):
    train_files(files / "existing.parquet", None, None, tmp_path / "again", mode="full", settings=TINY)
    assert digest(tmp_path / "again") == digest(champion)
    other = TINY | {"epochs": 1}
    train_files(files / "existing.parquet", None, None, tmp_path / "one", mode="full", settings=other, seed=1)
    train_files(files / "existing.parquet", None, None, tmp_path / "two", mode="full", settings=other, seed=2)
    assert digest(tmp_path / "one") != digest(tmp_path / "two")


def test_the_model_names_its_data_its_parent_and_its_labels(files, champion, tmp_path):
    train_files(
        files / "existing.parquet", files / "data.parquet", champion, tmp_path / "m", settings={"epochs": 1}
    )
    model = json.loads((tmp_path / "m" / "model.json").read_text())
    assert model["parent"] == digest(champion)
    assert model["data"] == {name: digest(files / f"{name}.parquet") for name in ("existing", "data")}
    assert model["labels"] == {
        "domains": ["clock", "music", "home"],
        "intents": ["Alarm", "Play", "Queue", "Timer", "Light"],
        "slots": ["time", "title", "room"],
    }
    card = (tmp_path / "m" / "README.md").read_text()
    assert digest(champion) in card and "| synthetic | train | 40 |" in card


@pytest.mark.parametrize("mode", ["full", "warm", "finetune", "scout"])
def test_every_mode_learns_the_new_use_case(files, champion, tmp_path, mode):
    settings = TINY | {"scout_epochs": 16, "learning_rate": 0.004}
    train_files(
        files / "existing.parquet",
        files / "data.parquet",
        champion,
        tmp_path / "m",
        mode=mode,
        settings=settings,
    )
    held_back = utterances(30, split="dev", templates=NEW, seed=9).to_pylist()
    predicted = load_model(tmp_path / "m", TWO_STAGE).predict([row["tokens"] for row in held_back])
    right = [
        (row["domain"], row["intent"]) == pair
        for row, pair in zip(held_back, zip(predicted.domain, predicted.intent, strict=True), strict=True)
    ]
    assert sum(right) >= 27


def test_a_scout_learns_briefly_and_from_few_existing_rows(files, champion, tmp_path):
    taught = {}
    for share in (0.0, 0.5):
        settings = TINY | {"scout_existing": share, "scout_epochs": 3}
        arguments = {"mode": "scout", "settings": settings}
        figures = train_files(
            files / "existing.parquet", files / "data.parquet", champion, tmp_path / str(share), **arguments
        )
        assert figures["epochs"] == 3
        taught[share] = figures["utterances_per_second"] * figures["seconds"] / 3
    assert [round(rows) for rows in taught.values()] == [80, 80 + 120]


def test_another_trainer_goes_through_the_same_port(files, tmp_path):
    trainer = "sklearn_trainer:SklearnTrainer"
    train_files(files / "existing.parquet", None, None, tmp_path / "m", mode="full", trainer=trainer)
    predicted = load_model(tmp_path / "m", trainer).predict(
        [["play", "blue", "train"], ["timer", "for", "ten", "minutes"]]
    )
    assert predicted.domain == ["music", "clock"]
    assert predicted.intent == ["Play", "Timer"]
    assert predicted.tags == [["O", "B-title", "I-title"], ["O", "O", "B-time", "I-time"]]


def test_a_path_that_a_model_names_is_never_imported(copied):
    model = json.loads((copied / "model.json").read_text())
    (copied / "model.json").write_text(json.dumps(model | {"trainer": "antigravity:Trainer"}))
    with pytest.raises(BadInput, match="made by the trainer 'antigravity:Trainer'"):
        load_model(copied, TWO_STAGE)
    assert "antigravity" not in sys.modules


def _edit(folder, file, change):
    value = json.loads((folder / file).read_text())
    change(value)
    (folder / file).write_text(json.dumps(value))


def _cut(folder):
    content = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(content[: len(content) // 2])


def _drop_weight(folder):
    weights = load_file(folder / "weights.safetensors")
    weights.pop("domain.bias")
    save_file(weights, folder / "weights.safetensors")


DAMAGE = {
    "no model.json": (lambda f: (f / "model.json").unlink(), "no such file"),
    "no JSON": (lambda f: (f / "model.json").write_text("{"), "not JSON"),
    "another format": (lambda f: _edit(f, "model.json", lambda m: m.update(format=9)), "format 1"),
    "no labels": (lambda f: _edit(f, "model.json", lambda m: m.pop("labels")), "labels: missing"),
    "other labels": (
        lambda f: _edit(f, "model.json", lambda m: m["labels"]["intents"].append("X")),
        "not the labels",
    ),
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), "no such file"),
    "cut weights": (_cut, "not a whole safetensors file"),
    "a weight less": (_drop_weight, "domain.bias"),
    "a slot more": (
        lambda f: _edit(f, "two_stage.json", lambda d: d["vocabulary"]["slots"].append("x")),
        "does not fit the names",
    ),
    "a word twice": (
        lambda f: _edit(f, "two_stage.json", lambda d: d["vocabulary"]["words"].append("play")),
        "stands twice",
    ),
    "a larger network": (
        lambda f: _edit(f, "two_stage.json", lambda d: d["network"].update(hidden=99)),
        "does not fit the names",
    ),
    "an intent of no name": (
        lambda f: _edit(
            f, "two_stage.json", lambda d: d["vocabulary"]["domain_intents"].__setitem__(0, [77])
        ),
        "outside of intents",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_model_is_refused_in_one_line(copied, kind):
    damage, text = DAMAGE[kind]
    damage(copied)
    with pytest.raises(BadInput, match=text) as error:
        load_model(copied, TWO_STAGE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mode": "fast"}, "not one of full, warm, finetune"),
        ({"mode": "warm"}, "needs a base model"),
        ({"trainer": "nowhere.at_all:Trainer"}, "no module"),
        ({"settings": {"hiden": 3}}, "no such setting; known: word_size"),
        ({"settings": {"hidden": "3"}}, "not a number"),
        ({"settings": {"hidden": 2.5}}, "not a whole number"),
        ({"settings": {"dropout": 1.0}}, "a share below 1"),
        ({"settings": {"epochs": 0}}, "above 0"),
        ({"settings": {"learning_rate": float("nan")}}, "above 0"),
        ({"settings": {"class_weights": "some"}}, "none, balanced"),
        ({"settings": {"vectors": "/nowhere"}}, "no such file"),
        ({"settings": {"interpolate": 0.5}}, "needs mode warm"),
    ],
)
def test_bad_input_leaves_nothing_behind(files, tmp_path, change, text):
    arguments = {"mode": "full", "settings": {}} | change
    with pytest.raises(BadInput, match=text):
        train_files(files / "existing.parquet", None, None, tmp_path / "m", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_network_keeps_the_sizes_of_its_base(files, champion, tmp_path):
    with pytest.raises(BadInput, match="hidden: is 16 in the base model"):
        train_files(files / "existing.parquet", None, champion, tmp_path / "m", settings={"hidden": 32})
