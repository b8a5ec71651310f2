"""Online batch selection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adsmu.errors import BadInput
from adsmu.form_dataset.batches import select_batch

LOSSES = arrays(float, st.integers(1, 40), elements=st.floats(0, 20))


@given(LOSSES, st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_no_row_that_is_left_out_has_more_loss_to_lose(loss: np.ndarray, size: int, seed: int) -> None:
    irreducible = np.random.default_rng(seed).exponential(size=len(loss))
    chosen = select_batch(loss, size, irreducible)
    worth = loss - irreducible
    left = np.delete(worth, chosen)
    assert len(chosen) == min(size, len(loss)) == len(set(chosen.tolist()))
    assert not len(left) or left.max() <= worth[chosen].min()


def test_rows_that_no_model_gets_right_are_left_out() -> None:
    altered = np.array([False, True, False, True])
    loss = np.array([1.0, 5.0, 1.2, 5.0])
    assert altered[select_batch(loss, 2)].all()
    assert not altered[select_batch(loss, 2, np.where(altered, 5.0, 0.1))].any()


@pytest.mark.parametrize(
    ("loss", "size", "irreducible"),
    [([1.0], 0, None), ([1.0, 2.0], 1, [1.0]), ([float("nan")], 1, None), ([1.0], 1, [float("inf")])],
)
def test_losses_that_do_not_fit_are_refused(
    loss: list[float], size: int, irreducible: list[float] | None
) -> None:
    with pytest.raises(BadInput):
        select_batch(loss, size, irreducible)
