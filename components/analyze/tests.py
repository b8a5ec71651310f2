"""The tests: each asks one question of a case and gives one of a few results."""

from collections.abc import Callable
from dataclasses import dataclass

from adsmu.analyze import inputs, labelled
from adsmu.analyze.case import Case, present
from adsmu.analyze.outcome import Outcome


@dataclass(frozen=True)
class Test:
    """A question that can be put to a case.

    Attributes:
        name: Its name in records.
        question: What it asks, in words.
        cost: What it costs beside the others: least rules, which a monitor has checked before; then profiles,
            models, and labels that people give.
        run: Gives the outcome.
        possible: Whether a case allows it.
        needs: Another test and the result that gives this one its meaning, or None.
    """

    name: str
    question: str
    cost: float
    run: Callable[[Case], Outcome]
    possible: Callable[[Case], bool] = lambda case: True
    needs: tuple[str, str] | None = None


def _supplied(case: Case) -> bool:
    return case.classes and _scored(case) and int(present(case.supplied).sum()) >= labelled.LABELS


def _scored(case: Case) -> bool:
    return not case.reference["score"].null_count and not case.window["score"].null_count


def _compared(case: Case) -> bool:
    return bool(case.columns)


def _labels(case: Case) -> bool:
    return case.can_ask or int(present(case.supplied).sum()) >= labelled.LABELS // 2


TESTS = (
    Test("contract", "do the data keep the rules that the reference keeps?", 0.5, inputs.contract),
    Test("column_drift", "is a column by itself distributed otherwise?", 1, inputs.column_drift, _compared),
    Test("prediction_drift", "does the model answer otherwise?", 1, inputs.prediction_drift),
    Test("confidence_drift", "is the model as sure of itself?", 1, inputs.confidence_drift, _scored),
    Test(
        "domain_classifier",
        "can a classifier tell the window from the reference, and still once classes are as frequent?",
        1.5,
        inputs.domain_classifier,
        _compared,
    ),
    Test(
        "new_cluster",
        "are there rows like none of the reference, and like each other?",
        1.5,
        inputs.new_cluster,
        lambda case: case.classes and _compared(case),
    ),
    Test(
        "cluster_labels",
        "do those rows carry a label that is new?",
        2,
        labelled.cluster_labels,
        lambda case: case.classes and _compared(case) and _labels(case),
        ("new_cluster", "one"),
    ),
    Test(
        "random_labels",
        "does the model lose more, on rows chosen at random?",
        3,
        labelled.random_labels,
        _labels,
    ),
    Test(
        "cohort_labels",
        "does it lose more in one cohort, or everywhere?",
        4,
        labelled.cohort_labels,
        lambda case: bool(case.groups) and _labels(case),
    ),
    Test(
        "label_audit",
        "are labels that contradict the model given again by someone who is asked?",
        2,
        labelled.label_audit,
        lambda case: case.can_ask and _supplied(case),
    ),
)
