import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.analyze.diagnose import DIAGNOSES, LIKELIHOOD, entropy, gain, likelihood, next_test, prior, updated
from adsmu.analyze.losses import change
from adsmu.analyze.outcome import UNKNOWN
from adsmu.analyze.tests import TESTS

EVEN = np.full(len(DIAGNOSES), 1 / len(DIAGNOSES))
beliefs = st.lists(st.floats(0.001, 1), min_size=8, max_size=8).map(lambda b: np.array(b) / sum(b))


def test_every_test_has_a_row_of_the_table_and_every_row_a_test():
    assert {test.name for test in TESTS} == set(LIKELIHOOD)


@pytest.mark.parametrize("test", LIKELIHOOD)
def test_the_results_of_a_test_are_as_likely_as_all_there_is(test):
    total = sum(likelihood(test, result) for result in LIKELIHOOD[test])
    assert total == pytest.approx(np.ones(len(DIAGNOSES)))
    assert all((likelihood(test, result) > 0).all() for result in LIKELIHOOD[test])


@settings(max_examples=100, deadline=None)
@given(beliefs, st.sampled_from(sorted(LIKELIHOOD)))
def test_a_test_never_promises_less_than_nothing_nor_more_than_is_unknown(belief, test):
    assert -1e-9 <= gain(belief, test) <= entropy(belief) + 1e-9


@settings(max_examples=50, deadline=None)
@given(
    beliefs,
    st.permutations([("contract", "kept"), ("domain_classifier", "shifted"), ("random_labels", "worse")]),
)
def test_the_order_of_results_does_not_matter(belief, results):
    told, expected = belief, belief
    for test, result in results:
        told = updated(told, test, result)
    for test, result in sorted(results):
        expected = updated(expected, test, result)
    assert told == pytest.approx(expected)


def test_a_result_that_was_not_to_be_had_tells_nothing():
    assert updated(EVEN, "random_labels", UNKNOWN) == pytest.approx(EVEN)


def test_no_test_follows_a_settled_diagnosis():
    assert next_test(np.eye(8)[3] * 0.97 + 0.03 / 8, TESTS, {}) is None


def test_rules_of_the_data_are_checked_before_anything_else():
    assert next_test(prior([]), TESTS, {}).name == "contract"


def test_a_test_waits_for_the_result_that_gives_it_its_meaning():
    names = {test.name for test in TESTS} - {"cluster_labels"}
    results = dict.fromkeys(names, "")
    torn = np.array([0.5, 0, 0, 0, 0.5, 0, 0, 0])
    assert next_test(torn, TESTS, results) is None
    assert next_test(torn, TESTS, results | {"new_cluster": "one"}).name == "cluster_labels"


def test_labels_that_nobody_supplied_cannot_be_poisoned():
    assert prior([test for test in TESTS if test.name != "label_audit"])[DIAGNOSES.index("poisoned")] == 0
    assert prior(TESTS)[DIAGNOSES.index("poisoned")] == pytest.approx(1 / 8)


@pytest.mark.parametrize("classes", [True, False])
def test_the_interval_of_a_change_covers_it(classes):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        if classes:
            before, now = rng.random(400) < 0.2, rng.random(60) < 0.35
        else:
            before, now = rng.normal(1, 1, 400), rng.normal(1.15, 2, 60)
        found = change(before.astype(float), now.astype(float), classes)
        covered += found.low <= 0.15 <= found.high
    assert covered >= 400 * 0.92
