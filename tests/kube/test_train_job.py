"""Training on several nodes: what is submitted, told, fetched and taken away, on a small Kubernetes API."""

import json
import logging
import os
import signal
import threading
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from fake_api import Denied, Fault
from obstore.store import LocalStore

from adsmu.errors import BadInput, StepFailed
from adsmu.store import open_store
from adsmu.train_job import follow
from adsmu.train_job.pool import Pool, read_pool
from adsmu.train_job.run import Submitter, on_nodes

TRAINER = "trainer.kubeflow.org"
TASK = {"trainer": "a:B", "mode": "full", "settings": {}, "seed": 3}
ROWS = pa.table({"id": ["a", "b"]})
POOL = Pool(2, "1", "nvidia.com/gpu", {"pool": "gpu"}, [{"key": "nvidia.com/gpu", "operator": "Exists"}])


@dataclass
class Trainer:
    """What becomes of each TrainJob: complete, killed after an epoch, broken at once, waiting, hung."""

    store: object
    ends: list = field(default_factory=lambda: ["complete"])
    jobs: list = field(default_factory=list)

    def __call__(self, api):
        names = {each["metadata"]["name"] for each in api.all(TRAINER, "trainjobs")}
        for pod in api.all("", "pods"):
            if pod["metadata"]["labels"].get(follow.JOB_LABEL, "") not in {"", *names}:
                api.remove("", "pods", pod["metadata"]["name"])
        for job in api.all(TRAINER, "trainjobs"):
            if job["metadata"]["name"] in {each["metadata"]["name"] for each in self.jobs}:
                continue
            self.jobs.append(job)
            self._run(api, job, self.ends[len(self.jobs) - 1])

    def _run(self, api, job, end):
        name = job["metadata"]["name"]
        _, state, model = (open_store(uri) for uri in job["spec"]["trainer"]["command"][-3:])
        for rank in range(2):
            pod = {"metadata": {"name": f"{name}-node-0-{rank}", "labels": {follow.JOB_LABEL: name}}}
            status = {"phase": "Running"}
            if end in ("killed", "broken") and rank == 1:
                ended = {"exitCode": 137, "reason": "Error"}
                status = {"phase": "Failed", "containerStatuses": [{"state": {"terminated": ended}}]}
            if end == "waiting":
                waits = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes: Insufficient gpu"}
                status = {"phase": "Pending", "conditions": [waits]}
            api.put("", "pods", pod | {"spec": {"nodeName": f"n{rank}"}}, status=status)
            begun, later = f"2026-01-01T00:00:0{rank}.5Z", f"2026-01-01T00:00:0{rank}.7Z"
            api.logs[f"{name}-node-0-{rank}"] = f"{begun} begun\n{later} {end} here\n"
        if end == "complete":
            model.create("model/weights", b"w")
            model.create("figures.json", json.dumps({"loss": 0.5}).encode())
        if end == "killed":
            state.create(f"{len(self.jobs)}.safetensors", b"s")
        kind = {"complete": "Complete", "killed": "Failed", "broken": "Failed"}.get(end)
        conditions = [{"type": kind, "status": "True", "reason": "r", "message": "m"}] if kind else []
        api.put(TRAINER, "trainjobs", job, status={"conditions": conditions})


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Object storage in a folder."""
    at = lambda where, **_: LocalStore(tmp_path / where.removeprefix("s3://"), mkdir=True)  # noqa: E731
    monkeypatch.setattr("adsmu.store.from_url", at)
    return open_store("minio://bucket/checkpoints")


@pytest.fixture
def trainer(api, place, monkeypatch):
    monkeypatch.setattr(follow, "PAUSE", 0.01)
    monkeypatch.delenv("KFP_POD_NAME", raising=False)
    controller = Trainer(place)
    api.after.append(controller)
    return controller


@pytest.fixture
def train(cluster, place, tmp_path):
    def call(pool=POOL, checkpoints=place, **resources):
        output = tmp_path / "model"
        output.mkdir()
        submit = Submitter(cluster, pool, **resources)
        return submit(ROWS, output, base=None, checkpoints=checkpoints, **TASK), output

    return call


def left(api, place):
    """What a training left behind: TrainJobs, pods, and objects that are no state of a training."""
    stored = [name for name in place.names() if name.startswith("train-")]
    return api.all(TRAINER, "trainjobs"), api.all("", "pods"), stored


def test_the_model_comes_back_and_nothing_is_left(train, trainer, api, place, caplog):
    caplog.set_level(logging.INFO)
    figures, output = train()
    assert figures == {"loss": 0.5}
    assert [path.name for path in output.iterdir()] == ["weights"]
    assert left(api, place) == ([], [], [])
    name = trainer.jobs[0]["metadata"]["name"]
    for rank in (0, 1):
        assert caplog.text.count(f"{name}-node-0-{rank}: begun") == 1
        assert caplog.text.count(f"{name}-node-0-{rank}: complete here") == 1


def test_the_pool_reaches_the_pods_and_no_two_share_a_node(train, trainer):
    train(cpu="3", memory="5Gi")
    spec = trainer.jobs[0]["spec"]
    assert spec["trainer"]["numNodes"] == 2
    amounts = {"cpu": "3", "memory": "5Gi", "nvidia.com/gpu": "1"}
    assert spec["trainer"]["resourcesPerNode"] == {"requests": amounts, "limits": amounts}
    (patch,) = spec["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    assert (job["name"], pod["nodeSelector"], pod["tolerations"]) == ("node", POOL.selector, POOL.tolerations)
    (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["labelSelector"]["matchLabels"] == {follow.JOB_LABEL: trainer.jobs[0]["metadata"]["name"]}


def test_a_pool_without_requests_leaves_them_to_the_runtime(train, trainer):
    train(Pool(2))
    assert "resourcesPerNode" not in trainer.jobs[0]["spec"]["trainer"]


def test_the_nodes_run_the_image_of_the_step_and_belong_to_its_pod(train, trainer, api, monkeypatch):
    containers = [{"name": "wait", "image": "argo"}, {"name": "main", "image": "adsmu:7"}]
    own = {"metadata": {"name": "step", "labels": {}, "uid": "u1"}, "spec": {"containers": containers}}
    api.put("", "pods", own)
    monkeypatch.setenv("KFP_POD_NAME", "step")
    train()
    job = trainer.jobs[0]
    assert job["spec"]["trainer"]["image"] == "adsmu:7"
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "step", "u1")


def test_a_killed_node_costs_one_more_trainjob_as_long_as_training_gets_on(
    train, trainer, api, place, caplog
):
    trainer.ends = ["killed", "killed", "complete"]
    assert train()[0] == {"loss": 0.5}
    assert len(trainer.jobs) == 3
    tasks, states, models = zip(
        *(each["spec"]["trainer"]["command"][-3:] for each in trainer.jobs), strict=True
    )
    assert (len(set(tasks)), len(set(states)), len(set(models))) == (1, 1, 3)
    assert "on node n1 ended with exit code 137" in caplog.text
    assert left(api, place) == ([], [], [])


@pytest.mark.parametrize("ends", [["broken"], ["killed", "broken"]])
def test_a_fault_that_comes_back_fails_the_step_with_the_pods_own_words(
    train, trainer, api, place, caplog, ends
):
    caplog.set_level(logging.INFO)
    trainer.ends = ends
    with pytest.raises(StepFailed, match=r"node-0-1 on node n1 ended with exit code 137"):
        train()
    assert "node-0-1: broken here" in caplog.text
    assert len(trainer.jobs) == len(ends)
    assert left(api, place) == ([], [], [])


def test_pods_that_wait_say_what_for_once(train, trainer, api, place, caplog):
    caplog.set_level(logging.INFO)
    trainer.ends = ["waiting"]
    gone = threading.Timer(0.5, lambda: api.remove(TRAINER, "trainjobs", trainer.jobs[0]["metadata"]["name"]))
    gone.start()
    with pytest.raises(StepFailed, match=r"TrainJob train-\w+-1 was deleted"):
        train()
    assert caplog.text.count("node-0-0 waits: 0/2 nodes: Insufficient gpu") == 1


def test_a_step_that_is_asked_to_end_takes_its_trainjob_along(train, trainer, api, place):
    trainer.ends = ["hung"]
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(SystemExit) as ended:
        train()
    assert ended.value.code == 128 + signal.SIGTERM
    assert left(api, place) == ([], [], [])


def test_an_api_that_is_away_for_a_while_is_waited_for(train, trainer, api):
    api.faults = [
        Fault("GET", "trainjobs", code=503),
        Fault("GET", "pods", code=0),
        Fault("GET", "pods", code=500),
    ]
    assert train()[0] == {"loss": 0.5}
    assert api.faults == []


def test_an_api_that_stays_away_fails_the_step(train, trainer, api, monkeypatch):
    monkeypatch.setattr(follow, "PATIENCE", 0.0)
    api.faults = [Fault("GET", "trainjobs", code=503)] * 2
    with pytest.raises(StepFailed, match="API fails"):
        train()
    assert api.all(TRAINER, "trainjobs") == []


@pytest.mark.parametrize(
    "right",
    [
        ("get", "trainjobs"),
        ("create", "trainjobs"),
        ("delete", "trainjobs"),
        ("list", "pods"),
        ("get", "pods/log"),
    ],
)
def test_a_missing_right_is_named_before_anything_is_submitted(train, trainer, api, place, right):
    api.denied = {right}
    with pytest.raises(StepFailed, match=f"this step may not {' '.join(right)}"):
        train()
    assert trainer.jobs == []
    assert left(api, place) == ([], [], [])


def test_a_cluster_without_trainer_says_so(train, trainer, api, place):
    api.unknown = {"trainjobs"}
    with pytest.raises(StepFailed, match=r"trainjobs.trainer.kubeflow.org"):
        train()
    assert left(api, place)[2] == []


def test_what_the_cluster_does_not_take_is_said_in_its_words(train, trainer, api):
    def refuse(*_):
        raise Denied(403, "admission webhook denied: no ClusterTrainingRuntime adsmu-train")

    api.admit["trainjobs"] = refuse
    with pytest.raises(StepFailed, match="no ClusterTrainingRuntime adsmu-train"):
        train()


@pytest.mark.parametrize("store", [None, "folder"])
def test_several_nodes_need_object_storage(train, trainer, tmp_path, store):
    with pytest.raises(BadInput, match="checkpoints: several nodes train through object storage"):
        train(checkpoints=open_store(tmp_path / store) if store else None)


def test_one_node_trains_in_the_step():
    assert on_nodes({}) is None
    assert on_nodes({"nodes": 1.0, "gpus": "4"}) is None


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"node": 2}, "node"),
        ({"nodes": 0}, "nodes"),
        ({"nodes": 1.5}, "nodes"),
        ({"nodes": True}, "nodes"),
        ({"gpus": 1}, "gpus"),
        ({"gpus": "one"}, "gpus"),
        ({"accelerator": ""}, "accelerator"),
        ({"selector": {"pool": 1}}, "selector"),
        ({"tolerations": {"key": "x"}}, "tolerations"),
    ],
)
def test_a_pool_that_breaks_a_rule_is_refused_by_its_key(given, column):
    with pytest.raises(BadInput, match=f"^pool, column {column}: "):
        read_pool(given)
