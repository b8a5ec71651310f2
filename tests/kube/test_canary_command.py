"""`adsmu canary` against a cluster: the records are where others can read them too."""

import json

import pytest
import yaml
from kubernetes.config import kube_config
from typer.testing import CliRunner

from adsmu.canary_command import app
from adsmu.canary_deploy.cluster_records import ConfigMapRecord, LeaseRecord
from adsmu.errors import BadInput, StepFailed


@pytest.fixture
def reached(api, tmp_path, monkeypatch):
    """A kubeconfig that leads to the API server."""
    named = {"name": "x"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [named | {"cluster": {"server": api.url}}],
        "contexts": [named | {"context": {"cluster": "x", "user": "x"}}],
        "users": [named | {"user": {}}],
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    return api


def canary(*arguments):
    done = CliRunner().invoke(app, [*arguments, "--namespace", "ml"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_a_rollout_in_a_cluster_is_seen_approved_and_aborted(reached, cluster):
    record = ConfigMapRecord(cluster, "canary-nlu")
    record.write({"rollout": "r1", "ended": False, "phase": "ramp", "share": 0.05, "asks": "ramp"}, "")
    lease = {"holder": "pod-1", "seconds": 15, "renewed": 1_795_000_000.0, "transitions": 1}
    LeaseRecord(cluster, "canary-nlu").write(lease, "")
    found = json.loads(canary("status", "nlu", "--json"))
    assert found["asks"] == "ramp" and found["lease"]["holder"] == "pod-1"
    canary("approve", "nlu", "ramp", "--by", "ann")
    canary("abort", "nlu", "--reason", "bad")
    value, _ = record.read()
    assert value["approved"] == {"ramp": "ann"} and value["abort"] == "bad"


def test_a_service_without_a_rollout_is_said_so(reached):
    with pytest.raises(BadInput, match="nlu: no rollout has begun here"):
        canary("status", "nlu")


def test_a_cluster_that_is_away_is_a_fault(reached):
    reached.stop()
    try:
        with pytest.raises(StepFailed, match="the cluster's API does not answer"):
            canary("status", "nlu")
    finally:
        reached.start()
