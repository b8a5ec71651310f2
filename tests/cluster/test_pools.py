"""Where a real scheduler puts training, and what it says where it cannot; skipped where there is none.

Pods ask for what the engine makes of the pool and of the compiled pipeline, and run nothing: a pod has its
node when the scheduler has decided, whether its image is there or not. The pool is tainted, with a free GPU.
"""

import dataclasses
import json
import os
import re
import time
from pathlib import Path

import pytest
from cluster_runs import NAMESPACE, core, eventually, pods, submitted
from namespaces import made_namespace

from adsmu.cluster import POD, Cluster
from adsmu.pipelines.update.pipeline import tied
from adsmu.train_job.follow import waits_for
from adsmu.train_job.pool import read_pool

POOLS = Path(__file__).parents[2] / "manifests" / "pools"
NEEDED = ("KUBECONFIG", "ADSMU_POOL")
SECONDS = 60


@pytest.fixture(scope="module")
def client():
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no cluster with a pool of GPU nodes: {', '.join(missing)} not set")
    from kubernetes import client, config

    config.load_kube_config(os.environ["KUBECONFIG"])
    return client


@pytest.fixture(scope="module")
def pool(client):
    return read_pool(json.loads((POOLS / f"{os.environ['ADSMU_POOL']}.json").read_text())["pool"])


@pytest.fixture(scope="module")
def of_the_pool(client, pool):
    """The names of the pool's nodes."""
    selector = ",".join(f"{key}={value}" for key, value in pool.selector.items())
    names = {each.metadata.name for each in client.CoreV1Api().list_node(label_selector=selector).items}
    assert names, f"no node has the labels {selector}"
    return names


@pytest.fixture
def cluster(client):
    with made_namespace() as name:
        yield Cluster(name, client.ApiClient())


def pod_of(cluster, step, spec):
    """A pod of a step, with what makes the scheduler choose; it would run nothing."""
    container = {"name": "main", "image": "localhost/none:1", "imagePullPolicy": "Never"}
    container["resources"] = spec.pop("resources", {})
    body = {"metadata": {"name": step}, "spec": {"containers": [container], "restartPolicy": "Never"} | spec}
    cluster.create(POD, POD.head | body)


def spec_of(pool, part, executor):
    """What the engine makes of one step: its pool where the compiled pipeline says so, else nothing."""
    spec = {}
    if executor.get("nodeSelector"):
        spec["nodeSelector"] = pool.selector
    if executor.get("tolerations"):
        spec["tolerations"] = pool.tolerations
    if "accelerator" in part.get("container", {}).get("resources", {}) and pool.gpus:
        spec["resources"] = {"limits": {pool.accelerator: pool.gpus}}
    return spec


def placed(cluster, names):
    """The node of each pod, once the scheduler has decided on all of them, and why some have none."""
    end = time.monotonic() + SECONDS
    while True:
        found = {name: cluster.read(POD, name) for name in names}
        nodes = {name: each["spec"].get("nodeName") for name, each in found.items()}
        waits = {name: waits_for(found[name]) for name, node in nodes.items() if not node}
        decided = all(reason != "for its node" for reason in waits.values())
        if decided or time.monotonic() > end:
            return nodes, waits
        time.sleep(0.5)


def test_train_lands_on_the_pool_and_every_other_step_beside_it(cluster, pool, of_the_pool):
    spec = tied()
    parts = spec.pipeline["deploymentSpec"]["executors"]
    said = spec.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    steps = {name.removeprefix("exec-"): name for name, part in parts.items() if "container" in part}
    for step, name in steps.items():
        pod_of(cluster, step, spec_of(pool, parts[name], said.get(name, {})))
    nodes, waits = placed(cluster, steps)
    assert waits == {}
    assert nodes.pop("train") in of_the_pool
    assert len(nodes) >= 5
    assert set(nodes.values()).isdisjoint(of_the_pool), nodes


@pytest.mark.parametrize(
    ("lacks", "reason"),
    [
        ("label", r"didn't match Pod's node affinity/selector"),
        ("toleration", r"untolerated taint"),
        ("gpus", r"Insufficient {accelerator}"),
    ],
)
def test_train_waits_and_says_why_where_the_cluster_lacks_something(cluster, pool, lacks, reason):
    spec = {
        "nodeSelector": pool.selector | ({"adsmu/none": "here"} if lacks == "label" else {}),
        "tolerations": [] if lacks == "toleration" else pool.tolerations,
        "resources": {"limits": {pool.accelerator: "1000" if lacks == "gpus" else pool.gpus}},
    }
    pod_of(cluster, "train", spec)
    nodes, waits = placed(cluster, ["train"])
    assert nodes == {"train": None}
    assert re.search(reason.format(accelerator=re.escape(pool.accelerator)), waits["train"]), waits


def test_a_pod_that_waits_for_a_gpu_runs_once_one_is_free(cluster, pool, of_the_pool):
    free = {"nodeSelector": pool.selector, "tolerations": pool.tolerations}
    count, waits = 0, {}
    while not waits:
        count += 1
        pod_of(cluster, f"train-{count}", free | {"resources": {"limits": {pool.accelerator: pool.gpus}}})
        _, waits = placed(cluster, [f"train-{each + 1}" for each in range(count)])
    assert f"Insufficient {pool.accelerator}" in waits[f"train-{count}"]
    cluster.delete(POD, "train-1")
    end = time.monotonic() + SECONDS
    while not (node := cluster.read(POD, f"train-{count}")["spec"].get("nodeName")):
        assert time.monotonic() < end
        time.sleep(0.5)
    assert node in of_the_pool


def test_each_pool_of_the_manifests_fits_what_the_scheduler_takes(cluster):
    """The API server itself checks selectors, tolerations and amounts."""
    for path in sorted(POOLS.glob("*.json")):
        given = read_pool(json.loads(path.read_text())["pool"])
        pod = {"nodeSelector": given.selector, "tolerations": given.tolerations}
        body = {"containers": [{"name": "main", "image": "localhost/none:1"}], **pod}
        cluster.create(POD, POD.head | {"metadata": {"name": path.stem}, "spec": body}, dry_run=True)


@pytest.mark.slow
def test_the_engine_puts_train_on_the_pool_and_every_other_step_beside_it(
    server, parameters, pool, of_the_pool
):
    file = parameters(settings={"needed": 1000}, max_rounds=1, pool=dataclasses.asdict(pool))
    run = submitted(server, file)

    def node_of_train():
        found = [pod for pod in pods(server, run) if (pod.task, pod.driver) == ("train", False)]
        return found and core().read_namespaced_pod(found[0].name, NAMESPACE).spec.node_name

    assert eventually("train has a node", node_of_train, 1800) in of_the_pool
    for pod in pods(server, run):
        if (pod.task, pod.driver) != ("train", False):
            node = core().read_namespaced_pod(pod.name, NAMESPACE).spec.node_name
            assert node not in of_the_pool, pod
