"""Lengths and points of time as a strategy writes them."""

import re
from datetime import UTC, datetime, timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST = 5200 * UNITS["w"]
"""A hundred years: what is longer leaves the calendar when it is counted back."""


def length(text: str) -> timedelta:
    """Reads a length of time.

    Args:
        text: A whole number and s, m, h, d or w.

    Raises:
        ValueError: It has another form.

    >>> length("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    found = re.fullmatch(r"([0-9]{1,9})\s?([smhdw])", text)
    if not found:
        raise ValueError(f"must be a whole number and s, m, h, d or w, such as 7d, not {text!r}")
    seconds = int(found[1]) * UNITS[found[2]]
    if seconds > LONGEST:
        raise ValueError(f"must be at most 5200w, not {text!r}")
    return timedelta(seconds=seconds)


def shown(value: timedelta) -> str:
    """Writes a length in the largest unit that it is a whole number of.

    >>> shown(timedelta(days=28)), shown(timedelta(hours=36)), shown(timedelta(0))
    ('4w', '36h', '0s')
    """
    seconds = int(value.total_seconds())
    name = max(
        (unit for unit in UNITS if seconds and seconds % UNITS[unit] == 0), key=UNITS.__getitem__, default="s"
    )
    return f"{seconds // UNITS[name]}{name}"


def moment(text: str) -> datetime:
    """Reads a point of time.

    Args:
        text: ISO 8601; without an offset it is UTC.

    Raises:
        ValueError: It has another form.

    >>> moment("2012-06-01").isoformat()
    '2012-06-01T00:00:00+00:00'
    """
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"must be a date or time such as 2012-06-01T12:00:00Z, not {text!r}") from error
