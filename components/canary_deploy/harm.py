"""The harm test: an e-process that grows when a variant has more than its share of the failures.

An e-process is a figure that starts at 1 and whose expectation stays at or below 1, whenever one looks, while
there is no harm. By Ville's inequality it reaches 1/alpha ever with a probability of at most alpha. So it may
be looked at after every request, for as long as one likes, and neither the looks nor a ramp that reacts to it
are paid for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RATIOS = np.array([1.25, 1.5, 2.0, 3.0, 5.0])
"""How many times worse a canary may be; each ratio is one part of the mixture, and all weigh the same."""

TWO_SIDED = np.array([0.2, 0.5, 0.8, 0.95, 1.05, 1.25, 2.0, 5.0])
"""The ratios for tests that look both ways: a split or a coverage is wrong when it is too low as well."""

FIRST = 0.9
"""The part of the mixture that takes a difference to be there from the first look on."""


def log_growth(hits: ArrayLike, trials: ArrayLike, chance: ArrayLike, ratios: np.ndarray) -> np.ndarray:
    """By how much one look moves the log e-process, for each ratio r: x log r - n log(1 + (r - 1) s).

    This is the log likelihood ratio of x hits in n trials between odds that are r times those of the null
    hypothesis and the odds s / (1 - s) of the null itself. For harm the trials are the failures of both
    variants in a look and s is the canary's share of its requests. Given how many failures there were, those
    of the canary are then hypergeometric if the variants are alike, which is smaller in convex order than
    binomial (Hoeffding 1963, "Probability inequalities for sums of bounded random variables", theorem 4), so
    the expected ratio is at most 1; where the canary is better and r > 1, it is smaller still.

    Assumptions: requests fail independently of one another, and within a look the variants get their requests
    at random, at a share that does not change. Shares and failure rates may change from look to look.

    Source: the conditional test of two Poisson counts (Przyborowski and Wilenski 1940, "Homogeneity of
    results in testing samples from Poisson series"), made sequential as by Lindon and Malek 2022,
    "Anytime-valid inference for multinomial count data".

    Args:
        hits: x, of any shape.
        trials: n, of the same shape.
        chance: s, the chance of a hit under the null hypothesis, 0 to 1.
        ratios: r.

    Returns:
        The shape of `hits`, with one more dimension for the ratios.

    >>> log_growth(4, 20, 0.05, np.array([3.0])).round(3).tolist()
    [2.488]
    """
    x, n, s = (np.asarray(each, dtype=float)[..., None] for each in (hits, trials, chance))
    return x * np.log(ratios) - n * np.log1p((ratios - 1) * s)


@dataclass(frozen=True)
class Mixture:
    """E-processes, a mixture over ratios and over the look at which a difference begins.

    S_t = (S_{t-1} + π_t) e_t, where e_t is a look's likelihood ratio and π_t the prior weight of a difference
    that begins at look t: 0.9 at the first, 0.1 / (t (t - 1)) at look t > 1, 1 in all. The e-process is the
    mean over ratios of S_t, plus the weight of the looks still to come. Without it, a canary that turns bad
    late would first have to use up all the evidence that it was good. Only looks that say something count.

    Source: the mixture over change points of Shin, Ramdas and Rinaldo 2024, "E-detectors: a nonparametric
    framework for sequential change detection", with weights that sum to 1, so that Ville's inequality holds.

    Attributes:
        log_sums: log S_t, any shape, the ratios last.
        looks: t of each e-process, that shape without the ratios.

    A look with a likelihood ratio of 10 gives 0.9 * 10 + 0.1, one that says nothing changes nothing:

    >>> mixture = Mixture.begin((), 1).after(np.log([10.0]), np.array(True))
    >>> round(float(np.exp(mixture.log_e())), 6)
    9.1
    >>> round(float(np.exp(mixture.after(np.array([0.0]), np.array(False)).log_e())), 6)
    9.1
    """

    log_sums: np.ndarray
    looks: np.ndarray

    @classmethod
    def begin(cls, shape: tuple[int, ...], ratios: int) -> "Mixture":
        """E-processes before the first look, all at 1."""
        return cls(np.full((*shape, ratios), -np.inf), np.zeros(shape, dtype=np.int64))

    def after(self, growth: np.ndarray, said: np.ndarray) -> "Mixture":
        """The e-processes after one more look.

        Args:
            growth: What `log_growth` gave, of the shape of `log_sums`.
            said: Whether the look said anything, of the shape of `looks`; known without the hits.
        """
        looks = self.looks + said
        later = (1 - FIRST) / np.maximum(looks * (looks - 1), 1)
        weight = np.log(np.where(looks <= 1, FIRST, later))
        grown = np.logaddexp(self.log_sums, weight[..., None]) + growth
        return Mixture(np.where(said[..., None], grown, self.log_sums), looks)

    def log_e(self) -> np.ndarray:
        """The log of each e-process, of the shape of `looks`."""
        to_come = np.where(self.looks == 0, 1.0, (1 - FIRST) / np.maximum(self.looks, 1))
        mean = np.logaddexp.reduce(self.log_sums, axis=-1) - np.log(self.log_sums.shape[-1])
        return np.logaddexp(mean, np.log(to_come))


def with_all(values: np.ndarray, axis: int) -> np.ndarray:
    """Adds to the figures of each stratum their sum, for an e-process of all strata together.

    Strata are independent of one another, so the product of their likelihood ratios is one as well. It sees
    what no stratum shows by itself: a little harm everywhere.

    >>> with_all(np.array([1.0, 2.0]), axis=0).tolist()
    [1.0, 2.0, 3.0]
    """
    return np.concatenate([values, values.sum(axis=axis, keepdims=True)], axis=axis)


def share_of(canary: np.ndarray, champion: np.ndarray) -> np.ndarray:
    """The canary's share of two counts, 0 where both are 0.

    >>> share_of(np.array([5, 0]), np.array([15, 0])).tolist()
    [0.25, 0.0]
    """
    both = canary + champion
    return canary / np.maximum(both, 1)


def strata_growth(
    failures: np.ndarray, requests: np.ndarray, ratios: np.ndarray = RATIOS
) -> tuple[np.ndarray, np.ndarray]:
    """The harm test's growth in one look, in each stratum and in all together.

    A failure is whatever must not be more frequent for the canary: a wrong answer among the labelled ones, an
    error, an answer later than the objective. One test serves them all; the chance of a failure to be the
    canary's is its share of the requests in that stratum. See `log_growth` for formula, assumptions and
    source.

    Args:
        failures: Of either variant, (2, ..., strata), the canary's first.
        requests: Those that could fail.
        ratios: See `log_growth`.

    Returns:
        The growth, (..., strata and all, ratios), and whether the look says anything, (..., strata and all):
        not without a failure, nor where one variant had no request.

    Nine failures of 10 are the canary's, which had half of the requests; the second stratum saw none:

    >>> growth, said = strata_growth(np.array([[9, 0], [1, 0]]), np.array([[50, 50], [50, 50]]))
    >>> growth.max(axis=-1).round(2).tolist(), said.tolist()
    ([3.5, 0.0, 3.5], [True, False, True])
    """
    share, trials = share_of(*requests), failures.sum(axis=0)
    said = (trials > 0) & (share > 0) & (share < 1)
    growth = np.where(said[..., None], log_growth(failures[0], trials, share, ratios), 0.0)
    return with_all(growth, axis=-2), np.concatenate([said, said.any(axis=-1, keepdims=True)], axis=-1)


def limit_growth(failures: np.ndarray, requests: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """One look's growth of the test whether one variant fails more often than it may, whatever others do.

    x of n requests failed, and under the null hypothesis each does with a chance of at most the limit:
    `log_growth` with the limit for the chance. It needs no second variant, so it guards a first deployment,
    and the time in which the canary has all the requests.

    Assumptions: requests fail independently of one another. The rate may change from look to look.

    Source: Wald 1945, "Sequential tests of statistical hypotheses", with a mixture over ratios of odds.

    Args:
        failures: Of the variant, (..., strata).
        requests: Those that could fail.
        limit: The part that may fail, above 0 to 1.

    Returns:
        The growth, (..., strata and all, ratios), and whether the look says anything, (..., strata and all).

    >>> growth, said = limit_growth(np.array([30, 2]), np.array([100, 100]), 0.05)
    >>> growth.max(axis=-1).round(1).tolist(), said.tolist()
    ([30.1, -0.8, 16.1], [True, True, True])
    """
    growth, said = log_growth(failures, requests, limit, RATIOS), requests > 0
    return with_all(growth, axis=-2), np.concatenate([said, said.any(axis=-1, keepdims=True)], axis=-1)
