"""Traffic by KServe in Standard mode (0.21 and newer): `spec.canary` of an InferenceService.

The order is the one in which no request was lost: a candidate without requests, a ramp, all requests, a wait,
the promotion; and back: no requests, a wait, the removal. KServe deletes Deployment and Service of a variant
before it rewrites the HTTPRoute, so a variant is only ever removed at a weight of 0.

The share is read from the HTTPRoutes, never from the status, which repeats the specification: KServe 0.20.0
has `spec.canary` and never writes a weight.
"""

from adsmu.canary_deploy.cluster_records import RECORD_RIGHTS
from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic.gateway import refusal
from adsmu.canary_deploy.traffic.inference import (
    MODE,
    NOBODY,
    InferenceService,
    bypasses,
    condition,
    percent,
    predictor,
    unknown,
)
from adsmu.canary_deploy.traffic.port import Addresses
from adsmu.canary_deploy.traffic.serving import Serving, ailment, digest_of, limited
from adsmu.cluster import (
    CONFIG_MAP,
    DEPLOYMENT,
    HTTP_ROUTE,
    POD,
    Cluster,
    Manifest,
    retried,
)
from adsmu.errors import Refused

RIGHTS = RECORD_RIGHTS | {
    HTTP_ROUTE: "get",
    DEPLOYMENT: "get",
    POD: "list",
    CONFIG_MAP: "get create patch delete",
}


class KServeTraffic:
    """A service that KServe runs as Deployments (see `adsmu.canary_deploy.traffic.port.Traffic`).

    Args:
        cluster: Where it runs.
        serving: Settings.

    Raises:
        BadInput: The service's name is too long for the names that KServe makes of it.
    """

    finest = 0.01

    def __init__(self, cluster: Cluster, serving: Serving) -> None:
        self.cluster, self.serving = cluster, serving
        self._isvc = InferenceService(cluster, serving)
        limited(serving, f"isvc.{self._workload(NOBODY.name)}", 63)
        limited(serving, f"{serving.service}-predictor-{serving.namespace}", 63)

    @retried
    def obstacles(self) -> list[str]:
        """What stands in a rollout's way, a sentence each."""
        if missing := self._isvc.missing_rights(RIGHTS):
            return missing
        found = self._isvc.read()
        first = {"predictor": predictor(self.serving, NOBODY) | {"name": NOBODY.name}, "canary": []}
        canary = (found or {"spec": {}})["spec"].get("canary") or []
        refused = self._isvc.refused(found, "Standard", first, {"canary": canary})
        if found is None or refused:
            return refused
        problems = self._foreign(found)
        if problems:
            return problems
        frozen = self._frozen(found)
        if frozen:
            return [frozen]
        if not self._isvc.first_trial(found):
            name = found["spec"]["predictor"].get("name", "")
            ails = self._ailment(name, whole=True)
            problems += [f"the champion is not well: {ails}"] if ails else []
        return problems + self._unrouted(found)

    def sick(self) -> str:
        """Why no pod of the champion answers, or that KServe cannot give requests back to it."""
        found = self._isvc.read()
        if found is None or self._isvc.first_trial(found):
            return ""
        name = found["spec"]["predictor"].get("name", "")
        return self._frozen(found) or self._ailment(name, whole=False)

    def champion(self) -> str | None:
        """Digest of the model in production: of the predictor, unless that is the first and on trial."""
        found = self._isvc.read()
        return None if found is None or self._isvc.first_trial(found) else self._stable(found)

    def candidate(self) -> str | None:
        """Digest of the model in `spec.canary`, or of a first model on trial."""
        found = self._isvc.read()
        if found is None:
            return None
        entry = _entry(found)
        if entry is not None:
            return digest_of(entry["predictor"])
        return self._stable(found) if self._isvc.first_trial(found) else None

    @retried
    def deploy(self, release: Release) -> None:
        """Adds a candidate at 0 %, with pods of its own: KServe is kept from taking the champion's."""
        specified = predictor(self.serving, release) | {"name": release.name}
        found = self._isvc.read()
        if found is None:
            self._isvc.begin("Standard", specified, release.digest)
            return
        there = self.candidate()
        if there == release.digest:
            return
        if there is not None or found["spec"].get("canary"):
            raise Refused(f"another candidate is there, {there}: withdraw it first")
        stable = found["spec"]["predictor"]
        if self._stable(found) == release.digest:
            raise Refused(f"{release.digest} is the champion already")
        own, candidates = stable.get("minReplicas", 1), specified["minReplicas"]
        spec: Manifest = {"canary": [{"trafficPercent": 0, "predictor": specified}]}
        if (own, candidates) != (1, 1):  # KServe leaves the champion minReplicas less the candidate's, and 1
            spec["predictor"] = {"minReplicas": own + candidates}
        self._isvc.change(found, spec)

    def unready(self) -> str:
        """Why the candidate cannot take requests; empty once it can.

        To begin with it must have all its pods; once it has requests, one that lives is enough.
        `status.observedGeneration` is of a Deployment and says nothing, and the InferenceService is Ready
        whatever its candidate is; so the candidate's own pods are asked.
        """
        found = self._isvc.read()
        entry = None if found is None else _entry(found)
        if found is None or (entry is None and not self._isvc.first_trial(found)):
            return "there is no candidate"
        name = (entry or found["spec"])["predictor"].get("name", "")
        ails = self._ailment(name, whole=entry is None or entry["trafficPercent"] == 0)
        if ails:
            return ails
        if entry is not None:
            status, words = condition(found, "CanaryPredictorReady")
            if status != "True":
                return f"KServe does not hold the candidate for ready: {words}"
        return next(iter(self._unrouted(found)), "")

    def share(self) -> float:
        """The candidate's part of the weights in the HTTPRoute of the service's public host."""
        found = self._isvc.read()
        return max(self._shares(found)[0]) if found else 0.0

    @retried
    def set_share(self, share: float) -> None:
        """Sets the percentage. A first model has all requests from the start, and that is all it can have."""
        found, whole = self._isvc.read(), percent(share)
        entry = None if found is None else _entry(found)
        if found is not None and entry is None and self._isvc.all_or_nothing(found, whole):
            return
        if found is None or entry is None:
            raise Refused("there is no candidate to give requests to")
        self._isvc.change(found, {"canary": [entry | {"trafficPercent": whole}]})
        frozen = self._frozen(found)
        if frozen:
            raise Refused(frozen)

    def addresses(self) -> Addresses:
        """The Services of the variants; for callers in the cluster."""
        found = self._isvc.read()
        if found is None:
            return Addresses("", "")
        entry, stable = _entry(found), self._address(found["spec"]["predictor"])
        if entry is not None:
            return Addresses(candidate=self._address(entry["predictor"]), champion=stable)
        return Addresses(stable, "") if self._isvc.first_trial(found) else Addresses("", stable)

    @retried
    def promote(self) -> None:
        """Puts the candidate's specification in the champion's place, unchanged, so that its pods stay."""
        found = self._isvc.read()
        if found is None:
            raise Refused("there is no candidate to promote")
        entry = _entry(found)
        if entry is not None:
            self._must_have(found, entry, 100)
            self._isvc.change(found, {"predictor": entry["predictor"], "canary": None})
        self._isvc.forget()

    @retried
    def withdraw(self) -> None:
        """Takes the candidate away and gives the champion its own number of pods back."""
        found = self._isvc.read()
        if found is None:
            self._isvc.forget()
            return
        entry = _entry(found)
        if entry is None:
            if self._isvc.first_trial(found):
                self._isvc.delete()
            return
        self._must_have(found, entry, 0)
        stable = found["spec"]["predictor"].get("minReplicas", 1)
        candidates = entry["predictor"].get("minReplicas", 1)
        own = stable - candidates if stable > candidates else stable
        self._isvc.change(found, {"predictor": {"minReplicas": own}, "canary": None})

    def _stable(self, found: Manifest) -> str:
        """The digest of `spec.predictor`.

        Raises:
            Refused: It does not say what it serves: somebody else made it.
        """
        digest = digest_of(found["spec"]["predictor"])
        if digest is None:
            raise Refused(unknown(self.serving.service))
        return digest

    def _workload(self, name: str) -> str:
        """What KServe calls the Deployment and the Service of a predictor."""
        return f"{self.serving.service}-{name}-predictor" if name else f"{self.serving.service}-predictor"

    def _address(self, specified: Manifest) -> str:
        return f"http://{self._workload(specified.get('name', ''))}.{self.serving.namespace}.svc"

    def _ailment(self, name: str, *, whole: bool) -> str:
        workload = self._workload(name)
        return ailment(self.cluster, workload, f"app=isvc.{workload}", whole=whole)

    def _routes(self) -> list[Manifest | None]:
        """The HTTPRoutes of the public host and of the predictor's own."""
        names = (self.serving.service, f"{self.serving.service}-predictor")
        return [self.cluster.read(HTTP_ROUTE, name) for name in names]

    def _shares(self, found: Manifest) -> list[list[float]]:
        """The candidate's part in each rule of each route; 0 where a route is not there."""
        entry = _entry(found)
        if entry is None and not self._isvc.first_trial(found):
            return [[0.0], [0.0]]
        wanted = self._workload((entry or found["spec"])["predictor"].get("name", ""))
        shares = []
        for route in self._routes():
            parts = []
            for rule in (route or {"spec": {}})["spec"].get("rules") or []:
                weights = [(each["name"], each.get("weight", 1)) for each in rule.get("backendRefs") or []]
                total = sum(weight for _, weight in weights)
                parts.append(sum(weight for name, weight in weights if name == wanted) / (total or 1))
            shares.append(parts or [0.0])
        return shares

    def _must_have(self, found: Manifest, entry: Manifest, whole: int) -> None:
        """Refuses to remove a variant that any route may still send requests to."""
        live = [share for shares in self._shares(found) for share in shares]
        if entry["trafficPercent"] != whole or any(share != whole / 100 for share in live):
            raise Refused(
                f"the candidate must have {whole} % of the requests; specified are "
                f"{entry['trafficPercent']} %, and the HTTPRoutes give it "
                f"{', '.join(f'{share:.0%}' for share in live)}"
            )

    def _frozen(self, found: Manifest) -> str:
        """Says that KServe cannot move traffic, where the champion is dead; empty where it can."""
        if _entry(found) is None and self._isvc.first_trial(found):
            return ""
        status, words = condition(found, "PredictorReady")
        if status != "False":
            return ""
        return (
            f"the champion is not ready ({words}), and while it is not, KServe leaves the HTTPRoutes as they "
            "are: no share can be changed. Bring its pods back, or patch the weights in HTTPRoutes "
            f"{self.serving.service} and {self.serving.service}-predictor by hand"
        )

    def _foreign(self, found: Manifest) -> list[str]:
        """What of the InferenceService a rollout must not meddle with, or would be ignored in."""
        name, spec = self.serving.service, found["spec"]
        mode = (found["metadata"].get("annotations") or {}).get(MODE)
        problems = []
        if mode not in ("Standard", "RawDeployment"):
            problems.append(f"InferenceService {name} has {MODE} {mode}; spec.canary works in Standard only")
        if digest_of(spec["predictor"]) is None:
            problems.append(unknown(name))
        if "canaryTrafficPercent" in spec["predictor"]:
            problems.append(
                "canaryTrafficPercent is set, which Standard mode ignores without a word: remove it"
            )
        problems += bypasses(found)
        entries = spec.get("canary") or []
        if len(entries) > 1 or any(digest_of(each["predictor"]) is None for each in entries):
            problems.append("spec.canary holds what no rollout of this kind put there: remove it")
        return problems

    def _unrouted(self, found: Manifest) -> list[str]:
        """Says that there is no route, that no gateway follows it, or that KServe writes no weights."""
        for route in self._routes():
            if route is None:
                return [
                    f"KServe made no HTTPRoutes for {self.serving.service}: set enableGatewayApi in its "
                    "ConfigMap inferenceservice-config"
                ]
            refused = refusal(route)
            if refused:
                return [refused]
        entry = _entry(found)
        if entry is not None and entry["trafficPercent"] > 0 and max(self._shares(found)[0]) == 0:
            return [
                f"the candidate should have {entry['trafficPercent']} %, and the HTTPRoute does not name it: "
                "it is not ready, or this is KServe 0.20.0, which writes no weights (0.21 does)"
            ]
        return []


def _entry(found: Manifest) -> Manifest | None:
    """The one entry of `spec.canary`; None if there is none.

    Raises:
        Refused: There are several.
    """
    entries = found["spec"].get("canary") or []
    if len(entries) > 1:
        raise Refused("spec.canary holds several candidates: somebody else put them there")
    return entries[0] if entries else None
