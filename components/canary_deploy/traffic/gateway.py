"""Traffic by Gateway API: own Deployments and Services, and one HTTPRoute that splits by weight.

The HTTPRoute is the truth: its annotations name the digests of champion and candidate, its backends carry
the weights. Beside a champion, Deployment and Service of a candidate are made before the route sends requests
there, and are taken away after it no longer does. A role ends only when all else is done, so that an act that
was cut short is seen to be, and is done again.
"""

from typing import Any

from adsmu.canary_deploy.cluster_records import RECORD_RIGHTS
from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic.port import Addresses
from adsmu.canary_deploy.traffic.serving import PORT, Serving, ailment, container, digest_of, limited, pod
from adsmu.cluster import (
    DEPLOYMENT,
    HTTP_ROUTE,
    POD,
    SERVICE,
    Cluster,
    Kind,
    Manifest,
    NotThere,
    retried,
)
from adsmu.errors import BadInput, Conflict, Refused

PARTS = 1000
"""The sum of the weights: shares are thousandths."""

CHAMPION, CANDIDATE = "adsmu/champion", "adsmu/candidate"
"""Annotations of the HTTPRoute: digests."""

OF_SERVICE, OF_RELEASE = "adsmu/service", "adsmu/release"
"""Labels of Deployments, Services and pods."""

RIGHTS = RECORD_RIGHTS | {
    HTTP_ROUTE: "get list create patch delete",
    DEPLOYMENT: "get list create patch delete",
    SERVICE: "list create patch delete",
    POD: "list",
}


class GatewayTraffic:
    """A service behind a Gateway (see `adsmu.canary_deploy.traffic.port.Traffic`).

    Args:
        cluster: Where it runs.
        serving: Settings.

    Raises:
        BadInput: A setting is missing, or the service's name is too long.
    """

    finest = 0.001

    def __init__(self, cluster: Cluster, serving: Serving) -> None:
        self.cluster, self.serving = cluster, serving
        limited(serving, self._name(f"sha256:{'0' * 64}"), 63)
        if serving.gateway.count("/") != 1:
            raise BadInput("must be namespace/name", column="gateway")
        if not serving.hostname:
            raise BadInput("must not be empty", column="hostname")

    def obstacles(self) -> list[str]:
        """What stands in a rollout's way, a sentence each."""
        missing = self.cluster.missing_rights(RIGHTS)
        if missing:
            place = f"in namespace {self.serving.namespace}"
            return [f"the right to {right} {place} is missing" for right in missing]
        try:
            self.cluster.find(HTTP_ROUTE)
        except NotThere:
            return ["the cluster knows no HTTPRoute of gateway.networking.k8s.io/v1: install Gateway API 1.0"]
        route = self._route()
        if route is None:
            return []
        roles = _roles(route)
        if not roles:
            return [f"HTTPRoute {self.serving.service} was not made by a rollout: name another service"]
        found = []
        named, wanted = sorted(_weights(route)), sorted(self._name(digest) for digest in roles.values())
        if named != wanted or len(route["spec"]["rules"]) != 1:
            found.append(
                f"HTTPRoute {self.serving.service} sends requests to {', '.join(named) or 'nothing'}, "
                f"its annotations say to {', '.join(wanted)}: somebody changed it"
            )
        if CHAMPION in roles:
            ails = self._ailment(roles[CHAMPION], whole=True)
            found += [f"the champion is not well: {ails}"] if ails else []
        refused = refusal(route)
        return found + ([refused] if refused else [])

    def sick(self) -> str:
        """Why no pod of the champion answers; empty while one does, or where there is no champion."""
        digest = self.champion()
        return self._ailment(digest, whole=False) if digest else ""

    def champion(self) -> str | None:
        """Digest of the model in production."""
        return _roles(self._route()).get(CHAMPION)

    def candidate(self) -> str | None:
        """Digest of the model beside it."""
        return _roles(self._route()).get(CANDIDATE)

    @retried
    def deploy(self, release: Release) -> None:
        """Starts a candidate with pods of its own, at a weight of 0."""
        route = self._route()
        roles = _roles(route)
        if route is not None and not roles:
            raise Refused(f"HTTPRoute {self.serving.service} was not made by a rollout")
        if roles.get(CHAMPION) == release.digest:
            raise Refused(f"{release.digest} is the champion already")
        if roles.get(CANDIDATE, release.digest) != release.digest:
            raise Refused(f"another candidate is there, {roles[CANDIDATE]}: withdraw it first")
        if CHAMPION in roles and self._name(roles[CHAMPION]) == self._name(release.digest):
            raise Refused(f"{release.digest} and the champion would have one name")
        content = self._content(roles | {CANDIDATE: release.digest}, 0)
        if route is None:
            route = self.cluster.create(HTTP_ROUTE, self._whole(content))
        self._set(DEPLOYMENT, self._deployment(release))
        self._set(SERVICE, self._service(release))
        if self._name(release.digest) not in _weights(route):
            self._change(route, content)

    def unready(self) -> str:
        """Why the candidate cannot take requests; empty once it can.

        To begin with it must have all its pods; once it has requests, one that lives is enough.
        """
        route = self._route()
        roles = _roles(route)
        if route is None or CANDIDATE not in roles:
            return "there is no candidate"
        return self._ailment(roles[CANDIDATE], whole=self._share(route) == 0) or refusal(route)

    def share(self) -> float:
        """The candidate's part of the weights that the HTTPRoute has now."""
        return self._share(self._route())

    @retried
    def set_share(self, share: float) -> None:
        """Sets the weights, in thousandths."""
        weight = round(share * PARTS)
        if not 0 <= weight <= PARTS or abs(weight - share * PARTS) > 1e-6:
            raise Refused(f"a share must be 0 to 1 in steps of 1/{PARTS}, not {share}")
        route = self._route()
        roles = _roles(route)
        if route is None or CANDIDATE not in roles:
            raise Refused("there is no candidate to give requests to")
        self._change(route, self._content(roles, weight))

    def addresses(self) -> Addresses:
        """The Services of the variants; for callers in the cluster."""
        roles = _roles(self._route())
        at = {
            role: f"http://{self._name(digest)}.{self.serving.namespace}.svc"
            for role, digest in roles.items()
        }
        return Addresses(candidate=at.get(CANDIDATE, ""), champion=at.get(CHAMPION, ""))

    @retried
    def promote(self) -> None:
        """Takes the champion out of the HTTPRoute, then away, and gives its role to the candidate last."""
        route = self._route()
        roles = _roles(route)
        if route is None or not roles:
            raise Refused("there is no candidate to promote")
        if CANDIDATE in roles:
            if self._share(route) != 1:
                raise Refused(f"the candidate has {self._share(route):.1%} of the requests, not all")
            self._change(route, self._content(roles, PARTS, served=(CANDIDATE,)))
            self._end(route, {CHAMPION: roles[CANDIDATE]})
        else:
            self._sweep(roles)

    @retried
    def withdraw(self) -> None:
        """Takes the candidate away; where there is no champion, the whole service."""
        route = self._route()
        roles = _roles(route)
        if route is None or not roles:
            return
        if CHAMPION not in roles:
            self._sweep({})
            self.cluster.delete(HTTP_ROUTE, self.serving.service)
            return
        if CANDIDATE in roles:
            if self._share(route) != 0:
                raise Refused(f"the candidate still has {self._share(route):.1%} of the requests")
            self._change(route, self._content(roles, 0, served=(CHAMPION,)))
            self._end(route, {CHAMPION: roles[CHAMPION]})
        else:
            self._sweep(roles)

    def _route(self) -> Manifest | None:
        return self.cluster.read(HTTP_ROUTE, self.serving.service)

    def _name(self, digest: str) -> str:
        return f"{self.serving.service}-{Release(digest, '').name}"

    def _share(self, route: Manifest | None) -> float:
        digest = _roles(route).get(CANDIDATE)
        weights = _weights(route)
        return weights.get(self._name(digest), 0) / (sum(weights.values()) or 1) if digest else 0.0

    def _ailment(self, digest: str, *, whole: bool) -> str:
        name = Release(digest, "").name
        ails = ailment(self.cluster, self._name(digest), self._selector(name), whole=whole)
        if ails:
            return ails
        found = self.cluster.read(DEPLOYMENT, self._name(digest)) or {}
        served = digest_of(found["spec"]["template"]["spec"]) if found else None
        return "" if served == digest else f"Deployment {self._name(digest)} serves {served}, not {digest}"

    def _selector(self, release: str = "") -> str:
        return f"{OF_SERVICE}={self.serving.service}" + (f",{OF_RELEASE}={release}" if release else "")

    def _labels(self, release: Release) -> dict[str, str]:
        return {OF_SERVICE: self.serving.service, OF_RELEASE: release.name}

    def _deployment(self, release: Release) -> Manifest:
        labels = self._labels(release)
        spec = pod(self.serving, [container(self.serving, release, release.uri)])
        return DEPLOYMENT.head | {
            "metadata": {"name": self._name(release.digest), "labels": labels},
            "spec": {
                "replicas": self.serving.replicas,
                "selector": {"matchLabels": labels},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": spec | {"automountServiceAccountToken": False},
                },
            },
        }

    def _service(self, release: Release) -> Manifest:
        labels = self._labels(release)
        return SERVICE.head | {
            "metadata": {"name": self._name(release.digest), "labels": labels},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]},
        }

    def _set(self, kind: Kind, body: Manifest) -> None:
        try:
            self.cluster.create(kind, body)
        except Conflict:
            self.cluster.patch(kind, body["metadata"]["name"], body)

    def _content(
        self, roles: dict[str, str], weight: int, *, served: tuple[str, ...] = (CHAMPION, CANDIDATE)
    ) -> Manifest:
        """The parts of the HTTPRoute that say who gets what: annotations, and backends with weights."""
        weights = {CHAMPION: PARTS - weight, CANDIDATE: weight}
        backends = [
            {"name": self._name(roles[role]), "port": 80, "weight": weights[role]}
            for role in served
            if role in roles
        ]
        annotations: dict[str, str | None] = {role: roles.get(role) for role in (CHAMPION, CANDIDATE)}
        return {"metadata": {"annotations": annotations}, "spec": {"rules": [{"backendRefs": backends}]}}

    def _whole(self, content: Manifest) -> Manifest:
        namespace, name = self.serving.gateway.split("/")
        annotations = {role: digest for role, digest in content["metadata"]["annotations"].items() if digest}
        return HTTP_ROUTE.head | {
            "metadata": {
                "name": self.serving.service,
                "labels": {OF_SERVICE: self.serving.service},
                "annotations": annotations,
            },
            "spec": content["spec"]
            | {
                "parentRefs": [{"namespace": namespace, "name": name}],
                "hostnames": [self.serving.hostname],
            },
        }

    def _change(self, route: Manifest, content: Manifest) -> None:
        version = {"resourceVersion": route["metadata"]["resourceVersion"]}
        body = content | {"metadata": content["metadata"] | version}
        self.cluster.patch(HTTP_ROUTE, self.serving.service, body)

    def _end(self, former: Manifest, roles: dict[str, str]) -> None:
        """Takes away what has no role any more, and then says who has one.

        The route is read again, for gateways write their status into it.
        """
        self._sweep(roles)
        self._change(self._route() or former, self._content(roles, 0))

    def _sweep(self, roles: dict[str, str]) -> None:
        """Takes away what belongs to the service and has no role in it any more."""
        kept = {self._name(digest) for digest in roles.values()}
        for kind in (SERVICE, DEPLOYMENT):
            for each in self.cluster.find(kind, self._selector()):
                if each["metadata"]["name"] not in kept:
                    self.cluster.delete(kind, each["metadata"]["name"])


def refusal(route: Manifest) -> str:
    """Why gateways do not follow an HTTPRoute as it is now; empty where all of them say that they do.

    That they say so is no proof: they were seen to move traffic seconds later.
    """
    parents = (route.get("status") or {}).get("parents") or []
    name, generation = route["metadata"]["name"], route["metadata"].get("generation", 0)
    if not parents:
        return f"no Gateway has taken HTTPRoute {name} up"
    for parent in parents:
        conditions: dict[str, Any] = {each["type"]: each for each in parent.get("conditions") or []}
        for wanted in ("Accepted", "ResolvedRefs"):
            says = conditions.get(wanted, {})
            if says.get("observedGeneration", 0) < generation:
                return f"the Gateway has not seen the newest HTTPRoute {name}"
            if says.get("status") != "True":
                return (
                    f"the Gateway does not take HTTPRoute {name}: {says.get('reason')}, {says.get('message')}"
                )
    return ""


def _roles(route: Manifest | None) -> dict[str, str]:
    annotations = (route or {"metadata": {}})["metadata"].get("annotations") or {}
    return {role: annotations[role] for role in (CHAMPION, CANDIDATE) if annotations.get(role)}


def _weights(route: Manifest | None) -> dict[str, int]:
    rules = (route or {"spec": {}})["spec"].get("rules") or []
    weights: dict[str, int] = {}
    for backend in (backend for rule in rules for backend in rule.get("backendRefs") or []):
        weights[backend["name"]] = weights.get(backend["name"], 0) + backend.get("weight", 1)
    return weights
