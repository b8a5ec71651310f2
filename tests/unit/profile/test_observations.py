import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsmu.errors import BadInput
from adsmu.profile.observations import (
    RESERVED,
    join_labels,
    observations,
    read_batches,
    read_labels,
    read_observations,
    write_observations,
)

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def at(hours):
    return NOW + datetime.timedelta(hours=hours)


def rows(count=4, **columns):
    return pa.table({"id": [f"r{row}" for row in range(count)], "time": [NOW] * count, **columns})


def labels(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_missing_reserved_columns_are_completed():
    table = observations(rows(x=[1.0, 2.0, 3.0, 4.0]))
    assert table.column_names == [*RESERVED, "x"]
    assert table["weight"].to_pylist() == [1.0] * 4
    assert all(table[name].null_count == 4 for name in ("model", "prediction", "score", "label", "feedback"))


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (rows().drop_columns("id"), "seen.parquet, column id: the column is missing"),
        (rows().drop_columns("time"), "seen.parquet, column time: the column is missing"),
        (
            rows().set_column(0, "id", pa.array(["a", "b", "a", "c"])),
            "seen.parquet, row 3, column id: the id stands in an earlier row",
        ),
        (rows().set_column(0, "id", pa.array(["a", None, "b", "c"])), "row 2, column id: a value is missing"),
        (rows(weight=[1.0, 0.0, 1.0, 1.0]), "row 2, column weight: a finite number above 0 is needed"),
        (rows(weight=[1.0, 1.0, float("inf"), 1.0]), "row 3, column weight"),
        (rows(score=[0.1, 0.2, float("nan"), None]), "row 3, column score: a finite number is needed"),
        (rows(score=["high"] * 4), "column score: a number is needed, not text"),
        (
            rows(prediction=["a"] * 4, label=[1.0] * 4),
            "column label: a text is needed as the predictions are",
        ),
        (rows(x=[[["deep"]]] * 4), "column x: numbers, text, times, vectors or lists of words are needed"),
        (rows().set_column(1, "time", pa.array(["today"] * 4)), "column time: a time is needed, not text"),
    ],
)
def test_bad_rows_are_named(table, text):
    with pytest.raises(BadInput) as error:
        observations(table, "seen.parquet")
    assert text in str(error.value)


def test_nothing_is_written_of_bad_rows(tmp_path):
    with pytest.raises(BadInput):
        write_observations(rows(weight=[-1.0] * 4), tmp_path / "seen.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "seen.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(BadInput, match="not a readable Parquet file"):
        read_observations(tmp_path / "seen.parquet")
    with pytest.raises(BadInput, match="no such file"):
        read_observations(tmp_path / "absent.parquet")


def test_parts_together_are_the_whole(tmp_path):
    table = rows(1000, x=np.arange(1000.0))
    write_observations(table, tmp_path / "seen.parquet")
    parts = list(read_batches(tmp_path / "seen.parquet", rows=300))
    assert [len(part) for part in parts] == [300, 300, 300, 100]
    assert pa.concat_tables(parts).equals(read_observations(tmp_path / "seen.parquet"))


def test_an_id_twice_in_different_parts_is_named_with_its_row(tmp_path):
    table = rows(10).set_column(0, "id", pa.array([*"abcdefghi", "b"]))
    pq.write_table(table, tmp_path / "seen.parquet")
    with pytest.raises(BadInput, match="row 10, column id"):
        list(read_batches(tmp_path / "seen.parquet", rows=4))


def test_late_labels_add_no_row_and_the_newest_counts(tmp_path):
    table = rows(3, prediction=["a", "a", "b"], label=["a", None, None], label_time=[at(5), None, None])
    late = labels(
        tmp_path / "label.parquet",
        id=["r0", "r1", "r1", "r1", "gone"],
        label=["old", "first", "corrected", "corrected", "x"],
        label_time=[at(4), at(1), at(2), at(2), at(1)],
    )
    joined = join_labels(observations(table), read_labels(late))
    assert joined["id"].to_pylist() == ["r0", "r1", "r2"]
    assert joined["label"].to_pylist() == ["a", "corrected", None]
    assert joined["label_time"].to_pylist() == [at(5), at(2), None]


def test_labels_join_the_same_whole_or_in_parts(tmp_path):
    table = rows(500, prediction=np.arange(500.0))
    write_observations(table, tmp_path / "seen.parquet")
    late = labels(
        tmp_path / "label.parquet",
        id=[f"r{row}" for row in range(0, 500, 3)],
        label=[float(row) for row in range(0, 500, 3)],
        label_time=[at(1)] * 167,
    )
    whole = read_observations(tmp_path / "seen.parquet", late)
    parts = pa.concat_tables(read_batches(tmp_path / "seen.parquet", late, rows=64))
    assert whole.equals(parts)
    assert len(whole) == 500
    assert whole["label"].null_count == 500 - 167


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"id": ["a"], "label": ["x"]}, "column label_time: the column is missing"),
        ({"id": ["a"], "label": [None], "label_time": [NOW]}, "row 1, column label: a value is missing"),
        (
            {"id": ["a", "a"], "label": ["x", "y"], "label_time": [NOW, NOW]},
            "row 2, column id: the id has another label of the same time",
        ),
    ],
)
def test_bad_labels_are_named(tmp_path, columns, text):
    with pytest.raises(BadInput) as error:
        read_labels(labels(tmp_path / "label.parquet", **columns))
    assert text in str(error.value)


def test_labels_of_another_kind_than_predictions_are_refused(tmp_path):
    late = read_labels(labels(tmp_path / "label.parquet", id=["r0"], label=[1.5], label_time=[NOW]))
    with pytest.raises(BadInput, match="a text is needed, not number"):
        join_labels(observations(rows(1, prediction=["a"])), late)


def test_a_label_that_is_no_number_is_not_known_and_an_infinite_one_is_refused(tmp_path):
    table = observations(rows(2, prediction=[1.0, 2.0], label=[float("nan"), 3.0]))
    assert table["label"].to_pylist() == [None, 3.0]
    with pytest.raises(BadInput, match="row 2, column prediction: a finite number is needed"):
        observations(rows(2, prediction=[1.0, float("inf")]), "seen.parquet")
    late = labels(tmp_path / "late.parquet", id=["r0"], label=[float("nan")], label_time=[NOW])
    with pytest.raises(BadInput, match="row 1, column label: a value is missing"):
        read_labels(late)
