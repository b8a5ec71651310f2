import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.data.columns import flatten
from adsmu.data.schema import ENCODED, SCHEMA, read_utterances, utterances, validate, write_utterances
from adsmu.errors import BadInput

GOOD = {
    "tokens": ["play", "red", "moon"],
    "tags": ["O", "B-song", "I-song"],
    "intent": "PlayMusic",
    "domain": "audio",
    "source": "user",
}


def rows(*changes):
    return utterances({"id": f"u{number}", **GOOD, **change} for number, change in enumerate(changes, 1))


def fault(table, **place):
    with pytest.raises(BadInput) as caught:
        validate(table, "user.parquet", **place)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "column", "rule"),
    [
        ({"id": "u1"}, "id", "'u1' stands twice"),
        ({"id": ""}, "id", "'': a name is one line of text without blanks around it"),
        ({"id": None}, "id", "a value is needed"),
        ({"tokens": None}, "tokens", "a value is needed"),
        ({"tokens": [], "tags": []}, "tokens", "[]: a token is needed"),
        ({"tokens": ["red moon", "on", "x"]}, "tokens", "'red moon': a token is one word without blanks"),
        ({"tokens": ["a", "\u00a0", "x"]}, "tokens", "'\\xa0': a token is one word without blanks"),
        ({"tokens": ["a", "", "x"]}, "tokens", "'': a token is one word without blanks"),
        ({"tokens": ["a", None, "x"]}, "tokens", "None: a token is one word without blanks"),
        ({"tags": ["O", "O"]}, "tags", "2 tags for 3 tokens: every token has one tag"),
        ({"tags": ["O", "O", "NoLabel"]}, "tags", "'NoLabel': a tag is O, B-slot or I-slot"),
        ({"tags": ["o", "O", "O"]}, "tags", "'o': a tag is O, B-slot or I-slot"),
        ({"tags": ["O", "", "O"]}, "tags", "'': a tag is O, B-slot or I-slot"),
        ({"tags": ["O", "B-", "O"]}, "tags", "'B-': a tag is O, B-slot or I-slot"),
        ({"tags": ["O", "B_song", "O"]}, "tags", "'B_song': a tag is O, B-slot or I-slot"),
        ({"tags": ["O", "S-song", "O"]}, "tags", "'S-song': a tag is O, B-slot or I-slot"),
        ({"tags": ["O", "B-a b", "O"]}, "tags", "'B-a b': a tag is O, B-slot or I-slot"),
        ({"tags": ["I-song", "O", "O"]}, "tags", "'I-song': an I- tag continues the same slot"),
        ({"tags": ["B-song", "O", "I-song"]}, "tags", "'I-song': an I- tag continues the same slot"),
        ({"tags": ["B-song", "I-artist", "O"]}, "tags", "'I-artist': an I- tag continues the same slot"),
        ({"intent": ""}, "intent", "'': a name is one line of text"),
        ({"intent": " Play"}, "intent", "' Play': a name is one line of text"),
        ({"intent": "Play\nMusic"}, "intent", "'Play\\nMusic': a name is one line of text"),
        ({"domain": None}, "domain", "a value is needed"),
        ({"source": "me"}, "source", "'me': one of existing, user, synthetic is needed"),
        ({"split": "valid"}, "split", "'valid': one of train, dev, test is needed"),
        ({"stratum_id": ""}, "stratum_id", "'': a name is one line of text"),
        ({"round": -1}, "round", "-1: a round is 0 or more"),
        ({"weight": 0.0}, "weight", "0.0: a weight is finite and above 0"),
        ({"weight": math.nan}, "weight", "nan: a weight is finite and above 0"),
        ({"weight": math.inf}, "weight", "inf: a weight is finite and above 0"),
        ({"weight": None}, "weight", "a value is needed"),
    ],
)
def test_a_broken_rule_is_named_with_its_row_and_column(change, column, rule):
    line = fault(rows({}, change, {"source": "nobody", "split": "none"}))
    assert line.startswith(f"user.parquet, row 2, column {column}: {rule}")
    assert "\n" not in line


def test_rows_that_keep_every_rule_pass():
    validate(rows({}, {"split": "dev", "round": 0, "stratum_id": "s", "tags": ["B-a", "B-a", "I-a"]}), "f")
    validate(utterances(), "f")


def test_the_first_of_many_bad_rows_is_named_whatever_its_column():
    assert "row 2, column weight" in fault(rows({}, {"weight": -1.0}, {"id": ""}, {"tokens": []}))


def test_a_row_is_named_by_its_line_where_lines_are_known():
    assert "row 17, column source" in fault(rows({}, {"source": "x"}), lines=np.array([4, 17]))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda table: table.drop_columns("tags"), "f, column tags: the column is missing"),
        (lambda table: table.append_column("text", table["id"]), "f, column text: no such column"),
        (
            lambda table: table.set_column(0, "id", pa.array([1])),
            "f, column id: a text is needed, not whole number",
        ),
        (
            lambda table: table.set_column(1, "tokens", pa.array(["play"])),
            "f, column tokens: a list of texts is needed, not text",
        ),
        (
            lambda table: table.set_column(8, "round", pa.array([0.5])),
            "f, column round: a whole number is needed, not number",
        ),
    ],
)
def test_a_wrong_column_is_named(tmp_path, change, line):
    path = tmp_path / "f"
    pq.write_table(change(rows({})), path)
    with pytest.raises(BadInput) as caught:
        read_utterances(path)
    assert str(caught.value) == line.replace("f,", f"{path},", 1)


def test_what_is_written_is_read_back(tmp_path):
    table = rows({}, {"split": "test", "round": 3, "stratum_id": "s1", "weight": 2.5})
    write_utterances(table, tmp_path / "t.parquet")
    assert read_utterances(tmp_path / "t.parquet").equals(table)


def test_other_widths_of_a_type_are_taken(tmp_path):
    table = rows({}, {"split": "test"})
    wide = {name: table[name] for name in SCHEMA.names}
    wide["id"] = table["id"].cast(pa.large_string())
    wide["intent"] = table["intent"].dictionary_encode()
    wide["tokens"] = table["tokens"].cast(pa.large_list(pa.large_string()))
    wide["domain"] = table["domain"].cast(pa.string_view())
    wide["round"] = pa.array([1, None], pa.int64())
    wide["weight"] = pa.array([1.0, 2.0], pa.float64())
    wide["stratum_id"] = pa.nulls(2)
    pq.write_table(pa.table(wide), tmp_path / "wide.parquet")
    read = read_utterances(tmp_path / "wide.parquet")
    assert read.schema.equals(SCHEMA)
    assert read["tokens"].to_pylist() == table["tokens"].to_pylist()
    assert read["round"].to_pylist() == [1, None]


def test_dictionaries_are_kept_on_demand(tmp_path):
    table = rows({}, {"tokens": ["stop", "it"], "tags": ["O", "O"]})
    write_utterances(table, tmp_path / "t.parquet")
    encoded = read_utterances(tmp_path / "t.parquet", encoded=True)
    assert encoded.schema.field("tokens").type == encoded.schema.field("tags").type == ENCODED
    assert encoded.cast(SCHEMA).equals(table)
    twice, plain = (flatten(pa.concat_tables([part, part])) for part in (encoded, table))
    assert twice.words[twice.tokens].tolist() == plain.words[plain.tokens].tolist()


def test_text_that_is_not_utf8_is_named(tmp_path):
    offsets = pa.py_buffer(np.array([0, 1], np.int32))
    broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    pq.write_table(rows({}).set_column(3, "intent", broken), tmp_path / "t.parquet")
    with pytest.raises(BadInput, match=r"t\.parquet: not a readable Parquet file.*UTF8"):
        read_utterances(tmp_path / "t.parquet")


def test_a_number_too_large_for_its_column_is_named(tmp_path):
    pq.write_table(rows({}).set_column(8, "round", pa.array([2**40])), tmp_path / "t.parquet")
    with pytest.raises(BadInput, match="column round: Integer value 1099511627776 not in range"):
        read_utterances(tmp_path / "t.parquet")


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    write_utterances(rows({}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"t\.parquet: not a readable Parquet file"):
        read_utterances(path)


@pytest.mark.parametrize("content", [b"", b"id,tokens\n1,play\n"])
def test_a_file_of_another_kind_is_named(tmp_path, content):
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not a readable Parquet file") as caught:
        read_utterances(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"none\.parquet: no such file"):
        read_utterances(tmp_path / "none.parquet")


tag = st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b", "o", "B-", "", "-a", "I-"])


def breaks_bio(tags):
    before = "O"
    for this in tags:
        if this != "O" and (this[:2] not in ("B-", "I-") or not this[2:]):
            return True
        if this[0] == "I" and before[2:] != this[2:]:
            return True
        before = this
    return False


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(tag, min_size=1, max_size=5), min_size=1, max_size=6))
def test_the_first_row_that_breaks_bio_is_found_as_row_by_row_reading_finds_it(listed):
    table = rows(*({"tokens": ["x"] * len(tags), "tags": tags} for tags in listed))
    broken = [number for number, tags in enumerate(listed, 1) if breaks_bio(tags)]
    if broken:
        assert f"row {broken[0]}, column tags" in fault(table)
    else:
        validate(table, "f")
