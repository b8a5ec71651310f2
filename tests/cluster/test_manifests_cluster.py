"""The manifests against a real API server: it takes every object, and its own policies admit every pod.

| variable | what |
| --- | --- |
| KUBECONFIG | the cluster; the user may do anything in it |
| ADSMU_CRDS | a folder of CustomResourceDefinitions that are made first; unknown kinds are skipped |
"""

import base64
import copy
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "manifests"))

from kustomized import KUSTOMIZATIONS, objects, of_kind
from namespaces import made_namespace
from pod_policy import pod_specs

from adsmu.canary_deploy.traffic.inference import INFERENCE_SERVICE

QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "everything"},
    "spec": {"hard": dict.fromkeys(("requests.cpu", "requests.memory", "limits.cpu", "limits.memory"), "1T")},
}
OF_INFERENCE_SERVICES = ("minReplicas", "name", "serviceAccountName")


def kubectl(*words, given=""):
    """Runs kubectl; gives its exit code and all that it said."""
    done = subprocess.run(["kubectl", *words], input=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def taken(namespace, found, *words):
    """Asks the server whether it would take objects, in a namespace whatever they say; gives what it said."""
    moved = copy.deepcopy(found)
    for each in moved:
        each["metadata"].pop("namespace", None)
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": moved})
    words = (
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--namespace",
        namespace,
        *words,
    )
    return kubectl(*words, "--filename", "-", given=listed)


@pytest.fixture(scope="module")
def namespace():
    """One that admits restricted pods with requests and limits only."""
    with made_namespace({"pod-security.kubernetes.io/enforce": "restricted"}) as name:
        kubectl("create", "--namespace", name, "--filename", "-", given=json.dumps(QUOTA))
        until = time.monotonic() + 30
        while (
            "limits.cpu"
            not in kubectl("get", "resourcequota", "-o", "jsonpath={.items[*].status.used}", "-n", name)[1]
        ):
            assert time.monotonic() < until, "the quota is not counted"
            time.sleep(0.2)
        yield name


@pytest.fixture(scope="module")
def known(namespace):
    """The kinds that the cluster knows, as (apiVersion, kind)."""
    folder = os.environ.get("ADSMU_CRDS")
    if folder:
        kubectl("create", "--filename", folder)  # those that are there already are left as they are
        code, said = kubectl("wait", "--for=condition=Established", "--timeout=60s", "--filename", folder)
        assert code == 0, said
    code, said = kubectl("api-resources", "--no-headers")
    assert code == 0, said
    return {tuple(line.split()[index] for index in (-3, -1)) for line in said.splitlines()}


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_the_server_takes_every_object(folder, namespace, known):
    found = objects(folder)
    here = [each for each in found if (each["apiVersion"], each["kind"]) in known]
    if here:
        code, said = taken(namespace, here)
        assert code == 0, said
        assert said.count("(server dry run)") == len(here)
    unknown = sorted({f"{each['kind']} of {each['apiVersion']}" for each in found if each not in here})
    if unknown:
        pytest.skip(f"the cluster knows no {', no '.join(unknown)}")


def test_a_field_that_is_misspelt_is_refused(namespace):
    (job,) = of_kind("recurring/job", "Job")
    job = copy.deepcopy(job)
    job["spec"]["backofLimit"] = job["spec"].pop("backoffLimit")
    code, said = taken(namespace, [job])
    assert code
    assert "backofLimit" in said


def as_pods(found):
    """The pods of an object, as those of the namespace's own account."""
    for spec in pod_specs(found):
        left_out = (
            OF_INFERENCE_SERVICES if found["kind"] == INFERENCE_SERVICE.name else ("serviceAccountName",)
        )
        kept = {key: value for key, value in spec.items() if key not in left_out}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": kept}


def test_the_servers_own_policies_admit_every_pod(namespace):
    pods = [pod for folder in KUSTOMIZATIONS for each in objects(folder) for pod in as_pods(each)]
    different = {json.dumps(pod, sort_keys=True): pod for pod in pods}.values()
    assert len(different) > 3
    for pod in different:
        code, said = taken(namespace, [pod])
        assert code == 0, said


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (
            lambda each: each["securityContext"].update(privileged=True, allowPrivilegeEscalation=True),
            "privileged",
        ),
        (lambda each: each["securityContext"].pop("capabilities"), "capabilities"),
        (lambda each: each["resources"].pop("limits"), "must specify limits.cpu"),
    ],
)
def test_the_servers_own_policies_refuse_a_spoilt_pod(spoil, word, namespace):
    ((pod,),) = [list(as_pods(each)) for each in of_kind("recurring/job", "Job")]
    pod = copy.deepcopy(pod)
    spoil(pod["spec"]["containers"][0])
    code, said = taken(namespace, [pod])
    assert code
    assert word in said


def test_the_object_storage_that_the_manifests_name_is_the_one_of_kubeflow_pipelines():
    if not os.environ.get("KFP_HOST"):
        pytest.skip("no Kubeflow Pipelines: KFP_HOST not set")
    (launcher,) = [each for each in of_kind("overlays/kind", "ConfigMap") if "providers" in each["data"]]
    endpoint = yaml.safe_load(launcher["data"]["providers"])["minio"]["default"]["endpoint"]
    (secret,) = of_kind("overlays/kind", "Secret")
    assert base64.b64decode(secret["data"]["AWS_ENDPOINT_URL"]).decode() == f"http://{endpoint}"
    name, place, port = re.fullmatch(r"([\w-]+)\.([\w-]+):(\d+)", endpoint).groups()
    code, said = kubectl("get", "service", name, "-n", place, "-o", "jsonpath={.spec.ports[*].port}")
    assert code == 0, said
    assert port in said.split()
