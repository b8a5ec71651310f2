"""Values of a file taken as the frozen dataclasses that declare them: types, unknown keys, places."""

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from adsmu.errors import BadInput
from adsmu.strategy.measures import P_VALUE_RULE, P_VALUES
from adsmu.strategy.rule import Rule, check_rule
from adsmu.strategy.times import length, moment
from adsmu.strategy.watched import Scalar


def taken(kind: Any, value: Any, path: str | Path, place: str = "") -> Any:
    """Takes a value as what a field is declared to hold.

    Args:
        kind: The declared type: a dataclass, a tuple or dict of such, or a type of `_PLAIN`.
        value: What the file holds.
        path: The file, for errors.
        place: The key, with those it stands below.

    Returns:
        A value of that type.

    Raises:
        BadInput: The value is another, or breaks a rule of the dataclass.
    """
    if is_dataclass(kind):
        return _part(kind, value, path, place)
    origin, inner = get_origin(kind), get_args(kind)
    if kind not in _PLAIN and origin in (
        Union,
        UnionType,
    ):  # something or nothing: no other union is declared
        some = next(each for each in inner if each is not NoneType)
        return None if value is None else taken(some, value, path, place)
    if origin is tuple:
        _insist(isinstance(value, list), "a list", value, path, place)
        return tuple(taken(inner[0], each, path, f"{place}[{i}]") for i, each in enumerate(value))
    if origin is dict:
        _insist(isinstance(value, dict), "a mapping", value, path, place)
        return {name: taken(inner[1], each, path, f"{place}.{name}") for name, each in value.items()}
    words, fits, convert = _PLAIN[kind]
    _insist(fits(value), words, value, path, place)
    try:
        return convert(value)
    except (ValueError, OverflowError) as error:
        raise BadInput(str(error), file=path, column=place) from error
    except BadInput as error:
        raise BadInput(error.rule, file=path, column=place) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say beside a name that is not known.

    >>> nearest("colums", ["columns", "cohorts"])
    "; the nearest known is 'columns'"
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0)
    return f"; the nearest known is {near[0]!r}" if near else ""


def refuse_unknown(kind: Any, value: dict[str, Any], path: str | Path, inside: str = "") -> None:
    """Refuses keys that a dataclass has no field for.

    Args:
        kind: The dataclass.
        value: The mapping.
        path: The file, for errors.
        inside: The keys it stands below, with a dot behind them.

    Raises:
        BadInput: There is one; the nearest known is named.
    """
    known = [each.name for each in fields(kind)]
    for key in value:
        if key in P_VALUES:
            raise BadInput(P_VALUE_RULE, file=path, column=f"{inside}{key}")
        if key not in known:
            raise BadInput(f"is not known{nearest(key, known)}", file=path, column=f"{inside}{key}")


def _part(kind: Any, value: Any, path: str | Path, place: str) -> Any:
    """A mapping taken as a dataclass."""
    inside = f"{place}." if place else ""
    _insist(isinstance(value, dict), "a mapping", value, path, place)
    refuse_unknown(kind, value, path, inside)
    hints = get_type_hints(kind)
    found = {}
    for each in fields(kind):
        if each.name in value:
            found[each.name] = taken(hints[each.name], value[each.name], path, f"{inside}{each.name}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise BadInput("is missing", file=path, column=f"{inside}{each.name}")
    try:
        return kind(**found)
    except BadInput as error:
        raise BadInput(error.rule, file=path, column=f"{inside}{error.column}") from error


def _insist(holds: bool, words: str, value: Any, path: str | Path, place: str) -> None:
    if not holds:
        raise BadInput(f"must be {words}, not {value!r}", file=path, column=place or None)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _rule(value: Any) -> Rule:
    check_rule(value)
    return value


_PLAIN: dict[Any, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    str: ("text", lambda value: isinstance(value, str), str),
    int: ("a whole number", lambda value: type(value) is int, int),
    float: ("a number", _number, float),
    bool: ("true or false", lambda value: isinstance(value, bool), bool),
    timedelta: ("a length of time such as 7d", lambda value: isinstance(value, str), length),
    datetime: ("a date or time such as 2012-06-01", lambda value: isinstance(value, str), moment),
    Scalar: (
        "text, a number or a truth value",
        lambda v: isinstance(v, str | bool) or _number(v),
        lambda v: v,
    ),
    Rule: ("a rule", lambda value: value is not None, _rule),
}
"""What each plain type is called, whether a value of YAML fits it, and how it is taken."""
