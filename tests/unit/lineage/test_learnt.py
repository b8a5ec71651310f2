"""What earlier updates learnt becomes existing rows of the next one, and stays on its side."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from adsmu.canary_deploy.release import crown
from adsmu.data.schema import SPLITS, read_utterances, utterances, write_utterances
from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.lineage.kept import data_name, keep_origin
from adsmu.lineage.learnt import learnt_tables, on_their_sides, with_learnt
from adsmu.lineage_command import app
from adsmu.store import open_store


@pytest.fixture
def promoted(generations, tmp_path):
    """A store in which two updates in a row were promoted."""
    store, models = open_store(tmp_path / "store"), generations.models
    for number in (1, 2):
        tables = [generations.existing, *generations.tables[number]]
        keep_origin(store, models[number], models[number - 1], tables, {})
    return store


def row(name, text, split=None, source="user", round=None):
    words = text.split()
    given = {"tags": ["O"] * len(words), "intent": "Stop", "domain": "home", "stratum_id": "s"}
    return {"id": name, "tokens": words, "split": split, "source": source, "round": round, **given}


def texts(table):
    return [" ".join(words) for words in table["tokens"].to_pylist()]


def test_the_tables_of_all_updates_of_a_chain_are_found_newest_first(promoted, generations):
    found = learnt_tables(promoted, digest(generations.models[2]))
    assert list(found) == [digest(generations.tables[number][0]) for number in (2, 1)]
    assert [len(table) for table in found.values()] == [30, 30]
    assert learnt_tables(promoted, digest(generations.models[0])) == {}


def test_a_table_that_was_not_kept_is_left_and_said(promoted, generations, tmp_path, caplog):
    gone = digest(generations.tables[1][0])
    (tmp_path / "store" / data_name(gone)).unlink()
    with caplog.at_level(logging.WARNING):
        found = learnt_tables(promoted, digest(generations.models[2]))
    assert list(found) == [digest(generations.tables[2][0])]
    assert f"{data_name(gone)} is missing: the next update may forget" in caplog.text


def test_learnt_rows_are_existing_rows_and_held_out_ones_stay_held_out(tmp_path):
    existing = utterances([row("a", "stop it", "train", "existing")])
    older = utterances([row("b", "be quiet", "train"), row("a", "hush", "test")])
    newer = utterances([row("b", "be quiet", "dev"), row("c", "shut up", "train", "synthetic", 2)])
    joined = with_learnt(existing, {"sha256:" + "1" * 64: newer, "sha256:" + "2" * 64: older})
    write_utterances(joined, tmp_path / "joined.parquet")
    rows = dict(zip(texts(joined), joined.to_pylist(), strict=True))
    assert read_utterances(tmp_path / "joined.parquet").num_rows == len(rows) == 4
    assert {each["source"] for each in rows.values()} == {"existing"}
    assert {text: each["split"] for text, each in rows.items()} == {
        "stop it": "train", "be quiet": "dev", "shut up": "train", "hush": "test",
    }  # fmt: skip
    assert (rows["shut up"]["round"], rows["hush"]["round"]) == (2, None)
    assert rows["hush"]["id"] == "222222222222 a"


def test_a_text_that_the_update_has_elsewhere_is_left_out(tmp_path):
    existing, learnt = utterances([row("a", "stop it", "train", "existing")]), {}
    learnt["sha256:1"] = utterances([row("b", "be quiet", "train"), row("c", "hush", "test")])
    user, test = utterances([row("d", "be quiet")]), utterances([row("e", "hush", "test")])
    assert texts(with_learnt(existing, learnt, [user, test])) == ["stop it"]


WORDS = st.sampled_from(["stop", "hush", "quiet", "go", "play"])


@given(
    st.lists(st.tuples(WORDS, st.sampled_from(SPLITS))), st.lists(st.tuples(WORDS, st.sampled_from(SPLITS)))
)
@settings(deadline=None, max_examples=50)
def test_no_text_that_was_held_out_is_learnt_later_and_no_text_changes_its_side(first, second):
    before = [
        utterances([row(str(number), *each) for number, each in enumerate(part)]) for part in (first, second)
    ]
    rows = utterances([row(text, text) for text in ["stop", "hush", "quiet", "go", "play", "new"]])
    splits = dict(zip(texts(rows), on_their_sides(rows, before)["split"].to_pylist(), strict=True))
    assert splits["new"] is None
    for text, split in splits.items():
        had = {one for each, one in first + second if each == text}
        assert split == next((one for one in ("test", "dev", "train") if one in had), None)


def test_a_split_that_a_row_has_is_kept():
    rows = utterances([row("a", "stop", "train")])
    assert on_their_sides(rows, [utterances([row("b", "stop", "test")])])["split"].to_pylist() == ["train"]


def test_the_command_that_begins_an_update_joins_the_rows_too(promoted, generations, tmp_path):
    crown(promoted, "speaker", digest(generations.models[2]), "rollout", 0.0)
    asked = ["start", "speaker", "--store", promoted.uri, "--output", str(tmp_path / "base")]
    asked += ["--existing", str(generations.existing)]
    told = CliRunner().invoke(app, [*asked, "--joined", str(tmp_path / "joined.parquet")])
    joined = read_utterances(tmp_path / "joined.parquet")
    assert f"joined.parquet, {len(joined)} rows" in told.output.replace("\n", "")
    assert "Light" in joined["intent"].to_pylist()
    assert set(texts(read_utterances(generations.tables[1][0]))) <= set(texts(joined))
    assert isinstance(CliRunner().invoke(app, asked).exception, BadInput)
