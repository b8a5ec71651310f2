"""`strategy.yaml`: read strictly, every key known, every default filled in."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from adsmu.errors import BadInput
from adsmu.strategy.measures import ALERTING, MEASURES, P_VALUES
from adsmu.strategy.rule import Rule, check_rule, names
from adsmu.strategy.schema import Scalar, Strategy
from adsmu.strategy.times import length, moment
from adsmu.yaml_files import read_yaml

P_VALUE_RULE = (
    "a threshold on a p-value is not taken: with rows enough any shift is significant; name a measure of its "
    "size, such as psi or w1"
)


def read_strategy(path: str | Path) -> Strategy:
    """Reads a strategy.

    Args:
        path: A YAML file; `examples/strategy.yaml` shows each key.

    Returns:
        The strategy, all that was left out filled in.

    Raises:
        BadInput: It is missing, no YAML, or breaks a rule; the key and the rule are named.
    """
    value = read_yaml(path)
    if not isinstance(value, dict):
        raise BadInput("must be a mapping", file=path)
    _refuse_unknown(Strategy, value, path, "")
    task = value["columns"].get("task") if isinstance(value.get("columns"), dict) else None
    triggers = value.get("triggers", {"manual": {"kind": "manual"}})
    value = {
        "combine": {"any": list(triggers)} if isinstance(triggers, dict) else "",
        **value,
        "signals": _signals(value.get("signals"), task or "classification", path),
        "triggers": triggers,
    }
    strategy: Strategy = _taken(Strategy, value, path, "")
    _check(strategy, path)
    return strategy


def _signals(value: Any, task: str, path: str | Path) -> Any:
    """What a strategy says of signals, with the defaults of their measures; nothing said: all that have one."""
    if value is None:
        value = {
            name: {}
            for name, measure in MEASURES.items()
            if measure.threshold is not None and not measure.debug and measure.task in ("", task)
        }
    if not isinstance(value, dict):
        raise BadInput("must be a mapping", file=path, column="signals")
    filled = {}
    for name, said in value.items():
        said = {} if said is None else said
        place = f"signals.{name}"
        if not isinstance(said, dict):
            raise BadInput("must be a mapping", file=path, column=place)
        measure = said.get("measure", name)
        for word in (measure, *said):
            if isinstance(word, str) and word.lower() in P_VALUES:
                raise BadInput(P_VALUE_RULE, file=path, column=place)
        if measure not in MEASURES:
            near = _nearest(str(measure), MEASURES)
            raise BadInput(f"{measure!r} is no measure{near}", file=path, column=f"{place}.measure")
        known = MEASURES[measure]
        if "threshold" not in said and known.threshold is None:
            raise BadInput(f"is missing: {measure} has no default", file=path, column=f"{place}.threshold")
        if known.task not in ("", task):
            raise BadInput(f"{measure} is for {known.task} only", file=path, column=place)
        alert = known.level in ALERTING and not known.debug
        filled[name] = {"measure": measure, "threshold": known.threshold, "alert": alert, **said}
    return filled


def _check(strategy: Strategy, path: str | Path) -> None:
    """What the parts of a strategy say of each other."""
    for name, trigger in strategy.triggers.items():
        place = f"triggers.{name}"
        if trigger.signal:
            signal = _known(trigger.signal, strategy.signals, path, f"{place}.signal")
            if signal.level not in ("outcome", "performance", "estimate"):
                rule = (
                    f"{trigger.signal} is of level {signal.level}: a {trigger.kind} trigger needs performance"
                )
                raise BadInput(rule, file=path, column=f"{place}.signal")
        for each in trigger.signals:
            if _known(each, strategy.signals, path, f"{place}.signals").level != "drift":
                raise BadInput(f"{each} does not measure drift", file=path, column=f"{place}.signals")
            if strategy.signals[each].of.debug:
                raise BadInput(f"{each} is for debugging only", file=path, column=f"{place}.signals")
        if trigger.cohort:
            _known(trigger.cohort, strategy.cohorts, path, f"{place}.cohort")
    for name in names(strategy.combine):
        _known(name, strategy.triggers, path, "combine")


def _known(name: str, among: Mapping[str, Any], path: str | Path, place: str) -> Any:
    if name not in among:
        raise BadInput(f"{name!r} is not declared{_nearest(name, among)}", file=path, column=place)
    return among[name]


def _nearest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0)
    return f"; the nearest known is {near[0]!r}" if near else ""


def _refuse_unknown(kind: type, value: dict[str, Any], path: str | Path, place: str) -> None:
    known = [each.name for each in fields(kind)]
    for key in value:
        if key in P_VALUES:
            raise BadInput(P_VALUE_RULE, file=path, column=f"{place}{key}")
        if key not in known:
            raise BadInput(f"is not known{_nearest(key, known)}", file=path, column=f"{place}{key}")


def _part(kind: type, value: Any, path: str | Path, place: str) -> Any:
    """A mapping taken as a dataclass."""
    inside = f"{place}." if place else ""
    if not isinstance(value, dict):
        raise BadInput("must be a mapping", file=path, column=place or None)
    _refuse_unknown(kind, value, path, inside)
    hints = get_type_hints(kind)
    taken = {}
    for each in fields(kind):
        if each.name in value:
            taken[each.name] = _taken(hints[each.name], value[each.name], path, f"{inside}{each.name}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise BadInput("is missing", file=path, column=f"{inside}{each.name}")
    try:
        return kind(**taken)
    except BadInput as error:
        raise BadInput(error.rule, file=path, column=f"{inside}{error.column}") from error


def _taken(kind: Any, value: Any, path: str | Path, place: str) -> Any:
    """A value of the file as what a field is declared to hold."""
    if is_dataclass(kind):
        return _part(kind, value, path, place)  # type: ignore[arg-type]
    if kind == Scalar:
        return _of(str | int | float | bool, "text, a number or a truth value", value, path, place)
    if kind == Rule:
        return _rule(value, path, place)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # the one form there is: something or nothing
        return (
            None if value is None else _taken(next(i for i in inner if i is not NoneType), value, path, place)
        )
    if origin is tuple:
        found = _of(list, "a list", value, path, place)
        return tuple(_taken(inner[0], each, path, f"{place}[{i}]") for i, each in enumerate(found))
    if origin is dict:
        found = _of(dict, "a mapping", value, path, place)
        return {name: _taken(inner[1], each, path, f"{place}.{name}") for name, each in found.items()}
    if kind in (timedelta, datetime):
        text = _of(str, "text", value, path, place)
        try:
            return (length if kind is timedelta else moment)(text)
        except (ValueError, OverflowError) as error:
            raise BadInput(str(error), file=path, column=place) from error
    if kind is float:
        number = _of(int | float, "a number", value, path, place)
        if not math.isfinite(number) or isinstance(number, bool):
            raise BadInput(f"must be a number, not {value!r}", file=path, column=place)
        return float(number)
    words = {str: "text", int: "a whole number", bool: "true or false"}
    if kind is int and isinstance(value, bool):
        raise BadInput(f"must be {words[kind]}, not {value!r}", file=path, column=place)
    return _of(kind, words[kind], value, path, place)


def _of(kind: Any, words: str, value: Any, path: str | Path, place: str) -> Any:
    if not isinstance(value, kind):
        raise BadInput(f"must be {words}, not {value!r}", file=path, column=place)
    return value


def _rule(value: Any, path: str | Path, place: str) -> Rule:
    try:
        check_rule(value)
    except BadInput as error:
        raise BadInput(error.rule, file=path, column=place) from error
    return value  # type: ignore[no-any-return]
