"""How a release runs on a cluster: the container that serves it, and what ails the pods that should."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from adsmu.canary_deploy.release import Release
from adsmu.cluster import DEPLOYMENT, POD, Cluster, Manifest
from adsmu.errors import BadInput

PORT = 8080
"""The port that a predictor listens on."""

DRAIN = 5
"""Seconds for which a pod that is to end still answers: gateways learn of it later than it does."""

GRACE = 40
"""Seconds after which a pod that is to end is killed: it drains, answers, and stores its last events."""

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")

CONTAINER = "kserve-container"
"""The name that KServe asks of the container that answers."""


@dataclass(frozen=True)
class Serving:
    """Settings of a service on a cluster.

    Attributes:
        service: The service's name.
        namespace: Where it runs.
        image: The image that holds this package.
        events: The store for the events of requests.
        gateway: The Gateway that requests come in by, as `namespace/name` (`gateway` backend).
        hostname: The host that clients ask (`gateway` backend).
        replicas: Pods of each variant.
        cpu: Of each pod, requested and the limit.
        memory: Of each pod, requested and the limit.
        secret: A Secret with the credentials of the object storage, as environment variables; empty: none.
        service_account: Of the pods; KServe looks up the credentials for models there. Empty: the default.
        slow: Seconds after which an answer counts as slow.
        trainer: Import path of the model's trainer; empty: the one that comes with this package.
    """

    service: str
    namespace: str
    image: str
    events: str
    gateway: str = ""
    hostname: str = ""
    replicas: int = 1
    cpu: str = "1"
    memory: str = "2Gi"
    secret: str = ""
    service_account: str = ""
    slow: float = 0.5
    trainer: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.service):
            raise BadInput(
                f"must be lower-case letters, digits and hyphens, a letter first, not {self.service!r}",
                column="service",
            )
        if self.replicas < 1:
            raise BadInput(f"must be 1 or more, not {self.replicas}", column="replicas")
        for name in ("namespace", "image", "events"):
            if not getattr(self, name):
                raise BadInput("must not be empty", column=name)

    @classmethod
    def from_json(cls, value: Any) -> "Serving":
        """Reads settings.

        Raises:
            BadInput: A setting is missing, unknown or of another type.

        >>> Serving.from_json({"service": "nlu", "namespace": "ml", "image": "adsmu:1", "events": "s3://e"}).replicas
        1
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        if not isinstance(value, dict):
            raise BadInput("must be a mapping", column="serving")
        needed = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
        for name in needed:
            if name not in value:
                raise BadInput("is missing", column=name)
        value = dict(value)
        for name, given in list(value.items()):
            if name not in fields:
                raise BadInput(f"is not one of {', '.join(fields)}", column=str(name))
            if fields[name].type is int and isinstance(given, float) and given.is_integer():
                value[name] = int(given)  # kfp knows one kind of number
            elif type(given) is not fields[name].type and (name, type(given)) != ("slow", int):
                raise BadInput(f"must be of type {fields[name].type.__name__}", column=name)  # type: ignore[union-attr]
        return cls(**value)


def limited(serving: Serving, name: str, letters: int) -> None:
    """Refuses a service whose objects would get names that are too long.

    Raises:
        BadInput: A name is longer than a cluster takes; the limit for the service is named.
    """
    if len(name) > letters:
        most = len(serving.service) - (len(name) - letters)
        raise BadInput(f"must have {most} letters at most, for {name!r} has over {letters}", column="service")


def container(serving: Serving, release: Release, folder: str) -> Manifest:
    """The container of a predictor.

    Args:
        serving: Settings.
        release: What it serves.
        folder: Where it finds the release: a place in object storage, or a path in the container.
    """
    amount = {"cpu": serving.cpu, "memory": serving.memory}
    arguments = {
        "release": folder,
        "digest": release.digest,
        "variant": release.name,  # of both roles: a promotion must not restart it
        "service": serving.service,
        "events": serving.events,
        "log": "/log",
        "port": str(PORT),
        "slow": str(serving.slow),
    }
    if serving.trainer:
        arguments["trainer"] = serving.trainer
    made: Manifest = {
        "name": CONTAINER,
        "image": serving.image,
        "command": ["python", "-m", "adsmu.serve"],
        "args": [word for name, value in arguments.items() for word in (f"--{name}", value)],
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": dict(amount), "limits": dict(amount)},
        "readinessProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 3,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",  # so that why it ended is in its status
        "lifecycle": {
            "preStop": {"exec": {"command": ["python", "-c", f"import time; time.sleep({DRAIN})"]}}
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "log", "mountPath": "/log"}, {"name": "cache", "mountPath": "/tmp"}],  # noqa: S108
    }
    if serving.secret:
        made["envFrom"] = [{"secretRef": {"name": serving.secret}}]
    return made


def pod(serving: Serving, containers: list[Manifest]) -> Manifest:
    """What a predictor's pod has beside its replicas: containers, volumes, account, time to end."""
    made: Manifest = {
        "containers": containers,
        "volumes": [{"name": "log", "emptyDir": {}}, {"name": "cache", "emptyDir": {}}],
        "terminationGracePeriodSeconds": GRACE,
    }
    if serving.service_account:
        made["serviceAccountName"] = serving.service_account
    return made


def digest_of(spec: Manifest) -> str | None:
    """The digest of the model that a pod's specification serves, as its arguments say; None if they do not.

    >>> digest_of({"containers": [{"args": ["--digest", "sha256:12", "--port", "8080"]}]})
    'sha256:12'
    """
    for each in spec.get("containers") or []:
        words = each.get("args") or []
        if "--digest" in words[:-1]:
            return str(words[words.index("--digest") + 1])
    return None


def ailment(cluster: Cluster, deployment: str, pods: str, *, whole: bool) -> str:
    """What keeps a Deployment from answering; empty where nothing does.

    Counts only pods of the newest template: available pods of an older one prove nothing.

    Args:
        cluster: Where.
        deployment: The Deployment's name.
        pods: A selector of its pods, to say what ails them.
        whole: Whether it must have all its pods, or one is enough.
    """
    found = cluster.read(DEPLOYMENT, deployment)
    if found is None:
        return f"there is no Deployment {deployment}"
    status, wanted = found.get("status") or {}, found["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
        return f"Deployment {deployment} has not been acted on yet"
    current, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if wanted and current == status.get("replicas", 0) == ready == wanted:
        return ""
    if not whole and ready and current == status.get("replicas", 0):
        return ""
    reasons = [
        f"{each.get('reason')}: {each.get('message')}"
        for each in status.get("conditions") or []
        if (each["type"], each["status"]) in (("ReplicaFailure", "True"), ("Progressing", "False"))
    ]
    reasons += [reason for each in cluster.find(POD, pods) for reason in _pod_reasons(each)]
    line = f"Deployment {deployment} has {min(current, ready)} of {wanted} pods available"
    return line + (f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else "")


def _pod_reasons(found: Manifest) -> list[str]:
    """Why a pod does not answer: what its containers wait for, how they ended, what they said last."""
    status = found.get("status") or {}
    reasons = []
    for each in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        state, last = each.get("state") or {}, each.get("lastState") or {}
        waits, ended = state.get("waiting") or {}, state.get("terminated") or last.get("terminated") or {}
        if ended.get("exitCode"):
            said = str(ended.get("message") or ended.get("reason") or "").strip().splitlines()
            reasons.append(f"its container ended with exit code {ended['exitCode']}: {''.join(said[-1:])}")
        elif waits.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            reasons.append(f"{waits['reason']}: {waits.get('message', '')}")
    return reasons + [
        str(each.get("message"))
        for each in status.get("conditions") or []
        if each["type"] == "PodScheduled" and each["status"] == "False"
    ]
