"""The harm test: what its e-process is worth is computed exactly, over every outcome there can be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from adsmu.canary_deploy.harm import RATIOS, TWO_SIDED, Mixture, log_growth, share_of, with_all


def expected(canary, champion, failures, ratios, odds=1.0):
    """The mean of each likelihood ratio, given how many failures there were."""
    failed = np.arange(max(0, failures - champion), min(failures, canary) + 1)
    ways = special.binom(canary, failed) * special.binom(champion, failures - failed) * odds**failed
    chances = ways / ways.sum()  # Fisher's noncentral hypergeometric
    share = share_of(np.array(canary), np.array(champion))
    return chances @ np.exp(log_growth(failed, np.full(failed.shape, failures), share, ratios))


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_one_look_is_worth_no_more_than_1_where_nothing_differs(canary, champion, data):
    failures = data.draw(st.integers(0, canary + champion))
    assert (expected(canary, champion, failures, RATIOS) <= 1 + 1e-9).all()
    assert (expected(canary, champion, failures, TWO_SIDED) <= 1 + 1e-9).all()


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.1, 1), st.data())
def test_one_look_is_worth_no_more_than_1_where_the_canary_is_better(canary, champion, odds, data):
    failures = data.draw(st.integers(0, canary + champion))
    assert (expected(canary, champion, failures, RATIOS, odds) <= 1 + 1e-9).all()


def test_one_look_is_worth_more_than_1_where_the_canary_is_worse():
    assert (expected(50, 50, 10, RATIOS[:3], odds=3.0) > 1.05).all()


@given(st.lists(st.booleans(), max_size=30))
def test_looks_that_move_nothing_leave_an_e_process_at_1(said):
    mixture = Mixture.begin((), 5)
    for each in said:
        mixture = mixture.after(np.zeros(5), np.array(each))
    assert abs(float(mixture.log_e())) < 1e-12


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=12))
def test_the_mixture_is_the_mean_over_every_look_a_difference_can_begin_at(growth):
    mixture = Mixture.begin((), 1)
    for each in growth:
        mixture = mixture.after(np.array([each]), np.array(True))
    weights = [0.9] + [0.1 / (t * (t - 1)) for t in range(2, 5000)]
    begun = [np.exp(sum(growth[start:])) if start < len(growth) else 1.0 for start in range(len(weights))]
    assert np.isclose(np.exp(mixture.log_e()), np.dot(weights, begun) + 1 - sum(weights), rtol=1e-9)


def test_a_canary_that_turns_bad_late_is_found_though_it_was_good_for_long():
    mixture, plain = Mixture.begin((), len(RATIOS)), np.zeros(len(RATIOS))
    for look in range(120):
        growth = log_growth(20 if look < 100 else 60, 60 if look < 100 else 100, 0.5, RATIOS)
        mixture, plain = mixture.after(growth, np.array(True)), plain + growth
    assert mixture.log_e() > np.log(1000)
    assert np.log(np.exp(plain).mean()) < -10


def test_strata_are_also_taken_together():
    growth = np.arange(6.0).reshape(3, 2)
    assert with_all(growth, axis=0).tolist() == [[0, 1], [2, 3], [4, 5], [6, 9]]


def test_a_share_of_nothing_is_0():
    assert share_of(np.array([0, 3]), np.array([0, 1])).tolist() == [0, 0.75]
