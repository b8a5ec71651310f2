"""Each Role is enough for what it is there for, and nothing of it can be taken away: on a real API server.

A ServiceAccount with the whole Role does what a rollout does with the backend; for each verb another, which
lacks that verb alone, fails at it. No controller need run: an answer that a thing is not there needs the
right to read it. A backend whose kinds the cluster does not know is skipped.
"""

import contextlib
import dataclasses
import time
from pathlib import Path

import pytest
import yaml
from namespaces import made_namespace

from adsmu.canary_deploy.cluster_records import ConfigMapRecord, LeaseRecord
from adsmu.canary_deploy.lease import Lease
from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic.gateway import GatewayTraffic
from adsmu.canary_deploy.traffic.inference import INFERENCE_SERVICE
from adsmu.canary_deploy.traffic.knative import KNATIVE_SERVICE, REVISION, KnativeTraffic
from adsmu.canary_deploy.traffic.kserve import KServeTraffic
from adsmu.canary_deploy.traffic.serving import Serving
from adsmu.cluster import DEPLOYMENT, HTTP_ROUTE, Cluster, Kind, NotThere, connect
from adsmu.errors import Conflict, Refused

RIGHTS = Path(__file__).parents[2] / "manifests" / "rights"
OLD, NEW = (Release(f"sha256:{letter * 64}", f"s3://models/{letter * 64}") for letter in "ab")
ASKING_ABOUT_ONESELF = {"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"}
NO_PODS = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}


def held(backend):
    """The rights in a backend's Role, one by one: group, resource, verb."""
    role, _ = yaml.safe_load_all((RIGHTS / backend / "role.yaml").read_text())
    return [
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def account(namespace, name, rights):
    """A client that is a ServiceAccount with these rights, by a token of its own."""
    from kubernetes import client, config

    core, roles = client.CoreV1Api(), client.RbacAuthorizationV1Api()
    core.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
    rules = [{"apiGroups": [group], "resources": [what], "verbs": [verb]} for group, what, verb in rights]
    roles.create_namespaced_role(namespace, {"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
    }
    roles.create_namespaced_role_binding(namespace, binding)
    asked = {"spec": {"audiences": [], "expirationSeconds": 3600}}
    token = core.create_namespaced_service_account_token(name, namespace, asked).status.token
    settings = client.Configuration()
    config.load_kube_config(client_configuration=settings)
    settings.cert_file = settings.key_file = None
    settings.api_key = {"authorization": f"Bearer {token}"}
    settings.retries = False
    return client.ApiClient(settings)


class Unasked(Cluster):
    """A cluster that is not asked for rights beforehand: a missing one shows when it is needed."""

    def missing_rights(self, wanted, name=""):
        return []


def records(cluster, name):
    """A rollout's record and lease are made, read and written again."""
    record = ConfigMapRecord(cluster, f"canary-{name}")
    record.write({"phase": "bake"}, record.write({"phase": "ramp"}, record.read()[1]))
    lease = Lease(LeaseRecord(cluster, f"canary-{name}"), "one", 60)
    assert lease.acquire()
    lease.release()


def until_pods_are_missed(traffic):
    """Waits until the cluster's own controllers say that a candidate has no pods."""
    end = time.monotonic() + 60
    while "pods available" not in (said := traffic.unready()):
        assert time.monotonic() < end, said
        time.sleep(0.2)


def nothing_is_denied(traffic):
    """Looks for what stands in a rollout's way; raises where that is a right."""
    denied = [each for each in traffic.obstacles() if "not allowed" in each]
    if denied:
        raise Refused(denied[0])


def first_model_fails(backend, cluster, settings):
    """A service begins with a model that is withdrawn."""
    traffic = backend(cluster, dataclasses.replace(settings, service=f"{settings.service}x"))
    traffic.deploy(OLD)
    traffic.withdraw()
    assert traffic.candidate() is None


def by_gateway(cluster, settings):
    """Two models after each other, the second deployed by two processes."""
    traffic = GatewayTraffic(cluster, settings)
    nothing_is_denied(traffic)
    traffic.deploy(OLD)
    until_pods_are_missed(traffic)
    traffic.set_share(1.0)
    traffic.promote()
    for _ in range(2):
        traffic.deploy(NEW)
    traffic.set_share(1.0)
    traffic.promote()
    assert traffic.champion() == NEW.digest
    first_model_fails(GatewayTraffic, cluster, settings)


def by_kserve(cluster, settings):
    """A model, and another that is rolled back."""
    traffic = KServeTraffic(cluster, settings)
    nothing_is_denied(traffic)
    traffic.deploy(OLD)
    labels = {"app": "as-kserve-makes-it"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "one", "image": "registry.example/none:1"}]},
    }
    made = {"metadata": {"name": f"{settings.service}-{OLD.name}-predictor"}}
    with contextlib.suppress(Conflict):  # KServe itself was here
        spec = {"selector": {"matchLabels": labels}, "template": template}
        connect(settings.namespace).create(DEPLOYMENT, DEPLOYMENT.head | made | {"spec": spec})
    until_pods_are_missed(traffic)
    traffic.promote()
    traffic.deploy(NEW)
    traffic.withdraw()
    assert (traffic.champion(), traffic.candidate(), traffic.share()) == (OLD.digest, None, 0)
    first_model_fails(KServeTraffic, cluster, settings)


def by_knative(cluster, settings):
    """A model whose revision is asked for, as KServe's status names it."""
    from kubernetes import client

    traffic = KnativeTraffic(cluster, settings)
    nothing_is_denied(traffic)
    traffic.deploy(OLD)
    status = {"status": {"components": {"predictor": {"latestCreatedRevision": f"{settings.service}-1"}}}}
    kind = INFERENCE_SERVICE
    client.CustomObjectsApi().patch_namespaced_custom_object_status(
        kind.group, kind.version, settings.namespace, kind.plural, settings.service, status
    )
    assert "revision" in traffic.unready()
    assert traffic.share() == 0
    traffic.set_share(1.0)
    traffic.promote()
    assert traffic.champion() == OLD.digest
    nothing_is_denied(traffic)
    first_model_fails(KnativeTraffic, cluster, settings)


BACKENDS = {
    "gateway": (by_gateway, (HTTP_ROUTE,)),
    "kserve": (by_kserve, (INFERENCE_SERVICE, HTTP_ROUTE)),
    "knative": (by_knative, (INFERENCE_SERVICE, KNATIVE_SERVICE, REVISION)),
}
"""For each what a rollout does with it, and the kinds that the cluster must know."""


@pytest.fixture(scope="module")
def namespace():
    """One without pods: none of them matters here."""
    from kubernetes import client

    with made_namespace() as name:
        client.CoreV1Api().create_namespaced_resource_quota(name, NO_PODS)
        yield name


def done_with(backend, rights, namespace, name):
    """Does what a rollout does with a backend, as an account that has these rights and no others."""
    does, kinds = BACKENDS[backend]
    for kind in kinds:
        try:
            connect(namespace).find(kind)
        except NotThere:
            pytest.skip(f"the cluster knows no {kind}")
    api = account(namespace, name, rights)
    settings = Serving(
        service=name,
        namespace=namespace,
        image="registry.example/adsmu:1",
        events="s3://events",
        gateway="nowhere/none",
        hostname=f"{name}.example.com",
    )
    wanted = {Kind(group, "", resource, ""): "" for group, resource, _ in held(backend)}
    for kind in wanted:
        wanted[kind] = " ".join(
            verb for group, what, verb in rights if (group, what) == (kind.group, kind.plural)
        )
    end = time.monotonic() + 30
    while missing := Cluster(namespace, api).missing_rights(wanted):
        assert time.monotonic() < end, missing
        time.sleep(0.1)
    cluster = Unasked(namespace, api)
    records(cluster, name)
    does(cluster, settings)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_role_is_enough(backend, namespace):
    done_with(backend, held(backend), namespace, f"whole-{backend}")


@pytest.mark.parametrize(
    ("backend", "group", "resource", "verb"),
    [(backend, *right) for backend in BACKENDS for right in held(backend)],
)
def test_nothing_of_a_role_can_be_taken_away(backend, group, resource, verb, namespace):
    rights = [right for right in held(backend) if right != (group, resource, verb)]
    name = f"{backend}-{verb}-{resource}"[:40]
    with pytest.raises(Refused, match=f"not allowed to {verb} {resource}"):
        done_with(backend, rights, namespace, name)


def rights_of(api, namespace):
    """What an account may do in a namespace beyond what everybody may: rules of resources."""
    from kubernetes import client

    review = {"spec": {"namespace": namespace}}
    rules = client.AuthorizationV1Api(api).create_self_subject_rules_review(review).status.resource_rules
    return [rule for rule in rules if not set(rule.resources) <= ASKING_ABOUT_ONESELF]


@pytest.mark.parametrize("name", ["adsmu-predictor", "adsmu-recurring", "adsmu-submit"])
def test_an_account_without_a_role_may_do_nothing(name, namespace):
    assert rights_of(account(namespace, name, []), namespace) == []
    assert rights_of(account(namespace, f"{name}-with-one", [("", "pods", "list")]), namespace) != []
