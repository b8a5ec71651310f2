"""Records on a cluster: in a ConfigMap, and in a Lease, which others can read with their own tools."""

import json
import math
from datetime import UTC, datetime
from typing import Any

from adsmu.cluster import CONFIG_MAP, LEASE, Cluster, Kind, Manifest, NotThere
from adsmu.errors import BadInput, Conflict

RECORD_RIGHTS = {CONFIG_MAP: "get create patch", LEASE: "get create patch"}
"""What a process must be allowed to, for its records; `create` cannot be limited to a name."""


class ConfigMapRecord:
    """A record (`adsmu.canary_deploy.records.Record`) in a ConfigMap.

    Args:
        cluster: Where.
        name: The ConfigMap's name.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def read(self) -> tuple[dict[str, Any] | None, str]:
        """See `Record`.

        Raises:
            BadInput: What the ConfigMap holds is not a record's value.
        """
        found = self.cluster.read(CONFIG_MAP, self.name)
        if found is None:
            return None, ""
        try:
            value = json.loads(found["data"]["value"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput("the key value must hold JSON", file=f"ConfigMap {self.name}") from error
        if not isinstance(value, dict):
            raise BadInput("the key value must hold a mapping", file=f"ConfigMap {self.name}")
        return value, str(found["metadata"]["resourceVersion"])

    def write(self, value: dict[str, Any], version: str) -> str:
        """See `Record`."""
        return _write(
            self.cluster,
            CONFIG_MAP,
            self.name,
            version,
            {"data": {"value": json.dumps(value, allow_nan=False)}},
        )


class LeaseRecord:
    """A record with the keys holder, seconds, renewed (Unix time) and transitions in a Lease.

    Args:
        cluster: Where.
        name: The Lease's name.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def read(self) -> tuple[dict[str, Any] | None, str]:
        """See `Record`."""
        found = self.cluster.read(LEASE, self.name)
        if found is None:
            return None, ""
        spec = found.get("spec") or {}
        renewed = spec.get("renewTime")
        value = {
            "holder": spec.get("holderIdentity") or "",
            "seconds": spec.get("leaseDurationSeconds") or 0,
            "renewed": datetime.fromisoformat(renewed).timestamp() if renewed else 0.0,
            "transitions": spec.get("leaseTransitions") or 0,
        }
        return value, str(found["metadata"]["resourceVersion"])

    def write(self, value: dict[str, Any], version: str) -> str:
        """See `Record`. Whole seconds are what a Lease can hold: more is rounded up."""
        spec = {
            "holderIdentity": value["holder"] or None,
            "leaseDurationSeconds": max(1, math.ceil(value["seconds"])),
            "renewTime": datetime.fromtimestamp(value["renewed"], UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "leaseTransitions": value["transitions"],
        }
        return _write(self.cluster, LEASE, self.name, version, {"spec": spec})


def _write(cluster: Cluster, kind: Kind, name: str, version: str, content: Manifest) -> str:
    if version:
        try:
            written = cluster.patch(kind, name, content | {"metadata": {"resourceVersion": version}})
        except NotThere as error:
            raise Conflict(f"{kind} {name} is gone") from error
    else:
        body = {
            "apiVersion": kind.root.split("/", 2)[2],
            "kind": {CONFIG_MAP: "ConfigMap", LEASE: "Lease"}[kind],
        }
        written = cluster.create(kind, body | content | {"metadata": {"name": name}})
    return str(written["metadata"]["resourceVersion"])
