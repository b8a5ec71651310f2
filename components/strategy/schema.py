"""What a strategy holds: frozen values, each with the rules that it keeps by itself."""

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adsmu.cron import check_cron
from adsmu.errors import BadInput
from adsmu.strategy.measures import MEASURES, Measure
from adsmu.strategy.rule import Rule
from adsmu.strategy.times import shown

TASKS = ("classification", "regression")
REFERENCES = ("validation", "fixed", "sliding", "season")
FORMS = ("all", "sliding", "sampled", "mix", "upsampled", "matching")
PROMOTIONS = ("canary", "shadow", "ab", "ask")
SIGNERS = ("policy", "person")
TRIGGERS: dict[str, tuple[str, ...]] = {
    "periodic": ("cron", "every", "begin"),
    "performance": ("signal", "hysteresis"),
    "segment": ("signal", "cohort", "hysteresis"),
    "volume": ("growth",),
    "drift": ("signals",),
    "manual": (),
}
"""The kinds of triggers, and the keys that each of them has."""

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Contract:
    """What the values of a column must be.

    Attributes:
        low: The lowest value; None: no bound.
        high: The highest value.
        values: The only values there may be; empty: any.
        missing: The largest share of missing values; None: as the signal `missing` says.
    """

    low: float | None = None
    high: float | None = None
    values: tuple[Scalar, ...] = ()
    missing: float | None = None

    def __post_init__(self) -> None:
        bounded = self.low is not None or self.high is not None
        _keep(
            self, "low", not (bounded and self.values), "given without values: a column has one or the other"
        )
        _keep(
            self, "high", self.low is None or self.high is None or self.low <= self.high, "no less than low"
        )
        _keep(self, "missing", self.missing is None or 0 <= self.missing <= 1, "a share from 0 to 1")


@dataclass(frozen=True)
class Columns:
    """What the columns of observations are.

    Attributes:
        task: What the model does: classification or regression.
        features: The columns that are watched, the most important first; empty: every column that is not
            reserved. The order says nothing of a strategy's digest.
        ignore: Columns that are not watched.
        text: Columns of strings that are text, not categories.
        embedding: Columns that must be lists of numbers.
        projections: Name to import path, `package.module:function`, of a function from the table to one
            number a row, which is watched like a column.
        contract: Column to what its values must be.
    """

    task: str = "classification"
    features: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    projections: dict[str, str] = field(default_factory=dict)
    contract: dict[str, Contract] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_of(self, "task", TASKS)
        both = sorted(set(self.text) & set(self.embedding))
        _keep(self, "text", not both, f"without {', '.join(both)}, which embedding names too")
        for name, path in self.projections.items():
            if path.count(":") != 1 or not all(path.split(":")):
                raise BadInput("must be package.module:function", column=f"projections.{name}")


@dataclass(frozen=True)
class Cohort:
    """A group of rows that is looked at by itself.

    Attributes:
        column: The column that tells it; `stratum_id` for strata.
        values: The values that belong to it; without values and bounds each value is a cohort of its own.
        low: Of a numeric column, the lowest value that belongs to it.
        high: The first value above it.
    """

    column: str
    values: tuple[Scalar, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _keep(self, "column", bool(self.column), "the name of a column")
        bounded = self.low is not None or self.high is not None
        _keep(
            self, "low", not (bounded and self.values), "given without values: a cohort has one or the other"
        )
        _keep(self, "high", self.low is None or self.high is None or self.low < self.high, "above low")


@dataclass(frozen=True)
class Reference:
    """What a window is compared with.

    Attributes:
        kind: `validation`: the rows that the model was evaluated on; `fixed`: the rows from `begin` to `end`;
            `sliding`: the rows just before the window; `season`: those one `period` before it.
        begin: Of a fixed reference.
        end: Of a fixed reference; not in it.
        lengths: Of sliding references: each is compared with.
        period: Of the season.
    """

    kind: str = "validation"
    begin: datetime | None = None
    end: datetime | None = None
    lengths: tuple[timedelta, ...] = (timedelta(weeks=4),)
    period: timedelta = timedelta(days=365)

    def __post_init__(self) -> None:
        _one_of(self, "kind", REFERENCES)
        fixed = self.kind == "fixed"
        _keep(
            self, "begin", (self.begin is not None) == fixed, "given for a fixed reference, and for no other"
        )
        _keep(self, "end", (self.end is not None) == fixed, "given for a fixed reference, and for no other")
        _keep(self, "end", not (self.begin and self.end) or self.begin < self.end, "after begin")
        _keep(
            self,
            "lengths",
            bool(self.lengths) and all(self.lengths),
            "one length of time or more, each above 0",
        )
        _keep(self, "period", bool(self.period), "above 0")


@dataclass(frozen=True)
class Signal:
    """A figure that is looked at in each window.

    Attributes:
        measure: Which figure: a name in `MEASURES`.
        threshold: Where it begins to tell something, in the measure's own unit.
        minimum_rows: With fewer rows it says nothing.
        persistence: How many windows in a row it must be beyond its threshold.
        columns: The columns or projections that it is of; empty: all that it has a meaning for.
        alert: Whether it calls a person; else it is recorded.
    """

    measure: str
    threshold: float
    minimum_rows: int = 100
    persistence: int = 1
    columns: tuple[str, ...] = ()
    alert: bool = False

    def __post_init__(self) -> None:
        _one_of(self, "measure", tuple(MEASURES))
        _keep(self, "minimum_rows", self.minimum_rows >= 1, "1 or more")
        _keep(self, "persistence", self.persistence >= 1, "1 or more")
        _keep(
            self, "alert", not (self.alert and self.of.debug), f"false: {self.measure} is for debugging only"
        )
        business = self.measure == "outcome" and len(self.columns) != 1
        _keep(self, "columns", not business, "the one column that holds the outcome")

    @property
    def of(self) -> Measure:
        """What is known of its measure."""
        return MEASURES[self.measure]

    @property
    def level(self) -> str:
        """Its place in `measures.LEVELS`."""
        return self.of.level


@dataclass(frozen=True)
class Trigger:
    """What can open an update, or with drift an analysis first.

    Attributes:
        kind: A key of `TRIGGERS`.
        cron: Of a periodic one: six fields, the second first, in UTC.
        every: Of a periodic one: the time from one firing to the next, counted from `begin`.
        begin: The first firing of `every`; a Monday unless it is given.
        signal: Of performance and segment: the signal that must fall beyond its threshold.
        cohort: Of a segment: the cohort; empty: any.
        hysteresis: How far the figure must come back beyond the threshold before it can fire again.
        growth: Of volume: by which share the labelled rows must have grown.
        signals: Of drift: the signals that count; empty: all of level drift.
    """

    kind: str
    cron: str = ""
    every: timedelta | None = None
    begin: datetime = datetime(1970, 1, 5, tzinfo=UTC)
    signal: str = ""
    cohort: str = ""
    hysteresis: float = 0.0
    growth: float = 0.05
    signals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _one_of(self, "kind", tuple(TRIGGERS))
        for each in fields(self):
            foreign = each.name != "kind" and each.name not in TRIGGERS[self.kind]
            given = getattr(self, each.name) != each.default
            _keep(self, each.name, not (foreign and given), f"left out of a {self.kind} trigger")
        if self.kind == "periodic":
            _keep(self, "cron", bool(self.cron) != bool(self.every), "given, or every, and not both")
            if self.cron:
                try:
                    check_cron(self.cron)
                except ValueError as error:
                    raise BadInput(str(error), column="cron") from error
        _keep(
            self, "signal", bool(self.signal) or "signal" not in TRIGGERS[self.kind], "the name of a signal"
        )
        _keep(self, "hysteresis", self.hysteresis >= 0, "0 or more")
        _keep(self, "growth", self.growth > 0, "above 0")


@dataclass(frozen=True)
class Dataset:
    """How the rows to learn from are put together, unless an analysis asks for something else.

    Attributes:
        form: `all`, `sliding`, `sampled`, `mix` (history and latest), `upsampled` (weak segments), or
            `matching` (the old window that is most like the newest).
        window: How far back `sliding` goes, what counts as the latest for `mix`, and the length of the windows
            that `matching` chooses among.
        rows: Of sampled: how many; of mix: how many in all; 0: as many as there are.
        history: Of mix: the share of rows from before the window.
        by: Of sampled and upsampled: the column whose values are sampled evenly, or are the segments.
        segments: Of upsampled: the values of `by` that are weak.
        factor: Of upsampled: how many times as many rows a weak segment gets.
        seed: Makes the sample reproducible.
    """

    form: str = "all"
    window: timedelta = timedelta(weeks=4)
    rows: int = 0
    history: float = 0.5
    by: str = ""
    segments: tuple[str, ...] = ()
    factor: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of(self, "form", FORMS)
        _keep(self, "window", bool(self.window), "above 0")
        _keep(self, "rows", self.rows >= (self.form == "sampled"), "1 or more for a sample, else 0 or more")
        _keep(self, "history", 0 <= self.history <= 1, "a share from 0 to 1")
        _keep(self, "by", bool(self.by) or self.form != "upsampled", "the column that holds the segments")
        _keep(self, "factor", self.factor >= 1, "1 or more")
        _keep(self, "seed", self.seed >= 0, "0 or more")


@dataclass(frozen=True)
class EvaluationSet:
    """What a candidate is compared with the champion on.

    Attributes:
        version: Its name; a new version re-scores the champion too.
        hold_out: The newest rows, kept out of training and added to it.
    """

    version: str = "1"
    hold_out: timedelta = timedelta(weeks=1)


@dataclass(frozen=True)
class Promotion:
    """How a candidate takes over.

    Attributes:
        by: canary, shadow, ab, or ask a person.
        sign_off: Who signs the report card: the policy by itself, or a person.
    """

    by: str = "canary"
    sign_off: str = "policy"

    def __post_init__(self) -> None:
        _one_of(self, "by", PROMOTIONS)
        _one_of(self, "sign_off", SIGNERS)


@dataclass(frozen=True)
class Costs:
    """What an update costs and what it is worth, in one currency.

    Attributes:
        retraining: Of one update, training and evaluation.
        point_week: What one point of accuracy (1 %), or one unit of error, is worth for a week.
        label: Of one label that a person gives.
    """

    retraining: float = 0.0
    point_week: float = 0.0
    label: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            _keep(self, each.name, getattr(self, each.name) >= 0, "0 or more")


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
        cool_down: After an update, the time in which no trigger but a manual one opens another.
        catch_up: Whether a periodic firing that was missed is made up for, once.
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
    cool_down: timedelta = timedelta(days=1)
    catch_up: bool = True

    def __post_init__(self) -> None:
        _keep(self, "name", bool(self.name), "text")
        _keep(self, "window", bool(self.window), "above 0")
        _keep(self, "confidence", 0.5 <= self.confidence < 1, "from 0.5 to below 1")

    @property
    def digest(self) -> str:
        """SHA-256 of everything that it says: the same for other comments, another order, defaults spelled out.

        >>> Strategy("bike").digest == Strategy("bike", window=timedelta(days=7)).digest
        True
        """
        text = json.dumps(canonical(self), sort_keys=True, ensure_ascii=False, allow_nan=False)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def canonical(value: Any) -> Any:
    """A strategy, or a part of it, as JSON: every default spelled out, lists in one order.

    The order of a list never means anything in a strategy, but in `features`, where it only ranks a report.

    Args:
        value: A strategy or what one holds.

    Returns:
        Mappings, lists, text, numbers, truth values and null.
    """
    if is_dataclass(value):
        return {each.name: canonical(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {name: canonical(value[name]) for name in sorted(value)}
    if isinstance(value, tuple | list):
        return sorted((canonical(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    if isinstance(value, timedelta):
        return shown(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _keep(part: Any, name: str, holds: bool, rule: str) -> None:
    if not holds:
        raise BadInput(f"must be {rule}, not {canonical(getattr(part, name))!r}", column=name)


def _one_of(part: Any, name: str, known: tuple[str, ...]) -> None:
    _keep(part, name, getattr(part, name) in known, f"one of {', '.join(known)}")
