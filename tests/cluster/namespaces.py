"""Namespaces of a real cluster that a test makes for itself."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def made_namespace(labels: dict[str, str] | None = None) -> Iterator[str]:
    """A namespace in which pods can be made, until the block ends. Skips the test where there is no cluster.

    Args:
        labels: Its labels.
    """
    from kubernetes import client, config

    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster: KUBECONFIG not set")
    config.load_kube_config(os.environ["KUBECONFIG"])
    core, name = client.CoreV1Api(), f"adsmu-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name, "labels": labels or {}}})
    try:
        until = time.monotonic() + 30
        while not core.list_namespaced_service_account(name).items:  # no pod is taken before
            assert time.monotonic() < until, f"namespace {name} has no service account"
            time.sleep(0.1)
        yield name
    finally:
        core.delete_namespace(name)
