"""Forming datasets: which rows, what they stand for, and what the page says of them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.draw import in_proportion, lots, shared_out
from adsmu.errors import BadInput
from adsmu.form_dataset.form import form_dataset_files, materialised, read_dataset
from adsmu.form_dataset.forms import RECENT_ONLY, form
from adsmu.profile.observations import observations, write_observations
from adsmu.strategy import Dataset

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def rows(count: int = 400, seed: int = 0, **of: Any) -> pa.Table:
    """An observation every three hours; one label in twenty is rare."""
    random = np.random.default_rng(seed)
    columns = {
        "id": [f"{seed}-{n}" for n in range(count)],
        "time": [BEGIN + n * timedelta(hours=3) for n in range(count)],
        "label": np.where(np.arange(count) % 20 == 7, "rare", "common").tolist(),
        "x": random.normal(size=count),
    }
    return observations(pa.table({**columns, **of}))


UNTIL = BEGIN + 50 * DAY


def test_all_is_every_row_once_with_the_weight_it_had() -> None:
    table = rows(weight=np.linspace(1, 3, 400))
    formed = form(table, Dataset("all"), UNTIL)
    assert formed.rows.tolist() == list(range(400))
    assert formed.weights.tolist() == table["weight"].to_pylist()


def test_sliding_takes_the_window_and_warns_of_recent_rows_alone() -> None:
    formed = form(rows(), Dataset("sliding", window=10 * DAY), UNTIL)
    assert formed.rows.tolist() == list(range(320, 400))
    assert formed.warnings == (RECENT_ONLY,)
    assert form(rows(), Dataset("sliding", window=100 * DAY), UNTIL).warnings == ()


@pytest.mark.parametrize("history", [0.2, 0.5, 0.75])
def test_a_mix_has_its_ratio_and_stands_for_all_rows(history: float) -> None:
    table = rows()
    formed = form(table, Dataset("mix", window=10 * DAY, rows=80, history=history), UNTIL)
    old = formed.rows < 320
    assert (len(formed.rows), int(old.sum())) == (80, round(80 * history))
    assert formed.weights[old].sum() == pytest.approx(320)
    assert formed.weights[~old].sum() == pytest.approx(80)
    assert formed.warnings == ()


def test_a_mix_without_history_is_warned_of() -> None:
    assert RECENT_ONLY in form(rows(), Dataset("mix", window=10 * DAY, history=0.0), UNTIL).warnings


def test_a_mix_without_a_number_of_rows_is_as_large_as_its_ratio_allows() -> None:
    formed = form(rows(), Dataset("mix", window=10 * DAY, history=0.5), UNTIL)
    assert len(formed.rows) == 160


def test_an_even_sample_keeps_what_is_rare() -> None:
    table = rows()
    formed = form(table, Dataset("sampled", rows=30, by="label"), UNTIL)
    taken = np.array(table["label"].to_pylist())[formed.rows]
    assert (int((taken == "rare").sum()), int((taken == "common").sum())) == (15, 15)


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset("sampled", rows=60),
        Dataset("sampled", rows=60, by="label"),
        Dataset("mix", rows=60, window=10 * DAY, history=0.3),
    ],
    ids=["simple", "by label", "mix"],
)
def test_weighted_totals_of_a_sample_are_unbiased(dataset: Dataset) -> None:
    """Horvitz and Thompson: over seeds the mean of the estimates is the truth, within their standard error.

    The unweighted estimate is not: what is drawn more often is over-represented.
    """
    random = np.random.default_rng(1)
    table = rows(weight=random.uniform(0.5, 2, 400))
    rare = np.array(table["label"].to_pylist()) == "rare"
    value = np.arange(400) * 0.01 + 5 * rare  # differs by time and by label: each form distorts one of them
    truth = float(table["weight"].to_numpy() @ value)
    estimates, unweighted = [], []
    for seed in range(300):
        formed = form(table, Dataset(**{**vars(dataset), "seed": seed}), UNTIL)
        estimates.append(float(formed.weights @ value[formed.rows]))
        unweighted.append(float(value[formed.rows].mean()) * float(table["weight"].to_numpy().sum()))
    error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - truth) < 4 * error
    if dataset.by or dataset.form == "mix":
        assert abs(np.mean(unweighted) - truth) > 10 * error


@settings(deadline=None)
@given(st.floats(1, 5), st.integers(0, 50))
def test_upsampling_multiplies_weak_rows_and_leaves_totals_as_they_are(factor: float, seed: int) -> None:
    table = rows(120)
    weak = Dataset("upsampled", by="label", segments=("rare",), factor=factor, seed=seed)
    made = materialised(table, form(table, weak, UNTIL))
    labels = np.array(made["label"].to_pylist())
    assert int((labels == "rare").sum()) == round(factor * 6)
    assert int((labels == "common").sum()) == 114
    assert made["weight"].to_numpy().sum() == pytest.approx(120)
    assert made["weight"].to_numpy()[labels == "rare"].sum() == pytest.approx(6)
    assert pc.count_distinct(made["id"]).as_py() == len(made)


def test_a_segment_without_rows_is_warned_of_beside_others() -> None:
    dataset = Dataset("upsampled", by="label", segments=("gone", "rare"))
    assert form(rows(), dataset, UNTIL).warnings == ("no row of the segment gone",)


def test_the_same_rows_are_drawn_from_a_table_in_another_order() -> None:
    table = rows()
    other = table.take(np.random.default_rng(0).permutation(len(table)))
    mine, theirs = (lots(each["id"], 3) for each in (table, other))
    assert dict(zip(table["id"].to_pylist(), mine, strict=True)) == dict(
        zip(other["id"].to_pylist(), theirs, strict=True)
    )
    assert not (lots(table["id"], 4) == mine).any()


def test_lots_are_uniform() -> None:
    counts = np.histogram(lots(rows(20_000)["id"], 0), bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 50  # chi-squared, 19 degrees of freedom: p = .0001


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 100))
def test_a_budget_is_shared_out_whole_and_evenly(sizes: list[int], budget: int) -> None:
    given_ = shared_out(np.array(sizes), budget)
    assert given_.sum() == min(budget, sum(sizes))
    assert (given_ <= sizes).all()
    short = given_[given_ < sizes]
    assert not len(short) or short.max() - short.min() <= 1


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(1, 120))
def test_proportions_are_met_to_the_row(sizes: list[int], budget: int) -> None:
    shares = np.array([1 / len(sizes)] * len(sizes))
    given_ = in_proportion(np.array(sizes), shares, budget)
    assert (np.abs(given_ - shares * given_.sum()) < 1).all()
    assert (given_ <= sizes).all()
    assert given_.sum() <= budget


def test_the_old_window_of_the_same_season_is_found() -> None:
    count = 8 * 40  # 40 days; every tenth day begins a window in which x is high
    high = (np.arange(count) // 80) % 2 == 1  # windows of ten days: low, high, low, high
    random = np.random.default_rng(0)
    table = rows(count, x=random.normal(size=count) + 3 * high)
    formed = form(table, Dataset("matching", window=10 * DAY), BEGIN + 40 * DAY)
    assert formed.rows.tolist() == [*range(80, 160), *range(240, 320)]
    assert formed.facts["matched"]["among"] == 3


def test_a_window_of_too_few_rows_is_not_matched() -> None:
    with pytest.raises(BadInput, match="needed to match by"):
        form(rows(), Dataset("matching", window=DAY), UNTIL)


@pytest.mark.parametrize(
    ("dataset", "rule"),
    [
        (Dataset("sampled", rows=3, by="nothing"), "column is missing"),
        (Dataset("upsampled", by="label", segments=("none",)), "no row of the segments"),
        (Dataset("mix", window=100 * DAY), "no labelled rows before"),
        (Dataset("sliding", window=timedelta(seconds=1)), "no labelled rows since"),
    ],
)
def test_a_form_that_cannot_be_made_says_why(dataset: Dataset, rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        form(rows(), dataset, UNTIL)


# From files to a folder


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "strategy.yaml"
    path.write_text("name: nlu\nevaluation_set: {hold_out: 2d}\n", encoding="utf-8")
    return path


def source(folder: Path, table: pa.Table, name: str = "seen.parquet") -> Path:
    write_observations(table, folder / name)
    return folder / name


def test_a_dataset_is_rebuilt_byte_for_byte(tmp_path: Path, strategy: Path) -> None:
    table = rows()
    seen = source(tmp_path, table)
    first = form_dataset_files([seen], strategy, tmp_path / "a")
    form_dataset_files([seen], strategy, tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["dataset.json", "difference.html", "difference.json", "rows.parquet"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    halves = [source(tmp_path, table.slice(200), "late"), source(tmp_path, table.slice(0, 200), "early")]
    assert form_dataset_files(halves, strategy, tmp_path / "c")["id"] == first["id"]


def test_held_out_and_unlabelled_rows_are_not_learnt_from(tmp_path: Path, strategy: Path) -> None:
    labels = [None if n < 10 else "a" for n in range(400)]
    made = form_dataset_files([source(tmp_path, rows(label=labels))], strategy, tmp_path / "a")
    assert (made["pool"]["held_out"], made["pool"]["unlabelled"], made["rows"]) == (16, 10, 374)
    _, learnt = read_dataset(tmp_path / "a")
    assert pc.max(learnt["time"]).as_py() < BEGIN + 400 * timedelta(hours=3) - 2 * DAY


def test_rows_from_behind_the_window_are_counted(tmp_path: Path, strategy: Path) -> None:
    until = (BEGIN + 40 * DAY).isoformat()
    pool = form_dataset_files([source(tmp_path, rows())], strategy, tmp_path / "a", until=until)["pool"]
    assert pool["later"] == 80
    assert pool["rows"] + pool["held_out"] + pool["unlabelled"] + pool["later"] == 400


def test_of_an_id_in_several_sources_the_last_counts(tmp_path: Path, strategy: Path) -> None:
    before, after = rows(), rows(label=["new"] * 400)
    sources = [source(tmp_path, before, "a.parquet"), source(tmp_path, after, "b.parquet")]
    made = form_dataset_files(sources, strategy, tmp_path / "a")
    assert made["pool"]["repeated"] == 400
    assert set(read_dataset(tmp_path / "a")[1]["label"].to_pylist()) == {"new"}


def test_a_label_that_only_an_earlier_source_has_is_not_lost(tmp_path: Path, strategy: Path) -> None:
    logged = rows(label=pa.nulls(400, pa.string()), x=np.ones(400))
    sources = [source(tmp_path, rows(), "a.parquet"), source(tmp_path, logged, "b.parquet")]
    form_dataset_files(sources, strategy, tmp_path / "a")
    made = read_dataset(tmp_path / "a")[1]
    assert made["label"].null_count == 0 and set(made["x"].to_pylist()) == {1.0}
    assert set(made["label"].to_pylist()) == {"rare", "common"}


def test_what_a_decision_asks_for_is_formed_and_named(tmp_path: Path, strategy: Path) -> None:
    request = {"form": "upsampled", "parameters": {"by": "label", "segments": ["rare"], "factor": 3}}
    decision = tmp_path / "decision.json"
    content = {"event": "e1", "action": "update", "dataset": request}
    decision.write_text(json.dumps(content), encoding="utf-8")
    made = form_dataset_files([source(tmp_path, rows())], strategy, tmp_path / "a", decision=decision)
    assert (made["form"], made["decision"], made["parameters"]["factor"]) == ("upsampled", "e1", 3.0)
    decision.write_text(json.dumps({**content, "action": "do_not_update"}), encoding="utf-8")
    with pytest.raises(BadInput, match="nothing to learn"):
        form_dataset_files([tmp_path / "seen.parquet"], strategy, tmp_path / "b", decision=decision)
    assert not (tmp_path / "b").exists()


def test_a_request_that_breaks_a_rule_is_named(tmp_path: Path, strategy: Path) -> None:
    decision = tmp_path / "decision.json"
    content = {"event": "e", "action": "update", "dataset": {"form": "mix", "parameters": {"histroy": 1}}}
    decision.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        form_dataset_files([source(tmp_path, rows())], strategy, tmp_path / "a", decision=decision)
    assert (caught.value.column, "history" in caught.value.rule) == ("dataset.histroy", True)


def test_the_difference_against_the_last_dataset_is_always_written(tmp_path: Path, strategy: Path) -> None:
    table = rows(800)
    early, late = table.slice(0, 400), table.slice(400)
    late = late.set_column(late.column_names.index("x"), "x", pc.add(late["x"], 3.0))
    first = form_dataset_files([source(tmp_path, early, "a.parquet")], strategy, tmp_path / "a")
    sources = [tmp_path / "a.parquet", source(tmp_path, late, "b.parquet")]
    form_dataset_files(sources, strategy, tmp_path / "b", previous=tmp_path / "a")
    apart = json.loads((tmp_path / "b" / "difference.json").read_text())
    assert apart["previous"] == first["id"]
    assert apart["rows"] == {"before": 384, "after": 784, "kept": 384, "added": 400, "removed": 0}
    moved = {each["column"]: each["moved"] for each in apart["columns"]}
    assert moved == {"label": False, "x": True}
    assert "x" in (tmp_path / "b" / "difference.html").read_text()
    alone = json.loads((tmp_path / "a" / "difference.json").read_text())
    assert (alone["previous"], alone["rows"]["added"]) == (None, 384)


def test_what_stands_in_the_data_is_escaped_on_the_page(tmp_path: Path, strategy: Path) -> None:
    form_dataset_files(
        [source(tmp_path, rows(label=["<script>alert(1)</script>"] * 400))], strategy, tmp_path / "a"
    )
    page = (tmp_path / "a" / "difference.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_rows_that_were_changed_are_not_read(tmp_path: Path, strategy: Path) -> None:
    form_dataset_files([source(tmp_path, rows())], strategy, tmp_path / "a")
    pq.write_table(pq.read_table(tmp_path / "a" / "rows.parquet").slice(1), tmp_path / "a" / "rows.parquet")
    with pytest.raises(BadInput, match="not those that"):
        read_dataset(tmp_path / "a")


def test_a_column_that_only_one_source_has_is_named(tmp_path: Path, strategy: Path) -> None:
    sources = [source(tmp_path, rows()), source(tmp_path, rows(seed=1, y=[1] * 400), "b.parquet")]
    with pytest.raises(BadInput) as caught:
        form_dataset_files(sources, strategy, tmp_path / "a")
    assert caught.value.column == "y"


def test_weighted_counts_of_bicycles_are_those_of_all_hours(tmp_path: Path, bike: Path) -> None:
    frame = pd.read_csv(bike)
    times = pd.to_datetime(frame["dteday"]) + pd.to_timedelta(frame["hr"], unit="h")
    table = pa.table(
        {
            "id": frame["instant"].astype(str).to_list(),
            "time": pa.array(times.dt.tz_localize("UTC"), pa.timestamp("us", "UTC")),
            "label": frame["cnt"].astype(float).to_list(),
            "weathersit": frame["weathersit"].to_list(),
        }
    )
    strategy = tmp_path / "strategy.yaml"
    text = "name: bike\ncolumns: {task: regression}\nevaluation_set: {hold_out: 0d}\n"
    strategy.write_text(f"{text}dataset: {{form: sampled, rows: 2000, by: weathersit}}\n", encoding="utf-8")
    made = form_dataset_files([source(tmp_path, observations(table))], strategy, tmp_path / "a")
    assert made["weights"]["sum"] == pytest.approx(len(frame))
    _, learnt = read_dataset(tmp_path / "a")
    weather = np.array(learnt["weathersit"].to_pylist())
    assert (weather == 4).sum() == (frame["weathersit"] == 4).sum()  # three hours of it, all kept
    mean = np.average(learnt["label"].to_numpy(), weights=learnt["weight"].to_numpy())
    assert mean == pytest.approx(frame["cnt"].mean(), rel=0.05)
    assert (
        abs(learnt["label"].to_numpy().mean() / frame["cnt"].mean() - 1) > 0.05
    )  # bad weather, over-represented
