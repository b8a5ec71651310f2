"""A TrainJob is watched until it ends; what its pods say, and what they wait for, goes to the step's log."""

import logging
import time
from dataclasses import dataclass, field

from adsmu.cluster import POD, POD_LOG, Cluster, Manifest, NotThere
from adsmu.errors import Refused
from adsmu.train_job.manifest import JOB_LABEL, TRAIN_JOB

PAUSE = 2.0
"""Seconds between two looks."""

PATIENCE = 300.0
"""Seconds for which the cluster's API may be away."""

FOLLOWED = {TRAIN_JOB: "get", POD: "list", POD_LOG: "get"}
"""What whoever watches must be allowed to."""

log = logging.getLogger(__name__)


@dataclass
class Seen:
    """What has been told of a pod.

    Attributes:
        time: Of the last line of its log, as the API writes times: all of one length, so that texts compare.
        waits: What it was last said to wait for.
        ended: How it failed; empty while it has not.
    """

    time: str = ""
    waits: str = ""
    ended: str = ""


@dataclass
class Follower:
    """Watches one TrainJob.

    Attributes:
        cluster: Where it runs.
        name: Its name.
        pods: What has been told of each pod.
    """

    cluster: Cluster
    name: str
    pods: dict[str, Seen] = field(default_factory=dict)

    def follow(self) -> str:
        """Waits for the end.

        Returns:
            What failed, in one line; empty for a TrainJob that is complete.

        Raises:
            Refused: The cluster's API was away for longer than `PATIENCE`.
        """
        answered = time.monotonic()
        while True:
            try:
                ended = self._look()
                if ended is not None:
                    return ended
                answered = time.monotonic()
            except Refused as error:
                if time.monotonic() - answered > PATIENCE:
                    raise
                log.warning("%s", error)
            time.sleep(PAUSE)

    def _look(self) -> str | None:
        job = self.cluster.read(TRAIN_JOB, self.name)  # before the logs: what it ended with is in them
        found = {
            each["metadata"]["name"]: each for each in self.cluster.find(POD, f"{JOB_LABEL}={self.name}")
        }
        for name, pod in sorted(found.items()):
            seen = self.pods.setdefault(name, Seen())
            if waits := waits_for(pod):
                if waits != seen.waits:
                    log.info("%s waits: %s", name, waits)
                seen.waits = waits
            else:
                self._tell(name, seen)
            seen.ended = failed_with(pod)
        if job is None:
            return f"TrainJob {self.name} was deleted"
        for condition in (job.get("status") or {}).get("conditions") or []:
            if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
                return "" if condition["type"] == "Complete" else self._failure(condition, found)
        return None

    def _tell(self, name: str, seen: Seen) -> None:
        query = {"timestamps": "true"} | ({"sinceTime": seen.time} if seen.time else {})
        try:
            text = self.cluster.log(name, query)
        except NotThere:
            return
        for line in text.split("\n"):
            moment, _, words = line.partition(" ")
            if moment > seen.time:
                seen.time = moment
                log.info("%s: %s", name, words)

    def _failure(self, condition: Manifest, found: dict[str, Manifest]) -> str:
        reasons = [f"{name} {seen.ended}" for name, seen in sorted(self.pods.items()) if seen.ended]
        reasons += [f"{name} is gone" for name in sorted(self.pods.keys() - found.keys())]
        reasons = reasons or [f"{condition.get('reason')}: {condition.get('message')}"]
        return f"TrainJob {self.name} failed: {'; '.join(reasons)}"


def waits_for(pod: Manifest) -> str:
    """Why a pod's container has not begun; empty once it has.

    >>> waits_for({"status": {"phase": "Running"}})
    ''
    """
    status = pod.get("status") or {}
    if status.get("phase") not in (None, "Pending"):
        return ""
    for condition in status.get("conditions") or []:
        if (condition["type"], condition["status"]) == ("PodScheduled", "False"):
            return str(condition.get("message") or condition.get("reason"))
    for each in status.get("containerStatuses") or []:
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return f"{waiting['reason']} {waiting.get('message') or ''}".strip()
    return "for its node"


def failed_with(pod: Manifest) -> str:
    """How a pod failed; empty if it did not.

    >>> ended = {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    >>> failed_with({"status": {"containerStatuses": [ended]}, "spec": {"nodeName": "a"}})
    'on node a ended with exit code 137 (OOMKilled)'
    """
    node = (pod.get("spec") or {}).get("nodeName") or "none"
    status = pod.get("status") or {}
    for each in status.get("containerStatuses") or []:
        ended = (each.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return f"on node {node} ended with exit code {ended['exitCode']} ({ended.get('reason')})"
    if status.get("phase") == "Failed":
        return f"on node {node} failed: {status.get('reason')}"
    return ""
