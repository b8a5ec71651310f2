import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from adsmu.analyze.novelty import cluster, density, like
from adsmu.analyze.points import points
from adsmu.analyze.quality import broken_rules
from adsmu.analyze.shift import auc, domain, label_weights
from adsmu.errors import BadInput
from adsmu.strategy.watched import Contract


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
)
def test_the_weighted_auc_of_equal_weights_is_that_of_sklearn(low, high):
    truth = [0] * len(low) + [1] * len(high)
    found = auc(np.array(low), np.array(high), np.ones(len(low)), np.ones(len(high)))
    assert found == pytest.approx(roc_auc_score(truth, low + high))


def test_a_weight_of_two_counts_as_two_rows():
    low, high = np.array([1.0, 3.0]), np.array([2.0, 4.0])
    assert auc(low, high, np.array([2.0, 1.0]), np.ones(2)) == auc(
        np.array([1.0, 1.0, 3.0]), high, np.ones(3), np.ones(2)
    )


def test_the_classifier_does_not_claim_to_tell_equal_samples_apart():
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(20):
        found = domain(rng.normal(size=(300, 4)), rng.normal(size=(200, 4)), np.ones(300), np.ones(200))
        claimed += found.low > 0.5
    assert claimed <= 1


def test_importance_is_the_density_ratio_of_a_shifted_normal():
    rng = np.random.default_rng(1)
    before = rng.normal(size=(2000, 1))
    found = domain(before, 1 + rng.normal(size=(2000, 1)), np.ones(2000), np.ones(2000))
    expected = np.clip(np.exp(before[:, 0] - 0.5), 0.1, 10)
    assert np.corrcoef(np.log(found.importance), np.log(expected))[0, 1] > 0.99
    assert np.abs(np.log(found.importance / expected)).mean() < 0.25


def test_class_weights_are_found_through_a_model_that_errs():
    rng = np.random.default_rng(2)
    names = np.array(["a", "b", "c"])

    def answered(label):
        return np.where(rng.random(len(label)) < 0.8, label, rng.choice(names, len(label)))

    old = rng.choice(names, 4000)
    new = rng.choice(names, 4000, p=[0.6, 0.3, 0.1])
    found = label_weights(old, answered(old), answered(new), np.ones(4000), np.ones(4000))
    assert [found[name] for name in names] == pytest.approx([1.8, 0.9, 0.3], abs=0.15)


def test_a_small_group_far_from_the_reference_is_one_cluster_and_nothing_else_is():
    rng = np.random.default_rng(3)
    before = rng.normal(size=(600, 5))
    window = np.vstack([rng.normal(size=(360, 5)), rng.normal(size=(40, 5)) * 0.5 + 4])
    found = cluster(density(before, window), window)
    assert set(range(360, 400)) >= set(found.rows.tolist())
    assert len(found.rows) >= 36
    assert found.cohesion > 0.9
    assert len(cluster(density(before, window[:360]), window[:360]).rows) == 0


def test_rows_of_one_kind_with_a_few_known_ones_are_found():
    rng = np.random.default_rng(4)
    before = rng.normal(size=(600, 2))
    window = np.vstack([rng.normal(size=(360, 2)), rng.normal(size=(40, 2)) * 0.5 + 4])
    found = like(np.array([360, 365]), density(before, window), before, window)
    assert {360, 365} <= set(found.tolist()) <= set(range(360, 400))
    assert len(found) >= 36


def test_columns_of_every_kind_become_points():
    rng = np.random.default_rng(5)

    def made(rows):
        return pa.table(
            {
                "number": pa.array([None, *rng.normal(size=rows - 1)]),
                "category": rng.choice(["x", "y"], rows),
                "text": rng.choice(["play a song", "set an alarm", "stop the song"], rows),
                "words": pa.array([["turn", "it"]] * (rows - 1) + [["off"]]),
                "vector": pa.FixedSizeListArray.from_arrays(rng.normal(size=rows * 8), 8),
            }
        )

    before, now = made(60), made(40)
    old, new = points(before, now, before.column_names, ["text"])
    assert (len(old), len(new)) == (60, 40)
    assert np.isfinite(np.vstack([old, new])).all()
    both = np.vstack([old, new])
    assert both.var(axis=0).sum() == pytest.approx(1 + 1 + 10 + 10 + 10, rel=0.01)


def test_vectors_of_different_lengths_are_refused_with_their_row():
    uneven = pa.table({"v": pa.array([[1.0, 2.0], [3.0]])})
    with pytest.raises(BadInput, match="row 2, column v: vectors of a column must be of one length"):
        points(uneven, uneven, ["v"], [])


def number(values):
    return pa.table({"x": pa.array(values, pa.float64())})


GOOD = np.random.default_rng(6).normal(size=1000)


@pytest.mark.parametrize(
    ("before", "now", "rule"),
    [
        (number(GOOD), number([None] * 30 + GOOD[:470].tolist()), "a value is there"),
        (number(GOOD), number(np.r_[GOOD[:470], np.full(30, 99.0)]), "the number lies from"),
        (number(GOOD), number(np.r_[GOOD[:300], np.full(200, 0.125)]), "the number is not stuck at 0.125"),
        (
            pa.table({"x": ["a", "b"] * 500}),
            pa.table({"x": ["a"] * 470 + ["?"] * 30}),
            "the category is known",
        ),
        (number(GOOD), pa.table({"x": ["1"] * 500}), "values are numbers"),
        (number(GOOD), pa.table({"y": GOOD}), "the column is there"),
    ],
)
def test_a_rule_that_is_broken_is_named(before, now, rule):
    found = broken_rules(before, now, ["x"], [])
    assert {each.column for each in found} == {"x"}
    assert any(each.rule.startswith(rule) for each in found)


@pytest.mark.parametrize(
    ("texts", "rule"),
    [([""] * 30, "the text is not empty"), (["pl\ufffdy"] * 30, "the text's characters are known")],
)
def test_broken_texts_are_named(texts, rule):
    good = ["play", "lay", "yap"]
    found = broken_rules(pa.table({"t": good * 300}), pa.table({"t": good * 150 + texts}), ["t"], ["t"])
    assert [each.rule for each in found] == [rule]


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lambda v: v * 0, "the vector is not constant"),
        (lambda v: v / 255, "the vector's length is at least"),
        (lambda v: v * 100, "the vector's length lies from"),
        (lambda v: np.where(np.arange(16) < 4, np.nan, v), "each number of the vector is there"),
    ],
)
def test_broken_vectors_are_named(damage, rule):
    good = np.random.default_rng(7).uniform(1, 2, size=(1000, 16))

    def column(rows):
        return pa.table({"v": pa.FixedSizeListArray.from_arrays(rows.ravel(), 16)})

    found = broken_rules(column(good), column(np.vstack([good[:450], damage(good[:50])])), ["v"], [])
    assert any(each.rule.startswith(rule) for each in found)


def test_a_shift_of_the_inputs_breaks_no_rule():
    assert broken_rules(number(GOOD), number(GOOD[GOOD > 0.5]), ["x"], []) == []


def test_a_declared_contract_stands_in_place_of_the_range_of_one_season():
    winter, summer = pa.table({"t": np.linspace(-5, 5, 200)}), pa.table({"t": np.linspace(15, 35, 200)})
    assert [each.rule for each in broken_rules(winter, summer, ["t"], [])] == [
        "the number lies from -7.5 to 7.5"
    ]
    assert broken_rules(winter, summer, ["t"], [], {"t": Contract(low=-30, high=50)}) == []
    (broken,) = broken_rules(winter, summer, ["t"], [], {"t": Contract(low=-30, high=25)})
    assert broken.rule == "the number lies from -30 to 25" and broken.share == pytest.approx(0.5)


def test_a_declared_contract_of_values_is_kept_to_the_letter():
    old, new = pa.table({"k": ["a", "b"] * 50}), pa.table({"k": ["a", "c"] * 50})
    (broken,) = broken_rules(old, new, ["k"], [], {"k": Contract(values=("a", "b"))})
    assert broken.rule == "the value is one of a, b" and broken.rows.tolist() == [False, True] * 50
    assert broken_rules(old, new, ["k"], [], {"k": Contract(values=("a", "b", "c"))}) == []
