"""Takes a model through preflight and rollout; the same call again goes on where the last one was killed."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adsmu.canary_deploy.lease import LeaseLost
from adsmu.canary_deploy.preflight import FORMAT
from adsmu.canary_deploy.progress import Progress, progress
from adsmu.canary_deploy.rollout import Ports, Request, Rollout
from adsmu.canary_deploy.schedule import read_plan
from adsmu.errors import BadInput, Conflict, StepFailed
from adsmu.files import write_json
from adsmu.store.evidence import EvidenceLog

TINY = 1e-9
"""How far a share may be from a multiple by rounding."""


def deploy(request: Request, ports: Ports) -> dict[str, Any]:
    """Rolls a model out that preflight admitted.

    Args:
        request: What is asked for.
        ports: What it touches.

    Returns:
        `outcome` and `reasons`; `rollout`, its id, and `evidence`, where it stands, if there was one.

    Raises:
        StepFailed: Something stands in the way of any rollout of this service.
        BadInput: The plan is refused, or the evidence is damaged.
        LeaseLost: Another process took over.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(ports.lease.held(ports.sleep))
        except LeaseLost as error:
            return skipped(str(error))
        rollout = Rollout(request.service, request.rollout, ports, request)
        if reason := _refused(rollout, request, ports):
            return skipped(reason)
        return _result(rollout, _run(rollout, ports))


def _refused(rollout: Rollout, request: Request, ports: Ports) -> str:
    """Why a rollout is not to go on; empty: it is under way, and the record says so."""
    value, version = ports.record.read()
    value = value or {}
    if not value.get("ended") and (under_way := value.get("rollout")):
        if under_way == request.rollout:
            return ""
        other = f"the rollout {under_way} of the model {value.get('candidate')} is under way"
        return f"{other}; this one is of the model {request.digest}"
    before = progress(EvidenceLog(rollout.log.store).read())
    if before is None:
        return _begun(request, ports, version)
    champion = ports.traffic.champion()
    if (before.phase, before.outcome) != ("ended", "promoted") or champion == request.digest:
        return ""
    since = f"this rollout promoted the model before, and {champion} was put into production since"
    return f"{since}; another seed makes it another rollout"


def _begun(request: Request, ports: Ports, version: str) -> str:
    """Why a rollout cannot begin; empty: the record now says that it is under way."""
    if reasons := ports.traffic.obstacles():
        raise StepFailed("; ".join(reasons))
    champion, finest = ports.traffic.champion(), ports.traffic.finest
    if champion == request.digest:
        return "this model is in production already"
    if left := ports.traffic.candidate():
        return f"the model {left} stands beside the champion, and no rollout knows of it"
    plan, _ = read_plan(request.plan, champion is None, request.accuracy)
    for step in plan.steps:
        if abs(step / finest - round(step / finest)) > TINY:
            rule = f"{step:g} cannot be kept: this backend knows shares in steps of {finest:g}"
            raise BadInput(rule, file="plan", column="steps")
    try:
        ports.record.write({"rollout": request.rollout, "candidate": request.digest, "ended": False}, version)
    except Conflict:
        return "another rollout began at the same time"
    return ""


def finalise(service: str, ports: Ports) -> dict[str, Any]:
    """Brings to its end what a process left that is gone: to the champion, unless it was decided.

    Args:
        service: The name of the service.
        ports: What it touches.

    Returns:
        As `deploy`; `skipped` where there is nothing to do, or the process is still at work.
    """
    rollout_id = unfinished(ports)
    if not rollout_id:
        return skipped("no rollout was left unfinished")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(ports.lease.held(ports.sleep))
        except LeaseLost as error:
            return skipped(str(error))
        rollout = Rollout(service, rollout_id, ports, None)
        rollout.abandon()
        if not rollout.entries:
            _close(ports)
            return skipped("the rollout had not begun")
        return _result(rollout, _run(rollout, ports))


def unfinished(ports: Ports) -> str:
    """The id of the service's rollout that has not ended; empty: there is none."""
    value, _ = ports.record.read()
    return "" if value is None or value.get("ended") else str(value.get("rollout") or "")


def write_outcome(
    path: str | Path, result: dict[str, Any], model: str, evaluation: str, admitted: bool, override: str = ""
) -> None:
    """Writes `outcome.json`.

    Args:
        path: The file.
        result: What `deploy` gave.
        model: Digest of the model.
        evaluation: Digest of the evaluation.
        admitted: Whether preflight let it pass.
        override: Who admitted it without its evaluation, and why.
    """
    value = {"format": FORMAT, "admitted": admitted, **result}
    value |= {"model": {"digest": model}, "evaluation": {"digest": evaluation}, "override": override}
    write_json(value, path)


def _run(rollout: Rollout, ports: Ports) -> Progress:
    with _interruptible():
        found = rollout.run()
    _close(ports)
    return found


def _close(ports: Ports) -> None:
    """Says in the record that the rollout has ended, so that another may begin."""
    while True:
        value, version = ports.record.read()
        if value is None or value.get("ended"):
            return
        with contextlib.suppress(Conflict):
            ports.record.write(value | {"ended": True}, version)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """On SIGTERM gives the lease back and ends. Nothing is rolled back: another process may go on."""

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _result(rollout: Rollout, found: Progress) -> dict[str, Any]:
    return {
        "outcome": found.outcome,
        "reasons": list(found.reasons),
        "rollout": rollout.rollout,
        "evidence": rollout.log.store.uri,
    }


def skipped(reason: str) -> dict[str, Any]:
    """What `deploy` gives where nothing was rolled out."""
    return {"outcome": "skipped", "reasons": [reason]}
