"""Which kind of drift a series of windows shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.monitor.kind import KINDS, period, recognise
from adsmu.monitor.units import SHARES

ROWS = 400
SHIFTS = {
    "sudden": [0.0] * 8 + [1.5] * 5,
    "gradual": [0.0] * 6 + [0.25 * step for step in range(1, 9)],
    "periodic": [1.5 * np.sin(2 * np.pi * step / 6) for step in range(17)],
    "temporary": [0.0] * 8 + [1.5] * 2 + [0.0],
}


def windows(shifts: list[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the reference, and between windows, of normal columns that are shifted so."""
    random = np.random.default_rng(seed)
    series = np.array([np.quantile(random.normal(shift, 1, ROWS), SHARES) for shift in shifts])
    reference = np.quantile(random.normal(0, 1, 5_000), SHARES)
    return np.abs(series - reference).mean(axis=1), np.abs(series[:, None] - series).mean(axis=2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_an_injected_drift_is_recognised(kind: str, seed: int) -> None:
    assert recognise(*windows(SHIFTS[kind], seed), 0.5) == kind


@pytest.mark.parametrize("seed", range(20))
def test_windows_without_drift_show_none(seed: int) -> None:
    assert recognise(*windows([0.0] * 14, seed), 0.5) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_young_drift_is_not_named_yet(seed: int) -> None:
    assert recognise(*windows([0.0] * 8 + [1.5], seed), 0.5) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_change_amid_a_window_is_sudden_all_the_same(seed: int) -> None:
    assert recognise(*windows([0.0] * 8 + [0.7] + [1.5] * 4, seed), 0.5) == "sudden"


def test_a_drift_that_passed_three_windows_ago_is_not_told_again() -> None:
    assert recognise(*windows([0.0] * 8 + [1.5] + [0.0] * 3, 0), 0.5) is None


def test_the_period_is_the_lag_after_which_windows_match() -> None:
    distance, between = windows([1.5 * np.sin(2 * np.pi * step / 6) for step in range(17)], 1)
    assert period(between, distance > 0.5, 0.5) == 6


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=12))
def test_any_series_gives_a_known_answer(values: list[float]) -> None:
    x = np.array(values)
    assert recognise(np.abs(x), np.abs(x[:, None] - x), 0.5) in (*KINDS, None)
