"""What befalls a run of the update pipeline on a real cluster: pods, controller, node, storage, quota, image.

Each run ends with its verdict or a clear failure, what it wrote is whole, and a resubmission goes on from
the cache. The faults are real, so nobody else should rely on the cluster meanwhile.
"""

import subprocess
import time
import uuid
from pathlib import Path

import pytest
from cluster_runs import NAMESPACE, adsmu, core, eventually, kill, named, pod_at_work, pods, submitted
from rich.console import Console

from adsmu.errors import StepFailed
from adsmu.files import digest, read_json
from adsmu.submit import watching
from adsmu.submit.server import connect

pytestmark = pytest.mark.slow
POOLS = Path(__file__).parents[2] / "manifests" / "pools"
ONE_ROUND = {"needed": 1}
TWO_ROUNDS = {"needed": 8}


def passes(server, run, output, rounds):
    """The run ends with a pass after so many rounds, and all that it wrote is whole."""
    code, told, errors = adsmu(server, "watch", run, "--json")
    assert code == 0, errors
    assert (told["state"], told["verdict"]) == ("SUCCEEDED", "pass")
    code, summary, errors = adsmu(server, "fetch", run, "--output", output, "--json")
    assert code == 0, errors
    assert [entry["round"] for entry in summary["rounds"]] == list(range(1, rounds + 1))
    assert digest(output / "model") == summary["model_digest"]


def passes_now_or_again(server, file, run, output, rounds):
    """The run passes; or it fails in one line, and the same again passes with what was done before."""
    code, _, errors = adsmu(server, "watch", run, "--json")
    assert code in (0, 1)
    if code == 0:
        passes(server, run, output, rounds)
        return
    assert len(errors.strip().splitlines()) == 1
    assert "failed: " in errors
    again = submitted(server, file)
    passes(server, again, output, rounds)
    done, ran = (
        {pod.task for pod in pods(server, each) if not pod.driver and pod.phase == "Succeeded"}
        for each in (run, again)
    )
    assert "stratify" in done
    assert "stratify" not in ran


def anew():
    """A seed that no run had, so that nothing comes from the cache."""
    return uuid.uuid4().int % 2**31


def test_a_run_outlives_its_pods_in_train_and_in_evaluate(server, parameters, tmp_path):
    run = submitted(server, parameters(settings=TWO_ROUNDS, seed=anew()))
    for task in ("train", "stratified-evaluate"):
        kill(pod_at_work(run, task, round=1))
    passes(server, run, tmp_path / "run", 2)


def test_a_driver_of_the_recursion_that_is_lost_ends_a_run_clearly_or_not_at_all(
    server, parameters, tmp_path
):
    file = parameters(settings=TWO_ROUNDS, seed=anew())
    run = submitted(server, file)
    kill(pod_at_work(run, "next-iteration-refine", driver=True, round=1))
    passes_now_or_again(server, file, run, tmp_path / "run", 2)


def test_a_run_outlives_a_restart_of_the_workflow_controller(server, parameters, tmp_path):
    pod = {"namespace": NAMESPACE, "label_selector": "app=workflow-controller"}
    held = core().list_namespaced_pod(**pod).items
    restart = None if held else named("ADSMU_RESTART_CONTROLLER")
    run = submitted(server, parameters(settings=ONE_ROUND, seed=anew()))
    pod_at_work(run, "train", round=1)
    if restart:
        subprocess.run(restart, check=True)
    else:
        core().delete_collection_namespaced_pod(**pod, grace_period_seconds=0)
    passes(server, run, tmp_path / "run", 1)


def test_storage_that_is_away_for_a_minute_ends_a_run_clearly_or_not_at_all(server, parameters, tmp_path):
    away, back = named("ADSMU_STORAGE_AWAY"), named("ADSMU_STORAGE_BACK")
    file = parameters(settings=ONE_ROUND, seed=anew())
    run = submitted(server, file)
    pod_at_work(run, "synthesize")
    subprocess.run(away, check=True)
    try:
        time.sleep(60)
    finally:
        subprocess.run(back, check=True)
    passes_now_or_again(server, file, run, tmp_path / "run", 1)


def test_the_pods_of_a_drained_node_are_replaced_once_one_takes_them(server, parameters, tmp_path):
    run = submitted(server, parameters(settings=ONE_ROUND, seed=anew()))
    lost = pod_at_work(run, "train", round=1)
    node = core().read_namespaced_pod(lost, NAMESPACE).spec.node_name
    core().patch_node(node, {"spec": {"unschedulable": True}})
    try:
        eviction = {"metadata": {"name": lost}, "deleteOptions": {"gracePeriodSeconds": 0}}
        core().create_namespaced_pod_eviction(lost, NAMESPACE, eviction)
        gone = {"field_selector": f"metadata.name={lost}"}
        eventually("evicted", lambda: not core().list_namespaced_pod(NAMESPACE, **gone).items, 120)
    finally:
        core().patch_node(node, {"spec": {"unschedulable": None}})
    passes(server, run, tmp_path / "run", 1)


def test_a_quota_that_is_used_up_is_told_and_the_run_goes_on_once_there_is_room(server, parameters, tmp_path):
    if not [node for node in core().list_node().items if "nvidia.com/gpu" in node.status.allocatable]:
        pytest.skip("no node has nvidia.com/gpu")
    quota = {"metadata": {"name": f"adsmu-{uuid.uuid4().hex[:8]}"}}
    core().create_namespaced_resource_quota(
        NAMESPACE, quota | {"spec": {"hard": {"requests.nvidia.com/gpu": "0"}}}
    )
    try:
        pool = read_json(POOLS / "nvidia-operator.json")["pool"] | {"selector": {}}
        run = submitted(server, parameters(settings=ONE_ROUND, seed=anew(), pool=pool, max_rounds=1))
        told = eventually(
            "the quota", lambda: [pod for pod in pods(server, run) if "exceeded quota" in pod.message]
        )
        assert {pod.task for pod in told} == {"train"}
    finally:
        core().delete_namespaced_resource_quota(quota["metadata"]["name"], NAMESPACE)
    passes(server, run, tmp_path / "run", 1)


def test_an_image_that_is_missing_is_told_and_ends_the_watch(server, parameters):
    image = "localhost/adsmu-that-is-not-there:1"
    run = submitted(server, parameters(settings=ONE_ROUND, seed=anew()), image=image)
    try:
        with pytest.raises(StepFailed, match=f"(?s)stratify.*{image}"):
            watching.watch(connect(server), run, Console(quiet=True), patience=20)
    finally:
        connect(server).client.terminate_run(run)
    code, _, errors = adsmu(server, "watch", run, "--json")
    assert code == 1, errors
