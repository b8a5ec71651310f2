"""What an analysis looks at: a reference with labels, a window with few, and whom to ask for more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.analyze.novelty import Density, density
from adsmu.analyze.points import points
from adsmu.analyze.shift import Separation, domain, label_weights
from adsmu.errors import BadInput
from adsmu.monitor.conditions import Condition, cohorts, select
from adsmu.monitor.labels import check_task
from adsmu.profile.observations import features, observations
from adsmu.strategy import Strategy

Ask = Callable[[Sequence[str]], Sequence[Any]]
"""Gives the labels of the rows of these ids, None where there is none to be had: a person, or late labels."""


GROUPS = 12
"""The most cohorts that are looked at by themselves: each costs labels."""

ROWS = 3000
"""The most rows of a table that are compared: more tell little, and each is compared with each."""


@dataclass(frozen=True)
class Group:
    """A cohort of the strategy, or one value of it.

    Attributes:
        name: The cohort's, or `column=value` where each value is a cohort of its own: as in findings.
        column: The column that tells it.
        reference: bool, which rows of the reference belong to it.
        window: bool, which rows of the window do.
        conditions: What a row must be to belong to it.
    """

    name: str
    column: str
    reference: np.ndarray
    window: np.ndarray
    conditions: tuple[Condition, ...]


class Case:
    """A reference and a window, at most `ROWS` rows at random of each, and what is computed of them once.

    Attributes:
        whole: All rows of the window.
        window: Those that are looked at.

    Args:
        reference: Observations that have labels and predictions.
        window: Observations of production; labels may be null.
        strategy: Says what the columns are, and names the cohorts.
        findings: The content of a `findings.json`, or None.
        ask: Gives labels; None: there are none but those of the window.
        seed: Of the samples that are asked for, and of folds.

    Raises:
        BadInput: A table lacks what the analysis needs.
    """

    def __init__(
        self,
        reference: pa.Table,
        window: pa.Table,
        strategy: Strategy,
        findings: Mapping[str, Any] | None = None,
        ask: Ask | None = None,
        seed: int = 0,
    ) -> None:
        reference, self.whole = observations(reference, "reference"), observations(window, "window")
        self.reference = reference.take(pa.array(_sampled(len(reference), seed)))
        self._chosen = _sampled(len(self.whole), seed)
        self.window = self.whole.take(pa.array(self._chosen))
        self.strategy, self.findings, self.seed = strategy, findings, seed
        self.classes = strategy.columns.task == "classification"
        for table, side in ((self.reference, "reference"), (self.window, "window")):
            check_task(table, strategy.columns.task, side)
        self._ask = ask
        for name in ("prediction", "label"):
            if self.reference[name].null_count or not len(self.reference):
                raise BadInput("each row of a reference needs a value", file="reference", column=name)
        if self.whole["prediction"].null_count or not len(self.whole):
            raise BadInput("each row needs a value", file="window", column="prediction")
        self.label = np.array(self.reference["label"].to_pylist())
        self.prediction = np.array(self.reference["prediction"].to_pylist())
        self.window_prediction = np.array(self.window["prediction"].to_pylist())
        self.weight = self.reference["weight"].to_numpy(), self.window["weight"].to_numpy()
        self.supplied = _objects(self.window["label"].to_pylist())
        self._known = self.supplied.copy()
        self.asked: list[int] = []
        self.wanted: list[int] = []

    @property
    def columns(self) -> list[str]:
        """The features that are compared: those of the strategy that both tables have."""
        both = set(self.reference.column_names) & set(self.window.column_names)
        return [name for name in self.strategy.columns.chosen(features(self.reference)) if name in both]

    @cached_property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of reference and window as points of one space."""
        return self.points_of(self.columns)

    def points_of(self, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The rows of reference and window as points of the space of some columns."""
        return points(self.reference, self.window, columns, self.strategy.columns.text, self.seed)

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where rows of `window` stand in `whole`."""
        return self._chosen[rows]

    def alike(self, places: np.ndarray) -> np.ndarray:
        """The rows of the whole window that are most like some of those that were looked at.

        Args:
            places: Rows of `window`.

        Returns:
            Places of rows of `whole`: these, and each other row whose nearest row of `window` is one of them.
        """
        if len(self.window) == len(self.whole):
            return np.sort(places)
        from sklearn.neighbors import NearestNeighbors

        text = self.strategy.columns.text
        rows = points(self.reference, self.whole, self.columns, text, self.seed)[1]
        near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(rows[self._chosen])
        nearest = near.kneighbors(rows, return_distance=False)[:, 0]
        nearest[self._chosen] = np.arange(len(self._chosen))
        return np.flatnonzero(np.isin(nearest, places))

    @cached_property
    def density(self) -> Density:
        """How much denser the window is than the reference, about each row."""
        return density(*self.points)

    @cached_property
    def separation(self) -> Separation:
        """How well a classifier tells the window from the reference."""
        return domain(*self.points, *self.weight, seed=self.seed)

    @cached_property
    def class_weights(self) -> dict[str, float]:
        """How many times as frequent each class is in the window, as the predictions tell."""
        return label_weights(self.label, self.prediction, self.window_prediction, *self.weight)

    @cached_property
    def groups(self) -> list[Group]:
        """The cohorts of the strategy that have rows on both sides, at most the `GROUPS` largest."""
        found = []
        for cohort in self.strategy.cohorts.values():
            for table in (self.reference, self.window):
                if cohort.column not in table.column_names:
                    raise BadInput("the column of a cohort is missing", file="window", column=cohort.column)
        for part, conditions in cohorts(self.strategy.cohorts, self.reference, len(self.reference)).items():
            here, there = (select(table, conditions) for table in (self.reference, self.window))
            group = Group(part, conditions[0]["column"], here, there, conditions)
            if group.reference.any() and group.window.any() and not group.window.all():
                found.append(group)
        return sorted(found, key=lambda group: -int(group.window.sum()))[:GROUPS]

    @property
    def can_ask(self) -> bool:
        """Whether there is someone to ask for labels."""
        return self._ask is not None

    def ask(self, rows: np.ndarray) -> np.ndarray:
        """Asks for the labels of rows of the window, those that came with it included.

        Args:
            rows: Their places.

        Returns:
            The answers, None where there is none.
        """
        if self._ask is None:
            return _objects([None] * len(rows))
        answers = _objects(list(self._ask(self.window["id"].take(pa.array(rows)).to_pylist())))
        self.asked += rows.tolist()
        self.wanted += rows[~present(answers)].tolist()
        self._known[rows] = np.where(present(answers), answers, self._known[rows])
        return answers

    def labelled(self, among: np.ndarray, wanted: int) -> np.ndarray:
        """Chooses rows at random whose labels are known, asking for those that are not.

        A row's chance follows its weight, so that what sampling left out counts. Without anyone to ask the
        rows are those that have labels, which may be unlike the others.

        Args:
            among: bool, the rows to choose from.
            wanted: How many.

        Returns:
            Places of rows of the window, at most `wanted` if there is someone to ask.
        """
        places = np.flatnonzero(among)
        if self.can_ask:
            order = np.random.default_rng(self.seed).exponential(size=len(self.window)) / self.weight[1]
            places = np.sort(places[np.argsort(order[places], kind="stable")][:wanted])
            missing = places[~present(self._known[places])]
            if len(missing):
                self.ask(missing)
        return places[present(self._known[places])]

    def known(self, rows: np.ndarray) -> np.ndarray:
        """The labels of rows of the window."""
        return self._known[rows]

    def loss(self, rows: np.ndarray | None = None) -> np.ndarray:
        """What the model lost on rows: 1 for a wrong class, else 0; of a number the absolute error.

        Args:
            rows: Places of labelled rows of the window; None: the reference.

        Returns:
            float, one a row.
        """
        label, told = (
            (self.label, self.prediction)
            if rows is None
            else (self._known[rows], self.window_prediction[rows])
        )
        if self.classes:
            return np.asarray(label != told, float)
        return np.abs(label.astype(float) - told.astype(float))


def present(values: np.ndarray) -> np.ndarray:
    """Tells which of some objects are not None."""
    return np.array([value is not None for value in values.tolist()], bool)


def _sampled(rows: int, seed: int) -> np.ndarray:
    """The places of the rows that are looked at."""
    if rows <= ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, ROWS, replace=False))


def _objects(values: Sequence[Any]) -> np.ndarray:
    made = np.empty(len(values), object)
    made[:] = values
    return made
