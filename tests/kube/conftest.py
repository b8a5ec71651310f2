"""A fake API server that the real client talks to, and releases to roll out on it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_api import FakeApi
from rigs import rig, serving

from adsmu.cluster import Cluster


@pytest.fixture
def api():
    fake = FakeApi()
    fake.url = fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def cluster(api):
    from kubernetes import client

    settings = client.Configuration(host=api.url)
    settings.retries = False
    return Cluster("ml", client.ApiClient(settings))


@pytest.fixture
def gateway(api, cluster):
    return rig("gateway", api, cluster, serving())


@pytest.fixture
def kserve(api, cluster):
    return rig("kserve", api, cluster, serving())


@pytest.fixture
def knative(api, cluster):
    return rig("knative", api, cluster, serving())


@pytest.fixture(params=["gateway", "kserve", "knative"])
def backend(request, api, cluster):
    return rig(request.param, api, cluster, serving())
