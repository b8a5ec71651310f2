"""Which test comes next, and when the diagnosis is settled: one table of likelihoods, and Bayes' rule."""

from collections.abc import Iterable, Mapping

import numpy as np

from adsmu.analyze.outcome import UNKNOWN
from adsmu.analyze.tests import Test

DIAGNOSES = ("none", "quality", "covariate", "label_shift", "new_class", "concept", "cohort", "poisoned")

SETTLED = 0.95
"""The probability at which a diagnosis is settled."""

LEAST = 0.01
"""Bits that a test must promise to be worth its while."""

LIKELIHOOD: dict[str, dict[str, tuple[float, ...]]] = {
    # . . . . . . . . none  quality covar. lab.sh. new    concept cohort poisoned
    "contract": {
        "kept": (),
        "broken": (0.005, 0.95, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005),
    },
    "column_drift": {
        "same": (),
        "shifted": (0.02, 0.70, 0.80, 0.50, 0.02, 0.02, 0.02, 0.02),
    },
    "prediction_drift": {
        "same": (),
        "shifted": (0.02, 0.50, 0.60, 0.95, 0.05, 0.02, 0.02, 0.02),
    },
    "confidence_drift": {
        "same": (),
        "shifted": (0.02, 0.40, 0.50, 0.15, 0.02, 0.02, 0.02, 0.02),
    },
    "domain_classifier": {  # reweighted: by the frequencies of classes, after which it cannot
        "same": (),
        "shifted": (0.01, 0.65, 0.95, 0.02, 0.15, 0.01, 0.01, 0.01),
        "reweighted": (0.01, 0.10, 0.03, 0.96, 0.25, 0.01, 0.01, 0.01),
    },
    "new_cluster": {
        "none": (),
        "one": (0.02, 0.55, 0.50, 0.02, 0.35, 0.02, 0.02, 0.02),
    },
    "cluster_labels": {  # asked only where there is a cluster
        "known": (),
        "new": (0.01, 0.01, 0.01, 0.01, 0.97, 0.01, 0.01, 0.01),
    },
    "random_labels": {
        "same": (),
        "worse": (0.03, 0.50, 0.35, 0.05, 0.02, 0.95, 0.60, 0.20),
        "new": (0.01, 0.01, 0.01, 0.01, 0.95, 0.01, 0.01, 0.01),
    },
    "cohort_labels": {
        "same": (),
        "one": (0.02, 0.15, 0.10, 0.02, 0.01, 0.02, 0.95, 0.25),
        "everywhere": (0.02, 0.50, 0.30, 0.03, 0.02, 0.95, 0.02, 0.02),
        "new": (0.01, 0.01, 0.01, 0.01, 0.95, 0.01, 0.01, 0.01),
    },
    "label_audit": {
        "confirmed": (),
        "altered": (0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.90),
    },
}
"""How often a test gives a result under each of `DIAGNOSES`; the first result has what the others leave.

Rounded from a bank of scenarios on three data sets (`benchmarks/monitoring/diagnosis.py`, seeds from 1000);
never 0 or 1, so that no single test decides against all others."""


def likelihood(test: str, result: str) -> np.ndarray:
    """How likely a result is under each diagnosis.

    Args:
        test: A key of `LIKELIHOOD`.
        result: One of its results; `UNKNOWN` is as likely under each.

    Returns:
        A probability for each of `DIAGNOSES`.

    >>> likelihood("domain_classifier", "same").round(2).tolist()
    [0.98, 0.25, 0.02, 0.02, 0.6, 0.98, 0.98, 0.98]
    """
    if result == UNKNOWN:
        return np.ones(len(DIAGNOSES))
    told = {name: np.array(row) for name, row in LIKELIHOOD[test].items() if row}
    return told[result] if result in told else 1 - np.sum(list(told.values()), axis=0)


def updated(belief: np.ndarray, test: str, result: str) -> np.ndarray:
    """Bayes' rule.

    Args:
        belief: The probability of each of `DIAGNOSES`.
        test: The test that was run.
        result: What it found.

    Returns:
        The probabilities after it.

    >>> belief = updated(np.full(8, 1 / 8), "contract", "broken")
    >>> DIAGNOSES[belief.argmax()], round(float(belief.max()), 2)
    ('quality', 0.96)
    """
    after = belief * likelihood(test, result)
    return after / after.sum()


def gain(belief: np.ndarray, test: str) -> float:
    """How many bits a test is expected to tell: the mutual information of its result and the diagnosis.

    Source: Lindley 1956, "On a measure of the information provided by an experiment".

    Args:
        belief: The probability of each of `DIAGNOSES`.
        test: A key of `LIKELIHOOD`.

    Returns:
        Bits.

    >>> settled = np.eye(8)[1]
    >>> gain(settled, "contract"), gain(np.full(8, 1 / 8), "contract") > 0.3
    (0.0, True)
    """
    chances = [float(belief @ likelihood(test, result)) for result in LIKELIHOOD[test]]
    after = [entropy(updated(belief, test, result)) for result in LIKELIHOOD[test]]
    return entropy(belief) - float(np.dot(chances, after))


def entropy(belief: np.ndarray) -> float:
    """Entropy in bits.

    >>> entropy(np.full(8, 1 / 8))
    3.0
    """
    some = belief[belief > 0]
    return float(-(some * np.log2(some)).sum()) + 0.0


def next_test(belief: np.ndarray, possible: Iterable[Test], results: Mapping[str, str]) -> Test | None:
    """The test that tells most for what it costs; None when the diagnosis is settled, or none tells anything.

    Args:
        belief: The probability of each of `DIAGNOSES`.
        possible: The tests that the case allows.
        results: The result of each test that was run.

    Returns:
        The test.
    """
    if belief.max() >= SETTLED:
        return None
    open_ = [
        t
        for t in possible
        if t.name not in results and (t.needs is None or results.get(t.needs[0]) == t.needs[1])
    ]
    worth = [(gain(belief, test.name) / test.cost, -number) for number, test in enumerate(open_)]
    if not worth or max(worth)[0] < LEAST:
        return None
    return open_[-max(worth)[1]]


def prior(possible: Iterable[Test]) -> np.ndarray:
    """Every diagnosis is as likely as any other, but for two that cannot be.

    Labels that nobody supplied cannot be poisoned, and inputs that are not compared cannot have changed.

    Args:
        possible: The tests that the case allows.

    Returns:
        The probability of each of `DIAGNOSES`.
    """
    names = {test.name for test in possible}
    needs = {"poisoned": "label_audit", "covariate": "domain_classifier"}
    belief = np.array([name not in needs or needs[name] in names for name in DIAGNOSES], float)
    return belief / belief.sum()
