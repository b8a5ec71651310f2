"""What two strategies say differently."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from adsmu.strategy.canonical import canonical
from adsmu.strategy.schema import Strategy

ABSENT = None
"""What stands for a key that one of two strategies does not have."""


class Change(NamedTuple):
    """One key that differs.

    Attributes:
        key: With the keys it stands below.
        before: Its value in the first strategy, `ABSENT` when it has none.
        after: In the second.
    """

    key: str
    before: Any
    after: Any


def difference(before: Strategy, after: Strategy) -> list[Change]:
    """Every key whose value differs, the defaults spelled out.

    Args:
        before: A strategy.
        after: Another.

    Returns:
        The changes, sorted by key; none exactly when the digests are equal.

    >>> difference(Strategy("bike"), Strategy("bike", catch_up=False))
    [Change(key='catch_up', before=True, after=False)]
    """
    old, new = dict(_flat(canonical(before))), dict(_flat(canonical(after)))
    return [
        Change(key, old.get(key, ABSENT), new.get(key, ABSENT))
        for key in sorted(old.keys() | new.keys())
        if old.get(key, ABSENT) != new.get(key, ABSENT)
    ]


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings; the rule of `combine` is one leaf."""
    if isinstance(value, dict) and place != "combine":
        for key, held in value.items():
            yield from _flat(held, f"{place}.{key}" if place else key)
    else:
        yield place, value
