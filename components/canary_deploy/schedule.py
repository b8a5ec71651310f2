"""When a rollout does what: its strategy and its times, read from one mapping together with the plan."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from adsmu.canary_deploy.plan import Plan, plan_from_json
from adsmu.errors import BadInput

STRATEGIES: dict[str, dict[str, Any]] = {
    "canary": {},
    "shadow": {"steps": [], "proof": "shadow", "min_pairs": 500},
    "ab": {"steps": [0.5], "min_looks": 24},
    "blue_green": {"steps": [1.0], "proof": "shadow", "min_pairs": 500, "bake_looks": 3},
}
"""What each strategy changes in the plan's defaults. `canary`: step by step. `shadow`: paired answers and a
report, no traffic. `ab`: half the traffic for a fixed number of looks, `min_looks`. `blue_green`: all of it
at once, on the proof of paired answers."""

FIRST: dict[str, Any] = {"steps": [1.0], "proof": "limit", "min_pairs": 0, "bake_looks": 3}
"""What a first deployment changes: there is no champion to compare with."""

GATES = ("ramp", "promotion")


@dataclass(frozen=True)
class Schedule:
    """The times of a rollout, in seconds, and who is asked.

    Attributes:
        strategy: One of `STRATEGIES`.
        look_seconds: From one look to the next.
        label_seconds: After this time a request's label is due; one that comes later no longer counts. A step
            lasts until the labels of its first look are due, unless the plan says otherwise by `min_looks`.
        slow_seconds: An answer that takes longer is slow.
        settle_seconds: Requests within this time after a change of share are left out: some still go by the
            old one. And a look ends this time ago: by then all logs of it have come in.
        ready_seconds: A candidate that takes longer to get ready is given up.
        max_seconds: A rollout that takes longer is inconclusive.
        max_unreadable: Looks in a row whose evidence cannot be read before the canary is rolled back.
        rare: Strata that get less than this part of the requests are grouped with others of their kind.
        approvals: Where a person is asked: before the `ramp`, before the `promotion`.
        card_key: A public key as PEM, or the file that holds one, such as a ConfigMap mounts: a model needs a
            report card in the store that was signed with its private key. Empty: none is needed.
        card_strategy: The digest of the strategy that the card must name; empty: any.
        seed: Makes the order of shadow pairs reproducible. A rollout that ended is not begun again; another
            seed makes it another rollout.
    """

    strategy: str = "canary"
    look_seconds: float = 60.0
    label_seconds: float = 600.0
    slow_seconds: float = 1.0
    settle_seconds: float = 10.0
    ready_seconds: float = 900.0
    max_seconds: float = 86_400.0
    max_unreadable: int = 5
    rare: float = 0.005
    approvals: tuple[str, ...] = ()
    card_key: str = ""
    card_strategy: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("look_seconds", "slow_seconds", "ready_seconds", "max_seconds", "max_unreadable"):
            if not getattr(self, name) > 0:
                raise BadInput(f"must be above 0, not {getattr(self, name)}", column=name)
        for name in ("label_seconds", "settle_seconds", "rare", "seed"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"must be 0 or more, not {getattr(self, name)}", column=name)
        if self.strategy not in STRATEGIES:
            raise BadInput(f"{self.strategy!r} is not one of {', '.join(STRATEGIES)}", column="strategy")
        if self.card_strategy and not self.card_key:
            raise BadInput("needs a card_key: without one no card is looked at", column="card_strategy")
        if unknown := [gate for gate in self.approvals if gate not in GATES]:
            raise BadInput(f"{unknown[0]!r} is not one of {', '.join(GATES)}", column="approvals")


def read_plan(value: Any, first: bool = False, accuracy: float = 0.0) -> tuple[Plan, Schedule]:
    """Reads what a user asks of a rollout: keys of `Plan` and of `Schedule` in one mapping.

    Args:
        value: The mapping; what is missing takes the default of its strategy.
        first: Whether there is no champion yet.
        accuracy: The mean accuracy that a first deployment is held to, unless the mapping says another.

    Raises:
        BadInput: A key is unknown, or a value of another type or out of range.

    >>> plan, schedule = read_plan({"strategy": "ab", "margin": 0.02, "look_seconds": 300})
    >>> plan.steps, plan.min_looks, plan.margin, schedule.look_seconds
    ((0.5,), 24, 0.02, 300.0)
    """
    times = {each.name: each for each in dataclasses.fields(Schedule)}
    plans = {each.name for each in dataclasses.fields(Plan)}
    if not isinstance(value, dict):
        raise BadInput("a plan is a mapping", file="plan")
    if unknown := sorted(set(value) - set(times) - plans):
        raise BadInput(
            f"unknown; there are {', '.join(sorted({*times, *plans}))}", file="plan", column=unknown[0]
        )
    try:
        schedule = Schedule(
            **{name: _typed(name, value[name], times[name].default) for name in times if name in value}
        )
        given = STRATEGIES[schedule.strategy] | {name: value[name] for name in value if name in plans}
        if "min_looks" not in given:
            # Labels of a step's first look are due by its last: no step is taken before they are looked at.
            late = max(schedule.label_seconds - schedule.settle_seconds, 0) / schedule.look_seconds
            given["min_looks"] = 1 + math.ceil(late)
        if schedule.strategy == "ab":
            given.setdefault("max_looks", given["min_looks"])
            if given.get("min_pairs"):
                raise BadInput("an ab run has no shadow pairs", column="min_pairs")
        if first and schedule.strategy in ("shadow", "ab"):
            raise BadInput("a first deployment has no champion to compare with", column="strategy")
        if first:
            given = {"min_accuracy": accuracy} | given | FIRST
        plan = plan_from_json(given)
        if not plan.steps and not plan.min_pairs:
            raise BadInput("without steps there must be shadow pairs", column="min_pairs")
        return plan, schedule
    except BadInput as error:
        raise BadInput(error.rule, file="plan", column=error.column) from error


def _typed(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise BadInput("must be a list of texts", column=name)
        return tuple(value)
    if isinstance(default, str):
        if not isinstance(value, str):
            raise BadInput(f"must be a text, not {value!r}", column=name)
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or (isinstance(default, int) and value != int(value)):
        raise BadInput(f"must be a number, for a count a whole one, not {value!r}", column=name)
    return type(default)(value)
