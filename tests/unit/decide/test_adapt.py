"""A threshold that follows a shifting stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.decide.adapt import regret_bound, tuned, weights

THRESHOLDS = np.linspace(0, 1, 21)
ASK = 0.3
"""What asking a person costs; a wrong answer costs 1."""


def shifting_stream(seed: int, steps: int = 4000, shifts: int = 4) -> np.ndarray:
    """Losses of every threshold: the model is by turns as sure as it is right, and far too sure."""
    random = np.random.default_rng(seed)
    score = random.uniform(0, 1, steps)
    too_sure = (np.arange(steps) * shifts // steps) % 2 == 1
    right = random.uniform(0, 1, steps) < np.where(too_sure, score**6, score ** (1 / 3))
    answers = score[:, None] >= THRESHOLDS
    return np.where(answers, ~right[:, None], ASK).astype(float)


def loss(losses: np.ndarray, rate: float, share: float) -> float:
    return float((weights(losses, rate, share) * losses).sum())


def test_it_loses_less_than_the_best_fixed_threshold_on_a_shifting_stream() -> None:
    saved = []
    for seed in range(6):
        losses = shifting_stream(seed)
        saved.append(1 - loss(losses, *tuned(21, 4000, 3)) / losses.sum(axis=0).min())
    assert min(saved) > 0.03


def test_on_a_stream_that_does_not_shift_it_loses_little() -> None:
    for seed in range(3):
        losses = shifting_stream(seed, shifts=1)
        assert loss(losses, *tuned(21, 4000, 3)) / losses.sum(axis=0).min() < 1.05


@given(
    st.integers(0, 10_000),
    st.integers(2, 8),
    st.integers(2, 120),
    st.floats(0.01, 2),
    st.floats(0.001, 0.5),
)
def test_the_regret_against_any_sequence_is_bounded(
    seed: int, candidates: int, steps: int, rate: float, share: float
) -> None:
    random = np.random.default_rng(seed)
    losses = random.integers(0, 2, (steps, candidates)).astype(float)
    sequence = losses.argmin(axis=1)  # the sequence in hindsight that no other beats
    switches = int((np.diff(sequence) != 0).sum())
    best = losses[np.arange(steps), sequence].sum()
    assert loss(losses, rate, share) - best <= regret_bound(candidates, steps, switches, rate, share) + 1e-9
    fixed = losses.sum(axis=0).min()
    assert loss(losses, rate, share) - fixed <= regret_bound(candidates, steps, 0, rate, share) + 1e-9


def test_weights_rest_only_on_what_was_seen_before() -> None:
    losses = shifting_stream(0, steps=100)
    changed = losses.copy()
    changed[60:] = 1 - changed[60:]
    assert weights(losses, 0.5, 0.01)[:61] == pytest.approx(weights(changed, 0.5, 0.01)[:61])
    assert weights(losses, 0.5, 0.01).sum(axis=1) == pytest.approx(np.ones(100))
