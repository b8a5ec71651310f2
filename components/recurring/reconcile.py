"""Brings a server to hold the recurring runs that Git declares.

The server can create, enable, disable and delete a recurring run, and nothing else. To delete one kills its
runs under way, and they say RUNNING for ever. So one that is to go is disabled, its runs are waited for, and
only then it is deleted. A reconciliation that was cut short anywhere is carried on by the next one.
"""

import time
from collections.abc import Callable, Iterator

from adsmu.errors import StepFailed
from adsmu.recurring.declared import Declared
from adsmu.recurring.difference import Change, Difference, Found, Pipeline, compare, described, drifted
from adsmu.recurring.server import Server

SETTLE_SECONDS = 15.0
"""After a recurring run was disabled, a firing that had begun may still bring forth a run for so long."""

Pipelines = dict[str, list[Pipeline]]


def difference(declared: Declared, server: Server) -> tuple[Difference, Pipelines, str | None]:
    """Reads the server, and finds what is to be done.

    Args:
        declared: What Git holds.
        server: The server.

    Returns:
        The difference, the pipelines that are named, and the experiment's id or None.

    Raises:
        StepFailed: The server does not answer.
    """
    experiment = server.experiment(declared.experiment)
    pipelines = {name: server.pipelines(name) for name in {each.pipeline for each in declared.recurring}}
    return compare(declared, server.recurring_runs(), pipelines, experiment), pipelines, experiment


def reconcile(
    declared: Declared,
    server: Server,
    *,
    wait: float,
    settle: float = SETTLE_SECONDS,
    tell: Callable[[str], None],
) -> None:
    """Does what is to be done; nothing at all while something must be put right first.

    Args:
        declared: What Git holds.
        server: The server.
        wait: Seconds, for all runs under way together, before those that still have some are left disabled.
        settle: See `SETTLE_SECONDS`.
        tell: Is given a line for each act.

    Raises:
        StepFailed: Something must be put right, the server fails, or runs did not end in time.
    """
    found, pipelines, experiment = difference(declared, server)
    if found.refusals:
        raise StepFailed("nothing was changed: " + "; ".join(found.refusals))
    going = [change for change in found.changes if change.act in ("delete", "replace")]
    for change in going:
        server.disable(_there(change).id)
    waiting: list[str] = []
    if going:
        time.sleep(settle)
    deadline = time.monotonic() + wait
    for change in found.changes:
        if change in going:
            busy = _wait(server, _there(change), deadline)
            if busy:
                waiting.append(f"{change.name} (runs {', '.join(busy)})")
                continue
            server.delete(_there(change).id)
        elif change.act in ("enable", "disable"):
            getattr(server, change.act)(_there(change).id)
        if change.act in ("create", "replace") and change.declared:
            experiment = experiment or server.make_experiment(declared.experiment)
            _create(change, declared.owner, server, pipelines[change.declared.pipeline][0].id, experiment)
        tell(f"{change.act:<8}{change.name}")
    if waiting:
        raise StepFailed(
            f"has runs under way and was left disabled: {'; '.join(waiting)}; "
            "when they have ended, or were terminated, apply again"
        )


def _there(change: Change) -> Found:
    if change.found is None:
        raise ValueError(f"{change.act} {change.name}: there is none")
    return change.found


def _wait(server: Server, found: Found, deadline: float) -> list[str]:
    """Waits until none of its runs is under way; those that are when the time is over."""
    for pause in _pauses():
        busy = server.under_way(found)
        if not busy or time.monotonic() >= deadline:
            return busy
        time.sleep(min(pause, max(deadline - time.monotonic(), 0.0)))
    raise AssertionError("unreachable")


def _pauses() -> Iterator[float]:
    pause = 0.1
    while True:
        yield pause
        pause = min(2 * pause, 10.0)


def _create(change: Change, owner: str, server: Server, pipeline: str, experiment: str) -> None:
    declared = change.declared
    if declared is None:
        raise ValueError(f"{change.name}: nothing is declared")
    made = server.create(declared, described(owner, declared), pipeline, experiment)
    wrong = drifted(declared, made, pipeline)
    if wrong or made.held.enabled != declared.enabled:
        server.disable(made.id)
        raise StepFailed(
            f"{declared.name}: the server holds something else than it was given and it was disabled: "
            + "; ".join(wrong or ("enabled",))
        )
