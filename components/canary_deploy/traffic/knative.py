"""Traffic by KServe in Knative mode: `canaryTrafficPercent`, which splits between revisions.

There is one predictor in the InferenceService, and during a rollout it is the candidate's: the champion lives
on as an older revision. Removing the field gives all requests to whatever the predictor says then, so it is
set in the same patch that brings the candidate, and stays until a promotion; a rollback puts the champion's
specification back, so that nobody who removes the field later promotes a bad model.

Which revision is whose is told by the digest in its arguments, never by its number or by "latest".
"""

from urllib.parse import urlsplit

from adsmu.canary_deploy.cluster_records import RECORD_RIGHTS
from adsmu.canary_deploy.release import Release
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
from adsmu.canary_deploy.traffic.serving import Serving, digest_of, limited
from adsmu.cluster import CONFIG_MAP, Cluster, Kind, Manifest, retried
from adsmu.errors import Refused

KNATIVE_SERVICE = Kind("serving.knative.dev", "v1", "services", "Service")
REVISION = Kind("serving.knative.dev", "v1", "revisions", "Revision")

FIELD = "canaryTrafficPercent"

RIGHTS = RECORD_RIGHTS | {
    KNATIVE_SERVICE: "get",
    REVISION: "get",
    CONFIG_MAP: "get create patch delete",
}


class KnativeTraffic:
    """A service that KServe runs on Knative (see `adsmu.canary_deploy.traffic.port.Traffic`).

    Args:
        cluster: Where it runs.
        serving: Settings.

    Raises:
        BadInput: The service's name is too long for the names that Knative makes of it.
    """

    finest = 0.01

    def __init__(self, cluster: Cluster, serving: Serving) -> None:
        self.cluster, self.serving = cluster, serving
        self._isvc = InferenceService(cluster, serving)
        limited(serving, f"{serving.service}-predictor-00001-deployment", 63)
        limited(serving, f"{serving.service}-predictor-{serving.namespace}", 63)

    @retried
    def obstacles(self) -> list[str]:
        """What stands in a rollout's way, a sentence each."""
        if missing := self._isvc.missing_rights(RIGHTS):
            return missing
        found = self._isvc.read()
        refused = self._isvc.refused(found, "Knative", {"predictor": self._predictor(NOBODY)}, {})
        return refused if found is None or refused else self._foreign(found)

    def sick(self) -> str:
        """Why the champion's revision does not answer; empty while it does, or where there is none.

        KServe can mistake the moment before the candidate's revision is made for a rollback, and hand the
        champion's requests to the model before it.
        """
        found, champion = self._isvc.read(), self.champion()
        if found is None or champion is None:
            return ""
        revision = self._revision(self._revision_of(found, champion))
        if revision is None:
            return f"there is no revision of the champion {champion}"
        status, words = condition(revision, "Ready")
        if status == "False":
            return f"the champion's revision is not ready: {words}"
        others = set(self._shares()) - {champion, self.candidate()}
        return f"requests go to {', '.join(map(str, others))}, which has no part in this" if others else ""

    def champion(self) -> str | None:
        """Digest of the model in production."""
        found = self._isvc.read()
        if found is None:
            return None
        return (self._isvc.notes()["champion"] or None) if self._on_trial(found) else self._specified(found)

    def candidate(self) -> str | None:
        """Digest of the model on trial."""
        found = self._isvc.read()
        return self._specified(found) if found is not None and self._on_trial(found) else None

    @retried
    def deploy(self, release: Release) -> None:
        """Notes how the champion is specified, then makes a revision of the candidate with 0 %."""
        specified = self._predictor(release)
        found = self._isvc.read()
        if found is None:
            self._isvc.begin("Knative", specified, release.digest)
            return
        there = self._specified(found)
        if self._on_trial(found):
            if there != release.digest:
                raise Refused(f"another candidate is there, {there}: withdraw it first")
            return
        if there == release.digest:
            raise Refused(f"{release.digest} is the champion already")
        unsettled = self._unsettled(found, there)
        if unsettled:
            raise Refused(unsettled)
        self._isvc.note(there, release.digest, found["spec"]["predictor"])
        self._isvc.change(found, {"predictor": specified | {FIELD: 0}})

    def unready(self) -> str:
        """Why the candidate cannot take requests; empty once it can."""
        found = self._isvc.read()
        if found is None or not self._on_trial(found):
            return "there is no candidate"
        created = _component(found).get("latestCreatedRevision", "")
        revision = self._revision(created)
        if revision is None or digest_of(revision["spec"]) != self._specified(found):
            return "KServe has not made a revision of the candidate yet"
        status, words = condition(revision, "Ready")
        if status != "True":
            return f"revision {created} is not ready: {words}"
        if _component(found).get("latestReadyRevision") != created:
            return f"KServe does not hold revision {created} for ready yet"
        if not self._isvc.notes()["champion"]:
            status, words = condition(found, "Ready")
            return (
                "" if status == "True" else f"InferenceService {self.serving.service} is not ready: {words}"
            )
        return ""

    def share(self) -> float:
        """The candidate's part of the requests, by what Knative says it routes now."""
        found = self._isvc.read()
        if found is None or not self._on_trial(found):
            return 0.0
        return self._shares().get(self._specified(found), 0.0)

    @retried
    def set_share(self, share: float) -> None:
        """Sets the percentage. A first model has all requests from the start, and that is all it can have."""
        found, whole = self._isvc.read(), percent(share)
        if found is None or not self._on_trial(found):
            raise Refused("there is no candidate to give requests to")
        if not self._isvc.all_or_nothing(found, whole):
            self._isvc.change(found, {"predictor": {FIELD: whole}})

    def addresses(self) -> Addresses:
        """The Services of the revisions; for callers in the cluster."""
        found = self._isvc.read()
        if found is None:
            return Addresses("", "")
        candidate, champion = self.candidate(), self.champion()
        return Addresses(self._address(found, candidate), self._address(found, champion))

    @retried
    def promote(self) -> None:
        """Removes the percentage, which gives the candidate all requests for good."""
        found = self._isvc.read()
        if found is None:
            raise Refused("there is no candidate to promote")
        if self._on_trial(found) and not self._isvc.first_trial(found):
            self._must_have(found, 100)
            self._isvc.change(found, {"predictor": {FIELD: None}})
        self._isvc.forget()

    @retried
    def withdraw(self) -> None:
        """Puts the champion's specification back; the percentage stays at 0.

        Without it Knative would send requests to the newest revision that is ready, and until the champion's
        new one is, that is the candidate's.
        """
        found = self._isvc.read()
        if found is None or not self._on_trial(found):
            self._isvc.forget()
            return
        if self._isvc.first_trial(found):
            self._isvc.delete()
            return
        self._must_have(found, 0)
        notes = self._isvc.notes()
        rolled_out = self._digest(_component(found).get("latestRolledoutRevision", ""))
        if rolled_out != notes["champion"]:
            raise Refused(f"KServe holds {rolled_out} for rolled out, not yet {notes['champion']}")
        former = notes["predictor"] | {FIELD: 0}
        self._isvc.change(found, {"predictor": changes(found["spec"]["predictor"], former)})
        self._isvc.forget()

    def _predictor(self, release: Release) -> Manifest:
        """A predictor without what Knative keeps to itself: it drains pods by its own proxy."""
        made = predictor(self.serving, release)
        del made["terminationGracePeriodSeconds"]
        for each in made["containers"]:
            del each["lifecycle"]
        return made

    def _specified(self, found: Manifest) -> str:
        digest = digest_of(found["spec"]["predictor"])
        if digest is None:
            raise Refused(unknown(self.serving.service))
        return digest

    def _on_trial(self, found: Manifest) -> bool:
        """Whether the predictor is a candidate's: it was noted as one, and the split is not over."""
        notes = self._isvc.notes()
        noted = notes.get("candidate") == digest_of(found["spec"]["predictor"])
        return noted and (notes["champion"] == "" or FIELD in found["spec"]["predictor"])

    def _revision(self, name: str) -> Manifest | None:
        return self.cluster.read(REVISION, name) if name else None

    def _digest(self, revision: str) -> str | None:
        found = self._revision(revision)
        return None if found is None else digest_of(found["spec"])

    def _shares(self) -> dict[str | None, float]:
        """The part of the requests that each model has, by what Knative says it routes now."""
        found = self.cluster.read(KNATIVE_SERVICE, f"{self.serving.service}-predictor")
        percents: dict[str | None, int] = {}
        for target in ((found or {}).get("status") or {}).get("traffic") or []:
            if target.get("percent"):
                digest = self._digest(target.get("revisionName", ""))
                percents[digest] = percents.get(digest, 0) + target["percent"]
        return {digest: whole / 100 for digest, whole in percents.items()}

    def _must_have(self, found: Manifest, whole: int) -> None:
        specified, live = (
            found["spec"]["predictor"].get(FIELD),
            self._shares().get(self._specified(found), 0.0),
        )
        if specified != whole or live != whole / 100:
            raise Refused(
                f"the candidate must have {whole} % of the requests; specified are {specified} %, "
                f"and Knative gives it {live:.0%}"
            )

    def _revision_of(self, found: Manifest, digest: str | None) -> str:
        """The name of the newest revision of a model that KServe has in its records; empty: of none."""
        status = _component(found)
        for key in ("latestReadyRevision", "latestRolledoutRevision", "previousRolledoutRevision"):
            name = status.get(key, "")
            if digest is not None and self._digest(name) == digest:
                return str(name)
        return ""

    def _address(self, found: Manifest, digest: str | None) -> str:
        """Of the Service of a revision, in the domain that KServe gives the predictor's own address in.

        What stands before a revision tells it by its whole name, and answers 404 to `NAME.NAMESPACE.svc`.
        """
        name = self._revision_of(found, digest)
        own = urlsplit((_component(found).get("address") or {}).get("url", "")).netloc
        return f"http://{name}.{own.partition('.')[2]}" if name and own else ""

    def _unsettled(self, found: Manifest, champion: str) -> str:
        """Says what of an earlier change is still under way; a change then confuses KServe's records."""
        status = _component(found)
        created, ready = status.get("latestCreatedRevision"), status.get("latestReadyRevision")
        if not created or created != ready:
            return f"revision {created} of the champion is not ready yet"
        rolled_out = self._digest(status.get("latestRolledoutRevision", ""))
        if rolled_out != champion:
            return f"KServe holds {rolled_out} for rolled out, not the champion {champion}"
        return ""

    def _foreign(self, found: Manifest) -> list[str]:
        """What of the InferenceService a rollout must not meddle with, or that keeps it from splitting."""
        name, spec = self.serving.service, found["spec"]
        mode = (found["metadata"].get("annotations") or {}).get(MODE, "Knative")
        problems = []
        if mode not in ("Knative", "Serverless"):
            problems.append(
                f"InferenceService {name} has {MODE} {mode}, which ignores {FIELD} without a word"
            )
        if self.cluster.read(KNATIVE_SERVICE, f"{name}-predictor") is None:
            problems.append(
                f"there is no Knative Service {name}-predictor: the service does not run on Knative"
            )
        if digest_of(spec["predictor"]) is None:
            return [*problems, unknown(name)]
        if spec.get("canary"):
            problems.append("spec.canary is set, which only Standard mode knows: remove it")
        problems += bypasses(found)
        if not problems and not self._on_trial(found):
            status, words = condition(found, "PredictorReady")
            if status != "True":
                problems.append(f"the champion is not well: {words}")
            unsettled = self._unsettled(found, self._specified(found))
            problems += [unsettled] if unsettled else []
        return problems


def changes(old: Manifest, new: Manifest) -> Manifest:
    """The merge patch (RFC 7386) that makes one object of another.

    >>> changes({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2, "e": 4}})
    {'b': {'e': 4, 'd': None}, 'a': None}
    """
    patch: Manifest = {}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(old[key], dict):
            inner = changes(old[key], value)
            if inner:
                patch[key] = inner
        elif value != old[key]:
            patch[key] = value
    return patch | dict.fromkeys(old.keys() - new.keys())


def _component(found: Manifest) -> Manifest:
    status = found.get("status") or {}
    return ((status.get("components") or {}).get("predictor")) or {}
