"""Opens the service that a rollout is of: its traffic backend, its storage, its records."""

import contextlib
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from adsmu.canary_deploy.traffic.local import LocalTraffic

from adsmu.canary_deploy.lease import Lease, LeaseLost
from adsmu.canary_deploy.places import in_folder, in_namespace
from adsmu.canary_deploy.release import crown, register
from adsmu.canary_deploy.rollout import Ports
from adsmu.canary_deploy.traffic.port import Traffic
from adsmu.errors import BadInput
from adsmu.image import IMAGE
from adsmu.store import open_store
from adsmu.store.evidence import Overtaken

BACKENDS = ("local", "gateway", "kserve", "knative")

REQUESTS = {"rate": 100.0, "connections": 16, "label_delay": 0.2}
"""How held-out rows are replayed to a local service, which has no users of its own."""

LOCAL_LEASE_SECONDS = 6.0
"""On one machine a process that is gone is not waited for long."""


@dataclass(frozen=True)
class Service:
    """Which service, and where.

    Attributes:
        name: The service: on a cluster its name, on one machine its folder.
        backend: One of `BACKENDS`.
        store: Object storage of releases, event logs and evidence; empty, on one machine: in the folder.
        serving: Settings of the backend.
        trainer: Import path of the models' trainer.
    """

    name: str
    backend: str
    store: str
    serving: dict[str, Any]
    trainer: str

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise BadInput(f"{self.backend!r} is not one of {', '.join(BACKENDS)}", file="backend")
        if not self.name:
            raise BadInput("a backend serves a service, and none is named", file="service")
        if not self.store and self.backend != "local":
            raise BadInput("a cluster needs object storage", file="store")

    @property
    def plain_name(self) -> str:
        """The name without a folder's path."""
        return Path(self.name).name

    @property
    def storage(self) -> str:
        """Where releases, event logs and evidence stand."""
        return self.store or str(Path(self.name).absolute() / "store")


@contextlib.contextmanager
def opened(
    service: Service, champion: Path | None, stratifier: dict[str, Any], rows: pa.Table
) -> Iterator[Ports]:
    """The ports of a rollout, for as long as it lasts.

    Args:
        service: Which service.
        champion: Model folder that a local service without a model begins with; None: it has none.
        stratifier: Which stratum a request is of.
        rows: Held-out rows that are replayed to a local service.

    Raises:
        BadInput: A setting is refused, or a library that the backend needs is missing.
    """
    if service.backend != "local":
        yield cluster_ports(service)
        return
    from adsmu.canary_deploy.traffic.replay import Replay

    name, store = service.plain_name, open_store(service.storage)
    settings = REQUESTS | service.serving
    if unknown := sorted(set(settings) - set(REQUESTS)):
        raise BadInput(f"unknown; there are {', '.join(REQUESTS)}", file="serving", column=unknown[0])
    for key, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise BadInput(f"must be a number above 0, not {value!r}", file="serving", column=key)
    ports, traffic = left_behind(service)
    # The service of another process must not be touched: the lease is held from before the start to the end.
    with ports.lease.held(), ports.lease.renewed():
        first = register(store, champion, stratifier) if champion and not traffic.champion() else None
        try:
            traffic.start(first)
            if first:
                crown(store, name, first.digest, "", ports.clock())
            with Replay(
                rows, traffic.address, name, **settings | {"connections": int(settings["connections"])}
            ):
                yield ports
        except (LeaseLost, Overtaken):
            raise
        except BaseException:
            traffic.stop()
            raise
        traffic.stop()


def left_behind(service: Service) -> "tuple[Ports, LocalTraffic]":
    """The ports of a service on this machine, and the service itself, as they stand; nothing is started.

    Args:
        service: Which service.
    """
    from adsmu.canary_deploy.traffic.local import SERVE, LocalTraffic

    serve = (*SERVE, "--trainer", service.trainer)
    traffic = LocalTraffic(service.name, service.plain_name, service.storage, serve=serve)
    record, lease = in_folder(Path(service.name))
    held = Lease(lease, _holder(), seconds=LOCAL_LEASE_SECONDS)
    return Ports(traffic, open_store(service.storage), record, held), traffic


def cluster_ports(service: Service) -> Ports:
    """The ports of a service on a cluster: the one that this process runs in, or the kubeconfig's."""
    from adsmu.canary_deploy.traffic.gateway import GatewayTraffic
    from adsmu.canary_deploy.traffic.knative import KnativeTraffic
    from adsmu.canary_deploy.traffic.kserve import KServeTraffic
    from adsmu.canary_deploy.traffic.serving import Serving
    from adsmu.cluster import Cluster, connect

    defaults = {
        "service": service.name,
        "image": IMAGE,
        "events": service.storage,
        "trainer": service.trainer,
    }
    serving = Serving.from_json(defaults | {"namespace": _namespace()} | service.serving)
    cluster = connect(serving.namespace)
    backends: dict[str, Callable[[Cluster, Serving], Traffic]] = {
        "gateway": GatewayTraffic,
        "kserve": KServeTraffic,
        "knative": KnativeTraffic,
    }
    record, lease = in_namespace(service.name, serving.namespace)
    traffic = backends[service.backend](cluster, serving)
    return Ports(traffic, open_store(service.storage), record, Lease(lease, _holder()))


def _namespace() -> str:
    """The namespace of the pod that this runs in; empty outside of one."""
    file = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


def _holder() -> str:
    """A name that no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
