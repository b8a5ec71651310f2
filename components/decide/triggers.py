"""Whether a trigger fires: one pure function a kind, all with the same arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adsmu.cron import latest_firing
from adsmu.decide import past
from adsmu.store.evidence import Entry
from adsmu.strategy import Signal, Strategy, Trigger
from adsmu.strategy.updates import OPENS


@dataclass(frozen=True)
class Situation:
    """What is known when a decision is taken.

    Attributes:
        time: Now; whoever asks for the decision says what time it is.
        findings: The content of a `findings.json`.
        analysis: The content of an `analysis.json`, or None.
        labelled: How many labelled rows there are, or None: nobody counted.
        asked: Why a person asks for an update; empty: nobody does.
        champions: Of each service that the strategy needs, the digest of its champion; None: it has none.
        past: The earlier decisions, oldest first.
    """

    time: datetime
    findings: Mapping[str, Any]
    analysis: Mapping[str, Any] | None = None
    labelled: int | None = None
    asked: str = ""
    champions: Mapping[str, str | None] = field(default_factory=dict)
    past: Sequence[Entry] = ()


@dataclass(frozen=True)
class Said:
    """What a trigger says.

    Attributes:
        fired: Whether it fires.
        reason: Why, or why not.
        facts: What later decisions need of it: `due` of a periodic one, `values` of performance,
            `champions` of a dependency.
    """

    fired: bool
    reason: str
    facts: dict[str, Any] = field(default_factory=dict)


def ask_trigger(name: str, strategy: Strategy, situation: Situation) -> Said:
    """Asks one trigger of a strategy.

    Args:
        name: The trigger's name.
        strategy: The strategy.
        situation: What is known.
    """
    trigger = strategy.triggers[name]
    return _KINDS[trigger.kind](name, trigger, strategy, situation)


def grown(then: int, now: int, growth: float) -> bool:
    """Whether rows have grown by a share, in exact arithmetic.

    >>> grown(10_000, 10_499, 0.05), grown(10_000, 10_500, 0.05)
    (False, True)
    """
    return now > then and now - then >= Decimal(str(growth)) * then


def latest_due(trigger: Trigger, now: datetime) -> datetime:
    """The newest firing of a periodic trigger that is not in the future.

    >>> from datetime import timedelta
    >>> weekly = Trigger("periodic", every=timedelta(weeks=1))
    >>> latest_due(weekly, datetime(2026, 11, 21, tzinfo=UTC)).isoformat()
    '2026-11-16T00:00:00+00:00'
    """
    if trigger.every:
        return trigger.begin + (now - trigger.begin) // trigger.every * trigger.every
    return latest_firing(trigger.cron, now) or datetime.fromtimestamp(0, UTC)


def _periodic(name: str, trigger: Trigger, strategy: Strategy, situation: Situation) -> Said:
    due = latest_due(trigger, situation.time)
    facts = {"due": due.isoformat()}
    handled = past.handled(situation.past, name)
    if handled is None:
        return Said(False, "its schedule begins with this decision", facts)
    if due <= handled:
        return Said(False, f"nothing is due since {_day(handled)}", facts)
    if not strategy.catch_up and situation.time - due >= strategy.window:
        return Said(False, f"what was due at {_day(due)} was missed, and is let go", facts)
    return Said(True, f"due since {_day(due)}", facts)


def _volume(name: str, trigger: Trigger, strategy: Strategy, situation: Situation) -> Said:
    then, now = past.labelled_then(situation.past), situation.labelled
    if now is None:
        return Said(False, "labelled rows were not counted")
    if then is None:
        return Said(False, f"{now:,} labelled rows; counting begins with this decision")
    told = f"{now:,} labelled rows, {then:,} before; +{trigger.growth:.1%} is needed"
    return Said(grown(then, now, trigger.growth), told)


def _performance(name: str, trigger: Trigger, strategy: Strategy, situation: Situation) -> Said:
    """Performance and segment: the whole interval beyond the threshold, and not the fall of before.

    With a hysteresis, a group whose fall opened an update fires again only when it has come back beyond the
    threshold by that much in between, or has become worse by that much since.
    """
    signal = strategy.signals[trigger.signal]
    groups = _groups(trigger, strategy)
    figures = [
        each
        for each in situation.findings["figures"]
        if each["signal"] == trigger.signal and groups(each["cohort"])
    ]
    facts = {"values": {each["cohort"] or "": each["value"] for each in figures}}
    found = [
        each
        for each in situation.findings["findings"]
        if each["signal"] == trigger.signal and groups(each["cohort"]) and _is_sure(each, signal)
    ]
    if not found:
        return Said(False, f"{trigger.signal} is not surely beyond {signal.threshold:g}", facts)
    then = past.last_fired(situation.past, name)
    values = {} if then is None or not trigger.hysteresis else then["values"]
    seen = past.values_since(situation.past, name)
    for finding in found:
        group = finding["cohort"] or ""
        if group not in values or _is_new(
            finding["value"], values[group], seen.get(group, ()), trigger, signal
        ):
            return Said(True, finding["text"], facts)
    return Said(False, f"{found[0]['text']}; an update was opened on this, and it has not come back", facts)


def _groups(trigger: Trigger, strategy: Strategy) -> Callable[[str | None], bool]:
    """Which cohorts a trigger looks at: all rows for performance, one cohort or each for a segment."""
    if trigger.kind == "performance":
        return lambda cohort: cohort is None
    if not trigger.cohort:
        return lambda cohort: cohort is not None
    declared = strategy.cohorts[trigger.cohort]
    if declared.values or declared.low is not None or declared.high is not None:
        return lambda cohort: cohort == trigger.cohort
    return lambda cohort: (cohort or "").startswith(f"{declared.column}=")  # each value is a cohort


def _is_sure(finding: Mapping[str, Any], signal: Signal) -> bool:
    """Whether the whole interval lies beyond the threshold."""
    near = finding["high" if signal.of.lower_is_worse else "low"]
    if near is None:
        return False
    return bool(near < signal.threshold if signal.of.lower_is_worse else near > signal.threshold)


def _is_new(now: float, then: float, between: Sequence[float], trigger: Trigger, signal: Signal) -> bool:
    """Whether a fall is another one than that at `then`: with a recovery between, or a further fall."""
    sign = 1 if signal.of.lower_is_worse else -1
    came_back = any(sign * (value - signal.threshold) >= trigger.hysteresis for value in between)
    return came_back or sign * (then - now) >= trigger.hysteresis


def _drift(name: str, trigger: Trigger, strategy: Strategy, situation: Situation) -> Said:
    found = [
        each
        for each in situation.findings["findings"]
        if each["level"] == "drift"
        and each["kind"] != "temporary"
        and not strategy.signals[each["signal"]].of.debug
        and (not trigger.signals or each["signal"] in trigger.signals)
    ]
    if not found:
        return Said(False, "no drift that lasts was found")
    if situation.analysis is None:
        return Said(False, f"{found[0]['text']}; an analysis comes first")
    advice = situation.analysis["recommendation"]
    return Said(advice["action"] in OPENS, f"{found[0]['text']}; the analysis: {advice['reason']}")


def _analysis(name: str, trigger: Trigger, strategy: Strategy, situation: Situation) -> Said:
    if situation.analysis is None:
        return Said(False, "no analysis was made")
    advice = situation.analysis["recommendation"]
    return Said(advice["action"] in (trigger.actions or OPENS), f"the analysis: {advice['reason']}")


def _dependency(name: str, trigger: Trigger, strategy: Strategy, situation: Situation) -> Said:
    now = {service: situation.champions.get(service) for service in strategy.needs}
    facts = {"champions": now}
    then = past.champions_then(situation.past, name)
    if then is None:
        return Said(False, "what it is built on is known from this decision on", facts)
    changed = [service for service, model in now.items() if model and model != then.get(service)]
    if not changed:
        return Said(False, f"built on {', '.join(now)}, which have not changed", facts)
    return Said(True, f"built on {', '.join(changed)}, updated since", facts)


def _manual(name: str, trigger: Trigger, strategy: Strategy, situation: Situation) -> Said:
    return Said(bool(situation.asked), situation.asked or "nobody asks")


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


_KINDS: dict[str, Callable[[str, Trigger, Strategy, Situation], Said]] = {
    "periodic": _periodic,
    "performance": _performance,
    "segment": _performance,
    "volume": _volume,
    "drift": _drift,
    "analysis": _analysis,
    "dependency": _dependency,
    "manual": _manual,
}
