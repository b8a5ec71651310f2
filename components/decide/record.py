"""The record of decisions: each created once and never changed, at most one update an event."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from adsmu.decide import past
from adsmu.errors import StepFailed
from adsmu.store import Store
from adsmu.store.evidence import Entry, EvidenceLog, Overtaken
from adsmu.strategy import Strategy

ATTEMPTS = 20
"""How often a decision is taken anew when other processes decide about the same model at the same time."""


def event_key(strategy: Strategy, findings: dict[str, Any], asked: str) -> str:
    """What a decision is about: a window of a model, or what a person asked about it.

    The same window delivered again, by a retried step or a second schedule, is the same event.

    Args:
        strategy: Its name names the model's watch; what it says does not count.
        findings: The content of a `findings.json`.
        asked: Why a person asks, or empty.

    Returns:
        64 hexadecimal digits.
    """
    content = [strategy.name, findings["window"]["from"], findings["window"]["to"], asked]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def record(
    log: EvidenceLog,
    event: str,
    taken: Callable[[Sequence[Entry]], dict[str, Any]],
    time: float,
    analysis: str | None = None,
) -> Entry:
    """Takes a decision about an event once: a second delivery finds the first decision.

    Args:
        log: The decisions about one model.
        event: What the decision is about.
        taken: Takes the decision, given the earlier ones; called again when another process was faster.
        time: Now, in Unix seconds.
        analysis: Digest of the analysis it rests on; one that came later lets it be taken anew, unless it was
            to update.

    Returns:
        The decision about this event as it is stored.

    Raises:
        BadInput: The store holds damaged decisions.
        StepFailed: Others kept being faster.
        StoreUnavailable: The storage does not answer.
    """
    for _ in range(ATTEMPTS):
        earlier = log.read()
        if first := past.of_event(earlier, event, analysis):
            return first
        try:
            return log.append({"kind": "decision", "event": event, **taken(earlier)}, time)
        except Overtaken:
            continue
    raise StepFailed(f"{log.store.uri}: other processes kept writing; try again")


def decisions(store: Store, strategy: Strategy) -> EvidenceLog:
    """The decisions about the model that a strategy watches."""
    return EvidenceLog(store.below(f"decisions/{strategy.name}"))
