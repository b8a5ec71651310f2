"""The paired test of a shadow run: both variants answered the same requests."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


def log_e(worse: ArrayLike, better: ArrayLike) -> np.ndarray:
    """The log e-process against "of the pairs that differ, the canary is wrong in at most half".

    With x pairs that only the champion got right and y that only the canary did, a pair that differs is of
    the first kind with probability at most 1/2 under the null hypothesis. The e-process is the mean
    likelihood ratio over q uniform on (1/2, 1): E = 2 ∫ (2 q)^x (2 - 2 q)^y dq = 2^(x + y + 1) B(x + 1, y +
    1) P(Q > 1/2), Q ~ Beta(x + 1, y + 1). Pairs on which both are right, or both wrong, say nothing.

    Assumptions: pairs are independent; both variants saw the request as it was.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions";
    the mixture of Robbins 1970, "Statistical methods related to the law of the iterated logarithm".

    Args:
        worse: x, pairs that only the champion got right.
        better: y, pairs that only the canary got right.

    Returns:
        log E.

    >>> log_e([0, 9, 1], [0, 1, 9]).round(2).tolist()
    [0.0, 2.92, -2.22]
    """
    x, y = np.asarray(worse, dtype=float), np.asarray(better, dtype=float)
    tail = special.betainc(y + 1, x + 1, 0.5)  # P(1 - Q < 1/2)
    with np.errstate(divide="ignore"):  # where that underflows the canary is far better: no evidence of harm
        return (x + y + 1) * np.log(2) + special.betaln(x + 1, y + 1) + np.log(tail)
