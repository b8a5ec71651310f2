"""Two updates in a row: the second goes on from all that the first learnt, and is held to it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from commands import card_key

from adsmu.canary_deploy.release import crown
from adsmu.data.schema import SCHEMA, read_utterances, utterances, write_utterances
from adsmu.files import digest, write_json
from adsmu.form_dataset.form import form_dataset_files
from adsmu.lineage.kept import keep_origin
from adsmu.profile.observations import write_observations
from adsmu.sign_off.card import CARD, conditions, read_card
from adsmu.sign_off.evaluation_set import read_evaluation_set
from adsmu.sign_off.records import read_signed
from adsmu.sign_off.signature import KEY_FILE
from adsmu.sign_off.step import sign_off_files
from adsmu.sign_off.versions import place_of
from adsmu.store import download, open_store
from adsmu.strategy import read_strategy
from adsmu.submit import once
from adsmu.submit.once import update_once
from adsmu.train.run import train_files

STRATEGY = "name: speaker\nevaluation_set: {hold_out: 0s}\n"
ROOMS = ["kitchen", "garden", "attic", "cellar", "hall", "study"]


def dimmed(split: str, source: str) -> pa.Table:
    """A use case that comes after the one of the corpus."""
    return utterances(
        {
            "id": f"dim-{split}-{number}",
            "tokens": ["dim", "the", room, "light" if split == "train" else "lights"],
            "tags": ["O", "O", "B-room", "O"],
            "intent": "Dim",
            "domain": "light",
            "source": source,
            "split": split,
        }
        for number, room in enumerate(ROOMS)
    )


def learnt(table: pa.Table) -> pa.Table:
    """Rows as an update learns them: split train, synthetic."""
    for name, value in {"source": "synthetic", "split": "train", "round": 1}.items():
        field = SCHEMA.field(name)
        column = pa.repeat(pa.scalar(value, field.type), len(table))
        table = table.set_column(SCHEMA.get_field_index(name), field, column)
    return table


@dataclass(frozen=True)
class Second:
    """What the second update was given, and the folder that all of it stands in."""

    folder: Path
    given: dict


@pytest.fixture
def second(inputs, tmp_path, monkeypatch):
    """The first update was promoted, and a decision opens the second; somebody asked for both use cases."""
    monkeypatch.setenv(KEY_FILE, str(card_key(tmp_path)[0]))
    store, data, model = open_store(tmp_path / "store"), tmp_path / "first.parquet", tmp_path / "first"
    tables = [learnt(read_utterances(inputs.corpus.user)), read_utterances(inputs.corpus.test)]
    write_utterances(pa.concat_tables(tables), data)
    files = inputs.corpus.existing, data, inputs.champion, model
    train_files(*files, mode="full", trainer=inputs.trainer)
    signed(tmp_path, inputs, "first", inputs.champion, data, inputs.corpus.existing)
    keep_origin(
        store, model, inputs.champion, files[:2], {}, read_signed(tmp_path / "card of first").as_json()
    )
    crown(store, "speaker", digest(model), "rollout", 0.0)

    again = read_utterances(inputs.corpus.test).slice(0, 3)  # asked of the service, too, and labelled
    asked = pa.concat_tables([dimmed("train", "user"), again]).to_pylist()
    time = datetime(2026, 1, 20, tzinfo=UTC)
    seen = [{"id": f"asked-{n}", "time": time, "label": row["intent"]} | {
        name: row[name] for name in ("tokens", "tags", "domain")} for n, row in enumerate(asked)]  # fmt: skip
    write_observations(pa.Table.from_pylist(seen), tmp_path / "seen.parquet")
    (tmp_path / "strategy.yaml").write_text(STRATEGY)
    form_dataset_files([tmp_path / "seen.parquet"], tmp_path / "strategy.yaml", tmp_path / "dataset")
    decision = {"action": "update", "event": "e" * 64, "reason": "asked", "window": {"to": "2026-01-21"}}
    decision["strategy"] = read_strategy(tmp_path / "strategy.yaml").digest
    write_json(decision, tmp_path / "decision.json")
    write_utterances(dimmed("test", "user"), tmp_path / "test.parquet")
    started = []
    monkeypatch.setattr(once, "connect", lambda host, namespace: None)
    monkeypatch.setattr(once, "_there", lambda server, name, parameters: started.append(parameters) or "run")
    update_once(
        *(tmp_path / name for name in ("decision.json", "dataset", "strategy.yaml")),
        store=store.uri,
        parameters={
            **{"champion": "the first", "catalog": "x", "service": "speaker"},
            **{"existing": str(inputs.corpus.existing), "test": str(tmp_path / "test.parquet")},
        },
        host="http://server",
    )
    return Second(tmp_path, started[0])


def signed(folder, inputs, name, champion, data, existing):
    """The card of a model of this name, and what the policy decided."""
    output = folder / f"card of {name}"
    decision = sign_off_files(
        folder / name, champion, output, folder / f"{name}.html", data=data, existing=existing,
        store=str(folder / "store"), margin=0.2, trainer=inputs.trainer,
    )  # fmt: skip
    return read_card(output), decision


def trained(second, inputs, name, existing):
    """A model from scratch of the second use case and of existing rows."""
    data = second.folder / f"{name}.parquet"
    new = [learnt(dimmed("train", "user")), learnt(dimmed("dev", "user")), dimmed("test", "user")]
    ids = [table.set_column(0, SCHEMA.field("id"), pa.array([f"{n}-{row}" for row in range(len(table))]))
           for n, table in enumerate(new)]  # fmt: skip
    write_utterances(pa.concat_tables(ids), data)
    champion = second.given["champion"]
    train_files(existing, data, champion, second.folder / name, mode="full", trainer=inputs.trainer)
    return signed(second.folder, inputs, name, champion, data, second.given["existing"])


def test_the_second_update_goes_on_from_the_first_with_all_rows_that_it_learnt(second, inputs):
    assert digest(second.given["champion"]) == digest(second.folder / "first")
    existing = read_utterances(second.given["existing"])
    before, first = (
        read_utterances(path) for path in (inputs.corpus.existing, second.folder / "first.parquet")
    )
    assert len(existing) == len(before) + len(first) - 3  # those that were asked again stand in the user's
    assert set(existing["source"].to_pylist()) == {"existing"}
    user = read_utterances(second.given["user"])
    assert user["split"].to_pylist() == [None] * 6 + ["test"] * 3  # what was held out stays so


def test_a_model_of_the_second_update_knows_what_the_first_learnt(second, inputs):
    card, decision = trained(second, inputs, "second", second.given["existing"])
    assert decision == "approve", [each.text for each in conditions(card) if not each.met]
    assert card["forgetting"]["transfer"] == 0
    assert "AddToList" in [each["use_case"] for each in card["forgetting"]["use_cases"]]


def test_one_that_was_trained_without_those_rows_is_refused(second, inputs):
    card, decision = trained(second, inputs, "forgetful", inputs.corpus.existing)
    assert decision == "refuse"
    assert any("forgotten: 1 (AddToList)" in each.text for each in conditions(card) if not each.met)


def test_both_models_answer_the_version_that_the_first_promotion_left_and_the_new_held_out_rows(
    second, inputs, tmp_path
):
    card, _ = trained(second, inputs, "second", second.given["existing"])
    first = read_card(second.folder / "card of first")
    assert (first["rows"], card["rows"]) == (66, 66 + len(ROOMS))
    made = read_evaluation_set(
        download(
            open_store(tmp_path / "store"), place_of(card["digests"]["evaluation_set"]), tmp_path / "set"
        )
    )
    assert made.previous == first["digests"]["evaluation_set"]
    (before,), (after,) = (
        [each for each in of["comparisons"] if (each["kind"], each["figure"]) == ("all", "frame")]
        for of in (first, card)
    )
    assert (before["candidate"], before["rows"]) == (1.0, 66)
    assert after["champion"] == pytest.approx(66 / 72)  # the same model, scored anew on the new version
    assert (second.folder / "card of second" / CARD).exists()
