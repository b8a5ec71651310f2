"""A namespace on a real cluster, with Gateway API and object storage; skipped where there is none.

| variable | what |
| --- | --- |
| KUBECONFIG | the cluster; the user may do anything in it |
| ADSMU_IMAGE | an image with this package, and with `word_trainer.py` of the predictor's tests beside it |
| ADSMU_GATEWAY | `namespace/name` of a Gateway that takes HTTPRoutes of any namespace |
| ADSMU_GATEWAY_URL | where that Gateway is reached from here |
| ADSMU_STORE | `s3://bucket/prefix`, with AWS_ENDPOINT_URL and credentials that hold here and in a pod |
"""

import base64
import os
import sys
import time
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit" / "serve")]

NEEDED = ("KUBECONFIG", "ADSMU_IMAGE", "ADSMU_GATEWAY", "ADSMU_GATEWAY_URL", "ADSMU_STORE")


@pytest.fixture(scope="session")
def where():
    """What the environment says of the cluster."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no cluster: {', '.join(missing)} not set")
    return {name: os.environ[name] for name in NEEDED}


@pytest.fixture
def namespace(where):
    """A namespace with the credentials of the object storage."""
    from kubernetes import client, config

    config.load_kube_config(where["KUBECONFIG"])
    core, name = client.CoreV1Api(), f"adsmu-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    try:
        data = {
            key: base64.b64encode(value.encode()).decode()
            for key, value in os.environ.items()
            if key.startswith("AWS_")
        }
        core.create_namespaced_secret(name, {"metadata": {"name": "storage"}, "data": data})
        yield name
    finally:
        core.delete_namespace(name)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                core.read_namespace(name)
            except client.ApiException:
                break
            time.sleep(1)
