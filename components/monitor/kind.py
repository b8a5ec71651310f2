"""Which kind of drift a series of windows shows: sudden, gradual, periodic or temporary."""

import numpy as np
from numpy.typing import ArrayLike

KINDS = ("sudden", "gradual", "periodic", "temporary")

PATIENCE = 2
"""Drifted windows after which a drift no longer counts as possibly temporary."""

STEP = 0.75
"""Part of the farthest shift that falls within two windows when it is sudden. A change amid a window spreads
over two steps; one that takes three windows or more leaves at most two thirds to any two of them."""

MATCH = 0.5
"""How near the window one cycle ago is, beside the farthest part of the cycle, when a drift is periodic."""

SAME = 0.1
"""How much farther apart than at the best lag windows may lie at a shorter one that is taken for the period
all the same: two periods match as well as one."""

PAIRS = 3
"""Pairs of windows one cycle apart that a period must be seen in, unless a cycle is shorter."""


def recognise(
    to_reference: ArrayLike, between: ArrayLike, threshold: float, patience: int = PATIENCE
) -> str | None:
    """Names the kind of drift that the last window of a series shows.

    - periodic: at some lag of two windows or more, windows are nearer to each other than at the lags before
      it, which lie above the threshold, and so is the last window; or it matches those one and two lags ago,
      which were drifted too, with healthy windows between;
    - temporary: the last window is healthy again, after no more than `patience` drifted ones;
    - sudden: the drift has lasted for more than `patience` windows, and two of them made up most of it;
    - gradual: it has lasted, and no two windows did.

    Args:
        to_reference: Distance of each window to the healthy reference, oldest first. A distance must grow in
            proportion to the shift, as W1 and L1 do and PSI, which grows with its square, does not.
        between: Distances of windows to each other, one row and one column a window.
        threshold: The distance from which on a window is drifted.
        patience: As above.

    Returns:
        One of `KINDS`; None when the last window is healthy, or its drift too young to be told from a
        temporary one.

    >>> def kind(series):
    ...     x = np.array(series)
    ...     return recognise(abs(x), abs(x[:, None] - x), 0.5)
    >>> kind([0, 0, 0, 1, 1, 1]), kind([0, 0, 0.3, 0.6, 0.9, 1.2, 1.5]), kind([0, 0, 0, 1, 0])
    ('sudden', 'gradual', 'temporary')
    >>> kind([0, 1, 1, 0, 0, 1, 1, 0, 0, 1]), kind([0, 0, 0, 1]) is None
    ('periodic', True)
    """
    distance, pairs = np.asarray(to_reference, dtype=float), np.asarray(between, dtype=float)
    drifted = distance > threshold
    if not drifted.any():
        return None
    run = _trailing(drifted)
    if run and period(pairs, drifted, threshold):
        return "periodic"
    if run == 0:
        before = _trailing(drifted[:-1])
        return "temporary" if 0 < before <= patience and before < len(drifted) - 1 else None
    if run <= patience:
        return None
    start = max(len(drifted) - run - 1, 0)
    steps = [pairs[t, max(t - 2, start)] for t in range(start + 1, len(drifted))]
    return "sudden" if max(steps) >= STEP * distance[-run:].max() else "gradual"


def period(between: ArrayLike, drifted: ArrayLike, threshold: float) -> int | None:
    """The lag, in windows, after which a series comes back.

    Args:
        between: Distances of windows to each other, oldest first.
        drifted: Whether each window is drifted.
        threshold: The distance from which on windows differ.

    Returns:
        The lag; None: there is none.

    >>> x = np.array([0, 1, 2, 1, 0, 1, 2, 1, 0])
    >>> period(abs(x[:, None] - x), x > 0.5, 0.5)
    4
    """
    pairs, off = np.asarray(between, dtype=float), np.asarray(drifted, dtype=bool)
    windows = len(pairs)
    apart = [0.0] + [float(np.median(np.diagonal(pairs, -lag))) for lag in range(1, windows)]
    lags = [lag for lag in range(2, windows) if windows - lag >= min(lag, PAIRS)]
    nearest = min((apart[lag] for lag in lags), default=0.0)
    for lag in lags:
        farthest = max(apart[1:lag])
        comes_back = apart[lag] <= MATCH * farthest and apart[lag] - nearest <= SAME * farthest
        if farthest > threshold and comes_back and pairs[-1, -1 - lag] <= MATCH * farthest:
            return lag
    last = windows - 1
    for lag in range(2, last // 2 + 1):
        matches = all(off[last - k * lag] and pairs[last, last - k * lag] <= threshold for k in (1, 2))
        if (
            off[last]
            and matches
            and all(not off[last - k * lag + 1 : last - (k - 1) * lag].all() for k in (1, 2))
        ):
            return lag
    return None


def _trailing(flags: np.ndarray) -> int:
    """How many of the last flags are set."""
    return len(flags) if flags.all() else int(np.argmin(flags[::-1]))
