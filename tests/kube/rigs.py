"""Backends on the fake API, each with the controllers it needs, and releases to roll out."""

from dataclasses import dataclass
from typing import Any

from fake_api import FakeApi, without_version
from fake_controllers import Deployments, Gateway, Knative, KServe

from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic.gateway import GatewayTraffic
from adsmu.canary_deploy.traffic.knative import KnativeTraffic
from adsmu.canary_deploy.traffic.kserve import KServeTraffic
from adsmu.canary_deploy.traffic.serving import Serving
from adsmu.cluster import Cluster


@dataclass
class Rig:
    """A backend with the controllers it needs."""

    name: str
    api: FakeApi
    traffic: Any
    controllers: dict[str, Any]

    def begin(self, champion: Release) -> None:
        """Brings the service up with a champion."""
        self.traffic.deploy(champion)
        self.traffic.set_share(1.0)
        self.traffic.promote()
        assert self.traffic.champion() == champion.digest

    def state(self) -> dict[Any, Any]:
        """All that there is, without what a server counts."""
        return {place: without_version(each) for place, each in self.api.objects.items()}


def release(letter: str) -> Release:
    """A release whose digest is one letter."""
    return Release(f"sha256:{letter * 64}", f"s3://models/models/{letter * 64}")


OLD, NEW, OTHER = release("a"), release("b"), release("c")


def serving(**more: Any) -> Serving:
    """Settings of a small service."""
    given = {
        "service": "nlu",
        "namespace": "ml",
        "image": "registry.example/adsmu:1",
        "events": "s3://events",
        "gateway": "gateway/public",
        "hostname": "nlu.example.com",
        "secret": "storage",
        "service_account": "predictors",
    }
    return Serving.from_json(given | more)


def rig(name: str, api: FakeApi, cluster: Cluster, settings: Serving) -> Rig:
    """A backend by its name, on an API with the controllers that it needs."""
    controllers: dict[str, Any] = {"deployments": Deployments(), "gateway": Gateway()}
    if name == "gateway":
        traffic: Any = GatewayTraffic(cluster, settings)
    elif name == "kserve":
        controllers = {"kserve": KServe()} | controllers
        api.admit["inferenceservices"] = controllers["kserve"].admit
        traffic = KServeTraffic(cluster, settings)
    else:
        controllers = {"knative": Knative()}
        traffic = KnativeTraffic(cluster, settings)
    api.after = list(controllers.values())
    return Rig(name, api, traffic, controllers)
