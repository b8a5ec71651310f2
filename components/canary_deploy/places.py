"""Where what is shared about a service's rollout stands: in a local service's folder, or in a namespace."""

from pathlib import Path

from adsmu.canary_deploy.records import FileRecord, Record


def in_folder(folder: str | Path) -> tuple[Record, Record]:
    """The records of a service on this machine.

    Args:
        folder: The service's folder.

    Returns:
        Where the rollout stands, and the lease.
    """
    return FileRecord(Path(folder) / "rollout.json"), FileRecord(Path(folder) / "lease.json")


def in_namespace(service: str, namespace: str) -> tuple[Record, Record]:
    """The records of a service in a cluster.

    Args:
        service: The service's name.
        namespace: Its namespace.

    Returns:
        Where the rollout stands, and the lease.

    Raises:
        BadInput: There is no cluster.
    """
    from adsmu.canary_deploy.cluster_records import ConfigMapRecord, LeaseRecord
    from adsmu.cluster import connect

    cluster = connect(namespace)
    return ConfigMapRecord(cluster, f"canary-{service}"), LeaseRecord(cluster, f"canary-{service}")
