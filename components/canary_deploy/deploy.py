"""Takes a model through preflight and rollout; the same call again goes on where the last one was killed."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adsmu.canary_deploy.evidence import EvidenceLog
from adsmu.canary_deploy.lease import Lease, LeaseLost
from adsmu.canary_deploy.preflight import FORMAT
from adsmu.canary_deploy.progress import Progress
from adsmu.canary_deploy.records import Conflict
from adsmu.canary_deploy.rollout import Ports, Request, Rollout
from adsmu.errors import StepFailed
from adsmu.files import write_json


def deploy(request: Request, ports: Ports) -> dict[str, Any]:
    """Rolls a model out that preflight admitted.

    Args:
        request: What is asked for.
        ports: What it touches.

    Returns:
        `outcome` and `reasons`; `rollout`, its id, and `evidence`, where it stands, if there was one.

    Raises:
        StepFailed: Something stands in the way of any rollout of this service.
    """
    try:
        ports.lease.wait(ports.sleep)
    except LeaseLost as error:
        return skipped(str(error))
    with _released(ports.lease):
        value, version = ports.record.read()
        value = value or {}
        under_way = value.get("rollout") if not value.get("ended") else None
        if under_way not in (None, request.rollout):
            other = f"the rollout {under_way} of the model {value.get('candidate')} is under way"
            return skipped(f"{other}; this one is of the model {request.digest}")
        rollout = Rollout(request.service, request.rollout, ports, request)
        if value.get("rollout") != request.rollout:
            if reasons := ports.traffic.obstacles():
                raise StepFailed("; ".join(reasons))
            begun = EvidenceLog(rollout.log.store).read()
            if not begun and ports.traffic.champion() == request.digest:
                return skipped("this model is in production already")
            if not begun and (left := ports.traffic.candidate()):
                return skipped(f"the model {left} stands beside the champion, and no rollout knows of it")
            try:
                ports.record.write(
                    {"rollout": request.rollout, "candidate": request.digest, "ended": False}, version
                )
            except Conflict:
                return skipped("another rollout began at the same time")
        return _result(rollout, _run(rollout, ports))


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
    try:
        ports.lease.wait(ports.sleep)
    except LeaseLost as error:
        return skipped(str(error))
    with _released(ports.lease):
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
def _released(lease: Lease) -> Iterator[None]:
    try:
        yield
    finally:
        lease.release()


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
