"""The page of a report card: it needs neither a network nor JavaScript."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adsmu.pages import environment
from adsmu.sign_off.card import conditions

FOLDER = Path(__file__).parent
MINUS = "\N{MINUS SIGN}"


def render_card(card: dict[str, Any], signature: dict[str, Any] | None) -> str:
    """Writes the page of a card.

    Args:
        card: The content of a `card.json`.
        signature: That of its `card.sig.json`; None: it is not signed.

    Returns:
        HTML. Everything that comes from data is escaped.
    """
    templates = environment(FOLDER, {"value": value, "change": change, "judged": judged, "utc": utc})
    found = conditions(card)
    level = 1 - card["confidence"]
    whole = [entry for entry in card["comparisons"] if entry["kind"] == "all"]
    parts = [entry for entry in card["comparisons"] if entry["kind"] != "all"]
    parts.sort(key=lambda entry: (entry["p_harm"], entry["kind"], entry["name"], entry["figure"]))
    return templates.get_template("card.html.j2").render(
        c=card,
        s=signature,
        conditions=found,
        met=all(condition.met for condition in found),
        whole=whole,
        parts=parts,
        tests=[entry | {"figure": entry["kind"], "lower_is_better": False} for entry in card["tests"]],
        level=level,
    )


def value(number: float, entry: dict[str, Any]) -> str:
    """A rate in percent, a loss as it is.

    >>> value(0.9548, {"lower_is_better": False}), value(48.35, {"lower_is_better": True})
    ('95.5', '48.35')
    """
    return f"{number:,.4g}" if entry["lower_is_better"] else f"{100 * number:.1f}"


def change(number: float | None, entry: dict[str, Any]) -> str:
    """A difference with its sign, in points or as it is; a dash where there is none.

    >>> change(-0.015, {"lower_is_better": False})
    '\N{MINUS SIGN}1.5'
    """
    if number is None:
        return "\N{EN DASH}"
    text = f"{number:+,.3g}" if entry["lower_is_better"] else f"{100 * number:+.1f}"
    return text.replace("-", MINUS)


def judged(entry: dict[str, Any], level: float) -> str:
    """What a comparison shows: harmed, better, or no difference for certain.

    >>> entry = {"p_harm": 0.6, "low": 0.01, "high": 0.05, "lower_is_better": False}
    >>> judged(entry, 0.05), judged(entry | {"p_harm": 0.001}, 0.05), judged(entry | {"low": -0.1}, 0.05)
    ('better', 'harmed', 'undecided')
    """
    if entry["p_harm"] < level:
        return "harmed"
    if entry["low"] is None:
        return "undecided"
    better = entry["high"] < 0 if entry["lower_is_better"] else entry["low"] > 0
    return "better" if better else "undecided"


def utc(seconds: float) -> str:
    """A point of time.

    >>> utc(0)
    '1970-01-01 00:00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
