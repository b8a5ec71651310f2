"""The verdicts: pure functions, so that a verdict can be recomputed from an `evaluation.json`.

What a pass rests on is the mean over strata: its interval, on real held-out rows where every stratum has some, must
lie at or above the target. A stratum by itself seldom has rows enough for that (all of 60 rows right leave the
lower bound at .940), so a stratum that is merely `undecided` does not stand in the way, while one that `fail`s does.
"""

from dataclasses import dataclass
from typing import Any

from adsmu.errors import BadInput

GIVEN_UP_SHARE = 0.1
"""The largest share of strata that may be given up in a pass."""

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

    It passes when the lower bound of its interval reaches the target, fails when the upper bound lies below, and is
    undecided between. A failing stratum is given up when it carries a label conflict and a round of training has not
    helped, or when its rate has not risen above its best for `patience` rounds; it stays so until it passes.

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
    ('undecided', 'between 0.861 and 0.990; about 700 more rows at this rate would decide')
    >>> judge_stratum(rule, 2, {"rows": 60, "low": 0.3, "high": 0.6}, 0, [0.5, 0.5, 0.45], [], None)
    ('give_up', 'at most 0.600, and no better for 2 rounds')
    """
    if rate["rows"] == 0:
        return "fail", "no development rows: a declared stratum must be measured"
    low, high = rate["low"], rate["high"]
    if low >= rule.target:
        return "pass", f"at least {low:.3f}"
    if given_up_because:
        return "give_up", given_up_because
    if high >= rule.target:
        more = (
            f"about {rows_to_decide:,} more rows at this rate would decide" if rows_to_decide else "too close"
        )
        return "undecided", f"between {low:.3f} and {high:.3f}; {more}"
    if round >= 1 and conflicts:
        return "give_up", f"label conflict with {' and '.join(conflicts[:NAMED])}"
    if _stalled(history) >= rule.patience:
        return "give_up", f"at most {high:.3f}, and no better for {_stalled(history)} rounds"
    return "fail", f"at most {high:.3f}"


def _stalled(history: list[float]) -> int:
    """Rounds since the rate last rose above all earlier ones."""
    return len(history) - 1 - history.index(max(history)) if history else 0


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
    gate, strata = evaluation["gate"], evaluation["strata"]
    measured = evaluation["splits"][gate["measured_on"]]
    rows = {"test": "real held-out rows", "dev": "development rows"}[gate["measured_on"]]
    found = [
        Condition(
            measured["low"] >= gate["target"],
            f"the mean over strata on {rows} is {measured['mean']:.3f} ({_bounds(measured)}); "
            f"its lower bound must reach {gate['target']:.3f}",
        )
    ]
    held_out = evaluation["splits"]["test"]
    if gate["measured_on"] == "dev" and held_out is not None:
        found.append(
            Condition(
                held_out["high"] >= gate["target"],
                f"the real held-out rows, which not every stratum has, have a mean of {held_out['mean']:.3f} "
                f"({_bounds(held_out)}); its upper bound must reach {gate['target']:.3f}",
            )
        )
    failing = [stratum["shape"] for stratum in strata if stratum["verdict"] == "fail"]
    found.append(
        Condition(not failing, f"{_some(failing, 'stratum', 'strata')} of {len(strata)} fail; none may")
    )
    given_up = [stratum["shape"] for stratum in strata if stratum["verdict"] == "give_up"]
    most = int(GIVEN_UP_SHARE * len(strata))
    found.append(
        Condition(
            len(given_up) <= most,
            f"{_some(given_up, 'stratum is', 'strata are')} given up; of {len(strata)} at most {most} may be",
        )
    )
    return found + _against_champion(evaluation)


def _against_champion(evaluation: dict[str, Any]) -> list[Condition]:
    existing, margin = evaluation["existing"], evaluation["gate"]["margin"]
    if existing["champion"] is None:
        return []
    intents = [entry["intent"] for entry in existing["intents"] if entry["harmed"]]
    level = 1 - evaluation["gate"]["confidence"]
    strata = [s["shape"] for s in evaluation["strata"] if s["p_harm"] is not None and s["p_harm"] < level]
    return [
        Condition(
            existing["difference_low"] >= -margin,
            f"existing use cases are at {existing['frame']:.3f} where the champion has {existing['champion']:.3f}, "
            f"a change of {existing['difference_low']:+.3f} to {existing['difference_high']:+.3f}; "
            f"it must not reach below {-margin:+.3f}",
        ),
        Condition(
            not intents, f"{_some(intents, 'existing intent is', 'existing intents are')} harmed; none may be"
        ),
        Condition(not strata, f"{_some(strata, 'stratum is', 'strata are')} harmed; none may be"),
    ]


def judge_round(evaluation: dict[str, Any]) -> tuple[str, list[str]]:
    """The verdict of a round.

    It is a pass when every condition is met; else exhausted when this was the last round allowed; else refine.

    Args:
        evaluation: The content of an `evaluation.json`; verdict and reasons are not read.

    Returns:
        pass, refine or exhausted, and the reasons in words: for a pass what was met, else what was not.
    """
    found = conditions(evaluation)
    unmet = [condition.text for condition in found if not condition.met]
    if not unmet:
        return "pass", [condition.text for condition in found]
    if evaluation["round"] >= evaluation["max_rounds"]:
        return "exhausted", [f"round {evaluation['round']} was the last allowed", *unmet]
    return "refine", unmet


def _bounds(scores: dict[str, Any]) -> str:
    return f"{scores['low']:.3f} to {scores['high']:.3f}"


def _some(names: list[str], one: str, many: str) -> str:
    """A count with the first few names: '2 strata (a, b)'."""
    if not names:
        return f"no {one}"
    more = ", …" if len(names) > NAMED else ""
    return f"{len(names)} {one if len(names) == 1 else many} ({', '.join(names[:NAMED])}{more})"
