"""Where a rollout stands: pure, of its entries alone. A restarted process knows what the one before it did.

Phases: `register`, `dark_launch`, `shadow`, `ramp`, `bake`, `promote`, or `roll_back`; then `ended`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from adsmu.canary_deploy.decide import Action, Decision, decide
from adsmu.canary_deploy.plan import Evidence, Plan, evidence_from_json, to_json
from adsmu.canary_deploy.schedule import Schedule, read_plan
from adsmu.canary_deploy.state import State, begin, others_in, update
from adsmu.errors import BadInput
from adsmu.store.evidence import Entry, to_bytes

OUTCOMES = {"promote": "promoted", "roll_back": "rolled_back", "inconclusive": "inconclusive"}


@dataclass(frozen=True)
class Progress:
    """Where a rollout stands.

    Attributes:
        plan: What the canary must show.
        schedule: The times.
        strata: Their names, in the order of every count.
        candidate: Digest of its model.
        champion: Digest of the model it would replace; None in a first deployment.
        began: When, in Unix seconds.
        since: When the phase began.
        phase: See the module.
        share: The share that the candidate is to have.
        share_since: When that share was seen to hold; None while it is not.
        held: The share that was seen to hold last.
        evidence: The looks so far.
        state: What the looks add up to.
        unreadable: Looks in a row that could not be read.
        asks: The gate that a person has to open; empty: none. Before the ramp nothing goes on meanwhile,
            before the promotion looks do.
        approved: The gates that a person opened.
        outcome: What the rollout comes to, once that is decided.
        reasons: Of the last decision.
    """

    plan: Plan
    schedule: Schedule
    strata: tuple[str, ...]
    candidate: str
    champion: str | None
    began: float
    since: float
    evidence: Evidence
    state: State
    phase: str = "register"
    share: float = 0.0
    share_since: float | None = None
    held: float = 0.0
    unreadable: int = 0
    asks: str = ""
    approved: frozenset[str] = field(default=frozenset())
    outcome: str = ""
    reasons: tuple[str, ...] = ()


def progress(entries: list[Entry]) -> Progress | None:
    """Where a rollout stands after these entries; None before the first.

    Raises:
        BadInput: An entry is not what this version writes.
    """
    found: Progress | None = None
    for entry in entries:
        found = after(found, entry)
    return found


def after(found: Progress | None, entry: Entry) -> Progress:
    """Where a rollout stands after one more entry.

    Raises:
        BadInput: The entry is not what this version writes, or does not belong there.
    """
    try:
        following: Progress = _KINDS[entry["kind"]](found, entry)
        moved = found is not None and following.phase != found.phase
        return replace(following, since=entry["time"]) if moved else following
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"entry {entry.get('number')} of kind {entry.get('kind')!r} does not belong there: {error!r}"
        raise BadInput(what, file="evidence") from error


def look_decision(found: Progress, look: dict[str, Any]) -> Decision:
    """What a look decides. Pure, like all that it is made from.

    Args:
        found: Where the rollout stood before.
        look: The look, as JSON.
    """
    seen = _with_look(found, look)
    return decide(seen.plan, seen.evidence, seen.state)


def unreadable_decision(found: Progress, reason: str) -> Decision:
    """What it means that a look's evidence could not be read: nothing, until it goes on for too long."""
    row = found.unreadable + 1
    most = found.schedule.max_unreadable
    action: Action = "roll_back" if row >= most else "hold"
    return Decision(action, (f"the evidence cannot be read, look {row} of {most}: {reason}",), {})


def overdue(found: Progress, time: float) -> bool:
    """Whether a rollout that has not been decided has taken longer than it may."""
    return not found.outcome and time - found.began >= found.schedule.max_seconds


def replay(entries: list[Entry]) -> list[str]:
    """Recomputes every decision of a rollout from its evidence.

    Args:
        entries: All of them, as `EvidenceLog.read` gives them.

    Returns:
        What differs, a line each, byte for byte; nothing when every decision follows from what came before.
    """
    differences: list[str] = []
    found: Progress | None = None
    for entry in entries:
        following = after(found, entry)
        if found is not None:
            differences += [f"entry {entry['number']}: {wrong}" for wrong in _wrong(found, entry)]
        found = following
    return differences


def _wrong(found: Progress, entry: Entry) -> Iterator[str]:
    """What of an entry does not follow from where the rollout stood."""
    again = None
    if entry["kind"] == "look":
        again = look_decision(found, entry["look"])
    elif entry["kind"] == "unreadable":
        again = unreadable_decision(found, entry["reason"])
    if again is not None and to_bytes(again.to_json()) != to_bytes(entry["decision"]):
        yield f"says {entry['decision'].get('action')}, recomputed is {again.action}"
    if entry["kind"] == "stop" and entry.get("cause") == "overdue" and not overdue(found, entry["time"]):
        yield "stopped as overdue before its time"
    if entry["kind"] == "end" and entry.get("outcome") != found.outcome:
        yield f"ended {entry.get('outcome')}, was to end {found.outcome}"


def _begin(found: Progress | None, entry: Entry) -> Progress:
    if found is not None:
        raise ValueError("a second begin")
    champion = entry["champion"]
    plan, schedule = read_plan(entry["plan"], champion is None, entry["accuracy"])
    strata = tuple(each["name"] for each in entry["strata"])
    return Progress(
        plan=plan,
        schedule=schedule,
        strata=strata,
        candidate=entry["candidate"],
        champion=champion,
        began=entry["time"],
        since=entry["time"],
        evidence=Evidence(strata),
        state=begin(plan, len(strata), others=others_in(strata)),
    )


def _registered(found: Progress, entry: Entry) -> Progress:
    return replace(found, phase="dark_launch")


def _ready(found: Progress, entry: Entry) -> Progress:
    if found.plan.min_pairs and found.champion:
        return replace(found, phase="shadow", share_since=entry["time"])
    return _at_step(found, found.plan.steps[0])


def _at_step(found: Progress, share: float) -> Progress:
    asks = "ramp" if share == found.plan.steps[0] and _closed(found, "ramp") else ""
    return replace(found, phase="bake" if share == 1 else "ramp", share=share, share_since=None, asks=asks)


def _closed(found: Progress, gate: str) -> bool:
    return gate in found.schedule.approvals and gate not in found.approved


def _share(found: Progress, entry: Entry) -> Progress:
    if entry["share"] != found.share:
        return found
    return replace(found, share_since=entry["time"], held=found.share)


def _lost(found: Progress, entry: Entry) -> Progress:
    return replace(found, share_since=None)


def _with_look(found: Progress, look: dict[str, Any]) -> Progress:
    one = evidence_from_json({"strata": list(found.strata), "looks": [look]}).looks[0]
    if one.share not in (0.0, *found.plan.steps):
        raise BadInput(f"the share {one.share:g} is no step of the plan", file="evidence", column="share")
    evidence = replace(found.evidence, looks=(*found.evidence.looks, one))
    return replace(found, evidence=evidence, state=update(found.state, one), unreadable=0)


def _look(found: Progress, entry: Entry) -> Progress:
    return _decided(_with_look(found, entry["look"]), entry["decision"])


def _unreadable(found: Progress, entry: Entry) -> Progress:
    return _decided(replace(found, unreadable=found.unreadable + 1), entry["decision"])


def _decided(found: Progress, decision: dict[str, Any]) -> Progress:
    found = replace(found, reasons=tuple(decision["reasons"]))
    action = decision["action"]
    if action == "hold" or found.outcome:
        return found
    if action == "advance":
        return _at_step(found, dict(pairwise((0.0, *found.plan.steps)))[found.share])
    if action == "promote" and _closed(found, "promotion"):
        return replace(found, asks="promotion")
    if action == "promote":
        held = found.share_since if found.share == 1 else None
        return replace(found, phase="promote", outcome="promoted", share=1.0, share_since=held)
    return _stopped(found, OUTCOMES[action])


def _stopped(found: Progress, outcome: str) -> Progress:
    return replace(found, phase="roll_back", outcome=outcome, share=0.0, share_since=None, asks="")


def _stop(found: Progress, entry: Entry) -> Progress:
    return _stopped(replace(found, reasons=tuple(entry["reasons"])), entry["outcome"])


def _approved(found: Progress, entry: Entry) -> Progress:
    asks = "" if found.asks == entry["gate"] else found.asks
    return replace(found, approved=found.approved | {entry["gate"]}, asks=asks)


def _unchanged(found: Progress, entry: Entry) -> Progress:
    return found


def _end(found: Progress, entry: Entry) -> Progress:
    return replace(found, phase="ended")


_KINDS: dict[str, Any] = {
    "begin": _begin,
    "registered": _registered,
    "ready": _ready,
    "share": _share,
    "lost": _lost,
    "look": _look,
    "unreadable": _unreadable,
    "approved": _approved,
    "stop": _stop,
    "promoted": _unchanged,
    "withdrawn": _unchanged,
    "end": _end,
}


def as_json(found: Progress) -> dict[str, Any]:
    """Where a rollout stands, as a person wants to read it."""
    last = to_json(found.evidence.looks[-1]) if found.evidence.looks else None
    return {
        "phase": found.phase,
        "share": found.held,
        "next_share": found.share,
        "looks": len(found.evidence.looks),
        "last_look": last,
        "asks": found.asks,
        "since": found.since,
        "outcome": found.outcome,
        "reasons": list(found.reasons),
    }
