"""The rule by degradation: prompt after a jump, patient with noise, seasonal where losses repeat."""

import numpy as np
import pytest

from adsmu.value.cadence import Seen, best_in_hindsight, best_period, every, never, play
from adsmu.value.degradation import Degradation, online, season_of
from adsmu.value.losses import Losses

WINDOWS = 300


def losses(kind, seed, noise=0.1):
    """Losses 1 plus how far the truth has moved since a model was trained, and noise of each window."""
    random = np.random.default_rng(seed)
    at = np.arange(WINDOWS)
    truth = {
        "still": np.zeros(WINDOWS),
        "sudden": 2.0 * np.searchsorted([60, 150, 210], at, side="right"),
        "gradual": 0.05 * at,
        "periodic": 1.5 * np.cos(2 * np.pi * at / 50),
    }[kind]
    square = 1 + (truth[None, :] - truth[:, None]) ** 2 + random.normal(0, noise, WINDOWS)
    return Losses(np.where(np.triu(np.ones((WINDOWS, WINDOWS), dtype=bool)), square, np.nan))


def regret(kind, seed, cost=5.0, **given):
    of = losses(kind, seed)
    return play(of, cost, Degradation(1, **given)).total / best_in_hindsight(of, cost).total - 1


@pytest.mark.parametrize(("kind", "most"), [("still", 0.05), ("sudden", 0.12), ("gradual", 0.05)])
def test_it_costs_little_more_than_the_best_in_hindsight(kind, most):
    assert np.mean([regret(kind, seed) for seed in range(6)]) < most


def test_it_costs_less_than_the_best_of_all_periods_when_change_is_sudden():
    for seed in range(4):
        of = losses("sudden", seed)
        assert play(of, 5.0, online(1)).total < best_period(of, 5.0)[1].total


def test_next_to_nothing_is_retrained_while_nothing_changes():
    assert np.mean([len(play(losses("still", seed), 5.0, online(1)).retrained) for seed in range(6)]) < 1.5


def test_a_jump_is_answered_within_days():
    retrained = play(losses("sudden", 0), 5.0, online(1)).retrained
    for jump in (60, 150, 210):
        assert any(jump < window <= jump + 4 for window in retrained)


@pytest.mark.parametrize(("cost", "often"), [(2.0, True), (30.0, False)])
def test_where_losses_repeat_the_best_season_is_used_if_that_costs_less(cost, often):
    """After two seasons of history. Else it retrains as often within a season as pays."""
    of = losses("periodic", 0)
    played = play(of, cost, online(1), begin=100)
    assert (len(played.retrained) > 4) == often
    assert played.total < 1.2 * best_in_hindsight(of, cost, 100).total


def test_late_labels_cost_something_and_are_waited_for():
    of = losses("sudden", 1)
    soon, late = (play(of, 5.0, online(1), late=late) for late in (0, 5))
    assert soon.total < late.total < play(of, 5.0, never).total
    assert min(late.retrained) >= 60 + 6


def test_it_is_cheaper_than_weekly_where_weekly_is_too_often():
    for kind in ("sudden", "gradual", "periodic"):
        of = losses(kind, 2)
        assert play(of, 15.0, online(1)).total < play(of, 15.0, every(7)).total


def test_a_training_that_would_learn_mostly_from_before_a_jump_is_put_off():
    """One window after the jump, with a memory of ten: nearly all that is learnt from is old."""
    known = np.full((60, 60), np.nan)
    known[0, :41] = 1.0 + 0.01 * (np.arange(41) % 2)
    known[0, 39:41] = 3.0
    seen = Seen(41, (0,), known, 5.0, 0)
    assert Degradation(1)(seen) and not Degradation(20)(seen)


def test_seasons_are_told_from_trends_and_noise():
    at, random = np.arange(200), np.random.default_rng(4)
    assert abs(season_of(np.sin(2 * np.pi * at / 60) + random.normal(0, 0.2, 200), 0.85) - 60) <= 3
    assert season_of(0.05 * at + random.normal(0, 0.2, 200), 0.85) == 0
    assert season_of(random.normal(0, 1, 200), 0.85) == 0
    assert season_of(np.sin(2 * np.pi * at[:70] / 60), 0.85) == 0  # seen once and a bit
