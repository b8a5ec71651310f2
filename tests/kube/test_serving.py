"""The pods that serve a release."""

import pytest
from rigs import NEW, OLD, serving

from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic.gateway import GatewayTraffic
from adsmu.canary_deploy.traffic.inference import percent, predictor
from adsmu.canary_deploy.traffic.knative import KnativeTraffic
from adsmu.canary_deploy.traffic.kserve import KServeTraffic
from adsmu.canary_deploy.traffic.serving import ailment, container, digest_of
from adsmu.errors import BadInput, Refused


def test_a_container_says_what_it_serves_and_nothing_secret():
    made = container(serving(trainer="acme.train:Trainer"), OLD, OLD.uri)
    words = made["args"]
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert made["command"] == ["python", "-m", "adsmu.serve"]
    assert given == {
        "--release": OLD.uri,
        "--digest": OLD.digest,
        "--variant": OLD.name,
        "--service": "nlu",
        "--events": "s3://events",
        "--log": "/log",
        "--port": "8080",
        "--slow": "0.5",
        "--trainer": "acme.train:Trainer",
    }
    assert made["envFrom"] == [{"secretRef": {"name": "storage"}}]
    assert digest_of({"containers": [made]}) == OLD.digest


def test_the_predictor_takes_the_arguments_that_a_container_gives(monkeypatch):
    from adsmu.serve import __main__ as command

    seen = {}
    words = container(serving(trainer="acme.train:Trainer"), OLD, OLD.uri)["args"]
    monkeypatch.setattr("sys.argv", ["serve", *words])
    monkeypatch.setattr(command, "serve", lambda **given: seen.update(given))
    assert command.main() == 0
    assert (seen["release"], seen["digest"], seen["port"]) == (OLD.uri, OLD.digest, 8080)


def test_a_container_runs_as_nobody_on_a_root_that_it_cannot_write():
    made = container(serving(), OLD, OLD.uri)
    secured = made["securityContext"]
    assert secured["runAsNonRoot"] and secured["readOnlyRootFilesystem"]
    assert not secured["allowPrivilegeEscalation"] and secured["capabilities"] == {"drop": ["ALL"]}
    assert {each["mountPath"] for each in made["volumeMounts"]} == {"/log", "/tmp"}
    assert made["resources"]["requests"] == made["resources"]["limits"] == {"cpu": "1", "memory": "2Gi"}


def test_the_variant_does_not_change_with_the_role():
    words = container(serving(), OLD, OLD.uri)["args"]
    assert words[words.index("--variant") + 1] == OLD.name


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"service": "NLU"}, "lower-case"),
        ({"service": "-nlu"}, "lower-case"),
        ({"service": "1nlu"}, "a letter first"),
        ({"replicas": 0}, "1 or more"),
        ({"replicas": "1"}, "must be of type int"),
        ({"replicas": True}, "must be of type int"),
        ({"image": ""}, "must not be empty"),
        ({"colour": "red"}, "is not one of"),
    ],
)
def test_a_wrong_setting_is_refused(given, rule):
    with pytest.raises(BadInput, match=rule):
        serving(**given)


def test_a_missing_setting_is_named():
    from adsmu.canary_deploy.traffic.serving import Serving

    with pytest.raises(BadInput, match="column image: is missing"):
        Serving.from_json({"service": "nlu", "namespace": "ml", "events": "s3://e"})
    with pytest.raises(BadInput, match="must be a mapping"):
        Serving.from_json([])


@pytest.mark.parametrize(
    ("backend", "most"), [(GatewayTraffic, 50), (KServeTraffic, 35), (KnativeTraffic, 36)]
)
def test_a_service_name_is_bounded_before_a_controller_breaks_over_it(cluster, backend, most):
    backend(cluster, serving(service="n" * most))
    with pytest.raises(BadInput, match=f"must have {most} letters at most"):
        backend(cluster, serving(service="n" * (most + 1)))


def test_a_gateway_has_a_namespace_and_a_service_a_hostname(cluster):
    with pytest.raises(BadInput, match="namespace/name"):
        GatewayTraffic(cluster, serving(gateway="public"))
    with pytest.raises(BadInput, match="column hostname"):
        GatewayTraffic(cluster, serving(hostname=""))


def test_kserve_fetches_from_buckets_only():
    assert predictor(serving(), Release(OLD.digest, "minio://b/m"))["containers"][0]["env"] == [
        {"name": "STORAGE_URI", "value": "s3://b/m"}
    ]
    with pytest.raises(Refused, match="s3:// and gs://"):
        predictor(serving(), Release(OLD.digest, "runs/store/models/x"))


@pytest.mark.parametrize("whole", range(101))
def test_every_whole_percent_is_one(whole):
    assert percent(whole / 100) == whole


def sick_pod(api, state):
    labels = {"adsmu/service": "nlu", "adsmu/release": NEW.name}
    api.put("", "pods", {"metadata": {"name": "p", "labels": labels}}, status=state)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            {
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "ErrImagePull", "message": "no image"}}}
                ]
            },
            "(ErrImagePull: no image)",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
                        "lastState": {"terminated": {"exitCode": 2, "message": "starts\nmodel: altered\n"}},
                    }
                ]
            },
            "(its container ended with exit code 2: model: altered)",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "Insufficient cpu"}]},
            "Insufficient cpu",
        ),
        (
            {
                "initContainerStatuses": [
                    {"state": {}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}
                ]
            },
            "ended with exit code 1: Error",
        ),
    ],
)
def test_what_ails_a_pod_is_said(gateway, api, state, words):
    gateway.controllers["deployments"].dead = {NEW.digest}
    gateway.begin(OLD)
    gateway.traffic.deploy(NEW)
    sick_pod(api, state)
    said = gateway.traffic.unready()
    assert said.startswith("Deployment nlu-m-bbbbbbbbbb has 0 of 1 pods available")
    assert words in said


def test_what_a_quota_forbids_is_said(gateway, cluster, api):
    gateway.traffic.deploy(OLD)
    found = api.get("apps", "deployments", "nlu-m-aaaaaaaaaa")
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "exceeded quota",
    }
    status = {"observedGeneration": 1, "replicas": 0, "conditions": [failure]}
    api.put("apps", "deployments", found, status=status)
    said = ailment(cluster, "nlu-m-aaaaaaaaaa", "adsmu/service=nlu", whole=True)
    assert said == "Deployment nlu-m-aaaaaaaaaa has 0 of 1 pods available (FailedCreate: exceeded quota)"


def test_pods_of_an_older_template_prove_nothing(gateway, cluster, api):
    gateway.traffic.deploy(OLD)
    found = api.get("apps", "deployments", "nlu-m-aaaaaaaaaa")
    for status in (
        {"observedGeneration": 0, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 1},
        {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 0, "availableReplicas": 1},
    ):
        api.put("apps", "deployments", found, status=status)
        for whole in (True, False):
            assert ailment(cluster, "nlu-m-aaaaaaaaaa", "adsmu/service=nlu", whole=whole)
