"""The tests whether the evidence is what it should be, over every outcome there can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adsmu.canary_deploy.split import coverage_growth, split_growth


@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_a_split_as_configured_is_worth_1(requests, share):
    canary = np.arange(requests + 1)
    growth, said = split_growth(np.stack([canary, requests - canary])[..., None], np.array(share))
    assert said.all()
    assert stats.binom.pmf(canary, requests, share) @ np.exp(growth) == pytest.approx(1)


@given(st.integers(1, 25), st.integers(1, 25), st.data())
def test_labels_missing_at_random_are_worth_no_more_than_1(canary, champion, data):
    missing = data.draw(st.integers(0, canary + champion))
    lacks = np.arange(max(0, missing - champion), min(missing, canary) + 1)
    due = np.broadcast_to(np.array([canary, champion])[:, None, None], (2, len(lacks), 1))
    growth, _ = coverage_growth(due, due - np.stack([lacks, missing - lacks])[..., None])
    chances = stats.hypergeom.pmf(lacks, canary + champion, canary, missing)
    assert (np.tensordot(chances, np.exp(growth), axes=1) <= 1 + 1e-9).all()


@pytest.mark.parametrize(("canary", "share"), [(0, 0.05), (400, 0.5), (150, 0.1)])
def test_a_split_of_1000_requests_that_is_off_is_found(canary, share):
    growth, _ = split_growth(np.array([[canary], [1000 - canary]]), np.array(share))
    assert growth.max() > np.log(200)


def test_without_requests_the_split_says_nothing():
    assert not split_growth(np.zeros((2, 3), dtype=int), np.array(0.5))[1]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_request_that_cannot_be_is_found_at_the_ends_of_the_ramp(share):
    requests = np.array([[20], [20]])
    assert split_growth(requests, np.array(share))[0].max() > np.log(200)
