"""Which unlabelled rows are worth a label: five answers, each a number a row, the higher the better.

What a row would teach is told by a probe, a logistic regression on the vectors of the labelled rows: it
costs a second where the production model would cost a training run. Settles 2009, "Active learning literature
survey", describes the five and what they miss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

FOLDS = 3
BLOCK = 2048
"""Rows whose similarities are computed at a time."""
GROUPS = 400
"""The most groups that rows are told apart by."""


@dataclass(frozen=True)
class Pool:
    """Rows to choose from, and what is known.

    Attributes:
        labelled: Vectors of the labelled rows.
        labels: Their labels, of at least two classes.
        unlabelled: Vectors of the others.
        budget: How many rows are to be chosen.
        seed: Of what is random.
    """

    labelled: np.ndarray
    labels: np.ndarray
    unlabelled: np.ndarray
    budget: int
    seed: int = 0

    @cached_property
    def probe(self) -> Any:
        """A logistic regression on the labelled rows."""
        return _probe(self.labelled, self.labels)

    @cached_property
    def chances(self) -> np.ndarray:
        """What the probe holds of each unlabelled row: rows x classes."""
        return np.asarray(self.probe.predict_proba(self.unlabelled))


def uncertainty(pool: Pool) -> np.ndarray:
    """One less the margin between the two likeliest classes.

    Source: Scheffer et al. 2001, "Active hidden Markov models for information extraction".
    """
    return 1 - _margin(pool.chances)


def predicted_loss(pool: Pool) -> np.ndarray:
    """The loss that the probe is expected to have on a row, learnt from its losses out of fold.

    A ridge regression tells the loss from the probe's margin and entropy and from the similarity to the
    nearest row that it learnt from. Source: Yoo and Kweon 2019, "Learning loss for active learning", with
    these three for the inner layers of their network.
    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold

    losses, about = [], []
    for known, other in KFold(FOLDS, shuffle=True, random_state=pool.seed).split(pool.labels):
        if len(np.unique(pool.labels[known])) < 2:
            continue
        probe = _probe(pool.labelled[known], pool.labels[known])
        chances = np.asarray(probe.predict_proba(pool.labelled[other]))
        right = (chances * (probe.classes_[None, :] == pool.labels[other][:, None])).sum(axis=1)
        losses.append(1 - right)
        about.append(_about(chances, pool.labelled[other], pool.labelled[known]))
    if not losses:
        return uncertainty(pool)
    told = Ridge(alpha=1.0).fit(np.concatenate(about), np.concatenate(losses))
    return np.asarray(told.predict(_about(pool.chances, pool.unlabelled, pool.labelled)))


def different(pool: Pool) -> np.ndarray:
    """One less the similarity to the nearest row that is labelled or chosen before; 0 for rows not chosen.

    Source: Sener and Savarese 2018, "Active learning for convolutional neural networks: a core-set approach":
    the greedy cover of the pool, each time the row that is furthest from all so far.
    """
    near = nearest(pool.unlabelled, pool.labelled)
    scores = np.zeros(len(near))
    for _ in range(min(pool.budget, len(near))):
        furthest = int(np.where(scores > 0, np.inf, near).argmin())
        scores[furthest] = max(1 - near[furthest], 1e-9)
        near = np.maximum(near, pool.unlabelled @ pool.unlabelled[furthest])
    return scores


def representative(pool: Pool) -> np.ndarray:
    """The size of a row's group, for the most typical row of each; others stand behind these.

    There are as many groups as rows are labelled or to be chosen; a group's size is divided by its labelled
    rows and one. Source: Hacohen, Dekel and Weinshall 2022, "Active learning on a budget: opposite strategies
    suit high and low budgets".
    """
    from sklearn.cluster import MiniBatchKMeans

    both = np.vstack([pool.labelled, pool.unlabelled])
    count = min(len(pool.labelled) + pool.budget, GROUPS, len(both))
    groups = MiniBatchKMeans(count, n_init=1, random_state=pool.seed, batch_size=1024).fit(both)
    known, other = np.split(groups.labels_, [len(pool.labelled)])
    apart = np.linalg.norm(pool.unlabelled - groups.cluster_centers_[other], axis=1)
    scores = 1 / (1 + apart)
    worth = np.bincount(other, minlength=count) / (1 + np.bincount(known, minlength=count))
    order = np.lexsort((apart, other))
    typical = order[np.unique(other[order], return_index=True)[1]]  # the first of each group
    scores[typical] = 1 + worth[other[typical]]
    return scores


def impact(pool: Pool) -> np.ndarray:
    """The expected length of the gradient that a row's label would give the probe.

    For a logistic regression the gradient is (p - e_k) x for class k, so its expected length is |x| Σ_k p_k
    |p - e_k|. Source: Settles, Craven and Ray 2008, "Multiple-instance active learning".
    """
    squares = (pool.chances**2).sum(axis=1, keepdims=True)
    lengths = np.sqrt(np.maximum(squares - 2 * pool.chances + 1, 0))
    return np.linalg.norm(pool.unlabelled, axis=1) * (pool.chances * lengths).sum(axis=1)


SCORES: dict[str, Callable[[Pool], np.ndarray]] = {
    "uncertainty": uncertainty,
    "predicted_loss": predicted_loss,
    "different": different,
    "representative": representative,
    "impact": impact,
}


def nearest(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each row the cosine similarity to the most similar of others.

    Args:
        rows: Vectors of length one.
        others: Vectors of length one, at least one.

    >>> nearest(np.array([[1.0, 0], [0, 1]]), np.array([[0.6, 0.8]])).tolist()
    [0.6, 0.8]
    """
    found = np.zeros(len(rows))
    for begin in range(0, len(rows), BLOCK):
        found[begin : begin + BLOCK] = (rows[begin : begin + BLOCK] @ others.T).max(axis=1)
    return found


def _about(chances: np.ndarray, rows: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    """Margin, entropy and similarity to the nearest row learnt from."""
    entropy = -(chances * np.log(np.maximum(chances, 1e-12))).sum(axis=1)
    return np.column_stack([_margin(chances), entropy, nearest(rows, learnt)])


def _margin(chances: np.ndarray) -> np.ndarray:
    ordered = np.sort(chances, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _probe(rows: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=200).fit(rows, labels)
