"""Bad input, as a user meets it: one line with place and rule, exit code 2, nothing half-written."""

import contextlib
import gzip
import io
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsmu.cli import main
from adsmu.data.demo import write_demo

ROW = {
    "id": "1",
    "domain": "audio",
    "intent": "Play",
    "tokens": ["play", "moana", "now"],
    "tags": ["O", "B-title", "O"],
}


@dataclass(frozen=True)
class Ended:
    returncode: int
    stderr: str


def adsmu(*arguments: object) -> Ended:
    """Runs the command as its entry point does, in this process to save its start."""
    said = io.StringIO()
    with (
        patch.object(sys, "argv", ["adsmu", *map(str, arguments)]),
        contextlib.redirect_stderr(said),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return Ended(int(end.value.code or 0), said.getvalue())


def refused(done: Ended, *words: str) -> None:
    """Asserts exit code 2 and one line that holds the words, and no traceback."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("adsmu: "), done.stderr
    for word in words:
        assert word in lines[0]


def changed(**columns: object) -> dict:
    return ROW | columns


CORPORA = {
    "a line that is not JSON": ('{"id": "1"\n', ["row 2", "JSON"]),
    "a line that is no object": ("[1, 2]\n", ["row 2"]),
    "a missing key": (changed(tokens=None), ["row 2", "tokens"]),
    "tokens that are no list": (changed(tokens="play moana now"), ["row 2", "tokens"]),
    "a token that is a number": (changed(tokens=["play", 1, "now"]), ["row 2", "tokens"]),
    "a token with a blank inside": (changed(tokens=["play", "mo ana", "now"]), ["row 2", "tokens"]),
    "an empty token": (changed(tokens=["play", "", "now"]), ["row 2", "tokens"]),
    "no tokens": (changed(tokens=[], tags=[]), ["row 2", "tokens"]),
    "ragged tags": (changed(tags=["O", "B-title"]), ["row 2", "tags"]),
    "I- without B-": (changed(tags=["O", "I-title", "O"]), ["row 2", "tags", "I-title"]),
    "I- after another slot": (changed(tags=["O", "B-title", "I-artist"]), ["row 2", "tags", "I-artist"]),
    "another spelling of O": (changed(tags=["NoLabel", "B-title", "O"]), ["row 2", "tags", "NoLabel"]),
    "an id that stands twice": (ROW, ["row 2", "id"]),
    "an empty intent": (changed(intent=""), ["row 2", "intent"]),
}


@pytest.mark.parametrize("case", CORPORA, ids=lambda case: case.replace(" ", "-"))
def test_a_bad_row_of_a_corpus_is_named(tmp_path, case):
    bad, words = CORPORA[case]
    if isinstance(bad, dict):
        bad = (
            json.dumps(
                {key: value for key, value in bad.items() if value is not None}
                | ({"id": "2"} if bad is not ROW else {})
            )
            + "\n"
        )
    data = tmp_path / "corpus.jsonl"
    data.write_text(json.dumps(ROW) + "\n" + bad)
    done = adsmu("prepare", "--data", data, "--intent", "Play", "--output", tmp_path / "out")
    refused(done, "corpus.jsonl", *words)
    assert not (tmp_path / "out").exists()


def test_a_corpus_that_is_missing_is_named(tmp_path):
    refused(
        adsmu("prepare", "--data", "nowhere.jsonl", "--intent", "x", "--output", tmp_path / "out"),
        "nowhere.jsonl",
    )


def test_a_truncated_gzip_file_is_named(tmp_path):
    data = tmp_path / "corpus.jsonl.gz"
    data.write_bytes(gzip.compress((json.dumps(ROW) + "\n").encode() * 1000)[:60])
    refused(
        adsmu("prepare", "--data", data, "--intent", "Play", "--output", tmp_path / "out"), "corpus.jsonl.gz"
    )


def test_text_that_is_not_utf_8_is_named(tmp_path):
    data = tmp_path / "corpus.jsonl"
    data.write_bytes(b"\xff\xfe{}")
    refused(
        adsmu("prepare", "--data", data, "--intent", "Play", "--output", tmp_path / "out"),
        "corpus.jsonl",
        "UTF-8",
    )


def test_a_conll_row_without_a_tag_is_named(tmp_path):
    data = tmp_path / "corpus.conll"
    data.write_text("# intent: Play\n# domain: audio\nplay\tO\nmoana\n\n")
    refused(
        adsmu("prepare", "--data", data, "--intent", "Play", "--output", tmp_path / "out"),
        "corpus.conll",
        "row 4",
    )


def test_three_files_of_different_length_are_named(tmp_path):
    (tmp_path / "release").mkdir()
    for name, text in {
        "seq.in": "play moana\nstop\n",
        "seq.out": "O B-title\n",
        "label": "Play\nStop\n",
    }.items():
        (tmp_path / "release" / name).write_text(text)
    refused(
        adsmu("prepare", "--data", tmp_path / "release", "--intent", "Play", "--output", tmp_path / "out"),
        "seq.",
    )


def test_a_rasa_example_with_an_open_bracket_is_named(tmp_path):
    data = tmp_path / "nlu.yml"
    data.write_text("nlu:\n- intent: Play\n  examples: |\n    - play [moana](title\n")
    refused(adsmu("prepare", "--data", data, "--intent", "Play", "--output", tmp_path / "out"), "nlu.yml")


def test_an_intent_that_the_corpus_lacks_is_answered_with_those_it_has(tmp_path):
    data = tmp_path / "corpus.jsonl"
    data.write_text(json.dumps(ROW) + "\n")
    refused(
        adsmu("prepare", "--data", data, "--intent", "Stop", "--output", tmp_path / "out"), "Stop", "Play"
    )


def test_an_output_that_exists_is_left_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    refused(adsmu("demo", "--output", tmp_path / "out"), "already exists")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system needs the right to mount one")
    try:
        refused(adsmu("demo", "--output", small / "demo"), "no space left")
        assert not any(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "corpus"
    write_demo(folder)
    return folder


@pytest.fixture
def corpus(demo, tmp_path) -> Path:
    return Path(shutil.copytree(demo, tmp_path / "corpus"))


def edit(path: Path, **columns: object) -> None:
    """Gives the first row of a table other values; a column given as None is removed."""
    table = pq.read_table(path)
    for name, value in columns.items():
        index = table.column_names.index(name)
        if value is None:
            table = table.remove_column(index)
        else:
            field = table.schema.field(name)
            table = table.set_column(
                index, field, pa.array([value, *table[name].to_pylist()[1:]], field.type)
            )
    pq.write_table(table, path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop(path: Path) -> None:
    path.unlink()


def set_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def catalog_with(path: Path, **slots: object) -> None:
    set_json(path, json.loads(path.read_text()) | slots)


def empty(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(0, 0), path)


def leak(path: Path) -> None:
    edit(
        path,
        tokens=pq.read_table(path.with_name("test.parquet"))["tokens"][0].as_py(),
        tags=pq.read_table(path.with_name("test.parquet"))["tags"][0].as_py(),
    )


CORPUS_FOLDERS = {
    "a file is missing": ("user.parquet", drop, {}, ["user.parquet"]),
    "a Parquet file is truncated": ("existing.parquet", cut, {}, ["existing.parquet"]),
    "a column is missing": ("user.parquet", edit, {"intent": None}, ["user.parquet", "intent"]),
    "the user data have no rows": ("user.parquet", empty, {}, ["user.parquet", "no rows"]),
    "a source is unknown": ("user.parquet", edit, {"source": "mine"}, ["user.parquet", "row 1", "source"]),
    "a split is unknown": (
        "existing.parquet",
        edit,
        {"split": "valid"},
        ["existing.parquet", "row 1", "split"],
    ),
    "a weight is negative": ("user.parquet", edit, {"weight": -1.0}, ["user.parquet", "row 1", "weight"]),
    "a test text stands among the user data": ("user.parquet", leak, {}, ["test"]),
    "the catalog is not JSON": ("catalog.json", cut, {}, ["catalog.json"]),
    "the catalog is no object": ("catalog.json", set_json, {"value": ["a"]}, ["catalog.json"]),
    "a catalog slot is unknown": (
        "catalog.json",
        catalog_with,
        {"colour": ["red"]},
        ["catalog.json", "colour"],
    ),
    "a catalog value is no text": (
        "catalog.json",
        catalog_with,
        {"narrator": [1]},
        ["catalog.json", "narrator"],
    ),
    "a catalog slot has no values": (
        "catalog.json",
        catalog_with,
        {"narrator": []},
        ["catalog.json", "narrator"],
    ),
}


@pytest.mark.parametrize("case", CORPUS_FOLDERS, ids=lambda case: case.replace(" ", "-"))
def test_a_run_refuses_a_corpus_before_anything_is_made(corpus, tmp_path, case):
    name, spoil, how, words = CORPUS_FOLDERS[case]
    spoil(corpus / name, **how)
    refused(adsmu("run", "--corpus", corpus, "--output", tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()


OPTIONS = {
    "no rounds": (["--max-rounds", "0"], ["max-rounds"]),
    "a target above one": (["--target", "1.5"], ["target"]),
    "a negative margin": (["--margin", "-0.1"], ["margin"]),
    "no rows for a stratum": (["--rows-per-stratum", "0"], ["rows-per-stratum"]),
    "an unknown rule": (["--rule", "shape"], ["shape", "exact"]),
    "a rule that cannot be imported": (["--rule", "no_such_module:rule"], ["no_such_module"]),
    "an unknown allocation": (["--allocation", "fair"], ["fair", "equal"]),
    "an unknown selection": (["--selection", "best"], ["best", "balanced"]),
    "an unknown mode": (["--mode", "hot"], ["hot", "warm"]),
    "a trainer that cannot be imported": (["--trainer", "adsmu.nothing:Trainer"], ["adsmu.nothing"]),
    "an unknown setting of the trainer": (["--setting", "depth=3"], ["depth"]),
    "a setting without a value": (["--setting", "epochs"], ["epochs"]),
    "a setting of the wrong type": (["--setting", "epochs=many"], ["epochs"]),
    "a champion that is not there": (["--champion", "nowhere"], ["nowhere"]),
    "a corpus that is not there": (["--corpus", "nowhere"], ["nowhere"]),
}


@pytest.mark.parametrize("case", OPTIONS, ids=lambda case: case.replace(" ", "-"))
def test_a_run_refuses_an_option_before_anything_is_made(demo, tmp_path, case):
    options, words = OPTIONS[case]
    refused(adsmu("run", "--corpus", demo, "--output", tmp_path / "run", *options), *words)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_write_into_a_folder_that_is_no_run(demo, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    refused(adsmu("run", "--corpus", demo, "--output", tmp_path / "run"), "no run")


def test_a_report_wants_an_evaluation(tmp_path):
    (tmp_path / "evaluation.json").write_text('{"format": 1}')
    refused(adsmu("report", tmp_path / "evaluation.json", "--output", tmp_path / "a.html"), "evaluation.json")
    refused(adsmu("report", tmp_path / "nothing", "--output", tmp_path / "a.html"), "nothing")
    assert not (tmp_path / "a.html").exists()
