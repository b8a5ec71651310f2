"""Freshness, the study of ways to retrain, the files of losses, and the command."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from adsmu.cli import app
from adsmu.errors import BadInput
from adsmu.value.freshness import freshness, half_width
from adsmu.value.losses import Losses, losses_of, read_losses, write_losses
from adsmu.value.sheet import Prices
from adsmu.value.study import value_files, ways

SHEET = """
cadences: {daily: {per_week: 7, cost: 200, points: 85}, twice: {per_week: 2, cost: 200, points: 85}}
study: {retraining: 40, loss: 10, weekly: 7}
"""


def ageing(windows=60, slope=0.1, seed=0):
    random = np.random.default_rng(seed).normal(1, 0.05, (windows, windows))
    age = np.subtract.outer(np.arange(windows), np.arange(windows)) * -slope
    return Losses(np.where(np.triu(np.ones(age.shape, dtype=bool)), random + age, np.nan))


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 12), st.integers(0, 99))
def test_losses_are_read_as_they_were_written(tmp_path_factory, windows, seed):
    path = tmp_path_factory.mktemp("losses") / "losses.parquet"
    write_losses(given := ageing(windows, seed=seed), path)
    np.testing.assert_array_equal(read_losses(path).of, given.of)


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ({"trained": [0], "tested": [0]}, "column loss: missing"),
        ({"trained": [0, 1], "tested": [0, 1], "loss": [1.0, 1.0]}, "3 rows, not 2"),
        ({"trained": [0, 0, 1, 1], "tested": [0, 1, 1, 1], "loss": [1.0] * 4}, "3 rows, not 4"),
        ({"trained": [0, 0, 0], "tested": [0, 1, 1], "loss": [1.0] * 3}, "once: 3 rows"),
        ({"trained": [0, 1, 0], "tested": [0, 0, 1], "loss": [1.0] * 3}, "row 2, column tested"),
        ({"trained": [0, 0, 1], "tested": [0, 1, 1], "loss": [1.0, np.nan, 1.0]}, "row 2, column loss"),
        ({"trained": [0, -1, 1], "tested": [0, 1, 1], "loss": [1.0] * 3}, "row 2, column trained"),
        ({"trained": ["0"], "tested": [0], "loss": [1.0]}, "column trained: must hold numbers"),
        ({"trained": [0.0], "tested": [0], "loss": [1.0]}, "column trained: must hold numbers"),
    ],
)
def test_losses_that_break_a_rule_are_refused(tmp_path, rows, rule):
    pq.write_table(pa.table(rows), tmp_path / "losses.parquet")
    with pytest.raises(BadInput, match=rule):
        read_losses(tmp_path / "losses.parquet")


def test_losses_may_be_a_csv_file(tmp_path):
    (tmp_path / "losses.csv").write_text("trained,tested,loss\n0,0,1.5\n0,1,2\n1,1,1\n")
    assert read_losses(tmp_path / "losses.csv").of[0].tolist() == [1.5, 2]
    with pytest.raises(BadInput, match="no such file"):
        read_losses(tmp_path / "nowhere.csv")


def test_each_model_is_fitted_before_the_windows_it_is_tested_in():
    fitted = losses_of(4, lambda window: window, lambda model, window: np.full(4 - window, float(model)))
    assert fitted.of[2, 2:].tolist() == [2, 2] and np.isnan(fitted.of[2, :2]).all()


def test_older_models_are_told_to_be_worse_where_they_are():
    found = freshness(ageing(), [1, 5, 20])
    assert [age.windows for age in found] == [0, 1, 5, 20]
    assert {age.todays for age in found} == {40}
    assert [age.finding for age in found[1:]] == ["worse"] * 3
    assert found[3].difference == pytest.approx(2.0, abs=0.05)


def test_newer_is_not_always_better():
    """A truth that comes back after twenty windows: a model of that age is as good, one half as old not."""
    at = np.arange(100)
    truth = np.cos(2 * np.pi * at / 20)
    square = (truth[None, :] - truth[:, None]) ** 2 + np.random.default_rng(0).normal(1, 0.02, (100, 100))
    found = freshness(Losses(np.where(np.triu(np.ones((100, 100), dtype=bool)), square, np.nan)), [10, 20])
    assert [age.finding for age in found[1:]] == ["worse", "undecided"]
    assert found[2].loss < found[1].loss


def test_intervals_of_independent_todays_are_students_and_wider_for_alike_ones():
    random = np.random.default_rng(3)
    alternating = np.tile([1.0, 2.0], 10)
    low, high = stats.t.interval(0.9, 19, alternating.mean(), alternating.std(ddof=1) / np.sqrt(20))
    assert half_width(alternating, 0.9) == pytest.approx((high - low) / 2)
    covered = 0
    for _ in range(300):
        noise = random.normal(size=80)
        alike = np.zeros(80)
        for number in range(1, 80):
            alike[number] = 0.6 * alike[number - 1] + noise[number]
        covered += abs(alike.mean()) <= half_width(alike, 0.95)
    assert covered / 300 >= 0.9  # .70 if they were taken for independent


@pytest.mark.parametrize("ages", [[], [0], [60], [-1, 3]])
def test_an_age_that_no_today_allows_is_refused(ages):
    with pytest.raises(BadInput, match="must be from 1 to 59"):
        freshness(ageing(), ages)


def test_no_way_costs_less_than_the_best_in_hindsight():
    found = ways(ageing(), Prices(40.0, 10.0, 7), 12, 60)
    assert found[0].name == "best in hindsight" and found[0].regret == 0
    assert all(way.regret >= -1e-12 for way in found)
    names = {way.name for way in found}
    assert names >= {"never", "each window", "weekly", "by degradation", "cost-aware, threshold"}
    by_name = {way.name: way.cost for way in found}
    assert by_name["by degradation"] < by_name["never"]
    with pytest.raises(BadInput, match="from 2 to 59"):
        ways(ageing(), Prices(40.0, 10.0, 7), 60, 60)


def test_where_nothing_is_lost_no_share_is_told():
    nothing = losses_of(20, lambda i: i, lambda i, j: np.zeros(20 - j))
    found = ways(nothing, Prices(40.0, 10.0, 7), 4, 8)
    assert found[0].cost == 0 and {way.regret for way in found} == {None}


def test_the_command_tells_costs_and_writes_a_page(tmp_path):
    (tmp_path / "costs.yaml").write_text(SHEET)
    write_losses(ageing(), tmp_path / "losses.parquet")
    run, output = CliRunner(), tmp_path / "value"
    given = ["value", str(tmp_path / "costs.yaml"), "--losses", str(tmp_path / "losses.parquet")]
    told = run.invoke(app, [*given, "--output", str(output)])
    assert told.exit_code == 0, told.output
    assert "71.43 %" in told.output and "best in hindsight" in told.output
    page = (output / "value.html").read_text()
    assert page.count("<svg") == 2 and "<script" not in page
    found = json.loads((output / "value.json").read_text())
    assert found["changes"][0]["costs_more"] == -1000
    assert found["history"] == 12 and found["freshness"][1]["finding"] == "worse"


def test_losses_need_prices_and_nothing_is_left_of_a_refusal(tmp_path):
    (tmp_path / "costs.yaml").write_text(SHEET.splitlines()[1])
    write_losses(ageing(), tmp_path / "losses.parquet")
    with pytest.raises(BadInput, match="must hold a study"):
        value_files(tmp_path / "costs.yaml", tmp_path / "value", losses=tmp_path / "losses.parquet")
    assert not (tmp_path / "value").exists()
