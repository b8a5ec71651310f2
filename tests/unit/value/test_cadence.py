"""Rules on when to retrain: what they cost, what they may know, and the best that hindsight could do."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adsmu.errors import BadInput
from adsmu.value.cadence import best_in_hindsight, best_period, cost_aware, every, never, play
from adsmu.value.losses import Losses


def losses_from(square):
    return Losses(np.where(np.triu(np.ones(square.shape, dtype=bool)), square, np.nan))


@st.composite
def any_losses(draw, most=6):
    windows = draw(st.integers(2, most))
    return losses_from(draw(arrays(float, (windows, windows), elements=st.floats(0, 100))))


def cost_of(losses, retraining, windows, begin):
    return play(losses, retraining, lambda seen: seen.window in windows, begin).total


@settings(max_examples=40, deadline=None)
@given(any_losses(), st.floats(0, 50), st.integers(0, 3))
def test_no_choice_of_windows_costs_less_than_the_best_in_hindsight(losses, retraining, begin):
    begin = min(begin, len(losses) - 1)
    best = best_in_hindsight(losses, retraining, begin)
    windows = range(max(begin, 1), len(losses))
    costs = [
        cost_of(losses, retraining, chosen, begin)
        for count in range(len(windows) + 1)
        for chosen in combinations(windows, count)
    ]
    assert best.total == pytest.approx(min(costs))
    assert cost_of(losses, retraining, best.retrained, begin) == pytest.approx(best.total)


@settings(max_examples=40, deadline=None)
@given(any_losses(), st.integers(0, 2), st.integers(0, 3))
def test_a_rule_is_shown_nothing_that_was_not_known_at_the_time(losses, late, begin):
    begin = min(begin, len(losses) - 1)

    def looks(seen):
        for model, window in np.argwhere(np.isfinite(seen.known)):
            in_service = model in seen.trained and window < seen.window - late
            assert in_service or (model < begin and window < begin)
        return seen.window % 2 == 0

    play(losses, 1.0, looks, begin, late)


def test_costs_are_those_of_the_windows_served_and_of_each_retraining():
    losses = losses_from(np.array([[1.0, 2, 3, 4], [0, 1, 2, 3], [0, 0, 1, 2], [0, 0, 0, 1]]))
    assert play(losses, 10.0, never).total == 1 + 2 + 3 + 4
    assert play(losses, 10.0, every(2)).total == 1 + 2 + 10 + 1 + 2
    assert play(losses, 10.0, every(1), begin=2).total == 10 + 1 + 10 + 1


def test_the_best_period_is_the_cheapest_of_all():
    losses = losses_from(np.subtract.outer(np.arange(20), np.arange(20)) * -1.0)
    period, played = best_period(losses, 4.0)
    assert played.total == min(play(losses, 4.0, every(each)).total for each in range(1, 21))
    assert 2 <= period <= 4  # √(2 · 4 / 1) of steady ageing


@pytest.mark.parametrize("variant", ["threshold", "cumulative", "periodic"])
def test_a_cost_aware_rule_learns_from_the_windows_before_only(variant):
    random = np.random.default_rng(3)
    square = np.abs(np.subtract.outer(np.arange(40), np.arange(40))) * 0.5 + random.random((40, 40))
    other = square.copy()
    other[:, 20:] = random.random((40, 20)) * 100
    ours, theirs = (cost_aware(losses_from(each), 5.0, 20, variant) for each in (square, other))
    played = [play(losses_from(square), 5.0, rule, 20) for rule in (ours, theirs)]
    assert played[0] == played[1]
    assert played[0].total < play(losses_from(square), 5.0, never, 20).total


def test_an_unknown_variant_is_refused():
    with pytest.raises(BadInput, match="'best' is not one of threshold"):
        cost_aware(losses_from(np.ones((5, 5))), 1.0, 4, "best")
    with pytest.raises(BadInput, match="two windows or more"):
        cost_aware(losses_from(np.ones((5, 5))), 1.0, 1, "periodic")


def test_losses_must_be_of_each_model_in_each_window_since():
    with pytest.raises(BadInput, match="a finite loss for each model"):
        Losses(np.ones((3, 3)))
    with pytest.raises(BadInput, match="two windows or more"):
        Losses(np.ones((1, 1)))
