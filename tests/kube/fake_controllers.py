"""Stand-ins for controllers: what they make of objects, as far as a rollout sees it, traps included."""

import copy
import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any

from fake_api import Denied, FakeApi, Object

APPS, GATEWAY, KSERVE, KNATIVE = (
    "apps",
    "gateway.networking.k8s.io",
    "serving.kserve.io",
    "serving.knative.dev",
)


def served(spec: Object) -> str:
    """The digest that a pod's arguments name."""
    words = spec["containers"][0].get("args") or []
    return words[words.index("--digest") + 1] if "--digest" in words else ""


@dataclass
class Deployments:
    """Deployments become available, but for those whose model is in `dead`, or in `failing` half of them."""

    dead: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)

    def __call__(self, api: FakeApi) -> None:
        for each in api.all(APPS, "deployments"):
            digest, wanted = served(each["spec"]["template"]["spec"]), each["spec"].get("replicas", 1)
            ready = 0 if digest in self.dead else wanted // 2 if digest in self.failing else wanted
            available = ready >= math.ceil(wanted * 0.75) and ready > 0
            status = {
                "observedGeneration": each["metadata"]["generation"],
                "replicas": wanted,
                "updatedReplicas": wanted,
                "availableReplicas": ready,
                "conditions": [{"type": "Available", "status": "True" if available else "False"}],
            }
            api.put(APPS, "deployments", each, status=status)


@dataclass
class Gateway:
    """A gateway that takes every route whose Services there are."""

    refusing: bool = False
    blind: bool = False

    def __call__(self, api: FakeApi) -> None:
        for each in [] if self.blind else api.all(GATEWAY, "httproutes"):
            names = [
                ref["name"]
                for rule in each["spec"].get("rules") or []
                for ref in rule.get("backendRefs") or []
            ]
            resolved = all(api.get("", "services", name) for name in names)
            generation = each["metadata"]["generation"]
            conditions = [
                {"type": "Accepted", "status": "False" if self.refusing else "True", "reason": "NoListener"},
                {
                    "type": "ResolvedRefs",
                    "status": "True" if resolved else "False",
                    "reason": "BackendNotFound",
                },
            ]
            status = {
                "parents": [
                    {"conditions": [each | {"observedGeneration": generation} for each in conditions]}
                ]
            }
            api.put(GATEWAY, "httproutes", each, status=status)


@dataclass
class KServe:
    """The controller of KServe in Standard mode.

    Attributes:
        weights: Whether it writes weights of candidates (0.20.0 does not).
        routing: Whether Gateway API is switched on.
        running: Whether it runs at all.
        pods: The templates of pods that were ever made, by Deployment: a second one is pods replaced.
    """

    weights: bool = True
    routing: bool = True
    running: bool = True
    pods: dict[str, list[str]] = field(default_factory=dict)

    def admit(self, method: str, old: Object | None, new: Object) -> None:
        """The webhook."""
        if not self.running:
            raise Denied(
                500,
                'Internal error occurred: failed calling webhook "inferenceservice.kserve-webhook-server": '
                "connection refused",
            )
        stable, entries = new["spec"]["predictor"], new["spec"].get("canary") or []
        stable.setdefault("minReplicas", 1)
        names = [each["predictor"]["name"] for each in entries]
        if entries:
            must(new["metadata"].get("annotations", {}).get(MODE) == "Standard", "canary needs Standard")
            must(uri(stable) != "", "the stable predictor needs a storage URI")
        must(len({*names, stable.get("name")}) == len(names) + 1, "names of predictors must differ")
        must(sum(each["trafficPercent"] for each in entries) <= 100, "the sum of trafficPercent is over 100")
        for each in entries:
            for key in ("maxReplicas", "scaleTarget", "scaleMetric", "autoScaling", "workerSpec"):
                must(key not in each["predictor"], f"a canary must not set {key}")
            most = each["predictor"].get("minReplicas", 0)
            must(most <= stable["minReplicas"], "canary minReplicas exceeds the stable predictor's")
        if "maxReplicas" in stable:
            must(stable["minReplicas"] <= stable["maxReplicas"], "minReplicas exceeds maxReplicas")
        if old is not None and old["spec"]["predictor"].get("name") != stable.get("name"):
            must(uri(old["spec"]["predictor"]) != uri(stable), "another name needs another storageUri")
        if "resources" not in stable["containers"][0]:  # only here, never in a canary
            stable["containers"][0]["resources"] = {"requests": {"cpu": "1", "memory": "2Gi"}}

    def __call__(self, api: FakeApi) -> None:
        if not self.running:
            return
        for each in api.all(KSERVE, "inferenceservices"):
            if each["metadata"].get("annotations", {}).get(MODE) == "Standard":
                self._reconcile(api, each)
        owners = {each["metadata"]["name"] for each in api.all(KSERVE, "inferenceservices")}
        for group, plural in ((APPS, "deployments"), ("", "services"), (GATEWAY, "httproutes")):
            for each in api.all(group, plural):
                owner = (each["metadata"].get("labels") or {}).get(OWNER)
                if owner and owner not in owners:
                    api.remove(group, plural, each["metadata"]["name"])

    def _reconcile(self, api: FakeApi, isvc: Object) -> None:
        name, stable = isvc["metadata"]["name"], isvc["spec"]["predictor"]
        entries = isvc["spec"].get("canary") or []
        specs = {workload(name, stable): stable}
        shares = {}
        for each in entries:
            specs[workload(name, each["predictor"])] = overridden(stable, each["predictor"])
            shares[workload(name, each["predictor"])] = each["trafficPercent"]
        for each in api.all(APPS, "deployments"):
            owned = (each["metadata"].get("labels") or {}).get(OWNER) == name
            if owned and each["metadata"]["name"] not in specs:
                api.remove(APPS, "deployments", each["metadata"]["name"])
                api.remove("", "services", each["metadata"]["name"])
        first, *rest = specs
        ready = {at: self._available(api, at) for at in rest}
        standing = sum(api.get(APPS, "deployments", at)["spec"]["replicas"] for at in rest if ready[at])
        own = stable["minReplicas"]
        self._deploy(api, isvc, first, stable, max(own - standing, 1) if standing else own)
        for at in rest:
            least = specs[at].get("minReplicas") if "minReplicas" in entry_of(entries, name, at) else None
            self._deploy(
                api, isvc, at, specs[at], math.ceil(own * shares[at] / 100) if least is None else least
            )
        alive = self._available(api, first)
        if alive and self.routing:
            weights = {at: shares[at] for at in rest if ready[at] and self.weights}
            for route in (name, f"{name}-predictor"):
                self._route(api, name, route, {first: 100 - sum(weights.values())} | weights)
        whole = all(ready.values())
        status = {
            "observedGeneration": 99,
            "canaryStatuses": [
                {
                    "name": each["predictor"]["name"],
                    "ready": ready[workload(name, each["predictor"])],
                    "trafficPercent": each["trafficPercent"],
                }
                for each in entries
            ],
            "conditions": [
                condition("PredictorReady", alive, "MinimumReplicasUnavailable"),
                condition("Ready", alive, ""),
                *([condition("CanaryPredictorReady", whole, "CanariesNotReady")] if entries else []),
            ],
        }
        api.put(KSERVE, "inferenceservices", isvc, status=status)

    def _available(self, api: FakeApi, at: str) -> bool:
        found = api.get(APPS, "deployments", at)
        conditions = ((found or {}).get("status") or {}).get("conditions") or []
        return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)

    def _deploy(self, api: FakeApi, isvc: Object, at: str, spec: Object, replicas: int) -> None:
        kept = ("name", "minReplicas", "maxReplicas", "canaryTrafficPercent", "scaleTarget")
        meta = isvc["metadata"]
        template = {
            "metadata": {
                "labels": {**(meta.get("labels") or {}), "app": f"isvc.{at}"},
                "annotations": meta.get("annotations") or {},
            },
            "spec": {key: value for key, value in spec.items() if key not in kept},
        }
        seen, text = self.pods.setdefault(at, []), json.dumps(template, sort_keys=True)
        if text not in seen:
            seen.append(text)
        labels = {OWNER: isvc["metadata"]["name"], "component": "predictor"}
        body = {"metadata": {"name": at, "labels": labels}}
        selector = {"matchLabels": {"app": f"isvc.{at}"}}
        api.put(
            APPS,
            "deployments",
            body | {"spec": {"replicas": replicas, "selector": selector, "template": template}},
        )
        api.put("", "services", body | {"spec": {"ports": [{"port": 80}]}})

    def _route(self, api: FakeApi, owner: str, name: str, weights: dict[str, int]) -> None:
        refs = [{"name": at, "port": 80, "weight": weight} for at, weight in weights.items()]
        meta = {"name": name, "labels": {OWNER: owner}}
        api.put(GATEWAY, "httproutes", {"metadata": meta, "spec": {"rules": [{"backendRefs": refs}]}})


@dataclass
class Knative:
    """KServe in Knative mode, and Knative under it.

    Attributes:
        dead: Models whose revisions never get ready.
        routing: Whether traffic follows at once.
    """

    dead: set[str] = field(default_factory=set)
    routing: bool = True

    def __call__(self, api: FakeApi) -> None:
        for each in api.all(KSERVE, "inferenceservices"):
            if each["metadata"].get("annotations", {}).get(MODE) == "Knative":
                self._reconcile(api, each)
        owners = {f"{each['metadata']['name']}-predictor" for each in api.all(KSERVE, "inferenceservices")}
        for each in api.all(KNATIVE, "services"):
            if each["metadata"]["name"] not in owners:
                api.remove(KNATIVE, "services", each["metadata"]["name"])

    def _reconcile(self, api: FakeApi, isvc: Object) -> None:
        name, spec = f"{isvc['metadata']['name']}-predictor", isvc["spec"]["predictor"]
        kept = {key: value for key, value in spec.items() if key not in ("canaryTrafficPercent",)}
        text = json.dumps([kept, isvc["metadata"].get("annotations"), isvc["metadata"].get("labels")])
        mark = hashlib.sha256(text.encode()).hexdigest()
        known = (isvc.get("status") or {}).get("components", {}).get("predictor", {})
        created = known.get("latestCreatedRevision", "")
        current = api.get(KNATIVE, "revisions", created) if created else None
        if current is None or current["metadata"]["annotations"]["mark"] != mark:
            created = f"{name}-{len(api.all(KNATIVE, 'revisions')) + 1:05d}"
            api.put(
                KNATIVE,
                "revisions",
                {"metadata": {"name": created, "annotations": {"mark": mark}}, "spec": copy.deepcopy(kept)},
            )
        ready = known.get("latestReadyRevision", "")
        for each in api.all(KNATIVE, "revisions"):
            alive = served(each["spec"]) not in self.dead
            status = {"conditions": [condition("Ready", alive, "ContainerMissing")]}
            api.put(KNATIVE, "revisions", each, status=status)
            if alive and each["metadata"]["name"] == created:
                ready = created
        former, percent = known.get("latestRolledoutRevision", ""), spec.get("canaryTrafficPercent")
        before = known.get("previousRolledoutRevision", "")
        if percent is not None and percent < 100 and former == ready == created and before:
            former = before  # rolled back after it had all
        if percent is None or not former:
            traffic = {ready: 100}
        else:
            traffic = {former: 0}
            traffic[former] += 100 - percent
            traffic[ready] = traffic.get(ready, 0) + percent
        if traffic.get(ready) == 100 and former != ready:
            before, former = former, ready
        targets = [{"revisionName": at, "percent": part} for at, part in traffic.items() if at]
        old = api.get(KNATIVE, "services", name)
        if self.routing or old is None:
            api.put(
                KNATIVE,
                "services",
                {"metadata": {"name": name}, "spec": {}},
                status={"traffic": targets},
            )
        predictor = {
            "latestCreatedRevision": created,
            "latestReadyRevision": ready,
            "latestRolledoutRevision": former,
            "previousRolledoutRevision": before,
            "address": {"url": f"http://{name}.ml.svc.cluster.local"},
        }
        whole = ready == created
        status = {
            "components": {"predictor": predictor},
            "conditions": [
                condition("PredictorReady", whole, "RevisionMissing"),
                condition("Ready", whole, ""),
            ],
        }
        api.put(KSERVE, "inferenceservices", isvc, status=status)


MODE = "serving.kserve.io/deploymentMode"
OWNER = "serving.kserve.io/inferenceservice"


def must(holds: bool, message: str) -> None:
    if not holds:
        raise Denied(400, f"admission webhook denied the request: {message}")


def uri(predictor: Object) -> str:
    env = predictor["containers"][0].get("env") or []
    return next((each["value"] for each in env if each["name"] == "STORAGE_URI"), "")


def workload(service: str, predictor: Object) -> str:
    return f"{service}-{predictor['name']}-predictor" if predictor.get("name") else f"{service}-predictor"


def entry_of(entries: list[Object], service: str, at: str) -> Object:
    return next(each["predictor"] for each in entries if workload(service, each["predictor"]) == at)


def overridden(stable: Any, canary: Any) -> Any:
    """Merges as mergo does with override: mappings into each other, lists whole, empty values not."""
    if isinstance(stable, dict) and isinstance(canary, dict):
        kept = {key: overridden(stable.get(key), value) for key, value in canary.items() if value}
        return copy.deepcopy(stable) | kept
    return copy.deepcopy(canary)


def condition(name: str, holds: bool, reason: str) -> Object:
    return {"type": name, "status": "True" if holds else "False"} | ({} if holds else {"reason": reason})
