"""The API as the component speaks it: records, versions, and what goes wrong in words."""

import contextlib
import json
import threading

import pytest
from fake_api import Fault

from adsmu import cluster as cluster_module
from adsmu.canary_deploy.cluster_records import ConfigMapRecord, LeaseRecord
from adsmu.canary_deploy.lease import Lease
from adsmu.cluster import CONFIG_MAP, DEPLOYMENT, HTTP_ROUTE, LEASE, NotThere, connect
from adsmu.errors import BadInput, Conflict, Refused


@pytest.fixture
def record(cluster):
    return ConfigMapRecord(cluster, "canary-nlu")


def test_a_record_is_absent_until_it_is_written(record):
    assert record.read() == (None, "")
    version = record.write({"phase": "ramp", "share": 0.05}, "")
    assert record.read() == ({"phase": "ramp", "share": 0.05}, version)


def test_a_record_is_written_over_its_own_version_only(record):
    first = record.write({"n": 1}, "")
    second = record.write({"n": 2}, first)
    with pytest.raises(Conflict):
        record.write({"n": 3}, first)
    with pytest.raises(Conflict):
        record.write({"n": 3}, "")
    assert record.read() == ({"n": 2}, second)


def test_a_record_that_is_gone_is_a_conflict(record, api):
    version = record.write({"n": 1}, "")
    api.remove("", "configmaps", "canary-nlu")
    with pytest.raises(Conflict, match="gone"):
        record.write({"n": 2}, version)


def test_keys_that_a_new_value_has_not_are_gone(record):
    version = record.write({"a": 1, "b": {"c": 2}}, "")
    record.write({"b": {}}, version)
    assert record.read()[0] == {"b": {}}


def test_of_writers_at_once_one_wins(record):
    version = record.write({"n": 0}, "")
    won = []

    def write(number):
        with contextlib.suppress(Conflict):
            won.append(record.write({"n": number}, version))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(1, 9)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert len(won) == 1
    assert record.read()[1] == won[0]


@pytest.mark.parametrize("data", [{}, {"value": "{"}, {"value": "[1]"}, None])
def test_a_record_that_somebody_spoilt_is_refused(record, api, data):
    record.write({"n": 1}, "")
    found = api.get("", "configmaps", "canary-nlu")
    api.put("", "configmaps", found | {"data": data})
    with pytest.raises(BadInput, match="canary-nlu"):
        record.read()


def test_a_lease_is_one_that_others_can_read(cluster, api):
    record = LeaseRecord(cluster, "canary-nlu")
    value = {"holder": "runner-1", "seconds": 15.0, "renewed": 1795000000.25, "transitions": 3}
    version = record.write(value, "")
    assert api.get("coordination.k8s.io", "leases", "canary-nlu")["spec"] == {
        "holderIdentity": "runner-1",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-11-18T11:06:40.250000Z",
        "leaseTransitions": 3,
    }
    assert record.read() == (value, version)


def test_a_lease_is_held_by_one_and_given_back(cluster):
    record = LeaseRecord(cluster, "canary-nlu")
    now = [0.0]
    one, two = (Lease(record, name, 10, clock=lambda: now[0]) for name in ("one", "two"))
    assert one.acquire()
    assert not two.acquire()
    one.release()
    assert record.read()[0]["holder"] == ""
    assert two.acquire()
    now[0] = 5
    assert not one.acquire()
    now[0] = 16
    assert one.acquire()


def test_rights_are_asked_for_one_by_one(cluster, api):
    api.denied = {("patch", "httproutes"), ("create", "deployments")}
    wanted = {HTTP_ROUTE: "get patch", DEPLOYMENT: "create", CONFIG_MAP: "get"}
    assert cluster.missing_rights(wanted, "nlu") == [
        "patch httproutes.gateway.networking.k8s.io",
        "create deployments.apps",
    ]


def test_what_is_forbidden_is_said_with_the_verb(cluster, api):
    api.denied = {("create", "leases"), ("get", "leases"), ("list", "deployments")}
    with pytest.raises(Refused, match=r"not allowed to get leases.coordination.k8s.io x in namespace ml"):
        cluster.read(LEASE, "x")
    with pytest.raises(Refused, match="not allowed to create leases"):
        LeaseRecord(cluster, "x").cluster.create(LEASE, LEASE.head | {"metadata": {"name": "x"}})
    with pytest.raises(Refused, match="not allowed to list deployments"):
        cluster.find(DEPLOYMENT)


@pytest.mark.parametrize("code", [500, 503, 429, 0])
def test_a_failing_api_is_a_refusal_in_one_line(cluster, api, code):
    api.faults = [Fault("GET", code=code)]
    with pytest.raises(Refused, match=r"API (fails|does not answer)") as refused:
        cluster.read(CONFIG_MAP, "x")
    assert "\n" not in str(refused.value)


def test_an_api_that_is_silent_is_not_waited_for(cluster, api, monkeypatch):
    monkeypatch.setattr(cluster_module, "SECONDS", 0.2)
    api.faults = [Fault("POST", code=-1, applied=True)]
    record = ConfigMapRecord(cluster, "canary-nlu")
    with pytest.raises(Refused, match="does not answer"):
        record.write({"n": 1}, "")
    assert record.read()[0] == {"n": 1}  # it did take effect; whoever asks again finds it so


def test_an_api_that_is_not_there_is_a_refusal(cluster, api):
    api.stop()
    with pytest.raises(Refused, match="does not answer"):
        cluster.read(CONFIG_MAP, "x")
    api.start()


def test_a_kind_that_the_cluster_does_not_know_is_told_from_an_absent_object(cluster, api):
    assert cluster.read(HTTP_ROUTE, "x") is None
    assert cluster.find(HTTP_ROUTE) == []
    api.unknown = {"httproutes"}
    with pytest.raises(NotThere):
        cluster.find(HTTP_ROUTE)


def test_what_is_not_there_is_deleted_already(cluster):
    cluster.delete(CONFIG_MAP, "x")


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A process that is in no cluster and has no home."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config")
    )
    return tmp_path / "config"


@pytest.mark.parametrize("text", [None, "", "[]", "{", "clusters: []", "current-context: x"])
def test_without_a_cluster_there_is_one_clear_line(nowhere, text):
    if text is not None:
        nowhere.write_text(text)
    with pytest.raises(BadInput, match="kubeconfig: no cluster") as refused:
        connect("ml")
    assert "\n" not in str(refused.value)


def test_a_kubeconfig_is_followed(nowhere, api):
    nowhere.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": api.url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    assert connect("ml").find(CONFIG_MAP) == []
