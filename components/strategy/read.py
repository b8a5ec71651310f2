"""`strategy.yaml`: read strictly, every key known, every default filled in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.strategy.measures import ALERTING, MEASURES, P_VALUE_RULE, P_VALUES
from adsmu.strategy.rule import names
from adsmu.strategy.schema import Strategy
from adsmu.strategy.typed import nearest, refuse_unknown, taken
from adsmu.strategy.updates import Trigger
from adsmu.yaml_files import read_yaml


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
    refuse_unknown(Strategy, value, path)
    columns, triggers = value.get("columns"), value.get("triggers", {"manual": {"kind": "manual"}})
    task = columns.get("task", "classification") if isinstance(columns, dict) else "classification"
    filled = {
        "combine": {"any": list(triggers)} if isinstance(triggers, dict) else "",
        **value,
        "signals": _signals(value.get("signals"), task, path),
        "triggers": triggers,
    }
    strategy: Strategy = taken(Strategy, filled, path)
    for name, trigger in strategy.triggers.items():
        _check_trigger(trigger, strategy, path, f"triggers.{name}")
    for name in names(strategy.combine):
        _declared(name, strategy.triggers, path, "combine")
    return strategy


def _signals(value: Any, task: str, path: str | Path) -> dict[str, Any]:
    """What a strategy says of signals, the defaults filled in; nothing said: all that have one."""
    if value is None:
        value = {
            name: {}
            for name, measure in MEASURES.items()
            if measure.threshold is not None and not measure.debug and measure.task in ("", task)
        }
    if not isinstance(value, dict):
        raise BadInput("must be a mapping", file=path, column="signals")
    return {name: _signal(name, {} if said is None else said, task, path) for name, said in value.items()}


def _signal(name: str, said: Any, task: str, path: str | Path) -> dict[str, Any]:
    place = f"signals.{name}"
    if not isinstance(said, dict):
        raise BadInput("must be a mapping", file=path, column=place)
    measure = said.get("measure", name)
    if any(str(word).lower() in P_VALUES for word in (name, measure, *said)):
        raise BadInput(P_VALUE_RULE, file=path, column=place)
    if not isinstance(measure, str) or measure not in MEASURES:
        rule = f"{measure!r} is no measure{nearest(str(measure), MEASURES)}"
        raise BadInput(rule, file=path, column=f"{place}.measure")
    known = MEASURES[measure]
    if known.task not in ("", task):
        raise BadInput(f"{measure} is for {known.task} only", file=path, column=place)
    if "threshold" not in said and known.threshold is None:
        raise BadInput(f"is missing: {measure} has no default", file=path, column=f"{place}.threshold")
    alert = known.level in ALERTING and not known.debug
    return {"measure": measure, "threshold": known.threshold, "alert": alert, **said}


def _check_trigger(trigger: Trigger, strategy: Strategy, path: str | Path, place: str) -> None:
    """What a trigger says of signals and cohorts that are declared elsewhere."""
    if trigger.signal:
        level = _declared(trigger.signal, strategy.signals, path, f"{place}.signal").level
        if level not in ("outcome", "performance", "estimate"):
            rule = f"{trigger.signal} is of level {level}: a {trigger.kind} trigger needs performance"
            raise BadInput(rule, file=path, column=f"{place}.signal")
    for name in trigger.signals:
        signal = _declared(name, strategy.signals, path, f"{place}.signals")
        if signal.level != "drift" or signal.of.debug:
            rule = f"{name} is for debugging only" if signal.of.debug else f"{name} does not measure drift"
            raise BadInput(rule, file=path, column=f"{place}.signals")
    if trigger.kind == "dependency" and not strategy.needs:
        raise BadInput("must name services: a dependency trigger fires on them", file=path, column="needs")
    if trigger.cohort:
        _declared(trigger.cohort, strategy.cohorts, path, f"{place}.cohort")


def _declared(name: str, among: Mapping[str, Any], path: str | Path, place: str) -> Any:
    if name not in among:
        raise BadInput(f"{name!r} is not declared{nearest(name, among)}", file=path, column=place)
    return among[name]
