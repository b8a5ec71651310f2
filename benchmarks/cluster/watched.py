"""Runs that are looked at until they end: their time, their pods, what Kubernetes holds of them."""

import ast
import json
import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubernetes import client, config

from adsmu.submit.package import Package
from adsmu.submit.pods import Pod, read_pods
from adsmu.submit.server import Away, Server, connect
from adsmu.submit.start import start, upload
from adsmu.submit.watching import ENDED

NAMESPACE = os.environ.get("KFP_NAMESPACE") or "kubeflow"
MAIN = "main"


@dataclass
class Watched:
    """What was seen of runs that were started at once.

    Attributes:
        seconds: From the first start to the last end.
        states: The state of each run at the end.
        pods: The pods of each run.
        workflow_bytes: The size of each run's workflow, as the API server holds it at the end.
        memory: By task, the largest working set of a pod, bytes; looked at every few seconds.
        most_pods: The most pods at work at one moment.
    """

    seconds: float = 0.0
    states: list[str] = field(default_factory=list)
    pods: list[list[Pod]] = field(default_factory=list)
    workflow_bytes: list[int] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    most_pods: int = 0


def server() -> Server:
    """The server that KFP_HOST names."""
    config.load_kube_config(os.environ["KUBECONFIG"])
    return connect(os.environ["KFP_HOST"])


def run(at: Server, package: Package, parameters: list[dict[str, Any]], every: float = 2.0) -> Watched:
    """Starts runs of a pipeline at once and looks at them until all have ended.

    Args:
        at: The server.
        package: The pipeline.
        parameters: Those of each run.
        every: Seconds between two looks.
    """
    version, _ = upload(at, package)
    seen, began = Watched(), time.monotonic()
    runs = [start(at, version, given, f"benchmark {number}") for number, given in enumerate(parameters)]
    names: dict[str, str] = {}
    while True:
        _look(seen, names, set(runs))
        states = [_state(at, each) for each in runs]
        if all(state in ENDED for state in states):
            break
        time.sleep(every)
    seen.seconds, seen.states = time.monotonic() - began, states
    seen.pods = [read_pods(at, each) for each in runs]
    seen.workflow_bytes = [len(json.dumps(each)) for each in _workflows(set(runs))]
    return seen


def lasted(pod: Pod) -> float:
    """Seconds from the start of a pod to its end."""
    return (datetime.fromisoformat(pod.ended) - datetime.fromisoformat(pod.began)).total_seconds()


def _state(at: Server, run: str) -> str:
    try:
        return str(at.client.runs.run_service_get_run(run_id=run).state)
    except Away:
        return ""


def _look(seen: Watched, names: dict[str, str], runs: set[str]) -> None:
    """Counts the pods at work and weighs them, by what the kubelets say."""
    core = client.CoreV1Api()
    found = core.list_namespaced_pod(NAMESPACE, label_selector="pipeline/runid").items
    at_work = 0
    for pod in found:
        if pod.metadata.labels["pipeline/runid"] in runs:
            at_work += pod.status.phase in ("Pending", "Running")
            node = pod.metadata.annotations["workflows.argoproj.io/node-name"].removesuffix(".executor(0)")
            names[pod.metadata.name] = node.rpartition(".")[2].partition("(")[0]
    seen.most_pods = max(seen.most_pods, at_work)
    for node in core.list_node().items:
        told = core.connect_get_node_proxy_with_path(node.metadata.name, "stats/summary")
        for pod in _parsed(told).get("pods", ()):
            task = names.get(pod["podRef"]["name"])
            used = [
                c["memory"].get("workingSetBytes", 0) for c in pod.get("containers", ()) if c["name"] == MAIN
            ]
            if task and used:
                seen.memory[task] = max(seen.memory.get(task, 0), *used)


def _parsed(told: Any) -> dict[str, Any]:
    """The kubelet's answer: the client gives it as Python's own notation of JSON."""
    return dict(ast.literal_eval(told)) if isinstance(told, str) else dict(told)


def _workflows(runs: set[str]) -> list[dict[str, Any]]:
    found = client.CustomObjectsApi().list_namespaced_custom_object(
        "argoproj.io", "v1alpha1", NAMESPACE, "workflows"
    )
    return [each for each in found["items"] if each["metadata"]["labels"].get("pipeline/runid") in runs]
