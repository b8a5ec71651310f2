"""Online batch selection: which rows of a larger batch a step of training learns from."""

import numpy as np
from numpy.typing import ArrayLike

from adsmu.errors import BadInput


def select_batch(loss: ArrayLike, size: int, irreducible: ArrayLike | None = None) -> np.ndarray:
    """Chooses the rows whose loss a step can still reduce most.

    A row's loss under the model as it is, less its loss under a model that has not learnt from it: what that
    model does not get right either is noise, an altered label or a row like no other, and a step on it
    teaches nothing. Without the second loss the rows of the highest loss are chosen, altered labels first.

    Source: Mindermann et al. 2022, "Prioritized training on points that are learnable, worth learning, and
    not yet learnt", equation 3; the highest loss alone: Loshchilov and Hutter 2015, "Online batch selection
    for faster training of neural networks".

    Args:
        loss: Loss of each row of the larger batch, with its label, under the model as it is.
        size: How many rows the step learns from.
        irreducible: Loss of each row under the other model; None: 0 each.

    Returns:
        Places of the rows, in order; all of them where there are no more than `size`.

    Raises:
        BadInput: `size` is below 1, the losses differ in number, or one is not a finite number.

    >>> select_batch([0.1, 2.0, 1.5, 0.9], 2).tolist()
    [1, 2]
    >>> select_batch([0.1, 2.0, 1.5, 0.9], 2, irreducible=[0.1, 2.1, 0.2, 0.1]).tolist()
    [2, 3]
    """
    now = np.asarray(loss, float)
    other = np.zeros(len(now)) if irreducible is None else np.asarray(irreducible, float)
    if size < 1:
        raise BadInput("must be 1 or more", column="size")
    if now.ndim != 1 or other.shape != now.shape:
        raise BadInput(f"{now.shape} and {other.shape} are not one loss for each row", column="loss")
    if not np.isfinite(now).all() or not np.isfinite(other).all():
        raise BadInput("finite numbers are needed", column="loss")
    return np.sort(np.argsort(other - now, kind="stable")[:size])
