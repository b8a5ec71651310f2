import numpy as np
import pytest

from benchmarks.table1.compare import (
    COMPARISONS,
    Comparison,
    Runs,
    accuracy_changes,
    compare,
    differences,
    error_changes,
    gather,
    interval,
    pairs,
)
from benchmarks.table1.summary import changes

A, B, C = ("snips", "A"), ("snips", "B"), ("hwu", "C")


def runs(**arms):
    return Runs(
        {
            arm: {case: {s: {"frame": v} for s, v in seeds.items()} for case, seeds in cases.items()}
            for arm, cases in arms.items()
        }
    )


def test_only_cells_that_both_arms_have_are_compared():
    found = pairs(
        runs(one={A: {0: 0.5, 1: 0.7}, B: {0: 0.9}}, base={A: {1: 0.6, 2: 0.1}}), "one", "base", "frame"
    )
    assert found == {A: [(0.7, 0.6)]}


def test_seeds_are_averaged_before_use_cases_so_many_seeds_of_one_use_case_weigh_no_more():
    many = dict.fromkeys(range(10), 0.9)
    base = dict.fromkeys(range(10), 0.5)
    found = compare(
        runs(adsmu={A: many, B: {0: 0.5}}, equal={A: base, B: {0: 0.5}}), Comparison("adsmu", "equal")
    )
    assert found["mean"] == pytest.approx(0.2)
    assert (found["n"], found["wins"]) == (2, 1)


def test_one_use_case_gives_no_interval_and_so_no_comparison():
    assert compare(runs(adsmu={A: {0: 0.9}}, equal={A: {0: 0.5}}), Comparison("adsmu", "equal")) is None


def test_accuracy_change_and_error_change_of_the_same_figures_differ():
    paired = {A: [(0.9, 0.8)]}
    assert accuracy_changes(paired) == pytest.approx([0.125])
    assert error_changes(paired) == pytest.approx([-0.5])


def test_relative_changes_are_of_the_means_over_seeds():
    assert accuracy_changes({A: [(0.2, 0.1), (0.9, 0.9)]}) == pytest.approx([0.1])


def test_a_base_at_zero_has_no_relative_accuracy_change():
    assert accuracy_changes({A: [(0.5, 0.0)], B: [(0.6, 0.5)]}) == pytest.approx([0.2])


def test_where_less_is_better_a_win_lies_below_zero_and_a_tie_is_no_win():
    found = compare(
        runs(adsmu={A: {0: 0.1}, B: {0: 0.3}, C: {0: 0.3}}, reseeded={A: {0: 0.2}, B: {0: 0.2}, C: {0: 0.3}}),
        Comparison("adsmu", "reseeded", less_is_better=True),
    )
    assert found["wins"] == 1


def test_the_interval_over_use_cases_holds_its_level():
    dice = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        effect = dice.normal(0.03, 0.02, size=6)  # use cases differ, and each is measured with noise
        values = (effect + dice.normal(0, 0.01, size=6)).tolist()
        _, low, high = interval(values)
        covered += low <= 0.03 <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_an_arm_that_is_not_there_gives_no_comparison():
    assert compare(runs(equal={A: {0: 0.5}}), COMPARISONS["adsmu_vs_equal"]) is None
    assert differences({}) == []


def test_a_table_shows_the_arms_that_have_all_of_its_cells():
    some = runs(one={A: {0: 0.1, 1: 0.2}, B: {0: 0.3}}, other={A: {0: 0.1, 1: 0.4}}, third={A: {0: 0.5}})
    cells = some.cells(["one", "other"])
    assert cells == {(A, 0), (A, 1)}
    shown = some.within(cells)
    assert shown.arms == {"one", "other"}
    assert shown.of["one"] == {A: {0: {"frame": 0.1}, 1: {"frame": 0.2}}}
    assert some.cells(["one", "nobody"]) == set()


def test_results_are_gathered_by_arm_use_case_and_seed_with_their_cost():
    result = {
        "arm": "equal",
        "corpus": "snips",
        "use_case": "A",
        "seed": 3,
        "figures": {"frame": 0.5},
        "cost": {"builds": 1.0, "seconds": 2.0, "utterance_epochs": 3.0},
    }
    assert gather([result]).of["equal"][A][3] == {
        "frame": 0.5,
        "builds": 1.0,
        "seconds": 2.0,
        "utterance_epochs": 3.0,
    }


def test_what_a_change_of_an_arm_is_worth_is_the_changed_arm_less_that_arm():
    some = runs(
        recipe={A: {0: 0.5}, B: {0: 0.6}}, recipe_fast={A: {0: 0.4}, B: {0: 0.6}}, equal={A: {0: 0.1}}
    )
    shown = changes(some, "The recipe", "recipe", ["recipe_fast", "recipe_half"])
    (row,) = [line for line in shown if line.startswith("| recipe")]
    assert "learning rate" in row and "| 2 | 2 | -5.0 (" in row
    assert changes(runs(equal={A: {0: 0.1}}), "The recipe", "recipe", ["recipe_fast"]) == []
