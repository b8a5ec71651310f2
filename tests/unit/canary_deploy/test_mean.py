"""The proof of non-inferiority, beside ville's boundary and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.canary_deploy import mean


@given(st.floats(10, 1e6), st.floats(0.005, 0.5), st.floats(0.001, 0.5))
def test_the_bar_is_reached_at_villes_one_sided_boundary(information, margin, alpha):
    ville = pytest.importorskip("ville")
    boundary = ville.normal_mixture(information, alpha, 1 / margin**2, one_sided=True)
    at = float(boundary) / information - margin
    assert mean.log_proof(np.array(at), np.array(1 / information), margin) == pytest.approx(
        np.log(1 / alpha), abs=1e-6
    )
    assert mean.lower_bound(at, 1 / information, margin, alpha) == pytest.approx(-margin, abs=1e-9)


def looks(rng, runs, shares, champion, loss, strata=3, requests=120):
    """Sums, right and labelled answers of rollouts whose share and rates change from look to look."""
    sums, totals = 0, np.zeros((2, 2, runs, strata))
    for share, right in zip(shares, champion, strict=True):
        canary = rng.binomial(requests, share, (runs, strata))
        labelled = np.stack([canary, requests - canary])
        correct = rng.binomial(labelled, np.array([right - loss, right])[:, None, None])
        sums, totals = sums + mean.differences(correct, labelled), totals + np.stack([correct, labelled])
        yield sums, *totals


SHARES = [0.05] * 5 + [0.1] * 5 + [0.25] * 5 + [0.5] * 10


def test_a_trend_does_not_pass_for_a_difference():
    trend = np.linspace(0.95, 0.6, len(SHARES))
    *_, (sums, correct, labelled) = looks(np.random.default_rng(0), 400, SHARES, trend, 0)
    difference, _ = mean.equal_weighted(*mean.estimate(sums, correct, labelled))
    naive = (correct[0] / labelled[0] - correct[1] / labelled[1]).mean(axis=-1)
    assert abs(difference.mean()) < 0.003
    assert naive.mean() < -0.05


@pytest.mark.parametrize("trend", [0.0, 0.3])
def test_the_variance_is_that_of_the_estimate_and_errs_to_the_wide_side(trend):
    champion = np.linspace(0.95, 0.95 - trend, len(SHARES))
    *_, last = looks(np.random.default_rng(1), 2000, SHARES, champion, 0.02)
    difference, variance = mean.equal_weighted(*mean.estimate(*last))
    assert 0.97 < variance.mean() / difference.var() < 1.25


@pytest.mark.parametrize("trend", [0.0, 0.3])
def test_at_the_margin_it_is_seldom_ever_proven(trend):
    champion = np.linspace(0.95, 0.95 - trend, len(SHARES))
    ever = np.zeros(2000, dtype=bool)
    for sums, correct, labelled in looks(np.random.default_rng(2), 2000, SHARES, champion, 0.05):
        enough = (labelled >= 20).all(axis=(0, -1))
        figures = mean.equal_weighted(*mean.estimate(sums, correct, labelled))
        ever |= enough & (mean.log_proof(*figures, 0.05) >= np.log(20))
    assert 0 < ever.mean() <= 0.05


def test_equal_models_are_proven_alike():
    *_, last = looks(np.random.default_rng(3), 200, SHARES, np.full(len(SHARES), 0.9), 0)
    proof = mean.log_proof(*mean.equal_weighted(*mean.estimate(*last)), 0.05)
    assert (proof >= np.log(20)).mean() > 0.9


def test_a_stratum_without_labels_of_one_variant_proves_nothing():
    correct, labelled = np.array([[9, 0], [90, 90]]), np.array([[10, 0], [100, 100]])
    figures = mean.equal_weighted(*mean.estimate(mean.differences(correct, labelled), correct, labelled))
    assert mean.log_proof(*figures, 0.05) == -np.inf
    assert np.isnan(mean.lower_bound(*map(float, figures), 0.05, 0.05))
