"""What both ways of KServe share: the InferenceService, its predictor, and what is kept beside it.

Nothing is ever written into the annotations or labels of an InferenceService after it is made: KServe copies
them into the pods of both variants, which then are all replaced.
"""

from typing import Any

from adsmu.canary_deploy.cluster_records import ConfigMapRecord
from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic.serving import Serving, container, digest_of, pod
from adsmu.cluster import CONFIG_MAP, Cluster, Kind, Manifest, NotThere
from adsmu.errors import Refused

INFERENCE_SERVICE = Kind("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService")

MODE = "serving.kserve.io/deploymentMode"
"""The annotation that says what an InferenceService is made of."""

NOBODY = Release(f"sha256:{'0' * 64}", "s3://models/none")
"""A release that is only ever asked about, never made."""

DOWN = (
    "KServe's webhook does not answer, so its controller is down, and no share can be changed, not even for "
    "a rollback; until it is back, weights can be patched in the HTTPRoutes by hand; it will overwrite them"
)


class InferenceService:
    """An InferenceService and the ConfigMap beside it that tells which model in it is on trial.

    Args:
        cluster: Where.
        serving: Settings.
    """

    def __init__(self, cluster: Cluster, serving: Serving) -> None:
        self.cluster, self.name = cluster, serving.service
        self._notes = ConfigMapRecord(cluster, f"canary-{serving.service}.traffic")

    def missing_rights(self, wanted: dict[Kind, str]) -> list[str]:
        """The rights that are missing, a sentence each: those to the InferenceService itself, and others.

        Args:
            wanted: The others: verbs of each kind.
        """
        missing = self.cluster.missing_rights({INFERENCE_SERVICE: "get create patch delete"}, self.name)
        missing += self.cluster.missing_rights(wanted)
        place = f"in namespace {self.cluster.namespace}"
        return [f"the right to {right} {place} is missing" for right in missing]

    def read(self) -> Manifest | None:
        """The object; None if there is none."""
        return self.cluster.read(INFERENCE_SERVICE, self.name)

    def change(self, found: Manifest, spec: Manifest, *, dry_run: bool = False) -> None:
        """Patches the specification of the version that was read.

        Raises:
            Conflict: It is not of that version any more.
            Refused: KServe does not take it, or is down.
        """
        version = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}}
        try:
            self.cluster.patch(INFERENCE_SERVICE, self.name, version | {"spec": spec}, dry_run=dry_run)
        except Refused as error:
            raise _explained(error) from error

    def create(self, mode: str, spec: Manifest, *, dry_run: bool = False) -> None:
        """Makes it.

        Raises:
            Conflict: There is one.
            Refused: KServe does not take it, or is down.
        """
        body = INFERENCE_SERVICE.head | {
            "metadata": {
                "name": self.name,
                "annotations": {MODE: mode, "serving.kserve.io/autoscalerClass": "none"}
                if mode == "Standard"
                else {MODE: mode},
            },
            "spec": spec,
        }
        try:
            self.cluster.create(INFERENCE_SERVICE, body, dry_run=dry_run)
        except Refused as error:
            raise _explained(error) from error

    def refused(self, found: Manifest | None, mode: str, first: Manifest, change: Manifest) -> list[str]:
        """What KServe says when asked, without effect, for what a rollout does.

        Args:
            found: The object; None if there is none.
            mode: What it would be made of.
            first: How a first one would be specified.
            change: What would change in the one that is there.
        """
        try:
            if found is None:
                self.create(mode, first, dry_run=True)
            else:
                self.change(found, change, dry_run=True)
        except NotThere:
            return ["the cluster knows no InferenceService of serving.kserve.io/v1beta1: install KServe"]
        except Refused as error:
            return [str(error)]
        return []

    def begin(self, mode: str, specified: Manifest, digest: str) -> None:
        """Makes it of a first model, which is on trial.

        Raises:
            Conflict: There is one, or somebody else noted something meanwhile.
            Refused: KServe does not take it, or is down.
        """
        self.note("", digest, None)
        self.create(mode, {"predictor": specified})

    def notes(self) -> dict[str, Any]:
        """What was noted: digests of champion and candidate, and how the champion was specified."""
        return self._notes.read()[0] or {}

    def note(self, champion: str, candidate: str, predictor: Manifest | None) -> None:
        """Notes who is on trial, before anything is changed.

        Raises:
            Conflict: Somebody else noted something meanwhile.
        """
        _, version = self._notes.read()
        self._notes.write({"champion": champion, "candidate": candidate, "predictor": predictor}, version)

    def forget(self) -> None:
        """Takes the notes away: nothing is on trial any more."""
        self.cluster.delete(CONFIG_MAP, self._notes.name)

    def delete(self) -> None:
        """Takes the InferenceService away, then the notes."""
        self.cluster.delete(INFERENCE_SERVICE, self.name)
        self.forget()

    def first_trial(self, found: Manifest) -> bool:
        """Whether the one model that it serves is a candidate that never had a champion."""
        notes = self.notes()
        return notes.get("champion") == "" and notes.get("candidate") == digest_of(found["spec"]["predictor"])

    def all_or_nothing(self, found: Manifest, whole: int) -> bool:
        """Whether a first model is on trial: it has all requests from the start, and that is all it can have.

        Args:
            found: The object.
            whole: The percentage that it is to have.

        Raises:
            Refused: It is to have less.
        """
        if not self.first_trial(found):
            return False
        if whole != 100:
            raise Refused("a first model has all requests; withdraw takes the service away")
        return True


def predictor(serving: Serving, release: Release) -> Manifest:
    """The specification of a predictor that KServe fetches the release for.

    Raises:
        Refused: KServe cannot fetch from where the release is.
    """
    uri = release.uri.replace("minio://", "s3://", 1)
    if not uri.startswith(("s3://", "gs://")):
        raise Refused(f"KServe fetches releases from s3:// and gs://, not from {release.uri}")
    served = container(serving, release, "/mnt/models")
    served["env"] = [{"name": "STORAGE_URI", "value": uri}]
    return pod(serving, [served]) | {"minReplicas": serving.replicas}


def unknown(name: str) -> str:
    """Says that an InferenceService does not tell which model it serves."""
    return f"InferenceService {name} names no model (--digest): it was not made by a rollout"


def bypasses(found: Manifest) -> list[str]:
    """Says which parts of an InferenceService may carry requests past the split, a sentence each."""
    return [
        f"InferenceService {found['metadata']['name']} has a {part}: the split may send requests past it"
        for part in ("transformer", "explainer")
        if part in found["spec"]
    ]


def condition(found: Manifest, name: str) -> tuple[str, str]:
    """A condition's status, and its reason and message in a line."""
    for each in (found.get("status") or {}).get("conditions") or []:
        if each["type"] == name:
            words = " ".join(filter(None, (each.get("reason"), each.get("message"))))
            return each["status"], words or "no reason given"
    return "Unknown", "no such condition yet"


def percent(share: float) -> int:
    """A share as the whole percents that KServe takes.

    Raises:
        Refused: It is none.

    >>> percent(0.29)
    29
    """
    whole = round(share * 100)
    if not 0 <= whole <= 100 or abs(whole - share * 100) > 1e-6:
        raise Refused(f"KServe takes whole percents from 0 to 100, not a share of {share}")
    return whole


def _explained(error: Refused) -> Refused:
    said = str(error)
    if 'unknown field "spec.canary"' in said:
        return Refused("this KServe has no spec.canary: it is older than 0.20, and 0.21 is needed")
    return Refused(f"{DOWN} ({said})") if "failed calling webhook" in said else error
