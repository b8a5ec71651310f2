"""Paired comparisons and totals of samples with unequal chances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from adsmu.sign_off.paired import compare_pairs, estimated_total
from adsmu.stratified_evaluate.compare import paired_difference


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60))
def test_right_and_wrong_are_compared_by_newcombe_and_mcnemar(answers):
    old, new = np.array(answers).T
    found = compare_pairs(old, new, np.ones(len(old)), False, 0.95)
    cells = [int(((old == a) & (new == b)).sum()) for a, b in ((1, 1), (0, 1), (1, 0), (0, 0))]
    assert (found.difference, found.low, found.high) == paired_difference(*cells, 0.95)
    lost, gained = cells[2], cells[1]
    exact = stats.binomtest(lost, lost + gained, 0.5, alternative="greater").pvalue if lost + gained else 1.0
    assert found.p_harm == pytest.approx(exact)


def test_losses_of_equal_weight_are_compared_as_students_paired_test_does():
    random = np.random.default_rng(2)
    old = random.gamma(2, 5, 80)
    new = old + random.normal(0.4, 2, 80)
    found = compare_pairs(old, new, np.ones(80), True, 0.9)
    test = stats.ttest_rel(new, old, alternative="greater")
    bounds = stats.ttest_rel(new, old).confidence_interval(0.9)
    assert found.p_harm == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high))


def test_of_a_rate_lower_is_worse_and_of_a_loss_higher_is():
    old, new, weight = np.arange(9.0), np.arange(9.0) + np.tile([1.0, 2.0, 1.5], 3), np.ones(9)
    assert compare_pairs(old, new, weight, True, 0.95).p_harm < 0.01
    assert compare_pairs(old, new, weight, False, 0.95).p_harm > 0.99


def test_too_few_rows_say_nothing():
    found = compare_pairs([1.5], [0.5], [3], True, 0.95)
    assert (found.low, found.high, found.p_harm) == (None, None, 1.0)


def test_equal_models_show_no_harm():
    found = compare_pairs([1.5, 2.5, 3.5], [1.5, 2.5, 3.5], [1, 2, 1], True, 0.95)
    assert (found.difference, found.low, found.high, found.p_harm) == (0, 0, 0, 1)


def test_a_sample_with_unequal_chances_gives_totals_and_means_without_bias():
    """Against the full truth: rows that both models find hard are kept four times as often."""
    random = np.random.default_rng(11)
    rows = 4000
    hard = random.random(rows) < 0.2
    old = np.where(hard, 8.0, 1.0) + random.gamma(2, 1, rows)
    new = old + np.where(hard, -2.0, 0.3) + random.normal(0, 0.5, rows)
    chance = np.where(hard, 0.4, 0.1)
    truth, true_total, naive = (new - old).mean(), old.sum(), []
    totals, differences, covered, covered_total = [], [], 0, 0
    for _ in range(400):
        kept = random.random(rows) < chance
        weight = 1 / chance[kept]
        total, low, high = estimated_total(old[kept], weight, 0.95)
        found = compare_pairs(old[kept], new[kept], weight, True, 0.95)
        totals.append(total)
        differences.append(found.difference)
        naive.append((new - old)[kept].mean())
        covered += found.low <= truth <= found.high
        covered_total += low <= true_total <= high
    error = np.std(totals) / np.sqrt(400)
    assert abs(np.mean(totals) - true_total) < 3 * error
    assert abs(np.mean(differences) - truth) < 0.01
    assert abs(np.mean(naive) - truth) > 0.3  # what not weighing them would have said
    assert 0.92 <= covered / 400 <= 0.98
    assert 0.92 <= covered_total / 400 <= 0.98
