"""Training on the nodes of a pool, from the step's files and back to them."""

import json
import logging
import os
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from adsmu import __version__
from adsmu.cluster import POD, Cluster, connect
from adsmu.errors import BadInput, Refused, StepFailed, StoreUnavailable
from adsmu.files import digest
from adsmu.store import SCHEMES, Store, download, upload
from adsmu.train.distributed import FIGURES, MODEL, write_task
from adsmu.train_job.follow import FOLLOWED, Follower
from adsmu.train_job.manifest import TRAIN_JOB, Step, train_job
from adsmu.train_job.pool import Pool, read_pool

RIGHTS = FOLLOWED | {TRAIN_JOB: "get create delete", POD: "get list"}
"""What the step must be allowed to; it gets its own pod, for its image."""

NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

log = logging.getLogger(__name__)


def on_nodes(pool: dict[str, Any], cpu: str = "", memory: str = "") -> Callable[..., dict[str, float]] | None:
    """What trains on a pool in place of a trainer; None where the pool asks for one node, this one.

    Args:
        pool: Keys of `adsmu.train_job.pool.Pool`.
        cpu: CPU of each node, as Kubernetes writes it; empty: what the runtime says.
        memory: Memory of each node, likewise.

    Raises:
        BadInput: The pool breaks a rule, or there are several nodes and no cluster.
    """
    read = read_pool(pool)
    if read.nodes == 1:
        return None
    namespace = NAMESPACE.read_text(encoding="utf-8").strip() if NAMESPACE.exists() else "default"
    return Submitter(connect(namespace), read, cpu, memory)


@dataclass(frozen=True)
class Submitter:
    """Trains by TrainJobs, one after the other as long as each one gets on; leaves none behind.

    Attributes:
        cluster: Where.
        pool: How many nodes, and which.
        cpu: CPU of each node; empty: what the runtime says.
        memory: Memory of each node; empty: what the runtime says.
    """

    cluster: Cluster
    pool: Pool
    cpu: str = ""
    memory: str = ""

    def __call__(
        self, rows: pa.Table, output: Path, *, checkpoints: Store | None, base: Path | None, **task: Any
    ) -> dict[str, float]:
        """Trains; see `adsmu.train.protocol.Trainer.train`. `task` holds trainer, mode, settings and seed.

        A TrainJob that fails is followed by another, which goes on from the last state saved, if there is a
        later one than before: so a lost node costs an epoch, and a fault that comes back ends the step.

        Raises:
            BadInput: There is no object storage to hand the task over in.
            StepFailed: The training failed, or the cluster does not take it; the line says why.
            StoreUnavailable: The storage does not answer.
        """
        if checkpoints is None or not checkpoints.uri.startswith(tuple(f"{each}://" for each in SCHEMES)):
            rule = f"several nodes train through object storage: {', '.join(f'{s}://…' for s in SCHEMES)}"
            raise BadInput(rule, file="checkpoints")
        name = f"train-{uuid.uuid4().hex[:8]}"
        own = checkpoints.below(name)
        try:
            with ended_by_signal():
                step = self._step()
                state = _hand_over(rows, base, checkpoints, own, task)
                model = self._train(name, own, state, step)
                download(model, MODEL, output)
                figures: dict[str, float] = json.loads(model.read(FIGURES) or b"")
                return figures
        except Refused as error:
            raise StepFailed(f"training on {self.pool.nodes} nodes: {error}") from error
        finally:
            _clear(own)

    def _step(self) -> Step | None:
        """The pod that this process runs in, if Kubeflow Pipelines started it."""
        pod = os.environ.get("KFP_POD_NAME", "")
        wanted = RIGHTS if pod else {**RIGHTS, POD: "list"}
        if missing := self.cluster.missing_rights(wanted):
            raise StepFailed(f"this step may not {', '.join(missing)} in {self.cluster.namespace}")
        found = self.cluster.read(POD, pod) if pod else None
        if found is None:
            return None
        containers = {each["name"]: each for each in found["spec"]["containers"]}
        return Step(pod, found["metadata"]["uid"], containers["main"]["image"])

    def _train(self, name: str, own: Store, state: Store, step: Step | None) -> Store:
        before, attempt = state.names(), 0
        while True:
            attempt += 1
            job, model = f"{name}-{attempt}", own.below(f"model-{attempt}")
            places = own.below("task"), state, model
            body = train_job(job, places, self.pool, step, self.cpu, self.memory)
            try:
                self.cluster.create(TRAIN_JOB, body)
                log.info("TrainJob %s on %d nodes", job, self.pool.nodes)
                failure = Follower(self.cluster, job).follow()
            finally:
                self._delete(job)
            if not failure:
                return model
            reached = state.names()
            if not reached or reached == before:
                raise StepFailed(failure)
            log.warning("%s; another goes on from %s", failure, reached[-1])
            before = reached

    def _delete(self, job: str) -> None:
        try:
            self.cluster.delete(TRAIN_JOB, job)
        except Refused as error:
            log.warning("TrainJob %s is left until the pod of this step is deleted: %s", job, error)


def _hand_over(
    rows: pa.Table, base: Path | None, checkpoints: Store, own: Store, task: dict[str, Any]
) -> Store:
    """Stores the task; gives the place of the training's state, the same for the same task."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_task(folder, rows, base=base, checkpoints=None, version=__version__, **task)
        upload(folder, own, "task")
        return checkpoints.below(digest(folder).removeprefix("sha256:")[:32])


def _clear(own: Store) -> None:
    try:
        for name in own.names():
            own.remove(name)
    except StoreUnavailable as error:
        log.warning("the task is left in the storage: %s", error)


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Makes the signal that asks a process to end an exception, so that what it began is taken away."""

    def leave(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
