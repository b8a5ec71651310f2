import pyarrow as pa
import pytest

from adsmu.data.corpus import read_corpus_folder, write_corpus
from adsmu.data.schema import utterances
from adsmu.errors import BadInput
from adsmu.files import digest, read_json

BASE = {"intent": "i", "domain": "d"}


def row(name, text, source, split=None, slot=None):
    tokens = text.split()
    tags = ["O"] * (len(tokens) - 1) + [f"B-{slot}" if slot else "O"]
    return {**BASE, "id": name, "tokens": tokens, "tags": tags, "source": source, "split": split}


def parts(existing=(), user=(), test=(), catalog=None, replace=()):
    made = {
        "existing": [
            row("e1", "play moon", "existing", "train", "song"),
            row("e2", "play sun", "existing", "dev", "song"),
            row("e3", "play star", "existing", "test", "song"),
            *existing,
        ],
        "user": [row("u1", "tell frog", "user", None, "story"), *user],
        "test": [row("t1", "tell toad", "user", "test", "story"), *test],
    }
    made.update(replace)
    tables = {name: utterances(records) for name, records in made.items()}
    return {**tables, "catalog": catalog or {"story": ["frog", "newt"]}}


def test_a_corpus_is_written_with_its_counts_and_digests_and_read(tmp_path):
    facts = write_corpus(tmp_path / "c", **parts(), facts={"made_by": "hand"})
    corpus = read_corpus_folder(tmp_path / "c")
    assert facts == read_json(corpus.facts)
    assert (facts["existing_rows"], facts["user_rows"], facts["test_rows"]) == (3, 1, 1)
    assert facts["test_rows_with_a_value_outside_the_catalog"] == 1.0
    assert facts["digests"]["user.parquet"] == digest(corpus.user)


def test_a_corpus_without_test_rows_is_a_corpus(tmp_path):
    write_corpus(tmp_path / "c", **parts(replace={"test": []}), facts={})
    read_corpus_folder(tmp_path / "c")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (
            {"existing": [row("e4", "x", "user", "train")]},
            "existing.parquet, row 4, column source: user does not",
        ),
        (
            {"existing": [row("e4", "x", "existing")]},
            "existing.parquet, row 4, column split: none does not belong",
        ),
        (
            {"user": [row("u2", "x", "synthetic")]},
            "user.parquet, row 2, column source: synthetic does not belong",
        ),
        (
            {"user": [row("u2", "x", "user", "test")]},
            "user.parquet, row 2, column split: test does not belong",
        ),
        ({"test": [row("t2", "x", "user", "dev")]}, "test.parquet, row 2, column split: dev does not belong"),
        ({"replace": {"user": []}}, "user.parquet: has no rows"),
        (
            {"replace": {"existing": [row("e1", "x", "existing", "test")]}},
            "existing.parquet, column split: has no rows of split train",
        ),
        (
            {"replace": {"existing": [row("e1", "x", "existing", "train")]}},
            "existing.parquet, column split: has no rows of split test",
        ),
        (
            {"user": [row("e2", "x", "user")]},
            "user.parquet, row 2, column id: the id 'e2' stands in the corpus",
        ),
        ({"test": [row("u1", "x", "user", "test")]}, "test.parquet, row 2, column id: the id 'u1' stands"),
        (
            {"test": [row("t2", "tell frog", "user", "test")]},
            "test.parquet, row 2, column tokens: the test text 'tell frog' also stands among rows",
        ),
        (
            {"existing": [row("e4", "play moon", "existing", "test")]},
            "existing.parquet, row 4, column tokens: the test text 'play moon' also stands",
        ),
        (
            {"catalog": {"story": ["frog"], "movie": ["x"]}},
            "catalog.json: no row of the existing or the user data has a slot 'movie'",
        ),
        ({"catalog": {"story": []}}, "catalog.json, column story: the slot has no values"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path, change, rule):
    write_corpus(tmp_path / "c", **parts(**change), facts={})
    with pytest.raises(BadInput) as caught:
        read_corpus_folder(tmp_path / "c")
    assert str(caught.value).startswith(f"{tmp_path / 'c'}/{rule}")


@pytest.mark.parametrize("name", ["existing.parquet", "user.parquet", "test.parquet", "catalog.json"])
def test_a_missing_part_is_named(tmp_path, name):
    write_corpus(tmp_path / "c", **parts(), facts={})
    (tmp_path / "c" / name).unlink()
    with pytest.raises(BadInput, match=f"{name}: no such file"):
        read_corpus_folder(tmp_path / "c")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BadInput, match="c: no such folder"):
        read_corpus_folder(tmp_path / "c")


def test_an_existing_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="already exists"):
        write_corpus(tmp_path / "c", **parts(), facts={})
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["mine.txt"]


def test_a_fault_while_writing_leaves_nothing(tmp_path):
    broken = parts() | {"test": pa.table({"id": ["x"]})}
    with pytest.raises(ValueError, match="names"):
        write_corpus(tmp_path / "c", **broken, facts={})
    assert list(tmp_path.iterdir()) == []
