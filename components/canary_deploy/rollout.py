"""Rolls a model out: does what the evidence says is next, writes down what came of it, and begins again.

`reconcile` may be killed anywhere and called again by another process. What there is to do follows from the
entries of the evidence (`progress.py`); acts set a state, and are done again without harm; what was done is
written only once it is seen. The live traffic object is the truth: where it differs, it is set again.
"""

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.canary_deploy import progress
from adsmu.canary_deploy.grouping import Grouping, grouped
from adsmu.canary_deploy.lease import Lease
from adsmu.canary_deploy.observe import Observer
from adsmu.canary_deploy.paired import BATCH, shadow_pairs
from adsmu.canary_deploy.plan import Look, Traffic, to_json
from adsmu.canary_deploy.progress import Progress
from adsmu.canary_deploy.records import Record
from adsmu.canary_deploy.release import crown, register, registered_stratifier, release_of
from adsmu.canary_deploy.traffic import port
from adsmu.errors import BadInput, Conflict, Refused, StoreUnavailable
from adsmu.store import Store
from adsmu.store.evidence import Entry, EvidenceLog
from adsmu.stratify.assign import Stratifier

STRANGE = 0.001
"""A chance that is small enough to say: the traffic does not follow the share."""

_log = logging.getLogger(__name__)

SETTLED = ("promote", "roll_back", "ended")
"""Phases in which the outcome is decided and only has to be carried out."""


@dataclass(frozen=True)
class Request:
    """What is asked for. The same request is the same rollout, whoever carries it on.

    Attributes:
        service: The name of the service.
        model: Model folder of the candidate.
        digest: Of that folder, as it was evaluated.
        evaluation: Digest of the evaluation that admits it.
        plan: The plan, as the user gave it.
        accuracy: What a first deployment is held to.
        stratifier: Which stratum a request is of.
        rows: Labelled held-out utterances, for shadow pairs and for how common each stratum is.
        override: Who admitted the model without its evaluation, and why; empty: nobody.
    """

    service: str
    model: Path
    digest: str
    evaluation: str
    plan: dict[str, Any]
    accuracy: float
    stratifier: dict[str, Any]
    rows: pa.Table
    override: str = ""

    @property
    def rollout(self) -> str:
        """The rollout's id: what is rolled out, on what grounds, and how."""
        parts = [self.service, self.digest, self.evaluation, self.plan, self.override]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Ports:
    """All that a rollout touches.

    Attributes:
        traffic: The service.
        store: Object storage: releases, event logs, evidence.
        record: What anyone may see and say of the service's rollout: where it stands, `approved`, `abort`.
        lease: The right to act.
        clock: Unix seconds.
        sleep: Waits.
    """

    traffic: port.Traffic
    store: Store
    record: Record
    lease: Lease
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Rollout:
    """One rollout of a service, as this process sees it.

    Args:
        service: The name of the service.
        rollout: The rollout's id.
        ports: What it touches; the lease is held.
        request: What is asked for; None to bring to its end what another process left.
    """

    def __init__(self, service: str, rollout: str, ports: Ports, request: Request | None) -> None:
        self.service, self.rollout, self.ports, self.request = service, rollout, ports, request
        self.log = EvidenceLog(ports.store.below(f"rollouts/{service}/{rollout}"))
        self.entries: list[Entry] = []
        self.progress: Progress | None = None
        self._observer: Observer | None = None
        self._grouping: Grouping | None = None
        self._unreachable: float | None = None
        self._unready: float | None = None
        self._waiting = ""

    def run(self) -> Progress:
        """Carries the rollout on until it has ended.

        Returns:
            Where it ended.

        Raises:
            LeaseLost: Another process carries it on.
            Overtaken: Likewise.
            BadInput: The evidence is damaged; the candidate gets no requests any more.
        """
        while True:
            found = self.attempt()
            if found is not None and found.phase == "ended":
                return found
            self.ports.sleep(self._pause(found))

    def abandon(self) -> None:
        """Stops a rollout whose process is gone, unless its outcome is decided."""
        self._load()
        if self.progress is not None and self.progress.phase not in SETTLED:
            self._stop("abandoned", "rolled_back", "its process is gone")

    def attempt(self) -> Progress | None:
        """`reconcile`, where storage or cluster may be away: nothing is moved then, unless it takes too long.

        Returns:
            Where the rollout stands; None while that cannot be read.
        """
        try:
            found = self.reconcile()
        except (StoreUnavailable, Refused) as error:
            self._hold(str(error))
            return self.progress
        self._unreachable, self._waiting = None, ""
        return found

    def reconcile(self) -> Progress:
        """Does the next thing that is to do, and writes down what came of it.

        Returns:
            Where the rollout stands after it.

        Raises:
            StoreUnavailable: The storage does not answer.
            Refused: The service does not do what it was asked to.
        """
        self.ports.lease.require()
        if self.progress is None:
            self._load()
        self._follow_orders(self._found)
        if progress.overdue(self._found, self.ports.clock()):
            reason = f"not decided after {self._found.schedule.max_seconds:g} seconds"
            self._stop("overdue", "inconclusive", reason)
        if self._found.phase != "ended":
            getattr(self, f"_{self._found.phase}")(self._found)
        self._publish()
        return self._found

    @property
    def _found(self) -> Progress:
        if self.progress is None:
            raise BadInput("there is no such rollout", file=self.rollout)
        return self.progress

    def _load(self) -> None:
        """Reads where the rollout stands; begins it if it has not begun."""
        try:
            self.entries = self.log.read()
            self.progress = progress.progress(self.entries)
        except BadInput as error:
            # What was decided is not known any more, and nothing can be written behind it.
            self._retreat(f"the evidence is damaged: {error}")
            raise
        if self.progress is None and self.request is not None:
            known = registered_stratifier(self.ports.store, self.request.digest)
            stratifier = Stratifier.from_json(known or self.request.stratifier)
            groups = grouped(stratifier, self.request.rows, self.request.plan)
            self._write(
                {
                    "kind": "begin",
                    "service": self.service,
                    "plan": self.request.plan,
                    "accuracy": self.request.accuracy,
                    "strata": groups,
                    "candidate": self.request.digest,
                    "champion": self.ports.traffic.champion(),
                    "evaluation": self.request.evaluation,
                    "override": self.request.override,
                }
            )

    def _register(self, found: Progress) -> None:
        if self.request is None:
            self._stop("abandoned", "rolled_back", "its process is gone, and the model with it")
            return
        release = register(self.ports.store, self.request.model, self.request.stratifier)
        if release.digest != found.candidate:
            self._stop("altered", "rolled_back", "the model was altered after its evaluation")
        else:
            self._write({"kind": "registered", "release": release.uri})

    def _dark_launch(self, found: Progress) -> None:
        traffic = self.ports.traffic
        try:
            if traffic.candidate() != found.candidate:
                self.ports.lease.require()
                traffic.deploy(release_of(self.ports.store, found.candidate))
            unready = traffic.unready()
        except Refused as error:
            unready = str(error)
        if not unready:
            observer = self._observing()
            observer.skip()
            self._write({"kind": "ready", "cursor": dict(observer.cursor)})
        elif self.ports.clock() - self.entries[-1]["time"] >= found.schedule.ready_seconds:
            reason = f"the candidate was not ready after {found.schedule.ready_seconds:g} seconds: {unready}"
            self._stop("not ready", "rolled_back", reason)

    def _shadow(self, found: Progress) -> None:
        if self.request is None:
            self._stop("abandoned", "rolled_back", "its process is gone, and its requests with it")
            return
        if self._dead(found):
            return
        number, rows = len(found.evidence.looks), self.request.rows
        order = np.random.default_rng(found.schedule.seed).permutation(len(rows))
        chosen = order[number * BATCH : (number + 1) * BATCH]
        if not len(chosen):
            missing = "; ".join(found.reasons)
            self._stop("asked all", "inconclusive", f"all {len(rows)} labelled rows were asked: {missing}")
            return
        part = rows.take(pa.array(chosen))
        groups = self._group(part["tokens"].to_pylist())
        pairs = shadow_pairs(self.ports.traffic.addresses(), self.service, part, groups, len(found.strata))
        none = Traffic(*((0,) * len(found.strata),) * 3)
        self._decide({"look": to_json(Look(0.0, none, none, (), pairs))})

    def _ramp(self, found: Progress) -> None:
        traffic, settle = self.ports.traffic, found.schedule.settle_seconds
        if traffic.candidate() != found.candidate:
            self._stop("lost", "rolled_back", "the candidate is gone from the service")
            return
        if self._dead(found) or found.asks == "ramp":
            return
        if found.share_since is None or traffic.share() != found.share:
            self._set_share(found)
            return
        if sick := traffic.sick():
            raise Refused(f"the champion does not answer: {sick}")
        if self.ports.clock() < self.entries[-1]["time"] + found.schedule.look_seconds:
            return
        try:
            observer = self._observing()
            observer.poll()
        except StoreUnavailable as error:
            decision = progress.unreadable_decision(found, str(error))
            self._write({"kind": "unreadable", "reason": str(error), "decision": decision.to_json()})
            return
        now = max(self.ports.clock(), self.entries[-1]["time"])
        seen = observer.look(
            len(found.evidence.looks),
            found.share,
            found.share_since + settle,
            now - settle,
            now,
            found.schedule.label_seconds,
        )
        self._decide(seen | {"look": to_json(seen["look"])}, now)

    _bake = _ramp

    def _dead(self, found: Progress) -> bool:
        """Whether the candidate does not answer at present; if it stays so, the rollout is stopped."""
        unready, now = self.ports.traffic.unready(), self.ports.clock()
        if not unready:
            self._unready = None
            return False
        self._unready = now if self._unready is None else self._unready
        if now - self._unready >= found.schedule.settle_seconds:
            self._stop("died", "rolled_back", f"the candidate does not answer any more: {unready}")
        return True

    def _promote(self, found: Progress) -> None:
        traffic = self.ports.traffic
        if traffic.champion() != found.candidate:
            if self._dead(found):
                return
            if found.share_since is None or traffic.share() != 1:
                self._set_share(found)
                return
            if not self._followed():
                if self.ports.clock() - found.since >= found.schedule.ready_seconds:
                    self._stop(
                        "not followed", "inconclusive", "requests still reach the champion at a share of 1"
                    )
                else:
                    self._set_share(found)
                return
            self.ports.lease.require()
            traffic.promote()
        if self.entries[-1]["kind"] != "promoted":
            self._write({"kind": "promoted"})
        self.ports.lease.require()
        crown(self.ports.store, self.service, found.candidate, self.rollout, self.entries[-1]["time"])
        self._write({"kind": "end", "outcome": found.outcome, "reasons": list(found.reasons)})

    def _roll_back(self, found: Progress) -> None:
        traffic = self.ports.traffic
        if traffic.candidate() == found.candidate:
            if found.champion and (found.share_since is None or traffic.share() != 0):
                self._set_share(found)
                return
            self.ports.lease.require()
            traffic.withdraw()
        if self.entries[-1]["kind"] != "withdrawn":
            self._write({"kind": "withdrawn"})
        self._write({"kind": "end", "outcome": found.outcome, "reasons": list(found.reasons)})

    def _set_share(self, found: Progress) -> None:
        """Sets the share that is to be, and waits until object and requests both show it."""
        traffic, settle = self.ports.traffic, found.schedule.settle_seconds
        if found.share == 0 and (sick := traffic.sick()):
            raise Refused(f"the champion does not answer, so it is given no more requests: {sick}")
        if found.share_since is not None:
            self._write({"kind": "lost", "share": found.share, "seen": traffic.share()})
        self.ports.lease.require()
        traffic.set_share(found.share)
        begin, follows = self.ports.clock(), None
        for _ in range(6):
            self._sleep(max(settle, 0.1))
            follows = self._follows(found, begin + settle / 2)
            if follows:
                break
        if traffic.share() != found.share:
            raise Refused(f"a share of {found.share:g} was set, {traffic.share():g} is read back")
        self._write({"kind": "share", "share": found.share, "followed": follows is not False})

    def _sleep(self, seconds: float) -> None:
        """Waits without losing the lease."""
        part = self.ports.lease.seconds / 4
        while seconds > 0:
            self.ports.sleep(min(seconds, part))
            self.ports.lease.require()
            seconds -= part

    def _followed(self) -> bool:
        """Whether the requests followed the share that was set last."""
        last = [entry for entry in self.entries if entry["kind"] == "share"][-1]
        return bool(last["followed"])

    def _follows(self, found: Progress, since: float) -> bool | None:
        """Whether the requests counted at the variants go where they are sent; None: too few to tell.

        A variant that is to get none must get none. Of two that are to get a part, each must have got a
        request; that one has not proves something only when it is strange: the chance of it is
        (1 - share)^n after n requests.
        """
        observer = self._observing()
        observer.poll()
        models = [event["model"] for event in observer.events if event["time"] >= since]
        canary = sum(model == found.candidate for model in models)
        if found.share in (0.0, 1.0):
            return canary == found.share * len(models)
        if 0 < canary < len(models):
            return True
        return None if max(found.share, 1 - found.share) ** len(models) > STRANGE else False

    def _decide(self, content: dict[str, Any], now: float | None = None) -> None:
        decision = progress.look_decision(self._found, content["look"])
        self._write({"kind": "look", **content, "decision": decision.to_json()}, now)

    def _stop(self, cause: str, outcome: str, reason: str) -> None:
        self._write({"kind": "stop", "cause": cause, "outcome": outcome, "reasons": [reason]})

    def _write(self, content: dict[str, Any], now: float | None = None) -> None:
        self.ports.lease.require()
        entry = self.log.append(content, self.ports.clock() if now is None else now)
        self.entries.append(entry)
        self.progress = progress.after(self.progress, entry)

    def _observing(self) -> Observer:
        if self._observer is None:
            found = self._found
            observer = Observer(
                self.ports.store,
                self.service,
                (found.candidate, found.champion or ""),
                self._group,
                len(found.strata),
                found.schedule.slow_seconds,
            )
            observer.resume(self.entries)
            self._observer = observer
        return self._observer

    def _group(self, rows: list[list[str]]) -> np.ndarray:
        if self._grouping is None:
            self._grouping = Grouping(self.ports.store, self._found.candidate, self.entries[0]["strata"])
        return self._grouping(rows)

    def _follow_orders(self, found: Progress) -> None:
        """What a person said by way of the record: to go on, or to give up."""
        value, _ = self.ports.record.read()
        if found.phase in SETTLED or value is None or value.get("rollout") != self.rollout:
            return
        if reason := value.get("abort"):
            self._stop("aborted", "rolled_back", str(reason))
            return
        for gate, who in sorted((value.get("approved") or {}).items()):
            if gate in found.schedule.approvals and gate not in self._found.approved:
                self._write({"kind": "approved", "gate": gate, "by": str(who)})

    def _publish(self) -> None:
        """Shows where the rollout stands; what a person says meanwhile is kept."""
        shown = progress.as_json(self._found) | {"rollout": self.rollout, "candidate": self._found.candidate}
        shown["waiting"] = self._waiting
        while True:
            value, version = self.ports.record.read()
            if (value or {}) | shown == value:
                return
            with contextlib.suppress(Conflict):
                self.ports.record.write((value or {}) | shown, version)

    def _hold(self, reason: str) -> None:
        """Storage or cluster is away: nothing moves, until it takes too long; then back to the champion."""
        now = self.ports.clock()
        self._unreachable = now if self._unreachable is None else self._unreachable
        found = self.progress
        if reason != self._waiting:
            _log.warning("waiting: %s", reason)
            self._waiting = reason
        if found is not None:
            with contextlib.suppress(Refused):
                self._publish()
        if found is None or found.phase not in ("ramp", "bake"):
            return
        if now - self._unreachable >= found.schedule.max_unreadable * found.schedule.look_seconds:
            self._retreat(f"not reachable for {now - self._unreachable:.0f} seconds: {reason}")

    def _retreat(self, reason: str) -> None:
        """Takes the requests away from the candidate while no evidence can be written; the order is kept."""
        with contextlib.suppress(Conflict, Refused):
            value, version = self.ports.record.read()
            if value is not None and value.get("rollout") == self.rollout and not value.get("abort"):
                self.ports.record.write(value | {"abort": reason}, version)
        traffic = self.ports.traffic
        with contextlib.suppress(Refused):
            if traffic.candidate() and traffic.champion() and traffic.share() > 0 and not traffic.sick():
                self.ports.lease.require()
                traffic.set_share(0.0)

    def _pause(self, found: Progress | None) -> float:
        """How long nothing is to do."""
        if self._unreachable is not None:
            return 1.0
        if found is None or (found.phase not in ("ramp", "bake", "dark_launch") and self._unready is None):
            return 0.0
        return min(1.0, found.schedule.look_seconds / 4)
