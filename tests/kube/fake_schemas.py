"""What the API takes of the kinds that a rollout writes: the fields it uses, and no others."""

import re
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]


class Unknown(Exception):
    """A field that the schema has not."""


class Map(dict):  # type: ignore[type-arg]
    """A mapping with any keys; the one schema is of its values."""


def checked(schema: Any, value: Any, unknown: str, path: str = "") -> Any:
    """The value, once it fits; fields that the schema has not are refused, or dropped.

    Raises:
        Unknown: There is such a field, to be refused.
        ValueError: A value does not fit, or a field that must be there is not (`!` ends its name).
    """
    if isinstance(schema, Map):
        need(isinstance(value, dict), path, "a mapping")
        return {key: checked(schema["*"], each, unknown, f"{path}.{key}") for key, each in value.items()}
    if isinstance(schema, dict):
        need(isinstance(value, dict), path, "a mapping")
        fields = {key.rstrip("!"): each for key, each in schema.items()}
        for key in schema:
            need(not key.endswith("!") or key[:-1] in value, f"{path}.{key[:-1]}", "there")
        kept = {}
        for key, each in value.items():
            place = f"{path}.{key}".lstrip(".")
            if key in fields:
                kept[key] = checked(fields[key], each, unknown, place)
            elif unknown == "refuse":
                raise Unknown(place)
        return kept
    if isinstance(schema, list):
        need(isinstance(value, list), path, "a list")
        return [checked(schema[0], each, unknown, f"{path}[{i}]") for i, each in enumerate(value)]
    if isinstance(schema, type):
        need(type(value) is schema, path, f"of type {schema.__name__}")
    else:
        need(schema(value), path, getattr(schema, "says", "what fits"))
    return value


def need(holds: bool, path: str, what: str) -> None:
    if not holds:
        raise ValueError(f"{path} must be {what}")


def whole(low: int, high: int) -> Check:
    return said(lambda value: type(value) is int and low <= value <= high, f"a whole number {low} to {high}")


def text(pattern: str, most: int = 253) -> Check:
    fits = re.compile(pattern)
    return said(
        lambda value: isinstance(value, str) and len(value) <= most and fits.fullmatch(value) is not None,
        f"of the form {pattern}, {most} letters at most",
    )


def said(check: Check, words: str) -> Check:
    check.says = words  # type: ignore[attr-defined]
    return check


def anything(_: Any) -> bool:
    return True


LABEL_NAME = text(r"[a-z]([-a-z0-9]*[a-z0-9])?", 63)
NAME = text(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", 253)
LABEL = text(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", 63)
QUANTITY = text(r"[0-9.]+(m|k|Ki|M|Mi|G|Gi)?")
TIME = text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PORT = whole(1, 65535)


def kind(version: str, name: str, spec: Any, *, names: Check = NAME, **more: Any) -> dict[str, Any]:
    meta = {
        "name!": names,
        "namespace": str,
        "labels": Map({"*": LABEL}),
        "annotations": Map({"*": str}),
        "resourceVersion": str,
        "uid": str,
        "generation": int,
        "ownerReferences": [anything],
    }
    found = {
        "apiVersion!": said(lambda value: value == version, version),
        "kind!": said(lambda value: value == name, name),
        "metadata!": meta,
        "status": anything,
    }
    return found | ({"spec!": spec} if spec is not None else {}) | more


RESOURCES = {"requests": Map({"*": QUANTITY}), "limits": Map({"*": QUANTITY})}

CONTAINER: dict[str, Any] = {
    "name!": LABEL_NAME,
    "image!": str,
    "command": [str],
    "args": [str],
    "env": [{"name!": str, "value": str}],
    "envFrom": [{"secretRef": {"name!": NAME}}],
    "ports": [{"containerPort!": PORT, "protocol": str, "name": str}],
    "resources": RESOURCES,
    "readinessProbe": {
        "httpGet": {"path": str, "port": PORT},
        "periodSeconds": whole(1, 3600),
        "timeoutSeconds": whole(1, 3600),
        "failureThreshold": whole(1, 100),
    },
    "terminationMessagePolicy": text("File|FallbackToLogsOnError"),
    "lifecycle": {"preStop": {"exec": {"command": [str]}}},
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "readOnlyRootFilesystem": bool,
        "runAsNonRoot": bool,
        "runAsUser": int,
        "capabilities": {"drop": [str]},
        "seccompProfile": {"type": str},
    },
    "volumeMounts": [{"name!": LABEL_NAME, "mountPath!": str}],
}

POD: dict[str, Any] = {
    "containers!": [CONTAINER],
    "volumes": [{"name!": LABEL_NAME, "emptyDir": anything}],
    "terminationGracePeriodSeconds": whole(0, 100000),
    "serviceAccountName": NAME,
    "nodeSelector": Map({"*": str}),
}

DEPLOYMENT = kind(
    "apps/v1",
    "Deployment",
    {
        "replicas": whole(0, 10000),
        "selector!": {"matchLabels": Map({"*": LABEL})},
        "strategy": {"type": str, "rollingUpdate": {"maxUnavailable": int, "maxSurge": int}},
        "template!": {
            "metadata": {"labels": Map({"*": LABEL}), "annotations": Map({"*": str})},
            "spec": POD | {"automountServiceAccountToken": bool},
        },
    },
)

SERVICE = kind(
    "v1",
    "Service",
    {"selector": Map({"*": LABEL}), "ports": [{"name": LABEL_NAME, "port!": PORT, "targetPort": anything}]},
    names=LABEL_NAME,
)

HTTP_ROUTE = kind(
    "gateway.networking.k8s.io/v1",
    "HTTPRoute",
    {
        "parentRefs": [
            {"group": str, "kind": str, "namespace": LABEL_NAME, "name!": NAME, "sectionName": str}
        ],
        "hostnames": [text(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")],
        "rules": [
            {
                "matches": [anything],
                "filters": [anything],
                "timeouts": anything,
                "backendRefs": [
                    {
                        "group": str,
                        "kind": str,
                        "name!": LABEL_NAME,
                        "namespace": str,
                        "port!": PORT,
                        "weight": whole(0, 1_000_000),
                    }
                ],
            }
        ],
    },
)

PREDICTOR = POD | {
    "name": LABEL_NAME,
    "minReplicas": whole(0, 10000),
    "maxReplicas": whole(0, 10000),
    "scaleTarget": int,
    "scaleMetric": str,
    "canaryTrafficPercent": whole(0, 100),
    "workerSpec": anything,
    "containers": POD["containers!"],
}
del PREDICTOR["containers!"]

INFERENCE_SERVICE = kind(
    "serving.kserve.io/v1beta1",
    "InferenceService",
    {
        "predictor!": PREDICTOR,
        "canary": [{"trafficPercent!": whole(0, 100), "predictor!": PREDICTOR | {"name!": LABEL_NAME}}],
        "transformer": anything,
        "explainer": anything,
    },
)

OLD_INFERENCE_SERVICE = INFERENCE_SERVICE | {
    "spec!": {key: each for key, each in INFERENCE_SERVICE["spec!"].items() if key != "canary"}
}
"""Before KServe 0.20."""

CONFIG_MAP = kind("v1", "ConfigMap", None, data=Map({"*": str}))

LEASE = kind(
    "coordination.k8s.io/v1",
    "Lease",
    {
        "holderIdentity": text(r".+"),
        "leaseDurationSeconds": whole(1, 1 << 31),
        "renewTime": TIME,
        "leaseTransitions": whole(0, 1 << 31),
    },
)

SCHEMAS: dict[str, Any] = {
    "deployments": DEPLOYMENT,
    "services": SERVICE,
    "httproutes": HTTP_ROUTE,
    "inferenceservices": INFERENCE_SERVICE,
    "configmaps": CONFIG_MAP,
    "leases": LEASE,
}
