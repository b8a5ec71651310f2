"""Whether inputs have changed, and whether other frequencies of the classes would explain it."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

FOLDS = 5
CLIP = 10.0
"""The most that a row or a class may count more, or less: beyond it few rows would outvote all others."""


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells the window from the reference.

    Attributes:
        auc: The chance that it ranks a row of the window above one of the reference; .5: it cannot.
        low: Lower bound, 95 %.
        high: Upper bound.
        importance: float, one a row of the reference: how many times as frequent such rows are in the window.
    """

    auc: float
    low: float
    high: float
    importance: np.ndarray


def domain(
    reference: np.ndarray,
    window: np.ndarray,
    weight: np.ndarray,
    window_weight: np.ndarray,
    seed: int = 0,
) -> Separation:
    """Trains a classifier of reference against window, and scores each row by one that has not seen it.

    Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests"; the odds are the importance
    weights of Bickel, Brückner and Scheffer 2009, "Discriminative learning under covariate shift". The
    interval is that of Hanley and McNeil 1982 at the effective numbers of rows.

    Args:
        reference: (rows, directions).
        window: (rows, directions).
        weight: What each row of the reference counts.
        window_weight: What each row of the window counts.
        seed: Of the folds.

    Returns:
        The separation.
    """
    from sklearn.linear_model import LogisticRegression

    n, m = len(reference), len(window)
    rows = np.vstack([reference, window]).astype(np.float64)
    rows /= rows.std(axis=0) + 1e-9
    is_window = np.r_[np.zeros(n, bool), np.ones(m, bool)]
    counts = np.r_[weight / weight.sum(), window_weight / window_weight.sum()] * (n + m) / 2
    fold = np.random.default_rng(seed).permutation(n + m) % FOLDS
    logit = np.zeros(n + m)
    for number in range(FOLDS):
        learnt = fold != number
        if len(np.unique(is_window[learnt])) < 2:  # so few rows that all of a side are in one fold
            continue
        model = LogisticRegression(C=0.1, max_iter=200)
        model.fit(rows[learnt], is_window[learnt], sample_weight=counts[learnt])
        logit[~learnt] = model.decision_function(rows[~learnt])
    figure = auc(logit[:n], logit[n:], weight, window_weight)
    half = 1.96 * _error(figure, _effective(weight), _effective(window_weight))
    importance = np.clip(np.exp(np.clip(logit[:n], -20, 20)), 1 / CLIP, CLIP)
    return Separation(figure, figure - half, figure + half, importance)


def auc(low: np.ndarray, high: np.ndarray, low_weight: np.ndarray, high_weight: np.ndarray) -> float:
    """The weighted chance that a score of `high` lies above one of `low`, ties counting half.

    >>> auc(np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.ones(2), np.ones(2))
    0.875
    """
    scores = np.r_[low, high]
    rank = rankdata(scores, "dense") - 1
    below = np.bincount(rank[: len(low)], low_weight, minlength=rank.max() + 1)
    cumulated = np.cumsum(below) - below / 2
    return float(high_weight @ cumulated[rank[len(low) :]] / high_weight.sum() / low_weight.sum())


def _effective(weight: np.ndarray) -> float:
    return float(weight.sum() ** 2 / (weight**2).sum())


def _error(figure: float, n: float, m: float) -> float:
    """Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve": its standard error."""
    q1, q2 = figure / (2 - figure), 2 * figure**2 / (1 + figure)
    spread = figure * (1 - figure) + (m - 1) * (q1 - figure**2) + (n - 1) * (q2 - figure**2)
    return float(np.sqrt(max(spread, 0) / (n * m)))


def label_weights(
    label: np.ndarray,
    prediction: np.ndarray,
    window_prediction: np.ndarray,
    weight: np.ndarray,
    window_weight: np.ndarray,
) -> dict[str, float]:
    """How many times as frequent each class is in the window, from predictions alone.

    Source: Lipton, Wang and Smola 2018, "Detecting and correcting for label shift with black box predictors":
    what the model answers in the window is its confusion matrix on the reference times the new frequencies.
    It is solved by least squares with weights of 0 or more, and a pull towards 1, stronger the fewer
    rows there are (Azizzadenesheli and others 2019, "Regularized learning for domain adaptation under label
    shifts").

    Args:
        label: Labels of the reference.
        prediction: Predictions of the reference.
        window_prediction: Predictions of the window.
        weight: What each row of the reference counts.
        window_weight: What each row of the window counts.

    Returns:
        A weight for each class of the reference, at most `CLIP`.

    >>> old, new = np.array(list("aaabbb")), np.array(list("abbb"))
    >>> found = label_weights(old, old, new, np.ones(6), np.ones(4))
    >>> found["a"] < 1 < found["b"]
    True
    """
    from scipy.optimize import nnls

    classes = np.unique(np.r_[label, prediction, window_prediction])
    known = np.unique(label)
    place = {name: number for number, name in enumerate(classes.tolist())}
    told = np.array([place[name] for name in prediction.tolist()])
    true = np.searchsorted(known, label)
    joint = np.zeros((len(classes), len(known)))
    np.add.at(joint, (told, true), weight / weight.sum())
    now = np.bincount(
        [place[name] for name in window_prediction.tolist()],
        window_weight / window_weight.sum(),
        minlength=len(classes),
    )
    pull = 1 / np.sqrt(min(_effective(weight), _effective(window_weight))) / len(known)
    left = np.vstack([joint, pull * np.eye(len(known))])
    solved, _ = nnls(left, np.r_[now, np.full(len(known), pull)])
    return {str(name): float(min(value, CLIP)) for name, value in zip(known, solved, strict=True)}
