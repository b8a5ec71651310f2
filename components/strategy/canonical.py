"""A strategy as plain JSON, and how its parts keep their rules."""

import json
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from adsmu.errors import BadInput
from adsmu.strategy.times import shown


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


def keep(part: Any, name: str, holds: bool, rule: str) -> None:
    """Refuses a part whose field does not keep its rule.

    Args:
        part: A part of a strategy.
        name: The field.
        holds: Whether the rule is kept.
        rule: What the field must be.

    Raises:
        BadInput: It is not; the field is the column.
    """
    if not holds:
        raise BadInput(f"must be {rule}, not {canonical(getattr(part, name))!r}", column=name)


def one_of(part: Any, name: str, known: tuple[str, ...]) -> None:
    """Refuses a part whose field is none of the known words.

    Raises:
        BadInput: It is not; the field is the column.
    """
    keep(part, name, getattr(part, name) in known, f"one of {', '.join(known)}")
