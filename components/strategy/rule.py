"""How triggers combine: a rule as data, `any`, `all` and `not` over names."""

from collections.abc import Iterator, Mapping
from typing import Any

from adsmu.errors import BadInput

Rule = str | Mapping[str, Any]
"""A name, or a mapping with one key: `any` or `all` with a list of rules, `not` with a rule."""

DEEPEST = 16
"""How far rules may stand inside each other: what nobody can read is not taken."""


def check_rule(rule: Any, depth: int = 0) -> None:
    """Refuses what is no rule.

    Args:
        rule: What was read.
        depth: How many rules it stands inside.

    Raises:
        BadInput: It is of another form.
    """
    if isinstance(rule, str):
        return
    if depth >= DEEPEST:
        raise BadInput(f"more than {DEEPEST} rules inside each other")
    if not isinstance(rule, dict) or len(rule) != 1 or (key := next(iter(rule))) not in ("any", "all", "not"):
        raise BadInput(f"must be a name, or one of any, all, not with what it holds, not {rule!r}")
    if key == "not":
        check_rule(rule[key], depth + 1)
    elif not isinstance(rule[key], list) or not rule[key]:
        raise BadInput(f"{key} must hold a list of at least one rule")
    else:
        for part in rule[key]:
            check_rule(part, depth + 1)


def names(rule: Rule) -> Iterator[str]:
    """The names that a rule mentions, in order.

    >>> list(names({"any": ["accuracy", {"all": ["drift", {"not": "night"}]}]}))
    ['accuracy', 'drift', 'night']
    """
    if isinstance(rule, str):
        yield rule
    else:
        ((key, held),) = rule.items()
        for part in [held] if key == "not" else held:
            yield from names(part)


def holds(rule: Rule, true: Mapping[str, bool]) -> bool:
    """Whether a rule holds.

    Args:
        rule: The rule.
        true: Each name that the rule mentions, and whether it is true.

    >>> rule = {"all": ["drift", {"any": ["accuracy", "volume"]}, {"not": "frozen"}]}
    >>> holds(rule, {"drift": True, "accuracy": False, "volume": True, "frozen": False})
    True
    """
    if isinstance(rule, str):
        return true[rule]
    ((key, held),) = rule.items()
    if key == "not":
        return not holds(held, true)
    return (any if key == "any" else all)(holds(part, true) for part in held)
