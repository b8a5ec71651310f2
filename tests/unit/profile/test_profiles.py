import datetime
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.errors import BadInput
from adsmu.profile.categories import HELD, categories_of
from adsmu.profile.categories import merged as merged_categories
from adsmu.profile.file import read_profile, write_profile
from adsmu.profile.profiles import merge, profile, profile_batches
from adsmu.profile.run import profile_files

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def table(count, seed=0, numeric=15, categorical=5):
    random = np.random.default_rng(seed)
    columns = {f"n{number}": random.normal(number, 1 + number, count) for number in range(numeric)}
    for number in range(categorical):
        names = np.array([f"value {each}" for each in range(4 ** (number + 1))], dtype=object)
        columns[f"c{number}"] = pa.array(names[random.integers(0, len(names), count)])
    return pa.table(columns)


def same(one, other):
    """Whether two profiles are equal, arrays too."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if hasattr(one, "__dict__"):
        return type(one) is type(other) and same(vars(one), vars(other))
    return one == other


def test_twenty_columns_take_less_than_100_kB_and_read_back_equal(tmp_path):
    parts = [profile(table(20_000, seed)) for seed in range(3)]
    merged = merge(merge(parts[0], parts[1]), parts[2])
    only_numbers = profile(table(20_000, numeric=20, categorical=0))
    for made in (parts[0], merged, only_numbers, merge(only_numbers, only_numbers)):
        write_profile(made, tmp_path / "profile")
        assert (tmp_path / "profile").stat().st_size < 100_000
        assert same(read_profile(tmp_path / "profile"), made)


def test_vectors_and_times_read_back_equal(tmp_path):
    random = np.random.default_rng(0)
    made = profile(
        pa.table(
            {"time": [NOW] * 50, "v": pa.array(list(random.normal(0, 1, (50, 8)))), "none": pa.nulls(50)}
        ),
        strategy="sha256:1",
    )
    write_profile(made, tmp_path / "profile")
    assert same(read_profile(tmp_path / "profile"), made)
    assert made.first == made.last == NOW


def test_a_file_that_is_no_profile_is_refused(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other")
    (tmp_path / "noise").write_bytes(b"noise")
    for name, text in (("absent", "no such file"), ("other", "not a profile"), ("noise", "not a profile")):
        with pytest.raises(BadInput, match=text):
            read_profile(tmp_path / name)


@pytest.mark.parametrize(
    ("key", "value"),
    [("rows", -1), ("weight", float("nan")), ("values", [3.0, 1.0, 2.0]), ("at", [1.0, -1.0, 1.0])],
)
def test_an_altered_profile_is_refused_with_its_column(tmp_path, key, value):
    write_profile(profile(pa.table({"x": [1.0, 2.0, 3.0]})), tmp_path / "profile")
    stored = pq.read_table(tmp_path / "profile")
    number = stored.column_names.index(key)
    altered = stored.set_column(
        number, stored.schema.field(key), pa.array([value], stored.schema.field(key).type)
    )
    pq.write_table(altered.replace_schema_metadata(stored.schema.metadata), tmp_path / "profile")
    with pytest.raises(BadInput, match="column x"):
        read_profile(tmp_path / "profile")


numbers = st.lists(
    st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(math.nan), st.just(math.inf), st.just(-math.inf)),
    min_size=1,
    max_size=80,
)


@given(numbers, numbers)
@settings(max_examples=40, deadline=None)
def test_merged_moments_and_counts_are_those_of_all_rows(a, b):
    one, other, both = (
        profile(pa.table({"x": pa.array(values, pa.float64(), from_pandas=False)}))
        for values in (a, b, a + b)
    )
    merged, whole = merge(one, other).columns["x"], both.columns["x"]
    for name in ("rows", "missing", "nan", "infinite", "weight", "min", "max"):
        assert getattr(merged, name) == getattr(whole, name)
    finite = np.array([value for value in a + b if value is not None and math.isfinite(value)])
    if len(finite):
        assert merged.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-6)
        assert merged.sd == pytest.approx(finite.std(), rel=1e-6, abs=1e-3)


def test_a_stream_of_batches_is_profiled_as_one_table():
    rows = table(30_000)
    whole, parts = (
        profile(rows),
        profile_batches(rows.slice(begin, 1_000) for begin in range(0, 30_000, 1_000)),
    )
    for name, column in whole.columns.items():
        assert parts.columns[name].rows == column.rows
        if name.startswith("n"):
            at = column.distribution.quantiles(np.linspace(0.001, 0.999, 99))
            ranks = [each.distribution.up_to(at) / 30_000 for each in (column, parts.columns[name])]
            assert np.abs(ranks[0] - ranks[1]).max() < 0.002
            assert parts.columns[name].sd == pytest.approx(column.sd, rel=1e-9)
        elif column.categories.distinct <= HELD:
            assert same(parts.columns[name], column)


def test_weights_are_respected_and_missing_rows_weighed():
    made = profile(pa.table({"x": [1.0, 5.0, None], "k": ["a", "b", "b"], "weight": [3.0, 1.0, 4.0]}))
    x, k = made.columns["x"], made.columns["k"]
    assert (x.mean, x.squares, x.weight) == (2.0, 12.0, 4.0)
    assert (k.categories.names, k.categories.weights.tolist()) == (("b", "a"), [5.0, 3.0])
    assert made.missing_share("x") == 0.5
    assert x.effective_rows == pytest.approx(16 / 10)
    assert "weight" not in made.columns


def test_a_column_that_begins_with_nulls_takes_its_kind_later():
    made = profile_batches(
        [pa.table({"x": pa.nulls(3)}), pa.table({"x": [1.0, 2.0]}), pa.table({"x": pa.nulls(1)})]
    )
    assert (made.columns["x"].rows, made.columns["x"].missing, made.columns["x"].mean) == (6, 4, 1.5)


def test_profiles_of_different_tables_are_not_merged():
    one = profile(pa.table({"x": [1.0]}))
    for other, text in (
        (profile(pa.table({"y": [1.0]})), "column x: only one of two profiles has the column"),
        (profile(pa.table({"x": ["a"]})), "column x: double in one profile, string in another"),
        (profile(pa.table({"x": [1.0]}), strategy="sha256:2"), "column strategy"),
    ):
        with pytest.raises(BadInput, match=text):
            merge(one, other)


def test_vectors_are_compared_only_by_the_same_random_features():
    random = np.random.default_rng(0)
    rows = [pa.table({"v": pa.array(list(random.normal(0, scale, (60, 4))))}) for scale in (1, 3)]
    one = profile(rows[0])
    with pytest.raises(BadInput, match="column v: the random features differ"):
        merge(one, profile(rows[1]))
    merged = merge(one, profile(rows[1], like=one)).columns["v"].map
    whole = profile(pa.concat_tables(rows), like=one).columns["v"].map
    assert np.allclose(merged.mean, whole.mean, atol=1e-6)
    assert merged.spread == pytest.approx(whole.spread, rel=1e-4)
    assert merged.norm >= whole.norm * 0.999


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(BadInput, match="column v: vectors of one length are needed, not of 1 to 2"):
        profile(pa.table({"v": [[1.0], [1.0, 2.0]]}))


def test_a_projection_becomes_a_column():
    rows = pa.table({"tokens": [["play", "it"], ["stop"], None]})
    length = profile(rows, projections={"length": "adsmu.profile.projections:token_count"}).columns["length"]
    assert (length.rows, length.missing, length.max) == (3, 1, 2.0)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("builtins:len", "gives"),
        ("no.such:thing", "no module"),
        ("adsmu.profile.projections:absent", "has no 'absent'"),
    ],
)
def test_a_projection_that_is_none_is_refused(path, text):
    with pytest.raises(BadInput, match=text):
        profile(pa.table({"x": [1.0, 2.0]}), projections={"p": path})


def test_beyond_the_categories_held_counts_are_within_the_stated_bound():
    random = np.random.default_rng(7)
    rows = [np.minimum(random.zipf(1.3, 20_000), 5_000).astype(str).astype(object) for _ in range(4)]
    parts = [categories_of(*np.unique(part, return_counts=True)) for part in rows]
    total = merged_categories(merged_categories(parts[0], parts[1]), merged_categories(parts[2], parts[3]))
    truth = dict(zip(*np.unique(np.concatenate(rows), return_counts=True), strict=True))
    assert len(total.names) == HELD
    assert total.weight == pytest.approx(80_000)
    for name, weight in zip(total.names, total.weights, strict=True):
        assert weight <= truth[name] <= weight + total.lacks
    assert max(count for name, count in truth.items() if name not in total.names) <= total.lacks
    assert total.distinct == pytest.approx(len(truth), rel=0.2)


def test_files_are_profiled_with_late_labels(tmp_path):
    rows = {"id": [f"r{row}" for row in range(300)], "time": [NOW] * 300, "prediction": ["a"] * 300}
    pq.write_table(pa.table(rows), tmp_path / "seen.parquet")
    late = {"id": ["r1", "r2"], "label": ["a", "b"], "label_time": [NOW, NOW]}
    pq.write_table(pa.table(late), tmp_path / "label.parquet")
    made = profile_files(
        tmp_path / "seen.parquet",
        tmp_path / "profile",
        labels=tmp_path / "label.parquet",
        strategy="sha256:3",
    )
    stored = read_profile(tmp_path / "profile")
    assert same(stored, made)
    assert stored.columns["label"].categories.names == ("a", "b")
    assert (stored.rows, stored.columns["label"].missing, stored.strategy) == (300, 298, "sha256:3")


def test_bike_by_halves_is_the_whole(bike):
    import pandas as pd

    rows = pa.Table.from_pandas(pd.read_csv(bike), preserve_index=False)
    half = len(rows) // 2
    whole, merged = profile(rows), merge(profile(rows.slice(0, half)), profile(rows.slice(half)))
    for name, column in whole.columns.items():
        other = merged.columns[name]
        if hasattr(column, "distribution"):
            at = np.quantile(rows[name].to_numpy(), np.linspace(0, 1, 101))
            ranks = [each.distribution.up_to(at) / len(rows) for each in (column, other)]
            assert np.abs(ranks[0] - ranks[1]).max() < 0.01
            assert (other.min, other.max, other.rows) == (column.min, column.max, column.rows)
            assert other.mean == pytest.approx(rows[name].to_numpy().mean(), rel=1e-9)
