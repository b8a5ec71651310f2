"""What a decision is made from: the plan of a rollout and the evidence it has gathered, both plain JSON."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from adsmu.errors import BadInput

PROOFS = ("live", "shadow", "limit")

OTHER = "other"
"""The name, if there, of the last stratum: of requests too rare to prove anything of. Harm is found in it as
in any other; it asks for no labels, and does not count in the mean."""


@dataclass(frozen=True)
class Plan:
    """What a canary must show, and how far it goes at a time.

    Attributes:
        steps: The canary's shares of the traffic, each above the one before; the last is promoted from. None:
            a shadow run, which moves no traffic.
        alpha: The most likely that a canary that is no worse is ever rolled back or held for a wrong split or
            coverage, over all strata, metrics and looks; and, apart from it, that one worse by the margin or
            the floor is ever promoted.
        margin: How much lower the canary's mean accuracy over strata may be.
        floor: How much lower its accuracy in any one stratum may be. A mean over many strata hides one that
            broke.
        min_looks: Looks at a step before the next.
        min_requests: The canary's requests at a step before the next.
        min_labels: Labels of each variant in each stratum before a promotion.
        max_looks: Looks after which a rollout that nothing decided is inconclusive.
        bake_looks: Looks at a share of 1 before the promotion, while the champion is still warm.
        proof: What a promotion rests on: `live` labels of both variants; `shadow` pairs; or a `limit`, where
            there is no champion to compare with.
        min_pairs: Shadow pairs before the first step.
        min_accuracy: The mean accuracy over strata that `limit` asks for; each stratum may be lower by the
            floor. 0 sets no limit.
        max_errors: The part of the canary's requests that may fail, whatever the champion does.
        max_slow: The part that may be slow.
    """

    steps: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 1.0)
    alpha: float = 0.05
    margin: float = 0.05
    floor: float = 0.2
    min_looks: int = 1
    min_requests: int = 100
    min_labels: int = 20
    max_looks: int = 1000
    bake_looks: int = 1
    proof: str = "live"
    min_pairs: int = 0
    min_accuracy: float = 0.0
    max_errors: float = 0.05
    max_slow: float = 0.25

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in zip((0.0, *self.steps), self.steps, strict=False))
        limited = self.proof == "limit"
        for name, holds, rule in (
            ("steps", rising and (not self.steps or self.steps[-1] <= 1), "shares that rise, above 0 to 1"),
            ("alpha", 0 < self.alpha < 1, "above 0 and below 1"),
            ("margin", 0 < self.margin < 1, "above 0 and below 1"),
            ("floor", 0 < self.floor <= 1, "above 0 to 1"),
            ("min_looks", self.min_looks >= 1, "1 or more"),
            ("min_requests", self.min_requests >= 1, "1 or more"),
            ("min_labels", self.min_labels >= 1, "1 or more"),
            (
                "max_looks",
                self.max_looks >= max(self.min_looks, 1),
                f"{self.min_looks} or more, as min_looks",
            ),
            ("bake_looks", self.bake_looks >= 1, "1 or more"),
            ("proof", self.proof in PROOFS, f"one of {', '.join(PROOFS)}"),
            ("min_pairs", self.min_pairs >= 0, "0 or more"),
            (
                "min_accuracy",
                limited <= (self.min_accuracy > 0) and 0 <= self.min_accuracy < 1,
                "above 0 and below 1",
            ),
            ("max_errors", 0 < self.max_errors <= 1, "above 0 to 1"),
            ("max_slow", 0 < self.max_slow <= 1, "above 0 to 1"),
        ):
            if not holds:
                raise BadInput(f"must be {rule}, not {getattr(self, name)}", column=name)


@dataclass(frozen=True)
class Traffic:
    """What one variant answered in a look, one number a stratum.

    Attributes:
        requests: Requests it got.
        errors: Of these, those it failed to answer.
        slow: Of these, those it answered later than the objective for latency.
    """

    requests: tuple[int, ...]
    errors: tuple[int, ...]
    slow: tuple[int, ...]


@dataclass(frozen=True)
class Labels:
    """The labels of one variant that became due in a look, one number a stratum.

    Attributes:
        due: Requests whose label was due by now, and was not before.
        labelled: Of these, those that have one.
        correct: Of these, those that were answered rightly.
    """

    due: tuple[int, ...]
    labelled: tuple[int, ...]
    correct: tuple[int, ...]


@dataclass(frozen=True)
class Served:
    """Labels, of both variants, of requests that were served while the canary had one and the same share.

    Labels come late. Those of requests served at different shares must not be mixed: with a trend over time,
    the variants would differ by the time their requests are of.
    """

    canary: Labels
    champion: Labels


@dataclass(frozen=True)
class Pairs:
    """Requests that both variants answered, one number a stratum.

    Attributes:
        compared: All of them.
        worse: Only the champion was right.
        better: Only the canary was right.
    """

    compared: tuple[int, ...]
    worse: tuple[int, ...]
    better: tuple[int, ...]


@dataclass(frozen=True)
class Look:
    """What is new since the look before.

    Attributes:
        share: The canary's share of the traffic, as configured, throughout the look; 0 in a dark launch.
        canary: Its traffic.
        champion: Its traffic.
        labels: Labels that became due, a group for each share their requests were served at.
        shadow: Pairs of a shadow run, if there was one.
    """

    share: float
    canary: Traffic
    champion: Traffic
    labels: tuple[Served, ...] = ()
    shadow: Pairs | None = None


@dataclass(frozen=True)
class Evidence:
    """All that a decision rests on, in the order it came.

    Attributes:
        strata: Their names; every count has one number for each, in this order.
        looks: The looks so far.
    """

    strata: tuple[str, ...]
    looks: tuple[Look, ...] = field(default=())


COUNTS = ("min_looks", "min_requests", "min_labels", "max_looks", "bake_looks", "min_pairs")
"""What of a plan is a whole number."""


def to_json(value: Plan | Evidence | Look) -> dict[str, Any]:
    """A plan, evidence or a look as a JSON value.

    >>> to_json(Plan(steps=(0.5,)))["steps"]
    [0.5]
    """
    return {name: _plain(each) for name, each in dataclasses.asdict(value).items()}


def plan_from_json(value: Any) -> Plan:
    """The plan in a JSON value.

    Args:
        value: What `to_json` gave; what is missing takes its default.

    Raises:
        BadInput: A key is unknown, or a value of another type or out of range.

    >>> plan_from_json({"margin": 0.02}).margin
    0.02
    """
    known = {each.name for each in dataclasses.fields(Plan)}
    if not isinstance(value, dict) or not set(value) <= known:
        raise BadInput(f"a plan is a mapping of {', '.join(sorted(known))}")
    given = dict(value)
    for name, each in value.items():
        if name == "steps":
            if not isinstance(each, list) or not all(_is_number(step) for step in each):
                raise BadInput("must be a list of numbers", column=name)
            given[name] = tuple(float(step) for step in each)
        elif name in COUNTS and isinstance(each, float) and each.is_integer():
            given[name] = int(each)  # kfp knows one kind of number
        elif name != "proof" and not (_is_count(each) if name in COUNTS else _is_number(each)):
            raise BadInput(f"must be a number, for a count a whole one, not {each!r}", column=name)
    return Plan(**given)


def evidence_from_json(value: Any) -> Evidence:
    """The evidence in a JSON value.

    Args:
        value: What `to_json` gave.

    Raises:
        BadInput: Something is missing, or a count is not one; look and column are named.

    >>> look = Look(0.5, Traffic((3, 4), (0, 0), (0, 1)), Traffic((2, 5), (0, 0), (0, 0)))
    >>> evidence = Evidence(("a", "b"), (look,))
    >>> evidence_from_json(to_json(evidence)) == evidence
    True
    """
    strata, looks = _keys(value, ("strata", "looks"), {"row": None, "column": None})
    if not isinstance(strata, list) or not strata or not all(isinstance(name, str) for name in strata):
        raise BadInput("must be a list of names, at least one", column="strata")
    if len(set(strata)) < len(strata):
        raise BadInput("names a stratum twice", column="strata")
    if not isinstance(looks, list):
        raise BadInput("must be a list", column="looks")
    return Evidence(tuple(strata), tuple(_look(look, len(strata), row) for row, look in enumerate(looks, 1)))


def _look(value: Any, strata: int, row: int) -> Look:
    place: dict[str, Any] = {"row": row, "column": None}
    share, canary, champion, labels, shadow = _keys(
        value, ("share", "canary", "champion", "labels", "shadow"), place
    )
    if not _is_number(share) or not 0 <= share <= 1:
        raise BadInput(f"must be a number from 0 to 1, not {share!r}", row=row, column="share")
    if not isinstance(labels, list):
        raise BadInput("must be a list", row=row, column="labels")
    served = []
    for group in labels:
        both = _keys(group, ("canary", "champion"), place | {"column": "labels"})
        served.append(Served(*(_counts(Labels, each, strata, place | {"column": "labels"}) for each in both)))
    return Look(
        float(share),
        _counts(Traffic, canary, strata, place | {"column": "canary"}),
        _counts(Traffic, champion, strata, place | {"column": "champion"}),
        tuple(served),
        None if shadow is None else _counts(Pairs, shadow, strata, place | {"column": "shadow"}),
    )


def _counts(kind: Any, value: Any, strata: int, place: dict[str, Any]) -> Any:
    names = tuple(each.name for each in dataclasses.fields(kind))
    columns = dict(zip(names, _keys(value, names, place), strict=True))
    for name, column in columns.items():
        if not isinstance(column, list) or len(column) != strata or not all(map(_is_count, column)):
            raise BadInput(f"{name} must be {strata} whole numbers, 0 or more: one a stratum", **place)
    for part, whole in (
        ("errors", "requests"),
        ("slow", "requests"),
        ("labelled", "due"),
        ("correct", "labelled"),
        ("worse", "compared"),
        ("better", "compared"),
    ):
        if part in columns and any(x > n for x, n in zip(columns[part], columns[whole], strict=True)):
            raise BadInput(f"there are more {part} than {whole} in a stratum", **place)
    return kind(**{name: tuple(column) for name, column in columns.items()})


def _keys(value: Any, names: tuple[str, ...], place: dict[str, Any]) -> list[Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise BadInput(f"must be a mapping with the keys {', '.join(names)}", **place)
    return [value[name] for name in names]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
