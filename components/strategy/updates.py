"""The parts of a strategy that say what an update is: triggers, data, evaluation, promotion, costs."""

import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from adsmu.cron import check_cron
from adsmu.errors import BadInput
from adsmu.strategy.canonical import keep, one_of

OPENS = ("retrain", "new_mix", "new_class")
"""Recommendations of an analysis that an update can follow."""

VERSION = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,62}")
"""The version of an evaluation set names a folder of the store."""

FORMS = ("all", "sliding", "sampled", "mix", "upsampled", "matching")
PROMOTIONS = ("canary", "shadow", "ab", "ask")
SIGNERS = ("policy", "person")
TRIGGERS: dict[str, tuple[str, ...]] = {
    "periodic": ("cron", "every", "begin"),
    "performance": ("signal", "hysteresis"),
    "segment": ("signal", "cohort", "hysteresis"),
    "volume": ("growth",),
    "drift": ("signals",),
    "analysis": ("actions",),
    "dependency": (),
    "manual": (),
}
"""The kinds of triggers, and the keys that each of them has."""


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
        actions: Of analysis: the recommendations that count, of `OPENS`; empty: all of them.
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
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of(self, "kind", tuple(TRIGGERS))
        for each in fields(self):
            foreign = each.name != "kind" and each.name not in TRIGGERS[self.kind]
            given = getattr(self, each.name) != each.default
            keep(self, each.name, not (foreign and given), f"left out of a {self.kind} trigger")
        if self.kind == "periodic":
            keep(self, "cron", bool(self.cron) != bool(self.every), "given, or every, and not both")
            if self.cron:
                try:
                    check_cron(self.cron)
                except ValueError as error:
                    raise BadInput(str(error), column="cron") from error
        keep(self, "signal", bool(self.signal) or "signal" not in TRIGGERS[self.kind], "the name of a signal")
        keep(self, "hysteresis", self.hysteresis >= 0, "0 or more")
        keep(self, "growth", self.growth > 0, "above 0")
        keep(self, "actions", set(self.actions) <= set(OPENS), f"of {', '.join(OPENS)}")


@dataclass(frozen=True)
class Dataset:
    """How the rows to learn from are put together, unless an analysis asks for something else.

    Attributes:
        form: `all`, `sliding`, `sampled`, `mix` (history and latest), `upsampled` (weak segments), or
            `matching` (the old window that is most like the newest).
        window: How far back `sliding` goes, what counts as the latest for `mix`, and the length of the
            windows that `matching` chooses among.
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
        one_of(self, "form", FORMS)
        keep(self, "window", bool(self.window), "above 0")
        keep(self, "rows", self.rows >= (self.form == "sampled"), "1 or more for a sample, else 0 or more")
        keep(self, "history", 0 <= self.history <= 1, "a share from 0 to 1")
        keep(self, "by", bool(self.by) or self.form != "upsampled", "the column that holds the segments")
        keep(self, "factor", self.factor >= 1, "1 or more")
        keep(self, "seed", self.seed >= 0, "0 or more")


@dataclass(frozen=True)
class EvaluationSet:
    """What a candidate is compared with the champion on.

    Attributes:
        version: The name of a set in the store, whose rows and behavioural tests both models answer beside
            the held-out rows of the update; another version scores the champion anew too. Empty: none.
        hold_out: The newest rows, kept out of training.
    """

    version: str = ""
    hold_out: timedelta = timedelta(weeks=1)

    def __post_init__(self) -> None:
        plain = not self.version or bool(VERSION.fullmatch(self.version))
        keep(self, "version", plain, "letters, digits and -_. of which the first is none")


@dataclass(frozen=True)
class Promotion:
    """How a candidate takes over.

    Attributes:
        by: canary, shadow, ab, or ask a person.
        sign_off: Who signs the report card: the policy by itself, or a person.
        repeats: How many trainings with other seeds tell how far they lie apart before the card is made;
            0: none.
        spread: The largest standard deviation of their frame accuracy with which a policy signs.
    """

    by: str = "canary"
    sign_off: str = "policy"
    repeats: int = 0
    spread: float = 0.02

    def __post_init__(self) -> None:
        one_of(self, "by", PROMOTIONS)
        one_of(self, "sign_off", SIGNERS)
        keep(self, "repeats", self.repeats == 0 or self.repeats >= 2, "0, or 2 or more")
        keep(self, "spread", self.spread > 0, "above 0")


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
            keep(self, each.name, getattr(self, each.name) >= 0, "0 or more")
