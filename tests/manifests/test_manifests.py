"""The manifests build, keep to the policy, and say what the code asks for."""

import copy
import inspect
import json
import re
import shutil
import subprocess
from itertools import pairwise

import pytest
import yaml
from kustomized import KUSTOMIZATIONS, MANIFESTS, OVERLAYS, built, objects, of_kind
from pod_policy import breaches, pod_specs
from typer.testing import CliRunner

from adsmu import __version__, cli
from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic import gateway, inference, knative, kserve
from adsmu.canary_deploy.traffic.serving import Serving
from adsmu.errors import BadInput, StepFailed
from adsmu.pipelines import manifests
from adsmu.recurring import server
from adsmu.recurring.declared import read_declared
from adsmu.recurring.difference import Pipeline, Version, compare
from adsmu.submit.package import package, read_parameters
from adsmu.submit.server import Away
from adsmu.train_job import manifest, run
from adsmu.train_job.pool import read_pool

CLUSTER_WIDE = ("Profile", "NodePool")
VERSION = json.loads((MANIFESTS / "pipelines" / "versions" / "update.json").read_text())
INPUTS = VERSION["spec"]["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_every_kustomization_builds_whole_objects_of_distinct_names(folder):
    found = objects(folder)
    assert found
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names)
    for each in found:
        if folder in OVERLAYS:
            assert ("namespace" in each["metadata"]) == (each["kind"] not in CLUSTER_WIDE), each["metadata"]


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_every_pod_keeps_to_the_policy(folder):
    for each in objects(folder):
        for pod in pod_specs(each):
            assert breaches(pod) == [], each["metadata"]["name"]


def test_the_pods_of_the_repository_are_seen():
    seen = {each["kind"] for folder in KUSTOMIZATIONS for each in objects(folder) if list(pod_specs(each))}
    assert seen == {"Job", "CronJob", "Deployment", "InferenceService", "ClusterTrainingRuntime"}


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("hostNetwork", lambda pod, _: pod.update(hostNetwork=True)),
        ("hostPath", lambda pod, _: pod["volumes"].append({"name": "h", "hostPath": {"path": "/"}})),
        ("privileged", lambda _, each: each["securityContext"].update(privileged=True)),
        ("allowPrivilegeEscalation", lambda _, each: each["securityContext"].pop("allowPrivilegeEscalation")),
        ("capabilities", lambda _, each: each["securityContext"].pop("capabilities")),
        ("readOnlyRootFilesystem", lambda _, each: each["securityContext"].pop("readOnlyRootFilesystem")),
        ("runAsNonRoot", lambda pod, _: pod["securityContext"].pop("runAsNonRoot")),
        ("runAsUser", lambda _, each: each["securityContext"].update(runAsUser=0)),
        ("seccompProfile", lambda pod, _: pod["securityContext"].pop("seccompProfile")),
        ("tag", lambda _, each: each.update(image="ghcr.io/adsmu/adsmu")),
        ("tag", lambda _, each: each.update(image="localhost:5000/adsmu:latest")),
        ("limits", lambda _, each: each["resources"]["limits"].pop("memory")),
        ("requests", lambda _, each: each["resources"].pop("requests")),
    ],
)
def test_the_policy_finds_each_breach(rule, spoil):
    (pod,) = pod_specs(yaml.safe_load((MANIFESTS / "recurring" / "job" / "job.yaml").read_text()))
    pod = copy.deepcopy(pod)
    assert breaches(pod) == []
    spoil(pod, pod["containers"][0])
    assert [each.removeprefix("apply: ") for each in breaches(pod)] == [rule]


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_the_image_is_the_one_of_this_version(folder):
    images = re.findall(r"\bimage: (\S+)", built(folder))
    assert set(images) <= {f"ghcr.io/adsmu/adsmu:{__version__}"}


@pytest.mark.parametrize(("name", "module"), [("gateway", gateway), ("kserve", kserve), ("knative", knative)])
def test_a_role_holds_the_verbs_that_its_backend_asks_for_and_no_others(name, module):
    path = MANIFESTS / "rights" / name / "role.yaml"
    role, binding = yaml.safe_load_all(path.read_text())
    held = {(r["apiGroups"][0], r["resources"][0]): set(r["verbs"]) for r in role["rules"]}
    assert len(held) == len(role["rules"])
    asked = {(kind.group, kind.plural): set(verbs.split()) for kind, verbs in module.RIGHTS.items()}
    if name != "gateway":
        asked[("serving.kserve.io", "inferenceservices")] = {"get", "create", "patch", "delete"}
    assert held == asked
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_train_may_do_what_it_asks_for_and_nothing_else():
    role, binding = yaml.safe_load_all((MANIFESTS / "rights" / "train-job" / "role.yaml").read_text())
    held = {(r["apiGroups"][0], r["resources"][0]): set(r["verbs"]) for r in role["rules"]}
    assert held == {(kind.group, kind.plural): set(verbs.split()) for kind, verbs in run.RIGHTS.items()}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_the_runtime_is_the_one_that_train_submits_to():
    (runtime,) = objects("trainer/runtime")
    assert runtime["metadata"]["name"] == manifest.RUNTIME
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    assert (job["name"], [each["name"] for each in pod["containers"]]) == ("node", ["node"])
    assert (job["template"]["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")


def test_the_role_of_recurring_runs_holds_the_verbs_of_the_calls_that_are_made():
    services = {"recurring_run": "jobs", "pipeline": "pipelines", "experiment": "experiments", "run": "runs"}
    calls = re.findall(r"(\w+)_service_([a-z]+)_", inspect.getsource(server))
    called = {(services[service], verb) for service, verb in calls}
    (role,) = [
        each
        for each in of_kind("overlays/multi-user", "Role")
        if each["metadata"]["name"] == "adsmu-recurring"
    ]
    held = {(what, verb) for rule in role["rules"] for what in rule["resources"] for verb in rule["verbs"]}
    assert held == called


@pytest.mark.parametrize("folder", OVERLAYS)
def test_rights_name_their_verbs_and_bindings_name_roles_that_are_there(folder):
    roles = {each["metadata"]["name"]: each for each in of_kind(folder, "Role")}
    for role in roles.values():
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]
    for binding in of_kind(folder, "RoleBinding"):
        assert binding["roleRef"]["name"] in roles
        assert all(subject["namespace"] for subject in binding["subjects"])
    assert not of_kind(folder, "ClusterRole")


@pytest.mark.parametrize("folder", OVERLAYS)
def test_what_a_pod_mounts_and_runs_as_is_there(folder):
    accounts = {each["metadata"]["name"] for each in of_kind(folder, "ServiceAccount")}
    maps = {each["metadata"]["name"] for each in of_kind(folder, "ConfigMap")}
    for each in objects(folder):
        for pod in pod_specs(each):
            assert pod["serviceAccountName"] in accounts
            assert pod["automountServiceAccountToken"] is False
            for volume in pod["volumes"]:
                assert "configMap" not in volume or volume["configMap"]["name"] in maps


def test_only_the_overlay_for_kind_holds_credentials():
    assert [folder for folder in KUSTOMIZATIONS if of_kind(folder, "Secret")] == ["overlays/kind"]
    template = yaml.safe_load((MANIFESTS / "base" / "object-store-secret.template.yaml").read_text())
    (secret,) = of_kind("overlays/kind", "Secret")
    assert template["stringData"].keys() == secret["data"].keys()
    assert template["stringData"]["AWS_SECRET_ACCESS_KEY"] == "FILL-IN"


def test_the_launcher_reads_keys_that_the_secret_has():
    launcher = yaml.safe_load((MANIFESTS / "base" / "launcher.yaml").read_text())
    reference = yaml.safe_load(launcher["data"]["providers"])["minio"]["default"]["credentials"]["secretRef"]
    template = yaml.safe_load((MANIFESTS / "base" / "object-store-secret.template.yaml").read_text())
    assert reference["secretName"] == template["metadata"]["name"]
    assert {reference["accessKeyKey"], reference["secretKeyKey"]} <= template["stringData"].keys()


@pytest.mark.parametrize("folder", [each for each in KUSTOMIZATIONS if "first-champion" in each])
def test_a_first_champion_is_what_its_backend_makes(folder):
    serving = Serving(
        service="nlu",
        namespace="kubeflow",
        image=f"ghcr.io/adsmu/adsmu:{__version__}",
        events="minio://adsmu/events/nlu",
        gateway="kubeflow/adsmu",
        hostname="nlu.example.com",
        secret="adsmu-object-store",
        service_account="adsmu-predictor",
    )
    release = Release(f"sha256:{'0' * 64}", f"minio://adsmu/releases/nlu/{'0' * 64}")
    if folder.endswith("kserve"):
        (found,) = objects(folder)
        specified = inference.predictor(serving, release) | {"name": release.name}
        assert found["spec"] == {"predictor": specified}
        assert found["metadata"]["annotations"][inference.MODE] == "Standard"
        return
    traffic = gateway.GatewayTraffic(None, serving)
    route = traffic._whole(traffic._content({gateway.CHAMPION: release.digest}, 0))
    wanted = [traffic._deployment(release), traffic._service(release), route]
    assert {each["kind"]: each for each in objects(folder)} == {each["kind"]: each for each in wanted}


def test_a_route_of_a_first_champion_goes_through_the_gateway_that_is_there():
    (route,) = of_kind("serving/first-champion/gateway", "HTTPRoute")
    (front,) = of_kind("overlays/kind", "Gateway")
    parent = {"namespace": front["metadata"]["namespace"], "name": front["metadata"]["name"]}
    assert route["spec"]["parentRefs"] == [parent]


@pytest.mark.parametrize("name", ["gke", "eks-karpenter", "aks", "nvidia-operator"])
def test_a_pool_is_parameters_of_the_pipeline(name):
    given = json.loads((MANIFESTS / "pools" / f"{name}.json").read_text())
    kinds = {"STRING": str, "STRUCT": dict}
    for key, value in given.items():
        assert isinstance(value, kinds[INPUTS[key]["parameterType"]])
    pool = given["pool"]
    assert pool.keys() == INPUTS["pool"]["defaultValue"].keys()
    assert read_pool(pool).gpus
    assert pool["selector"]
    for toleration in pool["tolerations"]:
        assert toleration["operator"] == ("Equal" if "value" in toleration else "Exists")
    assert f"`{name}.json`" in (MANIFESTS / "pools" / "README.md").read_text()


def test_karpenters_nodes_are_those_that_the_pool_asks_for():
    (nodes,) = objects("pools/karpenter")
    pool = json.loads((MANIFESTS / "pools" / "eks-karpenter.json").read_text())["pool"]
    assert pool["selector"] == {"karpenter.sh/nodepool": nodes["metadata"]["name"]}
    (taint,) = nodes["spec"]["template"]["spec"]["taints"]
    assert [(t["key"], t["effect"]) for t in pool["tolerations"]] == [(taint["key"], taint["effect"])]


def test_the_recurring_runs_fit_the_version_beside_them():
    declared = read_declared(MANIFESTS / "recurring" / "job" / "recurring.yaml")
    version = Version(VERSION["metadata"]["name"], None, INPUTS)
    found = compare(declared, [], {"update": [Pipeline("id", (version,))]}, None)
    assert found.refusals == ()
    assert [change.act for change in found.changes] == ["create"] * len(declared.recurring)


def test_the_cronjobs_parameters_fit_the_pipeline():
    documents = [VERSION["spec"]["pipelineSpec"], VERSION["spec"].get("platformSpec")]
    given = package(yaml.safe_dump_all([each for each in documents if each]))
    assert read_parameters(given, [], MANIFESTS / "recurring" / "cronjob" / "parameters.yaml")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("overlays/kind", "Job"), ("overlays/multi-user", "Job"), ("recurring/cronjob", "CronJob")],
)
def test_a_jobs_command_is_one_that_adsmu_takes(folder, kind, monkeypatch):
    (job,) = of_kind(folder, kind)
    ((each,),) = [pod["containers"] for pod in pod_specs(job)]
    files = {f"/etc/adsmu/{p.name}": str(p) for p in (MANIFESTS / "recurring").glob("*/*.yaml")}
    first, *words = [files.get(word, word) for word in each["command"]]
    assert first == "adsmu"
    (address,) = [e["value"] for e in each["env"] if e["name"] == "KF_PIPELINES_ENDPOINT"]
    assert re.fullmatch(r"http://ml-pipeline\.kubeflow:8888", address)
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://127.0.0.1:9")
    result = CliRunner().invoke(cli.app, words)
    assert isinstance(result.exception, StepFailed | Away | BadInput), result.output
    assert "answer" in str(result.exception)


def test_argo_cd_applies_pipelines_before_versions_and_recurring_runs_after_all():
    def note(kind, name):
        found = of_kind("overlays/argocd", kind)
        (value,) = {
            each["metadata"].get("annotations", {}).get(f"argocd.argoproj.io/{name}") for each in found
        }
        return value

    assert 0 < int(note("Pipeline", "sync-wave")) < int(note("PipelineVersion", "sync-wave"))
    assert note("Role", "sync-wave") is None
    assert (note("Job", "hook"), note("Job", "hook-delete-policy")) == ("PostSync", "BeforeHookCreation")
    (application,) = objects("overlays/argocd/application")
    policy = application["spec"]["syncPolicy"]
    assert policy["automated"]["prune"] is True
    assert {"ServerSideApply=true", "PruneLast=true"} <= set(policy["syncOptions"])
    assert (MANIFESTS.parent / application["spec"]["source"]["path"] / "kustomization.yaml").exists()


def test_flux_takes_one_step_after_the_other():
    steps = {
        each["metadata"]["name"].removeprefix("adsmu-"): each["spec"]
        for each in of_kind("overlays/flux/sync", "Kustomization")
    }
    (source,) = of_kind("overlays/flux/sync", "GitRepository")
    assert all(each["sourceRef"]["name"] == source["metadata"]["name"] for each in steps.values())
    order = ["access", "names", "versions", "recurring"]
    assert sorted(steps) == sorted(order)
    for before, name in pairwise(order):
        assert steps[name]["dependsOn"] == [{"name": f"adsmu-{before}"}]
    for name, spec in steps.items():
        assert spec["prune"] is True
        assert spec["wait"] is True
        assert spec["path"] == f"./manifests/overlays/flux/{name}"
        assert (MANIFESTS.parent / spec["path"] / "kustomization.yaml").exists()
    (job,) = of_kind("overlays/flux/recurring", "Job")
    assert job["metadata"]["annotations"] == {"kustomize.toolkit.fluxcd.io/force": "enabled"}


def test_a_changed_file_makes_a_changed_job(tmp_path):
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not here")
    names = []
    for text in ("recurring: []\n", "recurring: [1]\n"):
        folder = shutil.copytree(MANIFESTS / "recurring" / "job", tmp_path / f"job{len(names)}")
        (folder / "recurring.yaml").write_text(text)
        output = subprocess.run(
            ["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True
        ).stdout
        (job,) = [each for each in yaml.safe_load_all(output) if each["kind"] == "Job"]
        names.append(job["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"])
    assert names[0] != names[1]


def test_no_manifest_is_beyond_what_an_annotation_of_client_side_apply_holds():
    assert max(path.stat().st_size for path in MANIFESTS.rglob("*.json")) < 262_144


def test_the_objects_survive_kustomize_as_they_are():
    found = {each["spec"]["pipelineName"]: each for each in objects("pipelines/versions")}
    assert VERSION in found.values()
    assert {each["kind"] for each in objects("overlays/kind")} >= {"Pipeline", "PipelineVersion"}
    assert found.keys() == {each["metadata"]["name"] for each in objects("pipelines/names")}
    assert {each["apiVersion"] for each in found.values()} == {manifests.API}
