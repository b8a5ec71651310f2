"""Whether a model is updated now: a pure function of what was found, and the step from files to files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adsmu.decide import past
from adsmu.decide.record import decisions, event_key, record
from adsmu.decide.triggers import Said, Situation, ask_trigger
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.lineage.start import last_champion
from adsmu.monitor.findings import read_findings
from adsmu.store import open_store
from adsmu.store.evidence import Entry
from adsmu.strategy import Strategy, canonical, read_strategy
from adsmu.strategy.rule import holds, names
from adsmu.strategy.times import moment
from adsmu.strategy.updates import OPENS

READ = {"signal", "level", "cohort", "value", "low", "high", "kind", "blocks", "text"}
"""What a decision reads of a finding."""


def decide(strategy: Strategy, situation: Situation) -> dict[str, Any]:
    """Decides.

    The rule over the triggers says whether an update is called for. Data that must not be learnt from block
    it; within the cool-down it waits, unless a person asks; and when triggers other than drift call for it
    while the analysis finds nothing to mend, a person is asked.

    Args:
        strategy: The strategy.
        situation: What is known.

    Returns:
        `action`, `reason`, `triggers` (what each said), `dataset` (of an update, else None).
    """
    said = {name: ask_trigger(name, strategy, situation) for name in strategy.triggers}
    action, reason = _action(strategy, situation, said)
    return {
        "action": action,
        "reason": reason,
        "triggers": [
            {
                "name": name,
                "kind": strategy.triggers[name].kind,
                "fired": each.fired,
                "reason": each.reason,
                **each.facts,
            }
            for name, each in said.items()
        ],
        "dataset": _dataset(strategy, situation) if action == "update" else None,
    }


def _action(strategy: Strategy, situation: Situation, said: dict[str, Said]) -> tuple[str, str]:
    fired = {name for name in names(strategy.combine) if said[name].fired}
    if not holds(strategy.combine, {name: each.fired for name, each in said.items()}):
        why = f"{', '.join(sorted(fired))} fired, which is not enough" if fired else "no trigger fired"
        return "do_not_update", why
    reason = "; ".join(f"{name}: {said[name].reason}" for name in sorted(fired)) or "the rule holds"
    advice = situation.analysis["recommendation"] if situation.analysis else None
    if blocked := _blocked(situation):
        return "blocked", blocked
    if any(strategy.triggers[name].kind == "manual" for name in fired):
        return "update", reason
    last = past.last_update(situation.past)
    if last and situation.time - past.when(last) < strategy.cool_down:
        return "do_not_update", f"{reason}; the last update, {past.when(last):%Y-%m-%d %H:%M}, is too recent"
    measured = any(strategy.triggers[name].kind in ("performance", "segment") for name in fired)
    if measured and advice and advice["action"] == "nothing":
        return "ask", f"{reason}; but the analysis: {advice['reason']}"
    return "update", reason


def _blocked(situation: Situation) -> str:
    """Why the rows must not be learnt from; empty: they may."""
    if situation.findings["blocked"]:
        told = [each["text"] for each in situation.findings["findings"] if each["blocks"]]
        return f"{told[0] if told else 'the findings block them'}: these rows must not be learnt from"
    advice = situation.analysis["recommendation"] if situation.analysis else None
    return str(advice["reason"]) if advice and advice["action"] == "mend_data" else ""


def _dataset(strategy: Strategy, situation: Situation) -> dict[str, Any]:
    """What an update learns from: what the analysis asks for, else what the strategy says."""
    if situation.analysis:
        advice = situation.analysis["recommendation"]
        if advice["action"] in OPENS and advice["dataset"]:
            return dict(advice["dataset"])
    parameters = canonical(strategy.dataset)
    return {"form": parameters.pop("form"), "parameters": parameters}


def decide_files(
    findings: str | Path,
    strategy: str | Path,
    *,
    store: str | Path,
    time: str,
    decision: str | Path,
    analysis: str | Path | None = None,
    labelled: int | None = None,
    asked: str = "",
) -> dict[str, Any]:
    """Decides about a window, stores the decision, and writes it.

    Args:
        findings: `findings.json`.
        strategy: `strategy.yaml`.
        store: Where decisions stand, and the champions of services: a folder or a bucket.
        time: Now, ISO 8601: the pipeline's clock, or a simulation's.
        decision: The `decision.json` to write: the entry as it is stored.
        analysis: `analysis.json`, or None.
        labelled: How many labelled rows there are, or None: nobody counted.
        asked: Why a person asks for an update; empty: nobody does.

    Returns:
        The decision.

    Raises:
        BadInput: An input breaks a rule; nothing is stored.
        StoreUnavailable: The storage does not answer.
    """
    plan = read_strategy(strategy)
    try:
        now = moment(time)
    except ValueError as error:
        raise BadInput(str(error), file="time") from error
    if asked and not any(trigger.kind == "manual" for trigger in plan.triggers.values()):
        raise BadInput("the strategy has no manual trigger: nobody can ask", file=strategy, column="triggers")
    inputs = {"findings": digest(findings)} | ({"analysis": digest(analysis)} if analysis else {})
    found = _findings(findings, plan)
    analysed = _analysis(analysis, plan) if analysis else None
    if analysed and analysed["findings"] not in (None, inputs["findings"]):
        raise BadInput("is of other findings than those given", file=analysis, column="findings")

    at = open_store(store)
    champions = {service: last_champion(at, service) for service in plan.needs}

    def taken(earlier: Sequence[Entry]) -> dict[str, Any]:
        situation = Situation(now, found, analysed, labelled, asked, champions, earlier)
        return {
            **decide(plan, situation),
            "inputs": inputs,
            "strategy": plan.digest,
            "window": found["window"],
            "labelled": labelled,
            "asked": asked,
        }

    log, event = decisions(at, plan), event_key(plan, found, asked)
    entry = record(log, event, taken, now.timestamp(), inputs.get("analysis"))
    write_json(entry, decision)
    return entry


def _findings(path: str | Path, strategy: Strategy) -> dict[str, Any]:
    content = read_findings(path)
    _same_strategy(content, strategy, path)
    if not {"from", "to"} <= content["window"].keys():
        raise BadInput("must have from and to", file=path, column="window")
    for each in content["findings"]:
        if not isinstance(each, dict) or not each.keys() >= READ or each["signal"] not in strategy.signals:
            rule = f"each must have {', '.join(sorted(READ))}, of a signal that the strategy names"
            raise BadInput(rule, file=path, column="findings")
    return content


def _analysis(path: str | Path, strategy: Strategy) -> dict[str, Any]:
    content = read_json(path)
    advice = content.get("recommendation") if isinstance(content, dict) else None
    if not isinstance(advice, dict) or not {"action", "reason", "dataset"} <= advice.keys():
        raise BadInput("must hold a recommendation of action, reason and dataset", file=path)
    if not {"strategy", "findings"} <= content.keys():
        raise BadInput("must name its strategy and its findings", file=path)
    _same_strategy(content, strategy, path)
    return content


def _same_strategy(content: dict[str, Any], strategy: Strategy, path: str | Path) -> None:
    if content["strategy"] != strategy.digest:
        rule = f"is of strategy {content['strategy']}, not of {strategy.digest}"
        raise BadInput(rule, file=path, column="strategy")
