"""Intervals keep what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adsmu.stratified_evaluate.intervals import (
    clopper_pearson,
    rows_to_decide,
    stratified_mean,
    wilson,
)


def coverage(bounds: tuple[np.ndarray, np.ndarray], rows: int, rate: float) -> float:
    """How likely an interval holds the rate: summed over every outcome, not simulated."""
    low, high = bounds
    likely = stats.binom.pmf(np.arange(rows + 1), rows, rate)
    return float(likely[(low <= rate) & (rate <= high)].sum())


@pytest.mark.parametrize("rows", [1, 4, 10, 60, 300])
def test_the_exact_interval_holds_at_every_rate(rows: int) -> None:
    bounds = clopper_pearson(np.arange(rows + 1), rows, 0.95)
    assert min(coverage(bounds, rows, rate) for rate in np.linspace(0.001, 0.999, 499)) >= 0.95


@pytest.mark.parametrize("rows", [10, 60, 300])
def test_the_score_interval_holds_on_average(rows: int) -> None:
    bounds = wilson(np.arange(rows + 1), rows, 0.95)
    held = np.mean([coverage(bounds, rows, rate) for rate in np.linspace(0.001, 0.999, 499)])
    assert abs(held - 0.95) < 0.01


def test_the_exact_interval_agrees_with_scipy() -> None:
    low, high = clopper_pearson([0, 3, 57, 60], 60, 0.9)
    for place, right in enumerate([0, 3, 57, 60]):
        known = stats.binomtest(right, 60).proportion_ci(0.9, "exact")
        assert (low[place], high[place]) == pytest.approx((known.low, known.high))


def test_of_no_rows_nothing_is_known() -> None:
    assert [bound.tolist() for bound in clopper_pearson([0], [0], 0.95)] == [[0.0], [1.0]]


@given(
    st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.8, 0.95]),
)
def test_rows_to_decide_is_the_first_number_that_decides(given_rows: tuple[int, int], target: float) -> None:
    right, rows = given_rows
    found = int(rows_to_decide(right, rows, target, 0.95, limit=500))
    more = np.arange(501)
    low, high = clopper_pearson(right / rows * (rows + more), rows + more, 0.95)
    decided = np.flatnonzero((low >= target) | (high < target))
    assert found == (decided[0] if len(decided) else -1)


def test_a_stratum_without_rows_cannot_say_how_many_would_decide() -> None:
    assert rows_to_decide([0], [0], 0.95, 0.95).tolist() == [-1]


LAYOUTS = {
    "one row each": np.ones(142, int),
    "ten rows each": np.full(20, 10),
    "sixty rows each": np.full(60, 60),
    "few strata": np.array([3, 10, 30]),
    "skewed": np.maximum(1, 300 // np.arange(1, 143)),
}
RATES = {
    "all alike": lambda rows: np.full(len(rows), 0.95),
    "all near one": lambda rows: np.full(len(rows), 0.995),
    "half": lambda rows: np.full(len(rows), 0.5),
    "large ones wrong": lambda rows: np.where(np.arange(len(rows)) < len(rows) / 2, 0.7, 1.0),
    "small ones wrong": lambda rows: np.where(np.arange(len(rows)) >= len(rows) / 2, 0.9, 1.0),
    "a few lost": lambda rows: np.where(np.arange(len(rows)) % 10 == 3, 0.0, 0.98),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rates", RATES)
def test_each_bound_of_the_stratified_mean_holds(layout: str, rates: str) -> None:
    rows, seeded = LAYOUTS[layout], np.random.default_rng(7)
    rate = RATES[rates](rows)
    drawn = [stratified_mean(right, rows, 0.95) for right in seeded.binomial(rows, rate, (600, len(rows)))]
    low_holds = np.mean([low <= rate.mean() for _, low, _ in drawn])
    high_holds = np.mean([high >= rate.mean() for _, _, high in drawn])
    # Nominal is .975 a side; three standard errors of 600 draws are .019.
    assert min(low_holds, high_holds) >= 0.975 - 0.019


def test_the_stratified_mean_does_not_collapse_at_a_hundred_percent() -> None:
    mean, low, high = stratified_mean([10] * 30, [10] * 30, 0.95)
    assert (mean, high) == (1, 1)
    assert low == pytest.approx(0.025 ** (1 / 300))


def test_more_strata_narrow_the_mean() -> None:
    few, many = (stratified_mean([9] * n, [10] * n, 0.95) for n in (10, 140))
    assert many[2] - many[1] < (few[2] - few[1]) / 3


def test_strata_count_the_same_whatever_their_rows() -> None:
    assert stratified_mean([1000, 0], [1000, 1], 0.95)[0] == 0.5


@given(st.lists(st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1))
def test_the_mean_lies_between_its_bounds(strata: list[tuple[int, int]]) -> None:
    mean, low, high = stratified_mean(*zip(*strata, strict=True), 0.95)
    assert 0 <= low <= mean <= high <= 1
