"""A model is followed to its root, and made again from what the store keeps."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.lineage.chain import lineage
from adsmu.lineage.kept import data_name, keep, keep_origin, model_folder
from adsmu.lineage.rebuild import fetch, rebuild
from adsmu.lineage.start import next_start
from adsmu.lineage_command import TRAINER, app
from adsmu.store import open_store
from adsmu.train.run import train_files


@pytest.fixture
def store(tmp_path, generations):
    """A store that keeps all three generations, each because of another decision."""
    store = open_store(tmp_path / "store")
    for number, (model, tables) in enumerate(zip(generations.models, generations.tables, strict=True)):
        keep(store, model, tables, {"decision": f"sha256:{number}"})
    return store


def crowned(store, *models):
    for number, model in enumerate(models):
        value = {"model": digest(model), "rollout": "r", "time": float(number)}
        store.create(f"champions/speaker/{number:06d}.json", json.dumps(value).encode())


def test_lineage_walks_to_the_root(store, generations):
    links = lineage(generations.models[2], store)
    assert [link.digest for link in links] == [digest(model) for model in generations.models[::-1]]
    assert [link.missing for link in links] == [(), (), ()]
    assert [link.record["because"]["decision"] for link in links] == ["sha256:2", "sha256:1", "sha256:0"]
    assert links[-1].model["parent"] is None and links[-1].change is None
    assert lineage(digest(generations.models[2]), store) == links


def test_three_generations_are_made_again_with_equal_digests(store, generations, tmp_path):
    made = rebuild(digest(generations.models[2]), store, tmp_path / "again", (TRAINER,))
    assert made == [digest(model) for model in generations.models]
    assert digest(tmp_path / "again") == digest(generations.models[2])


def test_two_updates_in_a_row_that_were_promoted_leave_all_that_makes_the_last_model_again(
    generations, tmp_path
):
    store, models = open_store(tmp_path / "store"), generations.models
    for number in (1, 2, 2):  # a step that is retried keeps nothing twice
        tables = [generations.existing, *generations.tables[number]]
        card = {"card": f"of {number}", "signature": None}
        keep_origin(store, models[number], models[number - 1], tables, {"decision": number}, card)
    links = lineage(digest(models[2]), store)
    assert [(link.digest, link.missing) for link in links] == [(digest(each), ()) for each in models[::-1]]
    assert [link.record["because"] for link in links] == [{"decision": 2}, {"decision": 1}, {}]
    assert json.loads(store.read(f"lineage/{digest(models[1])[7:]}-card.json"))["card"] == "of 1"
    made = rebuild(digest(models[2]), store, tmp_path / "again", (TRAINER,))
    assert made == [digest(model) for model in models]


def test_a_model_that_comes_out_otherwise_is_said_and_not_written(store, generations, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(generations.models[0], other)
    write_json(read_json(other / "model.json") | {"seed": 8}, other / "model.json")
    keep(store, other, [])
    with pytest.raises(BadInput, match="generation 0 came out as sha256:"):
        rebuild(other, store, tmp_path / "again", (TRAINER,))
    assert not (tmp_path / "again").exists()


def test_only_a_trainer_that_is_named_is_imported(store, generations, tmp_path):
    with pytest.raises(BadInput, match="is not allowed here"):
        rebuild(generations.models[0], store, tmp_path / "again", ("other:Trainer",))


def test_a_damaged_table_is_found(store, generations, tmp_path):
    name = data_name(digest(generations.tables[1][0]))
    (tmp_path / "store" / name).write_bytes(b"other rows")
    with pytest.raises(BadInput, match="was damaged"):
        rebuild(generations.models[1], store, tmp_path / "again", (TRAINER,))


def test_a_table_that_is_not_kept_is_named(generations, tmp_path):
    store = open_store(tmp_path / "store")
    with pytest.raises(BadInput, match=r"column existing: the table sha256:\w+ is needed"):
        keep(store, generations.models[0], [])
    with pytest.raises(BadInput, match="not a table that the model learnt from"):
        keep(store, generations.models[0], generations.tables[2])
    assert store.names() == []


def test_a_parent_that_is_gone_ends_the_walk_with_its_digest(store, generations, tmp_path):
    shutil.rmtree(tmp_path / "store" / model_folder(digest(generations.models[0])))
    with pytest.raises(BadInput, match=f"{digest(generations.models[0])[7:]}.*no such model in the store"):
        lineage(generations.models[2], store)


def test_a_model_brought_from_the_store_is_the_one_asked_for(store, generations, tmp_path):
    wanted = digest(generations.models[1])
    assert digest(fetch(wanted, store, tmp_path / "model")) == wanted
    (tmp_path / "store" / model_folder(wanted) / "README.md").write_text("changed")
    with pytest.raises(BadInput, match="what stands there is sha256:"):
        fetch(wanted, store, tmp_path / "damaged")
    assert not (tmp_path / "damaged").exists()


def test_the_next_training_goes_on_from_the_last_promoted_model(store, generations, tmp_path):
    crowned(store, generations.models[0], generations.models[1])
    start = next_start(store, "speaker")
    assert (start.base, start.mode) == (digest(generations.models[1]), "warm")
    trained = [tmp_path / name for name in ("from-store", "at-once")]
    for base, output in (
        (fetch(start.base, store, tmp_path / "base"), trained[0]),
        (generations.models[1], trained[1]),
    ):
        third = generations.tables[2][0]
        train_files(generations.existing, third, base, output, mode=start.mode, settings=generations.settings)
    assert digest(trained[0]) == digest(trained[1])


def test_every_so_often_a_training_begins_from_scratch(store, generations):
    crowned(store, generations.models[2])
    modes = {every: next_start(store, "speaker", every) for every in (0, 2, 3)}
    assert {every: start.mode for every, start in modes.items()} == {0: "warm", 2: "full", 3: "warm"}
    assert modes[2].base == digest(generations.models[2])  # the parent all the same


def test_the_command_begins_as_often_from_scratch_as_the_strategy_says(store, generations, tmp_path):
    crowned(store, generations.models[2])
    plan = tmp_path / "strategy.yaml"
    plan.write_text("name: speaker\ncalibrate_every: 2\n")
    asked = ["start", "speaker", "--store", store.uri]
    told = [
        CliRunner().invoke(app, [*asked, "--output", str(tmp_path / str(number)), *more]).output
        for number, more in enumerate(([], ["--strategy", str(plan)]))
    ]
    assert [each.splitlines()[0].split() for each in told] == [["mode", "warm"], ["mode", "full"]]
    assert digest(tmp_path / "1") == digest(generations.models[2])


def test_without_a_champion_training_begins_from_scratch(store):
    assert next_start(store, "speaker").base is None


def test_the_command_shows_and_rebuilds(store, generations, tmp_path):
    run = CliRunner()
    shown = run.invoke(app, ["show", str(generations.models[2]), "--store", store.uri])
    assert shown.exit_code == 0
    assert "1 new intent (Light), the weights of all others are kept" in shown.output
    found = json.loads(
        run.invoke(app, ["show", digest(generations.models[2]), "--store", store.uri, "--json"]).output
    )
    assert [link["mode"] for link in found] == ["warm", "warm", "full"]
    again = [
        "rebuild",
        digest(generations.models[0]),
        "--store",
        store.uri,
        "--output",
        str(tmp_path / "again"),
    ]
    assert run.invoke(app, again).exit_code == 0
    assert digest(tmp_path / "again") == digest(generations.models[0])
