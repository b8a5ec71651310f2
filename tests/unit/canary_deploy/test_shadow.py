"""The paired test of a shadow run, beside ville's and over every outcome."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adsmu.canary_deploy.shadow import log_e


@given(st.integers(0, 60), st.floats(0.001, 0.5))
def test_it_is_worth_at_most_1_while_the_canary_is_as_good(pairs, chance):
    worse = np.arange(pairs + 1)
    value = stats.binom.pmf(worse, pairs, chance) @ np.exp(log_e(worse, pairs - worse))
    assert value <= 1 + 1e-9
    assert chance < 0.5 or value == pytest.approx(1)


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_with_the_opposite_side_it_is_villes_two_sided_test(worse):
    ville = pytest.importorskip("ville")
    x, n = np.cumsum(worse), np.arange(1, len(worse) + 1)
    ours = np.logaddexp(log_e(x, n - x), log_e(n - x, x)) - np.log(2)
    theirs = ville.BernoulliTest(0.5).fit(np.array(worse, dtype=float)).log_e_values_
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_a_far_better_canary_is_no_evidence_of_harm():
    assert log_e(0, 5000) < 0
    assert log_e(5000, 0) > 3000
