"""Evaluation sets are versions whose ids follow from what they hold."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bike_models import PAIRS, bike_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.errors import BadInput
from adsmu.sign_off.evaluation_set import content_hash, read_evaluation_set, write_evaluation_set


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(6)), st.permutations(["id", "x", "weight"]))
def test_the_id_depends_on_no_order(places, names):
    table = pa.table({"id": [*"abcdef"], "x": [*range(6)], "weight": [1.0] * 6})
    assert content_hash(table.take(places).select(names), []) == content_hash(table, [])


def test_any_other_value_makes_another_id():
    table = pa.table({"id": ["a"], "x": [1.0]})
    others = [pa.table({"id": ["a"], "x": [1.5]}), pa.table({"id": ["b"], "x": [1.0]})]
    assert len({content_hash(each, []) for each in (table, *others)} | {content_hash(table, [{"a": 1}])}) == 4


def test_a_new_version_holds_what_stood_in_it_and_names_the_one_before(tmp_path, evaluation_set):
    before = read_evaluation_set(evaluation_set)
    edge = '{"test": "hot", "input": {"warm": 1.0, "rain": 0.0}, "holds": "equals", "value": 50.0}\n'
    (tmp_path / "more.jsonl").write_text(PAIRS + edge)
    rows = pa.concat_tables([bike_rows(), bike_rows(50, seed=1)])
    made = write_evaluation_set(rows, tmp_path / "more.jsonl", tmp_path / "second", evaluation_set)
    assert (made.previous, len(made.rows), len(made.pairs)) == (before.id, 450, 4)
    assert made.id != before.id
    assert read_evaluation_set(tmp_path / "second") == made


def test_a_row_is_not_changed_in_silence(tmp_path, evaluation_set):
    changed = bike_rows().set_column(1, "warm", pa.array([0.5] * 400))
    with pytest.raises(BadInput, match="row 1, column id: the id '0-0' stands in the version before"):
        write_evaluation_set(changed, None, tmp_path / "second", evaluation_set)
    with pytest.raises(BadInput, match="must have the columns of the version before"):
        write_evaluation_set(bike_rows().drop_columns(["rain"]), None, tmp_path / "second", evaluation_set)
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize("name", ["rows.parquet", "pairs.jsonl"])
def test_content_that_was_altered_is_found(evaluation_set, name):
    file = evaluation_set / name
    if name == "rows.parquet":
        pq.write_table(pq.read_table(file).slice(1), file)
    else:
        file.write_text(file.read_text().replace("0.9", "0.8"))
    with pytest.raises(BadInput, match="the content is that of sha256:"):
        read_evaluation_set(evaluation_set)


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ({"x": [1]}, "column id: missing"),
        ({"id": ["a", "a"]}, "each with an id of its own"),
        ({"id": ["a", None]}, "each with an id of its own"),
        ({"id": ["a", "b"], "weight": [1.0, 0.0]}, "row 2, column weight: must be above 0"),
        ({"id": ["a"], "weight": ["much"]}, "column weight: must hold numbers"),
    ],
)
def test_rows_that_cannot_be_told_apart_or_weighed_are_refused(tmp_path, rows, rule):
    with pytest.raises(BadInput, match=rule):
        write_evaluation_set(pa.table(rows), None, tmp_path / "set")
