"""What earlier decisions say that a later one needs: pure functions of the entries, oldest first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from adsmu.store.evidence import Entry


def last_update(past: Sequence[Entry]) -> Entry | None:
    """The last decision that opened an update, or None."""
    return next((entry for entry in reversed(past) if entry["action"] == "update"), None)


def when(entry: Entry) -> datetime:
    """When a decision was taken."""
    return datetime.fromtimestamp(entry["time"], UTC)


def last_fired(past: Sequence[Entry], name: str) -> dict[str, Any] | None:
    """What a trigger said when an update was last opened with it firing; None: never."""
    for entry in reversed(past):
        said = _of(entry, name)
        if entry["action"] == "update" and said and said["fired"]:
            return said
    return None


def values_since(past: Sequence[Entry], name: str) -> dict[str, list[float]]:
    """What a performance trigger saw of each group since an update was last opened with it firing."""
    seen: dict[str, list[float]] = {}
    for entry in reversed(past):
        said = _of(entry, name)
        if said and entry["action"] == "update" and said["fired"]:
            break
        for group, value in (said or {}).get("values", {}).items():
            seen.setdefault(group, []).append(value)
    return seen


def handled(past: Sequence[Entry], name: str) -> datetime | None:
    """The newest firing of a periodic trigger that needs nothing more.

    That is the one before the last update, for an update serves every firing that lies before it; before
    the first update, the one before the first decision that knew the trigger: a schedule begins with that.
    """
    known = [entry for entry in past if _of(entry, name)]
    served = last_update(known) or (known[0] if known else None)
    return datetime.fromisoformat(_of(served, name)["due"]) if served else None  # type: ignore[index]


def labelled_then(past: Sequence[Entry]) -> int | None:
    """How many labelled rows there were at the last update, before it at the first decision that counted."""
    counted = [entry for entry in past if entry["labelled"] is not None]
    served = last_update(counted) or (counted[0] if counted else None)
    return served["labelled"] if served else None


def champions_then(past: Sequence[Entry], name: str) -> dict[str, str | None] | None:
    """The champions that a dependency trigger knew at the last update, before it at its first decision."""
    known = [entry for entry in past if _of(entry, name)]
    served = last_update(known) or (known[0] if known else None)
    return dict(_of(served, name)["champions"]) if served else None  # type: ignore[index]


def of_event(past: Sequence[Entry], event: str, analysis: str | None = None) -> Entry | None:
    """The decision that stands about an event; None: it is to be taken.

    An update stands for good. Any other decision stands until an analysis comes that it did not know: labels
    that a first analysis asked for arrive later.

    Args:
        past: The earlier decisions, oldest first.
        event: What is decided about.
        analysis: Digest of the analysis that is known now, or None.
    """
    about = [entry for entry in past if entry["event"] == event]
    if updated := last_update(about):
        return updated
    knew = [entry for entry in about if analysis in (None, entry.get("inputs", {}).get("analysis"))]
    return knew[-1] if knew else None


def _of(entry: Entry, name: str) -> dict[str, Any] | None:
    return next((each for each in entry["triggers"] if each["name"] == name), None)
