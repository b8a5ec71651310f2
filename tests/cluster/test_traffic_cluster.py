"""The traffic backends on a real cluster: pods of the predictor, a real split, requests all the while."""

import json
import time

import pytest

pytest.importorskip("aiohttp")

from cluster_load import Load
from cluster_service import NEW, OLD, RATE, SERVICE, SETTLE, begin, released, rows, train, wait

from adsmu.canary_deploy.cluster_records import ConfigMapRecord, LeaseRecord
from adsmu.canary_deploy.lease import Lease
from adsmu.canary_deploy.traffic import gateway, knative, kserve
from adsmu.canary_deploy.traffic.inference import INFERENCE_SERVICE
from adsmu.cluster import HTTP_ROUTE, Cluster, connect
from adsmu.errors import Conflict, Refused
from adsmu.store import open_store

OF_KSERVE = {INFERENCE_SERVICE: "get create patch delete"}
RIGHTS = {
    "gateway": gateway.RIGHTS,
    "kserve": kserve.RIGHTS | OF_KSERVE,
    "knative": knative.RIGHTS | OF_KSERVE,
}


def releases(place, folder):
    """Two releases of one trainer, the second with a use case more, in the object storage."""
    made, existing = [], rows(OLD, new=False)
    for number, texts in enumerate(({"to": NEW["to"]}, NEW)):
        new = rows(texts, new=True)
        made.append(released(place, train(folder / str(number), new, existing), new, existing))
    return made


@pytest.fixture
def place(where, namespace):
    return f"{where['ADSMU_STORE']}/{namespace}"


@pytest.fixture
def service(where, entrance, namespace, place, tmp_path):
    ports = entrance.ports(entrance.serving(where, namespace, replicas=2, cpu="250m"), place)
    return ports, releases(place, tmp_path)


def test_a_rollout_under_load_loses_no_request(service, entrance, namespace, record_property):
    ports, (old, new) = service
    traffic = ports.traffic
    assert traffic.obstacles() == []
    host = begin(ports, entrance, namespace, old)
    figures = {}
    with Load(entrance.url, host, SERVICE, RATE) as load:

        def unlike(share):
            """How the answers of the last seconds differ from a share; empty where they do not."""
            answers = load.between(time.monotonic() - 2)
            part = answers[200, new.digest] / max(1, sum(answers.values()))
            near = 0.0 if share in (0, 1) else 0.05
            return "" if answers and abs(part - share) <= near else f"{part:.1%} are the candidate's"

        def ramp(*shares):
            for share in shares:
                traffic.set_share(share)
                time.sleep(1)
                wait(lambda share=share: unlike(share), 30)
                assert traffic.share() == share

        for name, act in {
            "dark launch": lambda: (traffic.deploy(new), wait(traffic.unready), ramp(0.0)),
            "ramp": lambda: ramp(0.1, 0.5),
            "rollback": lambda: (ramp(0.0), traffic.withdraw(), time.sleep(SETTLE)),
            "second launch": lambda: (traffic.deploy(new), wait(traffic.unready)),
            "second ramp": lambda: ramp(0.25, 1.0),
            "promotion": lambda: (traffic.promote(), time.sleep(SETTLE)),
            "the old champion's end": lambda: time.sleep(3 * SETTLE),
        }.items():
            since = time.monotonic()
            act()
            figures[name] = (since, time.monotonic())
            if name == "rollback":
                assert (traffic.champion(), traffic.candidate()) == (old.digest, None)
        assert (traffic.champion(), traffic.candidate()) == (new.digest, None)
        assert traffic.obstacles() == []

    counted = {}
    for name, times in figures.items():
        answers = load.between(*times)
        failed = sum(count for (status, _), count in answers.items() if status != 200)
        counted[name] = {"requests": sum(answers.values()), "failed": failed}
    record_property("figures", json.dumps(counted))
    print(json.dumps(counted))  # noqa: T201
    lost = [
        (round(each.time - load.seen[0].time, 2), each.status) for each in load.seen if each.status != 200
    ]
    assert not lost, f"{len(lost)} lost, {lost[:3]} to {lost[-3:]}; {figures}"
    assert load.between(figures["the old champion's end"][0]).keys() == {(200, new.digest)}


def test_every_answer_is_in_the_event_log_when_the_pods_are_gone(service, entrance, namespace, place):
    ports, (old, new) = service
    traffic, host = ports.traffic, begin(ports, entrance, namespace, old)
    traffic.deploy(new)
    wait(traffic.unready)
    with Load(entrance.url, host, SERVICE, RATE) as load:
        traffic.set_share(0.5)
        time.sleep(SETTLE)
        traffic.set_share(1.0)
        time.sleep(SETTLE)
        traffic.promote()
        time.sleep(SETTLE)
    store = open_store(place)

    def missing():
        written = [
            json.loads(line)
            for name in store.names(f"events/{SERVICE}")
            for line in (store.read(name) or b"").splitlines()
        ]
        known = [each["request_id"] for each in written]
        assert len(known) == len(set(known))
        lacking = len(load.seen) - len(known)
        return f"{lacking} of {len(load.seen)} answers are not in the log" if lacking else ""

    assert {each.status for each in load.seen} == {200}
    wait(missing, 90)


def test_a_candidate_that_cannot_start_is_explained_and_withdrawn(service):
    ports, (old, new) = service
    traffic = ports.traffic
    traffic.deploy(old)
    wait(traffic.unready)
    traffic.set_share(1.0)
    traffic.promote()
    altered = type(new)(new.digest, old.uri)  # another model lies where this one should
    traffic.deploy(altered)

    def explained():
        said = traffic.unready()
        return "" if "exit code 2" in said else said or "it is ready"

    wait(explained)
    assert traffic.share() == 0 and traffic.sick() == ""
    traffic.withdraw()
    assert (traffic.champion(), traffic.candidate()) == (old.digest, None)


@pytest.fixture
def restricted(entrance, namespace):
    """A cluster client with no other rights than those that the backend asks for."""
    from kubernetes import client

    rights = client.RbacAuthorizationV1Api()
    rules = [
        {"apiGroups": [kind.group], "resources": [kind.plural], "verbs": verbs.split()}
        for kind, verbs in RIGHTS[entrance.backend].items()
    ]
    rights.create_namespaced_role(namespace, {"metadata": {"name": "rollout"}, "rules": rules})
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "rollout"}
    reference = {"kind": "Role", "apiGroup": "rbac.authorization.k8s.io", "name": "rollout"}
    rights.create_namespaced_role_binding(
        namespace, {"metadata": {"name": "rollout"}, "subjects": [subject], "roleRef": reference}
    )
    found = connect(namespace)
    found._client.set_default_header("Impersonate-User", "rollout")
    return found


def test_the_rights_that_are_asked_for_are_enough(service, restricted):
    ports, (old, new) = service
    traffic = type(ports.traffic)(restricted, ports.traffic.serving)
    assert traffic.obstacles() == []
    traffic.deploy(old)
    wait(traffic.unready)
    traffic.set_share(1.0)
    traffic.promote()
    traffic.deploy(new)
    wait(traffic.unready)
    traffic.set_share(0.5)
    traffic.set_share(0.0)
    traffic.withdraw()
    assert traffic.champion() == old.digest


def test_a_missing_right_is_named(service, entrance, namespace):
    nobody: Cluster = connect(namespace)
    nobody._client.set_default_header("Impersonate-User", "nobody-in-particular")
    traffic = type(service[0].traffic)(nobody, service[0].traffic.serving)
    said, kind = traffic.obstacles(), HTTP_ROUTE if entrance.backend == "gateway" else INFERENCE_SERVICE
    assert f"the right to patch {kind} in namespace {namespace} is missing" in said
    with pytest.raises(Refused, match=f"not allowed to get {kind.plural}"):
        traffic.champion()


def test_records_hold_against_each_other(restricted):
    state = ConfigMapRecord(restricted, "canary-nlu")
    first = state.write({"phase": "ramp"}, "")
    second = state.write({"phase": "bake", "share": 1.0}, first)
    for version in (first, ""):
        with pytest.raises(Conflict):
            state.write({"phase": "other"}, version)
    assert state.read() == ({"phase": "bake", "share": 1.0}, second)
    record = LeaseRecord(restricted, "canary-nlu")
    one, two = Lease(record, "one", 60), Lease(record, "two", 60)
    assert one.acquire() and not two.acquire()
    one.require()
    one.release()
    assert two.acquire()
