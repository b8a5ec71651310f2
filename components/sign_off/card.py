"""The report card of an update: what was compared, and what follows from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import read_json
from adsmu.stratified_evaluate.gate import Condition

FORMAT = 1
CARD, SIGNATURE = "card.json", "card.sig.json"
KEYS: dict[str, Any] = {
    "digests": dict,
    "confidence": float,
    "margin": float,
    "verdict": (str, type(None)),
    "retraining": (dict, type(None)),
    "change": dict,
    "forgetting": (dict, type(None)),
    "unmeasured": list,
    "comparisons": list,
    "totals": list,
    "tests": list,
}
BOUND = ("model", "champion", "data", "evaluation", "evaluation_set", "strategy")
"""What a card is of. `data` holds one digest a table, as the model names them; `evaluation` is null where no
evaluation was made."""

NAMED = 3
"""How many groups a condition names."""


@dataclass(frozen=True)
class Limits:
    """What a candidate must keep to.

    Attributes:
        confidence: Of every interval, two-sided; also one less the level of the tests for harm.
        margin: How much worse it may be on all rows: of a rate in points as a share, of a loss as a share
            of the champion's.
    """

    confidence: float = 0.95
    margin: float = 0.02

    def __post_init__(self) -> None:
        for name, holds, rule in (
            ("confidence", 0.5 <= self.confidence < 1, "from 0.5 to below 1"),
            ("margin", 0 <= self.margin < 1, "from 0 to below 1"),
        ):
            if not holds:
                raise BadInput(f"must be {rule}, not {getattr(self, name)}", file=name)


def conditions(card: dict[str, Any]) -> list[Condition]:
    """What a policy needs to sign, and whether it is met: recomputed from the card's figures alone.

    Args:
        card: The content of a `card.json`.

    Returns:
        The conditions.
    """
    level, found = 1 - card["confidence"], []
    if card["verdict"] is not None:
        found.append(Condition(card["verdict"] == "pass", f"verdict of the evaluation: {card['verdict']}"))
    if (retraining := card["retraining"]) is not None:
        bound = f"{100 * retraining['high']:.2f} points, at most {100 * retraining['limit']:g} may be"
        found.append(
            Condition(
                retraining["repeatable"],
                f"spread of {retraining['runs']} retrainings: standard deviation of at most {bound}",
            )
        )
    whole = [_no_worse(entry, card["margin"]) for entry in card["comparisons"] if entry["kind"] == "all"]
    found += whole or [Condition(False, "nothing was compared")]
    if (forgetting := card["forgetting"]) is not None:
        found += _kept(forgetting, card["margin"])
    if card["unmeasured"]:
        found.append(Condition(False, f"cohorts without rows: {_some(card['unmeasured'])}; none may be"))
    for kind, words in (("stratum", "strata"), ("cohort", "cohorts")):
        harmed = [
            f"{entry['name']} ({entry['figure']})"
            for entry in sorted(card["comparisons"], key=lambda each: float(each["p_harm"]))
            if entry["kind"] == kind and entry["p_harm"] < level
        ]
        count = len({entry["group"] for entry in card["comparisons"] if entry["kind"] == kind})
        if count:
            found.append(Condition(not harmed, f"{words} harmed: {_some(harmed)}; of {count} none may be"))
    if card["tests"]:
        harmed = [entry["test"] for entry in card["tests"] if entry["p_harm"] < level]
        count = len(card["tests"])
        found.append(
            Condition(not harmed, f"behavioural tests harmed: {_some(harmed)}; of {count} none may be")
        )
    return found


def _kept(forgetting: dict[str, Any], margin: float) -> list[Condition]:
    low, high = (f"{100 * forgetting[bound]:+.3g}" for bound in ("low", "high"))
    lost = [each["use_case"] for each in forgetting["use_cases"] if each["forgotten"]]
    return [
        Condition(
            forgetting["low"] >= -margin,
            f"what the champion has learnt, {forgetting['rows']:,} rows: a change of {low} to {high} points;"
            f" it must be at least {-100 * margin:+.3g} points for certain",
        ),
        Condition(
            not lost,
            f"use cases forgotten: {_some(lost)}; of {len(forgetting['use_cases'])} none may be",
        ),
    ]


def _no_worse(entry: dict[str, Any], margin: float) -> Condition:
    lower = entry["lower_is_better"]
    most = margin * abs(entry["champion"]) if lower else margin
    worst = entry["high"] if lower else entry["low"]
    met = worst is not None and (worst <= most if lower else worst >= -most)
    scale, unit = (1.0, "") if lower else (100.0, " points")
    if worst is None:
        change = "too few rows to tell"
    else:
        change = f"a change of {scale * entry['low']:+.3g} to {scale * entry['high']:+.3g}{unit}"
    bound = f"at most {scale * most:+.3g}" if lower else f"at least {-scale * most:+.3g}"
    return Condition(
        met, f"{entry['figure']} on {entry['rows']:,} rows: {change}; it must be {bound}{unit} for certain"
    )


def _some(names: list[str]) -> str:
    if not names:
        return "none"
    more = ", …" if len(names) > NAMED else ""
    return f"{len(names)} ({', '.join(names[:NAMED])}{more})"


def read_card(path: str | Path) -> dict[str, Any]:
    """Reads a card.

    Args:
        path: `card.json`, or the folder that holds it.

    Raises:
        BadInput: It is missing, not JSON, of another format, or lacks a part.
    """
    path = Path(path) / CARD if Path(path).is_dir() else Path(path)
    return checked_card(read_json(path), path)


def checked_card(card: Any, file: str | Path) -> dict[str, Any]:
    """A card, if it is one.

    Args:
        card: What was read.
        file: From where, for errors.

    Raises:
        BadInput: It is of another format, or lacks a part.
    """
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise BadInput(f"not a report card of format {FORMAT}", file=file)
    for key, kind in KEYS.items():
        if key not in card or not isinstance(card[key], kind):
            raise BadInput("missing or of another type", file=file, column=key)
    if set(card["digests"]) != set(BOUND):
        raise BadInput(f"must hold {', '.join(BOUND)}", file=file, column="digests")
    return card
