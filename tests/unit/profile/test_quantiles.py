import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.profile.quantiles import CELLS, KNOTS, distribution_of, merged

MANY = 4 * CELLS + 10_000

SHAPES = {
    "normal": lambda random, n: random.normal(0, 1, n),
    "exponential": lambda random, n: random.exponential(1, n),
    "lognormal": lambda random, n: np.exp(2 * random.normal(0, 1, n)),
    "cauchy": lambda random, n: random.standard_cauchy(n),
    "two far apart": lambda random, n: random.normal(0, 1, n) + 1000 * (random.random(n) < 0.3),
    "mostly zero": lambda random, n: np.where(random.random(n) < 0.7, 0, random.normal(5, 1, n)),
    "rounded": lambda random, n: np.round(random.normal(0, 1, n), 2),
    "an outlier": lambda random, n: np.append(random.normal(0, 1, n - 1), 1e12),
    "seconds": lambda random, n: 1.7e9 + random.integers(0, 2_592_000, n).astype(float),
    "tiny": lambda random, n: 1e-300 * random.random(n),
    "huge": lambda random, n: 1e308 * random.uniform(-1, 1, n),
}


def worst_rank_error(found, x):
    x = np.sort(x)
    at = np.unique(np.quantile(x, np.linspace(0, 1, 1001), method="nearest"))
    return np.abs(found.up_to(at) - np.searchsorted(x, at, "right")).max() / len(x)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [5_000, MANY])
def test_ranks_are_within_the_stated_error(shape, count):
    x = SHAPES[shape](np.random.default_rng(3), count)
    found = distribution_of(x)
    assert len(found.values) <= KNOTS
    assert (np.diff(found.values) > 0).all()
    assert found.weight == pytest.approx(count, rel=1e-12)
    assert (found.values[0], found.values[-1]) == (x.min(), x.max())
    assert worst_rank_error(found, x) <= 0.015


@pytest.mark.parametrize("shape", SHAPES)
def test_merging_parts_adds_little_error(shape):
    x = SHAPES[shape](np.random.default_rng(4), 40_000)
    parts = [distribution_of(part) for part in np.split(x, 8)]
    while len(parts) > 1:
        parts = [merged(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    assert parts[0].weight == pytest.approx(len(x), rel=1e-9)
    assert (parts[0].values[0], parts[0].values[-1]) == (x.min(), x.max())
    assert worst_rank_error(parts[0], x) <= 0.03


few = st.lists(st.sampled_from([-1e9, -2.5, -0.0, 0.0, 1.0, 3.0, 7e5]), min_size=1, max_size=60)


@given(few, few)
@settings(max_examples=60, deadline=None)
def test_few_distinct_values_are_exact_in_any_order_and_grouping(a, b):
    both = merged(distribution_of(np.array(a)), distribution_of(np.array(b)))
    values, counts = np.unique(a + b, return_counts=True)
    assert both.values.tolist() == values.tolist()
    assert both.at.tolist() == counts.tolist()
    assert not both.below.any()


def test_few_distinct_values_of_many_rows_are_exact():
    x = np.random.default_rng(0).poisson(20, MANY).astype(float)
    found = distribution_of(x)
    values, counts = np.unique(x, return_counts=True)
    assert found.values.tolist() == values.tolist()
    assert found.at.tolist() == counts.tolist()


def test_weights_count_as_copies_of_a_row():
    random = np.random.default_rng(5)
    for count in (3_000, MANY):
        x, weights = random.normal(0, 1, count), random.integers(1, 4, count)
        weighted = distribution_of(x, weights.astype(float))
        at = np.linspace(-2, 2, 9)
        expected = distribution_of(np.repeat(x, weights)).up_to(at)
        assert np.abs(weighted.up_to(at) - expected).max() / weights.sum() < 1e-3


def test_up_to_and_under_differ_by_the_weight_at_a_value():
    found = distribution_of(np.array([1.0, 1.0, 2.0]))
    assert found.up_to(np.array([0.0, 1.0, 1.5, 2.0])).tolist() == [0, 2, 2, 3]
    assert found.under(np.array([1.0, 2.0, 3.0])).tolist() == [0, 2, 3]


def test_quantiles_invert_the_ranks():
    x = np.random.default_rng(6).normal(0, 1, 20_000)
    shares = np.linspace(0.01, 0.99, 50)
    assert np.abs(distribution_of(x).quantiles(shares) - np.quantile(x, shares)).max() < 0.02


def test_nothing_is_a_distribution_too():
    none = distribution_of(np.zeros(0))
    assert none.weight == 0
    assert merged(none, distribution_of(np.array([2.0]))).values.tolist() == [2.0]
    assert np.isnan(none.quantiles(np.array([0.5]))).all()
