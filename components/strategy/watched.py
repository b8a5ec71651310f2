"""The parts of a strategy that say what is watched: columns, cohorts, reference, signals."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adsmu.errors import BadInput
from adsmu.strategy.canonical import keep, one_of
from adsmu.strategy.measures import MEASURES, Measure

TASKS = ("classification", "regression")
REFERENCES = ("validation", "fixed", "sliding", "season")

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
        keep(
            self, "low", not (bounded and self.values), "given without values: a column has one or the other"
        )
        keep(self, "high", self.low is None or self.high is None or self.low <= self.high, "no less than low")
        keep(self, "missing", self.missing is None or 0 <= self.missing <= 1, "a share from 0 to 1")


@dataclass(frozen=True)
class Columns:
    """What the columns of observations are.

    Attributes:
        task: What the model does: classification or regression.
        features: The columns that are watched, the most important first; None: every column that is not
            reserved; empty: only what the model answers. The order says nothing of a strategy's digest.
        ignore: Columns that are not watched.
        text: Columns of strings that are text, not categories.
        embedding: Columns that must be lists of numbers.
        projections: Name to import path, `package.module:function`, of a function from the table to one
            number a row, which is watched like a column; with a third part, `package.module:function:column`,
            it is given that column's name, too.
        contract: Column to what its values must be.
    """

    task: str = "classification"
    features: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    projections: dict[str, str] = field(default_factory=dict)
    contract: dict[str, Contract] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of(self, "task", TASKS)
        both = sorted(set(self.text) & set(self.embedding))
        keep(self, "text", not both, f"without {', '.join(both)}, which embedding names too")
        for name, path in self.projections.items():
            if path.count(":") not in (1, 2) or not all(path.split(":")):
                rule = "must be package.module:function, or package.module:function:column"
                raise BadInput(rule, column=f"projections.{name}")

    def chosen(self, known: Iterable[str]) -> list[str]:
        """The features that are watched, of those that are known.

        Args:
            known: The columns that are not reserved.

        >>> Columns().chosen("xy"), Columns(features=("y",)).chosen("xy"), Columns(features=()).chosen("xy")
        (['x', 'y'], ['y'], [])
        """
        return [
            name for name in (known if self.features is None else self.features) if name not in self.ignore
        ]

    @property
    def projected(self) -> dict[str, str]:
        """The projections, with those that every text is watched by.

        >>> list(Columns(text=("query",)).projected)
        ['query.words', 'query.word_length']
        """
        texts = [name for name in self.text if name not in self.ignore]
        return {
            f"{name}.{what}": f"adsmu.profile.projections:{function}:{name}"
            for name in texts
            for what, function in (("words", "token_count"), ("word_length", "word_length"))
        } | self.projections


@dataclass(frozen=True)
class Cohort:
    """A group of rows that is looked at by itself.

    Attributes:
        column: The column that tells it; `stratum_id` for strata.
        values: The values that belong to it; without values and bounds each value is a cohort of its own.
        low: Of a numeric column, the lowest value that belongs to it.
        high: The first value above it.
        within: Another cohort, with values or bounds, that a row must belong to as well; empty: none.
    """

    column: str
    values: tuple[Scalar, ...] = ()
    low: float | None = None
    high: float | None = None
    within: str = ""

    def __post_init__(self) -> None:
        keep(self, "column", bool(self.column), "the name of a column")
        bounded = self.low is not None or self.high is not None
        keep(
            self, "low", not (bounded and self.values), "given without values: a cohort has one or the other"
        )
        keep(self, "high", self.low is None or self.high is None or self.low < self.high, "above low")

    @property
    def each_value(self) -> bool:
        """Whether it stands for a cohort of each value of its column."""
        return not self.values and self.low is None and self.high is None


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
        one_of(self, "kind", REFERENCES)
        fixed = self.kind == "fixed"
        keep(
            self, "begin", (self.begin is not None) == fixed, "given for a fixed reference, and for no other"
        )
        keep(self, "end", (self.end is not None) == fixed, "given for a fixed reference, and for no other")
        keep(self, "end", not (self.begin and self.end) or self.begin < self.end, "after begin")
        keep(
            self,
            "lengths",
            bool(self.lengths) and all(self.lengths),
            "one length of time or more, each above 0",
        )
        keep(self, "period", bool(self.period), "above 0")


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
        one_of(self, "measure", tuple(MEASURES))
        keep(self, "minimum_rows", self.minimum_rows >= 1, "1 or more")
        keep(self, "persistence", self.persistence >= 1, "1 or more")
        keep(
            self, "alert", not (self.alert and self.of.debug), f"false: {self.measure} is for debugging only"
        )
        business = self.measure == "outcome" and len(self.columns) != 1
        keep(self, "columns", not business, "the one column that holds the outcome")

    @property
    def of(self) -> Measure:
        """What is known of its measure."""
        return MEASURES[self.measure]

    @property
    def level(self) -> str:
        """Its place in `measures.LEVELS`."""
        return self.of.level
