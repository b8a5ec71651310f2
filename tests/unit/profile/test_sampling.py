import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from adsmu.errors import BadInput
from adsmu.profile.observations import observations
from adsmu.profile.sampling import sample

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def table(kinds, **columns):
    count = len(kinds)
    return observations(
        pa.table({"id": [f"r{row}" for row in range(count)], "time": [NOW] * count, "kind": kinds, **columns})
    )


def skewed(count=20_000):
    random = np.random.default_rng(1)
    return table([f"k{number}" for number in np.minimum(random.geometric(0.5, count), 12)])


def test_a_uniform_sample_keeps_each_stratum_within_its_binomial_bound():
    rows = skewed()
    kept = sample(rows, 0.1)
    for kind, count in zip(*np.unique(rows["kind"].to_pylist(), return_counts=True), strict=True):
        found = sum(each == kind for each in kept["kind"].to_pylist())
        low, high = stats.binom.interval(1 - 1e-4, count, 0.1)
        assert low <= found <= high


def test_a_stratified_sample_keeps_the_exact_share_and_never_loses_the_rarest():
    rows = skewed()
    kept = sample(rows, 0.01, by="kind")
    counts = dict(zip(*np.unique(rows["kind"].to_pylist(), return_counts=True), strict=True))
    found = dict(zip(*np.unique(kept["kind"].to_pylist(), return_counts=True), strict=True))
    assert min(counts.values()) < 30
    assert found == {kind: max(1, round(0.01 * count)) for kind, count in counts.items()}


def test_the_floor_is_kept_where_a_stratum_has_the_rows():
    kept = sample(table(["a"] * 500 + ["b"] * 9 + ["c"] * 2), 0.01, by="kind", floor=5)
    assert [kept["kind"].to_pylist().count(kind) for kind in "abc"] == [5, 5, 2]


def test_weights_of_a_stratified_sample_add_up_to_the_rows_of_each_stratum():
    rows = skewed()
    kept = sample(rows, 0.01, by="kind")
    for kind in set(rows["kind"].to_pylist()):
        stands_for = sum(
            weight
            for name, weight in zip(kept["kind"].to_pylist(), kept["weight"].to_pylist(), strict=True)
            if name == kind
        )
        assert stands_for == pytest.approx(rows["kind"].to_pylist().count(kind))


@pytest.mark.parametrize("by", [None, "kind"])
def test_weighted_totals_are_unbiased(by):
    random = np.random.default_rng(2)
    values = random.exponential(1, 2000)
    rows = table([f"k{number}" for number in np.minimum(random.geometric(0.5, 2000), 6)], x=values)
    kept = [sample(rows, 0.1, by=by, seed=seed) for seed in range(200)]
    totals = [float(np.dot(each["weight"].to_numpy(), each["x"].to_numpy())) for each in kept]
    error = np.std(totals) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - values.sum()) < 4 * error


def test_samples_of_samples_multiply_their_weights():
    once = sample(skewed(), 0.5, by="kind")
    twice = sample(once, 0.5, by="kind", seed=1)
    assert twice["weight"].to_numpy().sum() == pytest.approx(20_000, rel=1e-9)


def test_the_same_rows_are_kept_in_whatever_order_they_come():
    rows = skewed(1000)
    again = rows.take(pa.array(np.random.default_rng(0).permutation(1000)))
    for by in (None, "kind"):
        assert set(sample(rows, 0.1, by=by)["id"].to_pylist()) == set(
            sample(again, 0.1, by=by)["id"].to_pylist()
        )


@pytest.mark.parametrize("options", [{"share": 0}, {"share": 1.5}, {"share": 0.5, "by": "absent"}])
def test_impossible_requests_are_refused(options):
    with pytest.raises(BadInput):
        sample(skewed(10), **options)


def test_rows_without_a_stratum_are_a_stratum():
    kept = sample(table(["a"] * 50 + [None] * 2), 0.02, by="kind")
    assert sorted(kept["kind"].to_pylist(), key=str) == [None, "a"]


def test_the_rarest_weather_of_the_bicycles_is_in_a_stratified_sample_of_one_in_a_hundred(bike):
    weather = pd.read_csv(bike)["weathersit"].astype(str).tolist()
    kept = sample(table(weather), 0.01, by="kind")
    found = dict(zip(*np.unique(kept["kind"].to_pylist(), return_counts=True), strict=True))
    assert weather.count("4") == 3 and found["4"] >= 1
    for kind in "123":
        assert found[kind] == pytest.approx(0.01 * weather.count(kind), abs=1)
    assert sum(kept["weight"].to_pylist()) == pytest.approx(len(weather))
