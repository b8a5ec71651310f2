"""Several nodes train together by real TrainJobs, and leave nothing; skipped where there is no Trainer.

The step train is a pod of its own here, under an account with the Role of `manifests/rights/train-job` and no
more. Two of the cluster's nodes at least take pods with the tolerations of ADSMU_POOL.
"""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from cluster_runs import NAMESPACE, adsmu, core, eventually, submitted
from namespaces import made_namespace

from adsmu.cluster import POD, Cluster, connect
from adsmu.data.schema import write_utterances
from adsmu.store import download, open_store
from adsmu.train.model import load_model, read_model
from adsmu.train_job.manifest import JOB_LABEL, RUNTIME, TRAIN_JOB

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "unit" / "train"))
NEEDED = ("KUBECONFIG", "ADSMU_IMAGE", "ADSMU_STORE", "ADSMU_POOL")
TRAINER = "adsmu.train.two_stage:TwoStageTrainer"
SMALL = {
    "hidden": 8,
    "domain_hidden": 4,
    "word_size": 8,
    "char_size": 4,
    "char_features": 4,
    "patience": 1000,
}
PROGRAM = """
import json, logging, os
from pathlib import Path
from adsmu.store import open_store, upload
from adsmu.train.run import train_files
from adsmu.train_job.run import on_nodes

logging.basicConfig(level=logging.INFO, format="%(message)s")
given = json.loads(os.environ["GIVEN"])
place = open_store(given["place"])
Path("/tmp/existing.parquet").write_bytes(place.read("existing.parquet"))
train_files(
    "/tmp/existing.parquet", None, None, "/tmp/model", mode="full", settings=given["settings"],
    checkpoints=given["place"] + "/checkpoints", elsewhere=on_nodes(given["pool"], "250m", "1Gi"),
)
upload("/tmp/model", place, "model")
"""


@pytest.fixture(scope="module")
def client():
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no cluster: {', '.join(missing)} not set")
    from kubernetes import client, config

    config.load_kube_config(os.environ["KUBECONFIG"])
    try:
        client.CustomObjectsApi().list_cluster_custom_object(
            TRAIN_JOB.group, TRAIN_JOB.version, TRAIN_JOB.plural
        )
    except client.ApiException as error:
        pytest.skip(f"no TrainJobs: {error.reason}")
    return client


@pytest.fixture(scope="module")
def pool(client):
    path = ROOT / "manifests" / "pools" / f"{os.environ['ADSMU_POOL']}.json"
    return json.loads(path.read_text())["pool"] | {"nodes": 2}


@pytest.fixture(scope="module", autouse=True)
def runtime(client):
    """The runtime of the manifests."""
    (body,) = yaml.safe_load_all((ROOT / "manifests" / "trainer" / "runtime" / "runtime.yaml").read_text())
    custom, at = client.CustomObjectsApi(), (TRAIN_JOB.group, TRAIN_JOB.version, "clustertrainingruntimes")
    try:
        custom.create_cluster_custom_object(*at, body)
    except client.ApiException as error:
        if error.status != 409:
            raise
        custom.patch_cluster_custom_object(*at, RUNTIME, body)


def role_and_binding():
    """What the manifests let train do."""
    return yaml.safe_load_all((ROOT / "manifests" / "rights" / "train-job" / "role.yaml").read_text())


@pytest.fixture
def namespace(client):
    """A namespace in which an account may do what train asks for."""
    role, binding = role_and_binding()
    with made_namespace() as name:
        (subject,) = binding["subjects"]
        subject["namespace"] = name
        given = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
        secret = {"metadata": {"name": "adsmu-object-store"}, "stringData": given}
        core().create_namespaced_secret(name, secret)
        core().create_namespaced_service_account(name, {"metadata": {"name": subject["name"]}})
        roles = client.RbacAuthorizationV1Api()
        roles.create_namespaced_role(name, role)
        roles.create_namespaced_role_binding(name, binding)
        yield Cluster(name, client.ApiClient())


class Step:
    """The step train as a pod."""

    def __init__(self, cluster, pool, settings):
        from tables import both_splits

        self.cluster = cluster
        self.place = open_store(f"{os.environ['ADSMU_STORE']}/{cluster.namespace}")
        write_utterances(both_splits(200), f"/tmp/{cluster.namespace}.parquet")
        local = Path(f"/tmp/{cluster.namespace}.parquet")
        self.place.create("existing.parquet", local.read_bytes())
        local.unlink()
        given = {"place": self.place.uri, "pool": pool, "settings": SMALL | settings}
        own = {"fieldRef": {"fieldPath": "metadata.name"}}
        container = {
            "name": "main",
            "image": os.environ["ADSMU_IMAGE"],
            "command": ["python3", "-c", PROGRAM],
            "env": [
                {"name": "GIVEN", "value": json.dumps(given)},
                {"name": "KFP_POD_NAME", "valueFrom": own},
            ],
            "envFrom": [{"secretRef": {"name": "adsmu-object-store"}}],
            "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}},
        }
        spec = {"serviceAccountName": "pipeline-runner", "restartPolicy": "Never", "containers": [container]}
        cluster.create(POD, POD.head | {"metadata": {"name": "train"}, "spec": spec})

    def log(self):
        pod = self.cluster.read(POD, "train")
        return self.cluster.log("train", {}) if pod["status"]["phase"] != "Pending" else ""

    def says(self, words, seconds=600):
        eventually(f"the step says {words!r}", lambda: words in self.log(), seconds)

    def ended(self, seconds=900):
        """Its phase once it has ended, and its log."""

        def phase():
            found = self.cluster.read(POD, "train")["status"]["phase"]
            return found if found in ("Succeeded", "Failed") else None

        return eventually("the step has ended", phase, seconds), self.log()

    def nodes(self):
        """The node of each pod of its TrainJobs."""
        found = [each for each in self.cluster.find(POD) if JOB_LABEL in each["metadata"].get("labels", {})]
        return {each["metadata"]["name"]: each["spec"].get("nodeName") for each in found}

    def cleaned_up(self):
        """Waits until no TrainJob and none of its pods is left."""
        eventually("no TrainJob", lambda: not self.cluster.find(TRAIN_JOB) and not self.nodes(), 120)

    def tasks(self):
        return [name for name in self.place.names() if name.startswith("checkpoints/train-")]


@pytest.mark.slow
def test_two_nodes_train_one_model_and_nothing_is_left(namespace, pool, tmp_path):
    anywhere = {"nodes": 2, "tolerations": pool["tolerations"]}
    step = Step(namespace, anywhere, {"epochs": 3})
    nodes = eventually("both pods have a node", lambda: len(n := step.nodes()) == 2 and all(n.values()) and n)
    assert len(set(nodes.values())) == 2
    phase, log = step.ended()
    assert phase == "Succeeded", log
    for name in nodes:
        assert f"{name}: machine " in log
    assert log.count("epoch 3 of 3") == 1
    step.cleaned_up()
    model = download(step.place, "model", tmp_path / "model")
    assert read_model(model)["trainer"] == TRAINER
    assert load_model(model, TRAINER).labels["intents"]
    assert [name for name in step.place.names() if name.startswith("checkpoints/")] == []


@pytest.mark.slow
def test_a_killed_node_is_followed_by_another_that_goes_on_from_the_object_storage(namespace, pool, tmp_path):
    anywhere = {"nodes": 2, "tolerations": pool["tolerations"]}
    step = Step(namespace, anywhere, {"epochs": 20})
    step.says("epoch 2 of 20")
    (killed,) = [name for name in step.nodes() if "-1-node-0-1-" in name]
    core().delete_namespaced_pod(killed, namespace.namespace, grace_period_seconds=0)
    phase, log = step.ended(1800)
    assert phase == "Succeeded", log
    assert "another goes on from" in log
    assert "resumed after epoch" in log
    step.cleaned_up()
    assert read_model(download(step.place, "model", tmp_path / "model"))["figures"]["epochs"] == 20


@pytest.mark.slow
def test_a_training_that_fails_fails_the_step_with_the_words_of_its_pod(namespace, pool):
    anywhere = {"nodes": 2, "tolerations": pool["tolerations"]}
    step = Step(namespace, anywhere, {"vectors": "/nowhere"})
    phase, log = step.ended()
    assert phase == "Failed"
    assert "/nowhere" in log and "no such file" in log
    assert "StepFailed: TrainJob train-" in log
    assert "ended with exit code 1" in log
    step.cleaned_up()
    assert step.tasks() == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["asked", "at once"])
def test_a_step_that_is_killed_takes_its_trainjob_along(namespace, pool, how):
    many = pool | {"selector": pool["selector"] | {"adsmu/none": "here"}}
    step = Step(namespace, many, {})
    step.says("waits: ")
    assert "didn't match Pod's node affinity/selector" in step.log()
    assert set(step.nodes().values()) == {None}
    grace = 30 if how == "asked" else 0
    core().delete_namespaced_pod("train", namespace.namespace, grace_period_seconds=grace)
    step.cleaned_up()
    if how == "asked":
        eventually("the task is taken out of the storage", lambda: step.tasks() == [], 60)


@pytest.fixture
def allowed(client):
    """What runs the steps of Kubeflow Pipelines may train on nodes."""
    role, binding = role_and_binding()
    roles = client.RbacAuthorizationV1Api()
    roles.create_namespaced_role(NAMESPACE, role)
    roles.create_namespaced_role_binding(NAMESPACE, binding)
    yield
    roles.delete_namespaced_role_binding(binding["metadata"]["name"], NAMESPACE)
    roles.delete_namespaced_role(role["metadata"]["name"], NAMESPACE)


@pytest.mark.slow
def test_an_update_on_kubeflow_pipelines_trains_on_two_nodes(
    server, pool, allowed, place, parameters, tmp_path
):
    at = place.replace("s3://", "minio://")
    anywhere = pool | {"gpus": "", "selector": {}}
    run = submitted(
        server,
        parameters(
            trainer=TRAINER,
            settings=SMALL | {"epochs": 3},
            pool=anywhere,
            checkpoints=f"{at}/checkpoints",
            max_rounds=1,
            memory="1Gi",
        ),
    )
    cluster = connect(NAMESPACE)

    def nodes():
        pods = [each for each in cluster.find(POD) if JOB_LABEL in each["metadata"].get("labels", {})]
        found = {each["spec"].get("nodeName") for each in pods}
        return found if len(found - {None}) == 2 else None

    eventually("two nodes train", nodes, 900)
    code, told, errors = adsmu(server, "watch", run, "--json")
    assert told, errors
    assert code == {"pass": 0, "exhausted": 3}[told["verdict"]]
    code, _, errors = adsmu(server, "fetch", run, "--output", tmp_path / "run", "--json")
    assert code == 0, errors
    assert read_model(tmp_path / "run" / "model")["trainer"] == TRAINER
    assert not cluster.find(TRAIN_JOB)
