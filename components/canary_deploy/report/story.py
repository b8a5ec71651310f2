"""What a rollout's report tells, gathered from its entries; every figure is recomputed from the evidence."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adsmu.canary_deploy.plan import Look
from adsmu.canary_deploy.progress import Progress, after, look_decision, replay
from adsmu.canary_deploy.state import observed
from adsmu.errors import BadInput
from adsmu.store.evidence import Entry

CANDIDATE, CHAMPION = 0, 1

MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading an entry raises that is not of the stated form."""


@dataclass
class Story:
    """A rollout from its first entry to its last.

    Attributes:
        entries: All of them.
        progress: Where it stood after them.
        differences: What `replay` found.
        figures: Of each look, recomputed.
        looks: Of each look its time and the action it led to.
        shares: Since when which share was seen to hold.
        phases: Since when which phase.
        events: What else the drawing of the ramp shows: `time`, `share`, `kind`.
        left_out: Requests left out because they may be of an earlier share.
        refused: What was refused, by reason.
        unreadable: Looks whose evidence could not be read.
    """

    entries: list[Entry]
    progress: Progress
    differences: list[str]
    figures: list[dict[str, Any]] = field(default_factory=list)
    looks: list[tuple[float, str]] = field(default_factory=list)
    shares: list[tuple[float, float]] = field(default_factory=list)
    phases: list[tuple[str, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0

    @property
    def begin(self) -> Entry:
        """The first entry: who, what, on what grounds."""
        return self.entries[0]

    @property
    def seconds(self) -> float:
        """From the first entry to the last."""
        return float(self.entries[-1]["time"] - self.begin["time"])

    def traffic(self) -> np.ndarray:
        """Requests, errors and slow answers, of candidate and champion: (looks, 3, 2, strata)."""
        return _stacked([observed(look).traffic for look in self._looks()], (3, 2, self._strata))

    def labels(self) -> np.ndarray:
        """Labels due, there, and of right answers, of candidate and champion: (3, 2, strata)."""
        return sum(
            (observed(look).labels.sum(axis=0) for look in self._looks()),
            np.zeros((3, 2, self._strata), dtype=np.int64),
        )

    @property
    def split(self) -> bool:
        """Whether requests were shared out between two variants."""
        return self.progress.champion is not None and bool(self.traffic()[:, 0].any())

    def evidence_of(self) -> tuple[bool, ...]:
        """Whether there was any evidence of each of `state.METRICS`."""
        served, labelled = bool(self.traffic().any()), bool(self.labels().any())
        limited = labelled and self.progress.plan.min_accuracy > 0
        return (labelled, served, served, bool(self.progress.state.pairs.any()), limited, served, served)

    @property
    def _strata(self) -> int:
        return len(self.progress.strata)

    def _looks(self) -> tuple[Look, ...]:
        return self.progress.evidence.looks


def gather(entries: list[Entry]) -> Story:
    """Reads a rollout.

    Args:
        entries: All of them, as `EvidenceLog.read` gives them.

    Raises:
        BadInput: There are none, or one is not what this version writes.
    """
    if not entries:
        raise BadInput("no entry: the rollout has not begun", file="evidence")
    try:
        return _gathered(entries)
    except MALFORMED as error:
        raise BadInput(f"an entry is not what this version writes: {error!r}", file="evidence") from error


def _gathered(entries: list[Entry]) -> Story:
    found: Progress | None = None
    figures, differences = [], replay(entries)
    steps = []
    for entry in entries:
        if found is not None and entry["kind"] == "look":
            figures.append(look_decision(found, entry["look"]).figures)
        found = after(found, entry)
        steps.append(found)
    story = Story(entries, steps[-1], differences, figures)
    share = 0.0
    for entry, stood in zip(entries, steps, strict=True):
        time, kind = float(entry["time"]), entry["kind"]
        if not story.phases or story.phases[-1][0] != stood.phase:
            story.phases.append((stood.phase, time))
        seen = {"begin": 0.0, "withdrawn": 0.0, "promoted": 1.0}.get(kind)
        seen = float(entry["share" if kind == "share" else "seen"]) if kind in ("share", "lost") else seen
        if seen is not None and (seen != share or kind == "begin"):
            story.shares.append((time, seen))
            share = seen
            if kind != "begin":
                story.events.append({"time": time, "share": share, "kind": "share", "lost": kind == "lost"})
        action = str(entry["decision"]["action"]) if "decision" in entry else ""
        if kind == "look":
            story.looks.append((time, action))
            story.left_out += int(entry.get("left_out", 0))
            story.refused.update({str(name): int(count) for name, count in entry.get("refused", {}).items()})
        story.unreadable += kind == "unreadable"
        if kind in ("look", "unreadable"):
            drawn = "unreadable" if kind == "unreadable" and action == "hold" else action
            story.events.append({"time": time, "share": share, "kind": drawn, "lost": False})
        elif kind in ("approved", "stop"):
            story.events.append({"time": time, "share": share, "kind": kind, "lost": False})
    return story


def _stacked(arrays: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(arrays) if arrays else np.zeros((0, *shape), dtype=np.int64)
