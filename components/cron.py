"""The cron expressions that Kubeflow Pipelines reads as they are meant."""

import re

WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
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
