"""The proof that a canary is not worse, in the equal-weighted mean over strata and in each stratum."""

import numpy as np
from scipy import special


def differences(correct: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """What one look adds to the estimate of each stratum's difference in accuracy.

    A look weighs n_c n_b / (n_c + n_b) (Mantel and Haenszel 1959, "Statistical aspects of the analysis of
    data from retrospective studies"; for differences, Greenland and Robins 1985). Both variants so count with
    the same looks in the same proportion. Rates of all requests so far would not: while the canary's share
    grows, its requests are later ones than the champion's, and a common trend would pass for a difference.

    Args:
        correct: Right answers, (2, ..., strata), the canary's first.
        labelled: Labelled answers, of the same shape.

    Returns:
        (4, ..., strata): weight times difference; the weight; the square of the weight by the canary's
        labels, and by the champion's.

    >>> differences(np.array([[9], [70]]), np.array([[10], [90]])).ravel().round(3).tolist()
    [1.1, 9.0, 8.1, 0.9]
    """
    (right_c, right_b), (n_c, n_b) = correct.astype(float), labelled.astype(float)
    n = np.maximum(n_c + n_b, 1)
    weight = n_c * n_b / n
    return np.stack([(right_c * n_b - right_b * n_c) / n, weight, weight * n_b / n, weight * n_c / n])


def estimate(sums: np.ndarray, correct: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The difference in accuracy of each stratum, and its variance.

    The variance of a rate is p (1 - p) with p = (right + 1/2) / (labelled + 1) over all looks. Where the rate
    drifts, that is more than the mean of the variances (it is concave in p), so it errs to the careful side.

    Args:
        sums: What `differences` added up to.
        correct: All right answers, (2, ..., strata).
        labelled: All labelled answers.

    Returns:
        The differences, canary less champion, and their variances, (..., strata) both; not a number where a
        stratum lacks labels of either variant.

    >>> look = np.array([[9, 8], [70, 80]]), np.array([[10, 10], [90, 90]])
    >>> [figure.round(4).tolist() for figure in estimate(differences(*look), *look)]
    [[0.1222, -0.0889], [0.0137, 0.0187]]
    """
    gain, weight, by_canary, by_champion = sums
    rate = (correct + 0.5) / (labelled + 1)
    spread_c, spread_b = rate * (1 - rate)
    with np.errstate(invalid="ignore", divide="ignore"):
        return gain / weight, (spread_c * by_canary + spread_b * by_champion) / weight**2


def paired(compared: np.ndarray, worse: np.ndarray, better: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The difference in accuracy of each stratum by shadow pairs, and its variance.

    With n pairs, x that only the champion got right and y that only the canary did, the difference is
    (y - x) / n and its variance ((x + y) / n - ((y - x) / n)²) / n (McNemar 1947, "Note on the sampling error
    of the difference between correlated proportions"), with half a pair added to x and to y, so that pairs
    which all agree do not count for certainty.

    Args:
        compared: n, (..., strata).
        worse: x.
        better: y.

    Returns:
        The differences, canary less champion, and their variances; not a number without pairs.

    >>> [figure.round(4).tolist() for figure in paired(np.array([100]), np.array([2]), np.array([6]))]
    [[0.04], [0.0009]]
    """
    n = np.asarray(compared, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = (better - worse) / n
        return difference, ((better + worse + 1) / n - difference**2) / n


def against_limit(correct: np.ndarray, labelled: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """The difference of each stratum's accuracy from a limit, and its variance: no champion to compare with.

    Args:
        correct: The canary's right answers, (..., strata).
        labelled: Its labelled answers.
        limit: The accuracy that is asked for.

    Returns:
        The differences, accuracy less limit, and their variances; not a number without labels.

    >>> [figure.round(4).tolist() for figure in against_limit(np.array([90]), np.array([100]), 0.8)]
    [[0.1], [0.0009]]
    """
    n = np.asarray(labelled, dtype=float)
    rate = (correct + 0.5) / (n + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return correct / n - limit, rate * (1 - rate) / n


def equal_weighted(difference: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over strata, each weighing the same, and its variance.

    Args:
        difference: Of each stratum, (..., strata).
        variance: Likewise.

    >>> [float(figure) for figure in equal_weighted(np.array([0.25, -0.75]), np.array([1.0, 3.0]))]
    [-0.25, 1.0]
    """
    return difference.mean(axis=-1), variance.sum(axis=-1) / variance.shape[-1] ** 2


def log_proof(difference: np.ndarray, variance: np.ndarray, margin: float) -> np.ndarray:
    """The log e-process against "worse by the margin or more"; at log(1/alpha) the opposite is proven.

    With I = 1/V and S = I (D + margin), a Brownian motion in time I at the margin,
    log E = log 2 + ½ log(rho / (I + rho)) + S² / (2 (I + rho)) + log Φ(S / √(I + rho)),
    the mixture over drifts above 0 of a normal distribution of standard deviation `margin`, rho = 1/margin².

    Assumptions: asymptotic, like the central limit theorem: the sums are taken to be normal, which is why the
    plan asks for a least number of labels in every stratum. Requests are independent. If the difference
    itself changes, what is proven holds for its mean over the looks.

    Source: Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; Howard et al.
    2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences", proposition 6; for estimated
    variances Waudby-Smith et al. 2024, "Time-uniform central limit theory and asymptotic confidence
    sequences".

    Args:
        difference: D.
        variance: V.
        margin: The difference that would still be borne, above 0.

    Returns:
        log E, of the shape of `difference`; minus infinity where there is no estimate.

    >>> float(log_proof(np.array(0.0), np.array(0.012**2), 0.05).round(2))  # 20 is e to the 3.00
    7.45
    """
    information = 1 / variance
    total = information + 1 / margin**2
    drift = information * (difference + margin)
    value = (
        np.log(2)
        - np.log(margin**2 * total) / 2
        + drift**2 / (2 * total)
        + special.log_ndtr(drift / np.sqrt(total))
    )
    return np.where(np.isnan(value), -np.inf, value)


def lower_bound(difference: float, variance: float, margin: float, alpha: float) -> float:
    """The lower bound of the mean difference that holds at every look together, with confidence 1 - alpha.

    It is above -margin exactly when `log_proof` is above log(1/alpha): the least difference not refuted.

    Args:
        difference: D.
        variance: V.
        margin: As for `log_proof`; it sets where the bound is tightest, not whether it holds.
        alpha: One less that confidence.

    Returns:
        The bound; not a number where there is no estimate.

    >>> round(lower_bound(0.0, 0.012**2, 0.05, 0.05), 4)
    -0.0338
    """
    if np.isnan(difference) or np.isnan(variance):
        return float("nan")
    information = 1 / variance
    total = information + 1 / margin**2
    goal = np.log(1 / alpha) - np.log(2) + np.log(margin**2 * total) / 2
    # S²/2 + log Φ(S) of the standardised sum grows with it: find by halving where it meets the goal.
    low, high = -10.0, np.sqrt(2 * (goal + 1) + 10)
    for _ in range(60):
        middle = (low + high) / 2
        if middle**2 / 2 + special.log_ndtr(middle) < goal:
            low = middle
        else:
            high = middle
    return float(difference - high * np.sqrt(total) / information)
