"""What a strategy holds, and the digest that names it."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta

from adsmu.errors import BadInput
from adsmu.strategy.canonical import canonical, keep
from adsmu.strategy.rule import Rule
from adsmu.strategy.updates import Costs, Dataset, EvaluationSet, Promotion, Trigger
from adsmu.strategy.watched import Cohort, Columns, Reference, Signal

NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,62}")
"""A strategy's name names a folder of the store."""


@dataclass(frozen=True)
class Strategy:
    """When a model is updated, with what, and when not: everything that was decided beforehand.

    Attributes:
        name: What it is called; it stands first in what is written.
        columns: What the columns are.
        cohorts: Groups of rows by name.
        window: The length of one window.
        reference: What a window is compared with.
        confidence: Of every interval, two-sided.
        signals: What is looked at, by name.
        triggers: What can open an update, by name.
        combine: The rule over the names of triggers; a strategy that says nothing takes any of them.
        dataset: What is learnt from.
        evaluation_set: What is compared on.
        promotion: How a candidate takes over.
        costs: What it costs.
        needs: The services whose models this one is built on.
        cool_down: After an update, the time in which no trigger but a manual one opens another.
        catch_up: Whether a periodic firing that was missed is made up for, once.
        calibrate_every: After so many trainings in a row that went on from the weights of the last model, one
            from scratch; 0: never.
    """

    name: str
    columns: Columns = field(default_factory=Columns)
    cohorts: dict[str, Cohort] = field(default_factory=dict)
    window: timedelta = timedelta(weeks=1)
    reference: Reference = field(default_factory=Reference)
    confidence: float = 0.95
    signals: dict[str, Signal] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    combine: Rule = ""
    dataset: Dataset = field(default_factory=Dataset)
    evaluation_set: EvaluationSet = field(default_factory=EvaluationSet)
    promotion: Promotion = field(default_factory=Promotion)
    costs: Costs = field(default_factory=Costs)
    needs: tuple[str, ...] = ()
    cool_down: timedelta = timedelta(days=1)
    catch_up: bool = True
    calibrate_every: int = 0

    def __post_init__(self) -> None:
        keep(
            self,
            "name",
            bool(NAME.fullmatch(self.name)),
            "letters, digits and -_. of which the first is none",
        )
        named = all(NAME.fullmatch(each) and each != self.name for each in self.needs)
        keep(self, "needs", named, "names of other services")
        for name, cohort in self.cohorts.items():
            outer = self.cohorts.get(cohort.within, cohort)
            if cohort.within and (outer.each_value or outer.within):
                rule = "must name a cohort that has values or bounds, and that is within no other"
                raise BadInput(f"{rule}, not {cohort.within!r}", column=f"cohorts.{name}.within")
        keep(self, "window", bool(self.window), "above 0")
        keep(self, "calibrate_every", self.calibrate_every >= 0, "0 or more")
        keep(self, "confidence", 0.5 <= self.confidence < 1, "from 0.5 to below 1")

    @property
    def digest(self) -> str:
        """SHA-256 of all that it says: other comments, another order, defaults spelled out change nothing.

        >>> Strategy("bike").digest == Strategy("bike", window=timedelta(days=7)).digest
        True
        """
        text = json.dumps(canonical(self), sort_keys=True, ensure_ascii=False, allow_nan=False)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
