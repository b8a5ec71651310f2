"""Runs on a Kubeflow Pipelines server: started and followed by the command, their pods by Kubernetes."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adsmu.submit.pods import DRIVER, ROUND, Pod, read_pods
from adsmu.submit.server import Away, connect
from adsmu.submit.watching import ENDED

NAMESPACE = os.environ.get("KFP_NAMESPACE") or "kubeflow"
"""Where runs have their pods."""


def adsmu(server: str, command: str, *words: Any, image: str = "") -> tuple[int, Any, str]:
    """Calls the command.

    Args:
        server: URL of the API server.
        command: Such as `submit`.
        words: Its further arguments.
        image: The image of the steps; empty: what ADSMU_IMAGE says.

    Returns:
        Its exit code, what it printed as JSON, and what it complained about.
    """
    done = subprocess.run(
        [sys.executable, "-c", "from adsmu.cli import main; main()", command, "--host", server]
        + [str(word) for word in words],
        check=False,
        capture_output=True,
        text=True,
        timeout=2400,
        env=os.environ | ({"ADSMU_IMAGE": image} if image else {}),
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr


def named(variable: str) -> list[str]:
    """A command that the environment names; the test is skipped where it names none.

    Args:
        variable: The variable.
    """
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set")
    return shlex.split(os.environ[variable])


def submitted(server: str, file: Path, *words: Any, image: str = "") -> str:
    """Starts an update; gives the run's id.

    Args:
        server: URL of the API server.
        file: Its parameters.
        words: Further arguments of `adsmu submit`.
        image: As for `adsmu`.
    """
    code, told, errors = adsmu(server, "submit", "--params-file", file, *words, "--json", image=image)
    assert code == 0, errors
    return str(told["run"])


def eventually(what: str, look: Callable[[], Any], seconds: float = 600) -> Any:
    """What `look` gives once that is something.

    Args:
        what: What is waited for, for the error.
        look: Looks once.
        seconds: How long is waited.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)
    return found


def ended(server: str, run: str, seconds: float = 1500) -> str:
    """Waits until a run of any pipeline has ended; gives its state.

    Args:
        server: URL of the API server.
        run: The run's id.
        seconds: How long is waited.
    """
    client = connect(server).client

    def look() -> str | None:
        state = str(client.get_run(run).state)
        return state if state in ENDED else None

    return str(eventually(f"the end of {run}", look, seconds))


def pods(server: str, run: str) -> list[Pod]:
    """The pods of a run; none while the server is away."""
    try:
        return read_pods(connect(server), run)
    except Away:
        return []


def pod_at_work(run: str, task: str, *, driver: bool = False, round: int = 0) -> str:
    """Waits until a pod of a task runs, and gives its name.

    Kubernetes is asked which pod that is: the server learns of a pod some seconds later, when it may be done.

    Args:
        run: The run's id.
        task: The task's name in the pipeline.
        driver: Whether the pod that prepares the task is meant.
        round: The round it stands in.
    """
    kubernetes, name = core(), f"{task}{DRIVER if driver else ''}"

    def look() -> str | None:
        for pod in kubernetes.list_namespaced_pod(NAMESPACE, label_selector=f"pipeline/runid={run}").items:
            node = pod.metadata.annotations["workflows.argoproj.io/node-name"]
            parts = [re.sub(r"\(\d+\)$", "", part) for part in node.split(".")]
            at = sum(ROUND in part for part in parts if not part.endswith(DRIVER))
            its = name in (parts[-1], parts[-2]) and parts[-1] in (name, "executor")
            if its and at == round and pod.status.phase == "Running":
                return str(pod.metadata.name)
        return None

    return str(eventually(f"{name} of {run} at work", look, 1200))


def core() -> Any:
    """Kubernetes' core API."""
    from kubernetes import client, config

    config.load_kube_config(os.environ["KUBECONFIG"])
    return client.CoreV1Api()


def kill(pod: str) -> None:
    """Takes a pod away at once, as the loss of its node does."""
    core().delete_namespaced_pod(pod, NAMESPACE, grace_period_seconds=0)
