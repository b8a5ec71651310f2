"""The pods of a run, and the artifacts that went in and out of them.

The server's newer interface lists tasks without their pods and artifacts (seen on 2.17); the older one, which
2.17 still serves, hands out the workflow itself. The driver of a task leaves in it what it
resolved for the task's own pod: the URI of each artifact. A task whose result was taken from the cache has no
such pod; its artifacts appear as inputs of the tasks behind it.
"""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from adsmu.submit.server import Server, reaching

ROUND = "-iteration-"
"""Stands in the name of a task that is one round of a recursion (`adsmu.pipelines.recursion`)."""

DRIVER = "-driver"
"""How the pods that resolve a task's inputs are called."""


@dataclass(frozen=True)
class Pod:
    """A pod of a run.

    Attributes:
        name: What Kubernetes calls it.
        task: The task it works for.
        driver: Whether it only prepares the task.
        round: How deep in the recursion it stands; 0 before it.
        phase: Pending, Running, Succeeded, Failed, Error, Omitted or Skipped.
        message: What the engine says about it.
        began: When, ISO 8601; empty when it has not.
        ended: When; empty while it runs.
        inputs: URIs of the artifacts that it reads, by name.
        outputs: URIs of the artifacts that it writes, by name.
    """

    name: str
    task: str
    driver: bool
    round: int
    phase: str
    message: str
    began: str
    ended: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


def read_pods(server: Server, run: str) -> list[Pod]:
    """The pods of a run, in the order in which they began.

    Args:
        server: Where it runs.
        run: Its id.

    Raises:
        BadInput: There is no such run, or no right to see it.
        Away: The server does not answer.
    """
    with reaching(server.host, run):
        answer = server.get(f"/apis/v1beta1/runs/{run}")
    manifest = (answer.get("pipeline_runtime") or {}).get("workflow_manifest")
    return pods_of(json.loads(manifest)) if manifest else []


def pods_of(workflow: dict[str, Any]) -> list[Pod]:
    """The pods of a workflow, in the order in which they began.

    Args:
        workflow: Argo's Workflow object.
    """
    status = workflow.get("status") or {}
    nodes = status.get("nodes") or {}
    if packed := status.get("compressedNodes"):  # Argo packs what would be too large an object
        nodes = json.loads(gzip.decompress(base64.b64decode(packed)))
    name = workflow["metadata"]["name"]
    pods = [_pod(name, key, node) for key, node in nodes.items() if node.get("type") == "Pod"]
    return sorted(pods, key=lambda pod: (pod.began == "", pod.began, pod.round))


def _pod(workflow: str, key: str, node: dict[str, Any]) -> Pod:
    path = [re.sub(r"\(\d+\)$", "", part) for part in node["name"].split(".")]
    task = next(part for part in reversed(path) if part != "executor")
    given = _executor_input(node)
    inputs = given.get("inputs", {})
    return Pod(
        name=f"{workflow}-{node.get('templateName', '')}-{key.rpartition('-')[2]}",
        task=task.removesuffix(DRIVER),
        driver=task.endswith(DRIVER),
        round=sum(ROUND in part for part in path if not part.endswith(DRIVER)),
        phase=node.get("phase", "Pending"),
        message=node.get("message", ""),
        began=node.get("startedAt") or "",
        ended=node.get("finishedAt") or "",
        inputs=dict(_uris(inputs)),
        outputs=dict(_uris(given.get("outputs", {}))),
    )


def _executor_input(node: dict[str, Any]) -> dict[str, Any]:
    """What the driver resolved for this pod; empty for drivers."""
    for parameter in (node.get("inputs") or {}).get("parameters") or ():
        if parameter["name"] == "pod-spec-patch" and parameter.get("value"):
            for container in json.loads(parameter["value"]).get("containers", ()):
                words = [*(container.get("command") or ()), *(container.get("args") or ())]
                for option, value in pairwise(words):
                    if option == "--executor_input":
                        return dict(json.loads(value))
    return {}


def _uris(part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, held in part.get("artifacts", {}).items():
        for artifact in held.get("artifacts", ())[:1]:
            yield name, artifact.get("uri", "")
