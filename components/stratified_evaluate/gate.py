"""The verdicts: pure functions, so that a verdict can be recomputed from an `evaluation.json`.

What a pass rests on is the mean over strata: its interval, on real held-out rows where every stratum has
some, must lie at or above the target. A stratum by itself seldom has rows enough for that (all of 60 rows
right leave the lower bound at .940), so a stratum that is merely `undecided` does not stand in the way, while
one that `fail`s does.
"""

from dataclasses import dataclass
from typing import Any

from adsmu.errors import BadInput

GIVEN_UP_SHARE = 0.1
"""The largest share of strata that may be given up in a pass."""

SCOUT = "scout"
"""The mode of training of a model that is to find what fails."""

NAMED = 3
"""How many strata or intents a reason names."""


@dataclass(frozen=True)
class Rule:
    """What a model must clear.

    Attributes:
        target: Frame accuracy of a stratum and of the mean over strata.
        margin: How much lower the frame accuracy on existing use cases may be.
        confidence: Of every interval, two-sided; also one less the level of the tests for harm.
        patience: Rounds without improvement before a failing stratum is given up.
        max_rounds: The last round allowed.
    """

    target: float
    margin: float
    confidence: float
    patience: int
    max_rounds: int

    def __post_init__(self) -> None:
        for name, holds, rule in (
            ("target", 0 < self.target <= 1, "above 0 and at most 1: without a bar no model is let through"),
            ("margin", 0 <= self.margin < 1, "from 0 to below 1"),
            ("confidence", 0.5 <= self.confidence < 1, "from 0.5 to below 1"),
            ("patience", self.patience >= 1, "1 or more"),
            ("max_rounds", self.max_rounds >= 0, "0 or more"),
        ):
            if not holds:
                raise BadInput(f"must be {rule}, not {getattr(self, name)}", file=name)


def judge_stratum(
    rule: Rule,
    round: int,
    rate: dict[str, Any],
    rows_to_decide: int | None,
    history: list[float],
    conflicts: list[str],
    given_up_because: str | None,
) -> tuple[str, str]:
    """The verdict of one stratum, on its development rows.

    It passes when the lower bound of its interval reaches the target, fails when the upper bound lies below,
    and is undecided between. A failing stratum is given up when it carries a label conflict and a round of
    training has not helped, or when its rate has not risen above its best for `patience` rounds; it stays so
    until it passes.

    Args:
        rule: The bars.
        round: The round; 0 for the champion.
        rate: RATE of its development rows.
        rows_to_decide: Further rows that would decide it at the rate seen, or None.
        history: Its rates in every round up to this one.
        conflicts: Shapes of the strata whose delexicalised twin carries other tags.
        given_up_because: Why it was given up before, or None.

    Returns:
        pass, fail, undecided or give_up, and the reason in words.

    >>> rule = Rule(target=0.95, margin=0.02, confidence=0.95, patience=2, max_rounds=3)
    >>> judge_stratum(rule, 1, {"rows": 60, "low": 0.861, "high": 0.99}, 700, [0.0, 0.95], [], None)
    ('undecided', '86.1 % to 99.0 %; 700 more rows at this rate would decide')
    >>> judge_stratum(rule, 2, {"rows": 60, "low": 0.3, "high": 0.6}, 0, [0.5, 0.5, 0.45], [], None)
    ('give_up', 'at most 60.0 %, and no better for 2 rounds')
    """
    if rate["rows"] == 0:
        return "fail", "no development rows: a declared stratum must be measured"
    low, high = rate["low"], rate["high"]
    if low >= rule.target:
        return "pass", f"at least {percent(low)}"
    if high >= rule.target and not given_up_because:
        more = (
            f"{rows_to_decide:,} more rows at this rate would decide"
            if rows_to_decide
            else "too close to decide"
        )
        return "undecided", f"{percent(low)} to {percent(high)}; {more}"
    at_most = f"at most {percent(high)}"
    stalled = len(history) - 1 - history.index(max(history))  # rounds since it last rose above all before
    reason = given_up_because
    if not reason and round >= 1 and conflicts:
        reason = f"label conflict with {' and '.join(conflicts[:NAMED])}"
    elif not reason and stalled >= rule.patience:
        reason = f"{at_most}, and no better for {stalled} rounds"
    return ("give_up", reason) if reason else ("fail", at_most)


@dataclass(frozen=True)
class Condition:
    """One of the things that a pass needs.

    Attributes:
        met: Whether it holds.
        text: What was found and what is needed, in words.
    """

    met: bool
    text: str


def conditions(evaluation: dict[str, Any]) -> list[Condition]:
    """Everything that a pass needs, and whether it holds.

    Args:
        evaluation: The content of an `evaluation.json`; verdict and reasons are not read.

    Returns:
        The conditions.
    """
    return _of_new_use_case(evaluation) + _against_champion(evaluation)


def _of_new_use_case(evaluation: dict[str, Any]) -> list[Condition]:
    gate, strata, splits = evaluation["gate"], evaluation["strata"], evaluation["splits"]
    target, measured, held_out = percent(gate["target"]), splits[gate["measured_on"]], splits["test"]
    rows = {"test": "real held-out rows", "dev": "development rows"}[gate["measured_on"]]
    found = [
        Condition(
            measured["low"] >= gate["target"],
            f"mean over strata on {rows}: {_interval(measured)}; the lower bound must reach {target}",
        )
    ]
    if gate["measured_on"] == "dev" and held_out is not None:
        found.append(
            Condition(
                held_out["high"] >= gate["target"],
                f"mean over the strata that have real held-out rows: {_interval(held_out)}; "
                f"the upper bound must reach {target}",
            )
        )
    failing = [stratum["shape"] for stratum in strata if stratum["verdict"] == "fail"]
    found.append(Condition(not failing, f"strata that fail: {_some(failing)}; of {len(strata)} none may"))
    given_up = [stratum["shape"] for stratum in strata if stratum["verdict"] == "give_up"]
    most = int(GIVEN_UP_SHARE * len(strata))
    found.append(
        Condition(
            len(given_up) <= most,
            f"strata given up: {_some(given_up)}; of {len(strata)} at most {most} may be",
        )
    )
    return found


def _against_champion(evaluation: dict[str, Any]) -> list[Condition]:
    existing, margin = evaluation["existing"], evaluation["gate"]["margin"]
    if existing["champion"] is None:
        return []
    intents = [entry["intent"] for entry in existing["intents"] if entry["harmed"]]
    level = 1 - evaluation["gate"]["confidence"]
    strata = [s["shape"] for s in evaluation["strata"] if s["p_harm"] is not None and s["p_harm"] < level]
    low, high = (f"{100 * existing[f'difference_{bound}']:+.1f}" for bound in ("low", "high"))
    return [
        Condition(
            existing["difference_low"] >= -margin,
            f"existing use cases: {percent(existing['frame'])}, champion {percent(existing['champion'])}, "
            f"a change of {low} to {high} points; the lower bound must not lie below {-100 * margin:+.1f}",
        ),
        Condition(not intents, f"existing intents harmed: {_some(intents)}; none may be"),
        Condition(not strata, f"strata harmed: {_some(strata)}; none may be"),
    ]


def judge_round(evaluation: dict[str, Any]) -> tuple[str, list[str]]:
    """The verdict of a round.

    It is a pass when every condition is met and the model is no scout, which is not there to be kept; else
    exhausted when this was the last round allowed; else refine.

    Args:
        evaluation: The content of an `evaluation.json`; verdict and reasons are not read.

    Returns:
        pass, refine or exhausted, and the reasons in words: for a pass what was met, else what was not.
    """
    found = conditions(evaluation)
    unmet = [condition.text for condition in found if not condition.met]
    if not unmet and evaluation.get("mode") == SCOUT:
        unmet = ["what a pass needs is met by a scout, which is not there to be kept"]
    if not unmet:
        return "pass", [condition.text for condition in found]
    if evaluation["round"] >= evaluation["max_rounds"]:
        return "exhausted", [f"round {evaluation['round']} was the last allowed", *unmet]
    return "refine", unmet


def next_round(evaluation: dict[str, Any]) -> int:
    """The number of the round that follows, if one does.

    A scout that has what the new use case needs calls for no more data: the last round follows at once.

    Args:
        evaluation: The content of an `evaluation.json`.

    Returns:
        The round after this one, or the last round allowed.
    """
    round: int = evaluation["round"] + 1
    enough = all(condition.met for condition in _of_new_use_case(evaluation))
    return max(round, evaluation["max_rounds"]) if evaluation.get("mode") == SCOUT and enough else round


def percent(rate: float) -> str:
    """A rate in percent.

    >>> percent(0.9548)
    '95.5 %'
    """
    return f"{100 * rate:.1f} %"


def _interval(scores: dict[str, Any]) -> str:
    return f"{percent(scores['mean'])} ({percent(scores['low'])} to {percent(scores['high'])})"


def _some(names: list[str]) -> str:
    """How many, and which the first few are.

    >>> _some(["a", "b"]), _some([])
    ('2 (a, b)', 'none')
    """
    if not names:
        return "none"
    more = ", …" if len(names) > NAMED else ""
    return f"{len(names)} ({', '.join(names[:NAMED])}{more})"
