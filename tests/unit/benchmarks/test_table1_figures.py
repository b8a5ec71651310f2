import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.stratified_evaluate.correctness import FIGURES
from benchmarks.table1.figures import figures


def marks(frame, **others):
    frame = np.array(frame, dtype=bool)
    return {name: np.array(others.get(name, frame), dtype=bool) for name in FIGURES} | {"frame": frame}


def measured(frame, group, **given):
    frame = np.array(frame, dtype=bool)
    old = given.get("old", [True])
    return figures(
        marks(frame, **given.get("others", {})),
        np.array(group),
        np.array(given.get("natural", [1] * (max(group) + 1))),
        np.array(given.get("outside", [False] * len(frame)), dtype=bool),
        marks(old),
        np.array(given.get("champion", [True] * len(old)), dtype=bool),
    )


def test_every_stratum_weighs_the_same_however_many_rows_it_has():
    assert measured([1, 1, 1, 1, 0], [0, 0, 0, 0, 1])["frame"] == 0.5


def test_a_stratum_without_test_rows_is_not_counted():
    assert measured([1, 1], [0, 2], natural=[1, 1, 1])["frame"] == 1.0


def test_rows_of_unseen_shape_are_a_figure_of_their_own():
    found = measured([1, 0, 1, 0], [0, 0, -1, -1])
    assert (found["frame"], found["unseen_shapes"], found["micro"]) == (0.5, 0.5, 0.5)
    assert measured([1], [0])["unseen_shapes"] is None


def test_values_outside_the_catalog_are_counted_in_declared_strata_only():
    found = measured([1, 0, 1], [0, 0, -1], outside=[False, True, True])
    assert found["unseen_values"] == 0.0


def test_the_worst_decile_is_the_mean_of_the_worst_tenth_of_strata():
    frame, group = [0, *[1] * 18, 0], [*range(10), *range(10)]
    assert measured(frame, group)["worst_decile"] == 0.5


def test_negative_flips_are_what_the_champion_had_right_and_positive_flips_what_it_had_wrong():
    found = measured([1], [0], old=[1, 0, 0, 1], champion=[1, 1, 0, 0])
    assert (found["negative_flips"], found["positive_flips"], found["existing"]) == (0.25, 0.25, 0.5)


def test_the_mean_of_three_is_over_domain_intent_and_slots():
    others = {"domain": [1, 1], "intent": [1, 0], "slots": [0, 0]}
    assert measured([0, 0], [0, 0], others=others)["mean_of_three"] == pytest.approx(0.5)


def test_without_a_row_of_a_declared_stratum_there_are_no_figures():
    with pytest.raises(ValueError, match="no test row"):
        measured([1], [-1], natural=[1])


@given(st.lists(st.tuples(st.integers(-1, 4), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_figures_do_not_depend_on_the_order_of_rows(rows, dice):
    rows = [(0, True), *rows]
    shuffled = dice.sample(rows, len(rows))
    one, other = (
        measured([right for _, right in part], [group for group, _ in part], natural=[1] * 5)
        for part in (rows, shuffled)
    )
    assert one == pytest.approx(other)
