import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from adsmu.profile.drift import drift, signal_of
from adsmu.profile.profiles import merge, profile

MEASURES = ("psi", "w1", "l_infinity", "l1")


def of(values, **columns):
    return profile(pa.table({"x": values, **columns}))


def one(before, now, **options):
    return drift(of(before), of(now), **options)[0]


SHAPES = {
    "normal": lambda random, n, by: random.normal(by, 1, n),
    "exponential": lambda random, n, by: random.exponential(1 + by, n),
    "two far apart": lambda random, n, by: random.normal(0, 1, n) + 20 * (random.random(n) < 0.3 + by),
    "mostly zero": lambda random, n, by: np.where(random.random(n) < 0.7 - by, 0, random.normal(5, 1, n)),
    "whole": lambda random, n, by: random.poisson(5 * (1 + by), n).astype(float),
    "lognormal": lambda random, n, by: np.exp(random.normal(by, 1, n)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("by", [0.0, 0.01, 0.2])
def test_w1_of_profiles_is_that_of_scipy(shape, by):
    random = np.random.default_rng(8)
    before, now = SHAPES[shape](random, 50_000, 0.0), SHAPES[shape](random, 30_000, by)
    expected = stats.wasserstein_distance(before, now)
    found = one(before, now)
    assert found.w1_raw == pytest.approx(expected, abs=1e-3 * before.std())
    assert found.w1 == pytest.approx(expected / before.std(), abs=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_psi_l1_and_l_infinity_of_profiles_are_those_of_the_rows(shape):
    random = np.random.default_rng(9)
    before, now = SHAPES[shape](random, 50_000, 0.0), SHAPES[shape](random, 30_000, 0.1)
    edges = np.unique(np.quantile(before, np.linspace(0, 1, 11)[1:-1]))
    p, q = (
        np.bincount(np.searchsorted(edges, each, "left"), minlength=len(edges) + 1) / len(each)
        for each in (before, now)
    )
    p, q = p[(p > 0) | (q > 0)], q[(p > 0) | (q > 0)]
    found = one(before, now)
    assert found.psi == pytest.approx(((q - p) * np.log(q / p)).sum(), abs=1e-3)
    assert found.l1 == pytest.approx(np.abs(q - p).sum(), abs=2e-3)
    assert found.l_infinity == pytest.approx(np.abs(q - p).max(), abs=1e-3)


def test_figures_from_merged_profiles_are_those_from_one():
    random = np.random.default_rng(10)
    before, now = random.normal(0, 1, 40_000), random.normal(0.3, 1.2, 40_000)
    parts = [of(part) for part in np.split(now, 4)]
    merged = merge(merge(parts[0], parts[1]), merge(parts[2], parts[3]))
    whole, found = one(before, now), drift(of(before), merged)[0]
    for measure in MEASURES:
        assert getattr(found, measure) == pytest.approx(getattr(whole, measure), abs=1e-3)


def test_psi_of_gaussians_tends_to_the_square_of_their_shift():
    random = np.random.default_rng(11)
    excess = [one(random.normal(0, 1, 10_000), random.normal(0.5, 1, 10_000)).psi_excess for _ in range(20)]
    assert np.mean(excess) == pytest.approx(0.25, abs=0.015)


@pytest.mark.parametrize("rows", [100, 1_000])
def test_the_null_mean_of_psi_is_as_stated(rows):
    random = np.random.default_rng(12)
    found = [one(random.normal(0, 1, rows), random.normal(0, 1, rows)) for _ in range(100)]
    for each in found:
        assert each.psi_null == pytest.approx((each.bins - 1) * 2 / rows)
    assert np.mean([each.psi for each in found]) == pytest.approx(
        np.mean([each.psi_null for each in found]), rel=0.15
    )


def test_l1_and_l_infinity_of_categories_are_their_closed_forms():
    before, now = ["a"] * 500 + ["b"] * 500, ["a"] * 300 + ["b"] * 500 + ["c"] * 200
    found = one(before, now)
    assert (found.l1, found.l_infinity) == (pytest.approx(0.4), pytest.approx(0.2))
    assert found.w1 is None
    apart = one(["a"] * 500, ["b"] * 500)
    assert (apart.l1, apart.l_infinity) == (2.0, 1.0)
    assert np.isfinite(apart.psi)


def test_too_few_rows_are_refused_and_never_alert():
    found = one(np.zeros(1_000), np.full(60, 9.0))
    assert found.refused == "the window has 60 effective rows, 100 are needed"
    assert found.psi is None
    assert not any(found.exceeds(measure, 0.0) for measure in MEASURES)
    assert one(np.zeros(1_000), np.full(60, 9.0), minimum_rows=50).exceeds("psi", 0.1)


def test_weights_lower_the_effective_rows():
    weights = np.where(np.arange(1_000) < 10, 1_000.0, 1.0)
    now = profile(pa.table({"x": np.arange(1_000.0), "weight": weights}))
    found = drift(of(np.arange(1_000.0)), now)[0]
    assert found.rows == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert found.refused


def test_a_trifle_does_not_alert_however_many_rows():
    random = np.random.default_rng(13)
    before, now = random.normal(0, 1, 1_000_000), random.normal(0.01, 1, 1_000_000)
    assert stats.ks_2samp(before, now).pvalue < 1e-6
    found = one(before, now)
    assert found.psi_excess < 0.001
    assert not found.exceeds("psi", 0.1)
    assert not found.exceeds("w1", 0.1)


def test_false_alarms_of_a_family_of_columns_are_bounded_at_few_rows():
    random = np.random.default_rng(14)

    def window(rows):
        columns = {f"normal {each}": random.normal(0, 1, rows) for each in range(6)}
        columns |= {f"lognormal {each}": np.exp(1.5 * random.normal(0, 1, rows)) for each in range(4)}
        columns |= {f"kind {each}": random.integers(0, 5, rows).astype(str) for each in range(5)}
        return profile(pa.table(columns))

    reference, windows = window(20_000), 100
    found = [drift(reference, window(100)) for _ in range(windows)]
    for measure in MEASURES:
        alarms = sum(any(each.exceeds(measure, 0.0) for each in window) for window in found)
        assert alarms <= stats.binom.ppf(0.999, windows, 0.05)


def test_a_real_shift_is_seen_at_few_rows():
    random = np.random.default_rng(15)
    reference = random.normal(0, 1, 20_000)
    found = [one(reference, random.normal(1, 1, 200), family=20) for _ in range(20)]
    for measure in MEASURES:
        assert sum(each.exceeds(measure, 0.2) for each in found) >= 19


def test_predictions_labels_features_and_embeddings_are_separate_signals():
    columns = {"prediction": ["a"], "score": [0.5], "label": ["a"], "x": [1.0], "v": [[1.0, 2.0]]}
    made = profile(pa.table(columns))
    assert {name: signal_of(name, column) for name, column in made.columns.items()} == {
        "prediction": "prediction",
        "score": "prediction",
        "label": "label",
        "x": "feature",
        "v": "embedding",
    }


def test_a_constant_column_has_no_scaled_distance():
    found = one(np.ones(500), np.ones(500))
    assert (found.w1, found.w1_raw, found.psi, found.l1) == (None, 0.0, 0.0, 0.0)
    assert one(np.ones(500), np.zeros(500)).exceeds("l1", 0.5)


def test_columns_of_other_kinds_are_left_to_the_schema():
    assert drift(of([1.0] * 200, y=["a"] * 200), of(["a"] * 200, z=[1.0] * 200)) == []


def test_sums_that_round_above_the_whole_leave_finite_floors():
    random = np.random.default_rng(16)
    for count in range(1_000, 1_020):
        weights = random.random(count)
        made = profile(pa.table({"x": random.normal(0, 1, count), "weight": weights}))
        with np.errstate(all="raise"):
            found = drift(made, made)[0]
        assert np.isfinite([found.w1_floor, found.psi_floor, found.l1_floor, found.l_infinity_floor]).all()
