"""The cron expressions that Kubeflow Pipelines reads as they are meant."""

import re
from datetime import UTC, datetime, time, timedelta

MEANING = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
WORDS = tuple(MEANING)
LONGEST = 8 * 366
"""Days to look back for a firing."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of the week", 0, 6, DAYS),
)


def check_cron(text: str) -> None:
    """Refuses an expression that the server would not read as it is meant.

    The server counts six fields from the second on, and takes five for six with the last one left out: in
    silence, with another meaning.

    Args:
        text: The expression: six fields, or one of `WORDS`.

    Raises:
        ValueError: What is wrong.

    >>> check_cron("0 30 3 * * mon-fri")
    >>> check_cron("0 3 * * 1")
    Traceback (most recent call last):
    ValueError: has 5 fields, must have 6, the second first: write '0 0 3 * * 1'
    """
    if text.startswith("@"):
        if text not in WORDS:
            raise ValueError(f"{text!r} is not one of {', '.join(WORDS)}; for an interval use period")
        return
    parts = text.split()
    if len(parts) != len(FIELDS):
        meant = f": write '0 {text.strip()}'" if len(parts) == 5 else ""
        raise ValueError(f"has {len(parts)} fields, must have 6, the second first{meant}")
    if not parts[0].isdecimal():
        raise ValueError(f"the second must be one number, not {parts[0]!r}: it fires once a minute at most")
    for part, (name, low, high, words) in zip(parts, FIELDS, strict=True):
        for item in part.split(","):
            if not _fits(item, low, high, words):
                raise ValueError(f"{item!r} is no {name}: {low} to {high}, a-b, */n, a-b/n or *")


def _fits(item: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    found = re.fullmatch(r"(?:(\*|\?)|(\w+)(?:-(\w+))?)(?:/(\d+))?", item)
    if not found:
        return False
    star, first, last, step = found.groups()
    if step is not None and not 1 <= int(step) <= high:
        return False
    if star:
        return True
    begin, end = _number(first, low, words), _number(last or first, low, words)
    return begin is not None and end is not None and low <= begin <= end <= high


def _number(text: str, low: int, words: tuple[str, ...]) -> int | None:
    if text.lower() in words:
        return words.index(text.lower()) + low
    return int(text) if text.isdecimal() and text.isascii() else None


def latest_firing(text: str, until: datetime) -> datetime | None:
    """When an expression last fired.

    As the server's own library has it (robfig/cron): when both the day of the month and the day of the week
    are restricted, either is enough; `a/n` begins at a and goes to the end of the field.

    Args:
        text: An expression that `check_cron` takes.
        until: A point of time with an offset; a firing at that very second counts.

    Returns:
        The firing, in UTC; None when there was none in eight years, the longest time between two leap days.

    >>> from datetime import datetime, UTC
    >>> latest_firing("0 30 3 * * mon-fri", datetime(2026, 11, 22, tzinfo=UTC)).isoformat()
    '2026-11-20T03:30:00+00:00'
    """
    until = until.astimezone(UTC).replace(microsecond=0)
    seconds, minutes, hours, days, months, weekdays = (
        _numbers(part, low, high, words)
        for part, (_, low, high, words) in zip(_expanded(text), FIELDS, strict=True)
    )
    either = all(not part.startswith(("*", "?")) for part in _expanded(text)[3::2])
    times = [time(hour, minute, second) for hour in hours for minute in minutes for second in seconds]
    for back in range(LONGEST):
        day = until.date() - timedelta(days=back)
        fits = (day.day in days, day.isoweekday() % 7 in weekdays)
        if day.month in months and (any(fits) if either else all(fits)):
            of_day = times if back else [each for each in times if each <= until.time()]
            if of_day:
                return datetime.combine(day, max(of_day), UTC)
    return None


def _expanded(text: str) -> list[str]:
    return MEANING.get(text, text).split()


def _numbers(part: str, low: int, high: int, words: tuple[str, ...]) -> set[int]:
    """Every number that a field of a checked expression stands for."""
    found: set[int] = set()
    for item in part.split(","):
        span, slash, step = item.partition("/")
        first, dash, last = span.partition("-")
        begin = low if first in ("*", "?") else _number(first, low, words)
        if first in ("*", "?") or (slash and not dash):
            end: int | None = high
        else:
            end = _number(last or first, low, words)
        if begin is not None and end is not None:
            found |= set(range(begin, end + 1, int(step or 1)))
    return found
