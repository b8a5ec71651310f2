"""Candidate against champion on the same rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adsmu.stratified_evaluate.compare import holm, p_harm, paired_difference, relative_changes

CELLS = st.tuples(*[st.integers(0, 200)] * 4).filter(any)


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_of_harm_is_the_binomial_test_of_the_discordant_rows(lost: int, gained: int) -> None:
    known = stats.binomtest(lost, lost + gained, alternative="greater").pvalue if lost + gained else 1.0
    assert float(p_harm(lost, gained)) == pytest.approx(known)


def test_the_test_for_harm_errs_no_more_often_than_stated() -> None:
    lost = np.random.default_rng(3).binomial(40, 0.5, 20_000)
    assert np.mean(p_harm(lost, 40 - lost) < 0.05) <= 0.05


def test_over_many_tests_one_is_found_harmed_by_chance_no_more_often_than_stated() -> None:
    lost = np.random.default_rng(4).binomial(30, 0.5, (2_000, 100))
    found = [(holm(p) < 0.05).any() for p in p_harm(lost, 30 - lost)]
    assert np.mean(found) <= 0.05
    assert np.mean((p_harm(lost, 30 - lost) < 0.05).any(axis=1)) > 0.9  # what Holm saves us from


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_only_raises(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


@given(CELLS)
def test_the_difference_lies_within_its_interval_and_mirrors(cells: tuple[int, int, int, int]) -> None:
    both, gained, lost, neither = cells
    difference, low, high = paired_difference(both, gained, lost, neither, 0.95)
    assert -1 <= low <= difference <= high <= 1
    assert paired_difference(both, lost, gained, neither, 0.95) == pytest.approx((-difference, -high, -low))


@pytest.mark.parametrize(
    "probabilities", [(0.9, 0.03, 0.03, 0.04), (0.6, 0.1, 0.05, 0.25), (0.97, 0.005, 0.015, 0.01)]
)
@pytest.mark.parametrize("rows", [100, 1_500])
def test_the_interval_of_the_difference_holds(probabilities: tuple[float, ...], rows: int) -> None:
    true = probabilities[1] - probabilities[2]
    drawn = np.random.default_rng(5).multinomial(rows, probabilities, 1_500)
    held = [low <= true <= high for _, low, high in (paired_difference(*cells, 0.95) for cells in drawn)]
    assert np.mean(held) >= 0.95 - 0.017  # three standard errors of 1,500 draws


def test_equal_models_on_few_rows_are_not_shown_to_be_equal() -> None:
    assert paired_difference(100, 0, 0, 0, 0.95)[1] < -0.02
    assert paired_difference(200, 0, 0, 0, 0.95)[1] > -0.02


def test_a_change_from_nothing_has_no_relative_size() -> None:
    assert relative_changes(0.0, 0.9) == (None, pytest.approx(-0.9))
    assert relative_changes(1.0, 0.9) == (pytest.approx(-0.1), None)
