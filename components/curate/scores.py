"""Which unlabelled rows are worth a label: five answers, each a number a row, the higher the better.

What a row would teach is told by a probe, a logistic regression on the vectors of the labelled rows: it
costs a second where the production model would cost a training run. Settles 2009, "Active learning literature
survey", describes all five and what they miss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

FOLDS = 3
BLOCK = 2048
"""Rows whose similarities are computed at a time."""


class Probe:
    """A logistic regression.

    Only features that some row to learn from has are given to it: of others the coefficients would be 0, and
    of words there are many.

    Args:
        rows: Vectors.
        labels: Of at least two classes.
    """

    def __init__(self, rows: sparse.csr_matrix, labels: np.ndarray) -> None:
        from sklearn.linear_model import LogisticRegression

        self._seen = np.unique(rows.indices)
        self._model = LogisticRegression(C=10.0, max_iter=100).fit(rows[:, self._seen], labels)
        self.classes: np.ndarray = self._model.classes_

    def chances(self, rows: sparse.csr_matrix) -> np.ndarray:
        """The probability of each class: rows x classes."""
        return np.asarray(self._model.predict_proba(rows[:, self._seen]))

    def predict(self, rows: sparse.csr_matrix) -> np.ndarray:
        """The likeliest class of each row."""
        return self.classes[self.chances(rows).argmax(axis=1)]


@dataclass(frozen=True)
class Pool:
    """Rows to choose from, and what is known.

    Attributes:
        labelled: Vectors of the labelled rows.
        labels: Their labels.
        unlabelled: Vectors of the others.
        seed: Of what is random.
    """

    labelled: sparse.csr_matrix
    labels: np.ndarray
    unlabelled: sparse.csr_matrix
    seed: int = 0

    @cached_property
    def probe(self) -> "Probe":
        """A logistic regression on the labelled rows."""
        return Probe(self.labelled, self.labels)

    @cached_property
    def chances(self) -> np.ndarray:
        """What the probe holds of each unlabelled row: rows x classes."""
        return self.probe.chances(self.unlabelled)


def uncertainty(pool: Pool) -> np.ndarray:
    """One less the margin between the two likeliest classes.

    Source: Scheffer et al. 2001, "Active hidden Markov models for information extraction".
    """
    if pool.chances.shape[1] < 2:
        return np.zeros(len(pool.chances))
    ordered = np.sort(pool.chances, axis=1)
    return 1 - (ordered[:, -1] - ordered[:, -2])


def predicted_loss(pool: Pool) -> np.ndarray:
    """The loss that the probe is expected to have on a row, learnt from its losses out of fold.

    A ridge regression tells the loss from the row's vector and the probe's own margin and entropy. Source:
    Yoo and Kweon 2019, "Learning loss for active learning", with a regression in place of their network.
    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold

    losses, about = np.zeros(len(pool.labels)), np.zeros((len(pool.labels), 2))
    folds = KFold(FOLDS, shuffle=True, random_state=pool.seed)
    for known, other in folds.split(pool.labels):
        if len(np.unique(pool.labels[known])) < 2:
            continue
        probe = Probe(pool.labelled[known], pool.labels[known])
        chances = probe.chances(pool.labelled[other])
        right = probe.classes[None, :] == pool.labels[other][:, None]
        losses[other] = -np.log(np.maximum((chances * right).sum(axis=1), 1e-3))
        about[other] = _about(chances)
    told = Ridge(alpha=1.0).fit(sparse.hstack([pool.labelled, about], format="csr"), losses)
    return np.asarray(told.predict(sparse.hstack([pool.unlabelled, _about(pool.chances)], format="csr")))


def different(pool: Pool) -> np.ndarray:
    """One less the cosine similarity to the most similar labelled row.

    Source: Sener and Savarese 2018, "Active learning for convolutional neural networks: a core-set approach".
    """
    return 1 - nearest(pool.unlabelled, pool.labelled)


def representative(pool: Pool) -> np.ndarray:
    """The mean cosine similarity to all unlabelled rows, less what labelled rows cover already.

    Source: Settles and Craven 2008, "An analysis of active learning strategies for sequence labeling tasks":
    information density, with the distance from the labelled rows for information.
    """
    centre = np.asarray(pool.unlabelled.mean(axis=0)).ravel()
    return np.asarray(pool.unlabelled @ centre) * different(pool)


def impact(pool: Pool) -> np.ndarray:
    """The expected length of the gradient that a row's label would give the probe.

    For a logistic regression the gradient is (p - e_k) x for class k, so its expected length is |x| Σ_k p_k
    |p - e_k|. Source: Settles, Craven and Ray 2008, "Multiple-instance active learning".
    """
    squares = (pool.chances**2).sum(axis=1, keepdims=True)
    lengths = np.sqrt(np.maximum(squares - 2 * pool.chances + 1, 0))
    norms = np.sqrt(np.asarray(pool.unlabelled.multiply(pool.unlabelled).sum(axis=1)).ravel())
    return norms * (pool.chances * lengths).sum(axis=1)


SCORES: dict[str, Callable[[Pool], np.ndarray]] = {
    "uncertainty": uncertainty,
    "predicted_loss": predicted_loss,
    "different": different,
    "representative": representative,
    "impact": impact,
}


def nearest(rows: sparse.csr_matrix, others: sparse.csr_matrix) -> np.ndarray:
    """For each row the cosine similarity to the most similar of others; 0 when there are none.

    Args:
        rows: Vectors of length one.
        others: Vectors of length one.

    >>> nearest(sparse.csr_matrix([[1.0, 0], [0, 1]]), sparse.csr_matrix([[0.6, 0.8]])).tolist()
    [0.6, 0.8]
    """
    found = np.zeros(rows.shape[0])
    if others.shape[0]:
        for begin in range(0, rows.shape[0], BLOCK):
            alike = rows[begin : begin + BLOCK] @ others.T
            found[begin : begin + BLOCK] = np.asarray(alike.max(axis=1).todense()).ravel()
    return found


def _about(chances: np.ndarray) -> np.ndarray:
    """Margin and entropy of each row."""
    ordered = np.sort(chances, axis=1)
    margin = ordered[:, -1] - (ordered[:, -2] if chances.shape[1] > 1 else 0)
    entropy = -(chances * np.log(np.maximum(chances, 1e-12))).sum(axis=1)
    return np.column_stack([margin, entropy])
