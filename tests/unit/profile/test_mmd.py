import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binom

from adsmu.profile.drift import drift
from adsmu.profile.features import median_bandwidth
from adsmu.profile.mmd import mmd
from adsmu.profile.profiles import profile


def by_hand(x, y, bandwidth):
    def mean(a, b, distinct):
        kernel = np.exp(-cdist(a, b, "sqeuclidean") / (2 * bandwidth**2))
        return (kernel.sum() - len(a)) / (len(a) * (len(a) - 1)) if distinct else kernel.mean()

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (30, 17), (700, 900)])
def test_the_statistic_is_the_double_sum(n, m):
    random = np.random.default_rng(n)
    x, y = random.normal(0, 1, (n, 5)), random.normal(0.2, 1, (m, 5)) + 100
    found = mmd(x + 100, y, permutations=3)
    assert found.value == pytest.approx(by_hand(x + 100, y, found.bandwidth), rel=1e-3, abs=2e-6)


def test_permutations_are_the_statistic_of_exchanged_rows():
    random = np.random.default_rng(1)
    x, y = random.normal(0, 1, (40, 3)), random.normal(0, 1, (60, 3))
    found = mmd(x, y, permutations=5, seed=7)
    rows, again = np.concatenate([x, y]), np.random.default_rng(7)
    for value in found.permuted:
        order = again.permutation(100)
        assert value == pytest.approx(by_hand(rows[order[:40]], rows[order[40:]], found.bandwidth), abs=1e-5)


def test_the_bandwidth_is_half_the_median_squared_distance():
    x = np.random.default_rng(2).normal(0, 1, (300, 4))
    distances = cdist(x, x, "sqeuclidean")[np.triu_indices(300, 1)]
    assert median_bandwidth(x) == pytest.approx(np.sqrt(np.median(distances) / 2))


def test_p_values_are_uniform_without_a_change():
    random = np.random.default_rng(3)
    p = [mmd(*random.normal(0, 1, (2, 50, 4)), permutations=39, seed=seed).p_value for seed in range(120)]
    assert binom.ppf(1e-3, 120, 0.5) <= sum(each <= 0.5 for each in p) <= binom.ppf(1 - 1e-3, 120, 0.5)
    assert sum(each <= 0.05 for each in p) <= binom.ppf(1 - 1e-3, 120, 0.05)


def vectors(values):
    return pa.table({"v": pa.array(list(values.astype(np.float32)))})


def test_random_features_give_the_exact_statistic_from_profiles():
    random = np.random.default_rng(4)
    x, y = random.normal(0, 1, (3_000, 16)), random.normal(0.15, 1, (3_000, 16))
    reference = profile(vectors(x))
    found = drift(reference, profile(vectors(y), like=reference))[0]
    exact = mmd(x, y, permutations=1, bandwidth=reference.columns["v"].map.bandwidth).value
    assert found.signal == "embedding"
    assert found.mmd == pytest.approx(exact, rel=0.25)
    assert found.exceeds("mmd", 0.0)


def test_random_features_raise_few_false_alarms():
    random = np.random.default_rng(5)
    reference = profile(vectors(random.normal(0, 1, (2_000, 16))))
    alarms = sum(
        drift(reference, profile(vectors(random.normal(0, 1, (200, 16))), like=reference))[0].exceeds(
            "mmd", 0.0
        )
        for _ in range(60)
    )
    assert alarms <= binom.ppf(0.999, 60, 0.05)


def test_maps_of_other_random_features_are_not_compared():
    random = np.random.default_rng(6)
    one, other = (profile(vectors(random.normal(0, 1, (200, 4))), seed=seed) for seed in (0, 1))
    assert drift(one, other)[0].mmd is None


def test_the_floor_of_random_features_is_not_far_above_what_noise_reaches():
    random = np.random.default_rng(8)
    rows = [profile(vectors(random.normal(0, 1, (1_000, 16))))]
    rows += [profile(vectors(random.normal(0, 1, (1_000, 16))), like=rows[0]) for _ in range(40)]
    found = [drift(rows[0], each)[0] for each in rows[1:]]
    highest = np.quantile([each.mmd for each in found], 0.95)
    assert found[0].mmd_floor < 2 * highest
