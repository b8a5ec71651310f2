"""The report card that an update makes of its own tables: what it compares, on what, and who signs it."""

import pyarrow as pa
import pytest
from commands import card_key

from adsmu.data.schema import SCHEMA, read_utterances, write_utterances
from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.sign_off.card import conditions, read_card
from adsmu.sign_off.evaluation_set import write_evaluation_set
from adsmu.sign_off.records import last_card
from adsmu.sign_off.signature import KEY_FILE
from adsmu.sign_off.step import sign_off_files
from adsmu.store import open_store, upload

STRATEGY = "name: speaker\n"


@pytest.fixture
def sign(inputs, tmp_path, monkeypatch):
    """Does what the step does; the card and what was decided."""

    def step(model, name="card", **given):
        monkeypatch.setenv(KEY_FILE, str(card_key(tmp_path)[0]))
        tables = {"data": inputs.corpus.test, "existing": inputs.corpus.existing, "margin": 0.2}
        files = model, inputs.champion, tmp_path / name, tmp_path / f"{name}.html"
        decision = sign_off_files(*files, **(tables | {"trainer": inputs.trainer} | given))
        return read_card(tmp_path / name), decision

    return step


def unmet(card):
    return [each.text for each in conditions(card) if not each.met]


def test_both_models_answer_the_held_out_rows_of_both_tables(sign, inputs):
    card, decision = sign(inputs.knowing_champion)
    assert decision == "approve" and unmet(card) == []
    assert card["rows"] == 36 + 30
    kept = card["forgetting"]
    assert (kept["rows"], kept["transfer"]) == (30, 0)
    assert [each["use_case"] for each in kept["use_cases"]] == ["Old0", "Old1", "Old2"]


def test_a_candidate_that_forgets_what_the_champion_knew_is_refused_and_the_use_cases_named(sign, inputs):
    card, decision = sign(inputs.foreign_champion)
    assert decision == "refuse"
    assert card["forgetting"]["transfer"] == -1
    assert any(text.startswith("use cases forgotten: 3 (Old0, Old1, Old2)") for text in unmet(card))
    assert any(text.startswith("what the champion has learnt, 30 rows") for text in unmet(card))


def test_the_version_that_the_strategy_names_is_answered_too_and_a_new_one_anew(sign, inputs, tmp_path):
    store, rows = open_store(tmp_path / "store"), read_utterances(inputs.corpus.user)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        '{"test": "stop", "input": {"tokens": ["stop", "the", "amber", "anchor", "speaker"]},'
        ' "holds": "equals", "value": "Old1", "at": "intent"}\n'
    )
    cards = []
    for version, count in (("1", 4), ("2", 9)):
        edge = rows.slice(0, count).set_column(0, "id", pa.array([f"edge {n}" for n in range(count)]))
        previous = tmp_path / "set-1" if version == "2" else None
        write_evaluation_set(edge, pairs, tmp_path / f"set-{version}", previous)
        upload(tmp_path / f"set-{version}", store, f"evaluation-sets/speaker/{version}")
        text = f"{STRATEGY}evaluation_set: {{version: '{version}'}}\n"
        cards.append(sign(inputs.knowing_champion, version, strategy=text, store=store.uri)[0])
    assert [card["rows"] for card in cards] == [66 + 4, 66 + 9]
    assert len({card["digests"]["evaluation_set"] for card in cards}) == 2
    before, after = (next(each for each in card["comparisons"] if each["kind"] == "all") for card in cards)
    assert before["champion"] != after["champion"]  # its answers to the new rows count
    assert [test["test"] for test in cards[0]["tests"]] == ["stop"]
    assert last_card(store, digest(inputs.knowing_champion)).card == cards[1]


def test_a_version_that_is_not_there_is_bad_input(sign, inputs, tmp_path):
    text = f"{STRATEGY}evaluation_set: {{version: '7'}}\n"
    with pytest.raises(BadInput, match="evaluation-sets/speaker/7: there is nothing"):
        sign(inputs.knowing_champion, strategy=text, store=str(tmp_path / "store"))
    with pytest.raises(BadInput, match="no store is given"):
        sign(inputs.knowing_champion, strategy=text)
    assert not (tmp_path / "card").exists()


def test_strata_are_named_by_intent_and_shape(sign, inputs, tmp_path):
    rows = read_utterances(inputs.corpus.test)
    ids = pa.array(["0a1b"] * 12 + ["2c3d"] * 12 + [None] * 12, pa.string())
    write_utterances(
        rows.set_column(SCHEMA.get_field_index("stratum_id"), "stratum_id", ids), tmp_path / "data"
    )
    card, _ = sign(inputs.foreign_champion, data=tmp_path / "data")
    strata = {each["group"]: each["name"] for each in card["comparisons"] if each["kind"] == "stratum"}
    assert strata == {
        "0a1b": "AddToList: add {song} to my {list}",
        "2c3d": "AddToList: put {song} on list {list}",
    }
    page = (tmp_path / "card" / "card.html").read_text()
    assert "stratum AddToList: add {song} to my {list}" in page
    assert "0a1b" not in page


def test_where_the_strategy_wants_it_trainings_with_other_seeds_stand_on_the_card(sign, inputs):
    text = f"{STRATEGY}promotion: {{repeats: 2, spread: 0.1}}\n"
    card, decision = sign(inputs.knowing_champion, strategy=text)
    assert card["retraining"] | {"runs": 2, "limit": 0.1, "repeatable": True} == card["retraining"]
    assert decision == "approve"


def test_a_card_that_a_person_is_to_sign_is_left_unsigned(sign, inputs):
    _, decision = sign(inputs.knowing_champion, strategy=f"{STRATEGY}promotion: {{sign_off: person}}\n")
    assert decision == "unsigned"
