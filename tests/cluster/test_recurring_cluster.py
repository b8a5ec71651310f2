"""Recurring runs on a real Kubeflow Pipelines server; KFP_HOST names it. They take several minutes.

The pipeline's image is one that no node has, so that its runs stay under way until they are terminated.
"""

import json
import os
import subprocess
import time
import uuid

import pytest
from cluster_runs import NAMESPACE, core, eventually, named
from kfp import compiler, dsl

from adsmu.errors import StepFailed
from adsmu.recurring.declared import read_declared
from adsmu.recurring.reconcile import difference, reconcile
from adsmu.recurring.server import Server
from adsmu.submit.server import connect

HOST = os.environ.get("KFP_HOST", "")
pytestmark = [
    pytest.mark.skipif(not HOST, reason="KFP_HOST names no Kubeflow Pipelines server"),
    pytest.mark.slow,
]
PARAMETERS = {
    "n": 3,
    "mode": "7",
    "settings": {"a": [1, 2.5, True, None]},
    "strict": True,
    "share": 1,
    "tags": ["x"],
}


def compiled(path, version):
    @dsl.component(base_image="localhost/nowhere:1", install_kfp_package=False)
    def add(n: int) -> int:
        return n

    @dsl.pipeline(name="adsmu-recurring-test")
    def total(n: int, mode: str, settings: dict, strict: bool = False, share: float = 0.5, tags: list = []):  # noqa: B006
        add(n=n).set_env_variable("VERSION", version)

    compiler.Compiler().compile(total, str(path))
    return str(path)


@pytest.fixture
def api(tmp_path):
    """The server, with a pipeline of two versions; all that a test left is taken away."""
    connection = connect(HOST, os.environ.get("KFP_NAMESPACE", ""))
    client, name = connection.client, f"recurring-{uuid.uuid4().hex[:8]}"
    pipeline = client.upload_pipeline(compiled(tmp_path / "1.yaml", "1"), pipeline_name=name).pipeline_id
    time.sleep(1.1)
    newest = client.upload_pipeline_version(
        compiled(tmp_path / "2.yaml", "2"), pipeline_version_name=f"{name}-2", pipeline_id=pipeline
    ).pipeline_version_id
    declared = Declaration(tmp_path / "recurring.yaml", name)
    server = Server(connection)
    try:
        yield connection, server, declared, newest
    finally:
        experiment = server.experiment(name)
        for run in client.list_runs(experiment_id=experiment, page_size=50).runs or () if experiment else ():
            if run.state not in ("SUCCEEDED", "FAILED", "CANCELING", "CANCELED"):
                client.terminate_run(run.run_id)
        reconcile(declared.read(), server, wait=120, tell=lambda _: None)
        if experiment:
            for run in client.list_runs(experiment_id=experiment, page_size=50).runs or ():
                client.delete_run(run.run_id)
            client.delete_experiment(experiment)
        for version in client.list_pipeline_versions(pipeline).pipeline_versions:
            client.delete_pipeline_version(pipeline, version.pipeline_version_id)
        client.delete_pipeline(pipeline)


class Declaration:
    """A file that declares recurring runs of the test's pipeline."""

    def __init__(self, path, name):
        self.path, self.name = path, name

    def read(self, *recurring):
        items = [{"pipeline": self.name, "parameters": PARAMETERS, **each} for each in recurring]
        self.path.write_text(json.dumps({"owner": self.name, "experiment": self.name, "recurring": items}))
        return read_declared(self.path)


def apply(server, declared, wait=60.0):
    told = []
    reconcile(declared, server, wait=wait, tell=told.append)
    return [line.split()[0] for line in told]


def test_a_schedule_fires_the_newest_version_and_its_run_is_never_cut_short(api):
    connection, server, declared, newest = api
    every_minute = {"name": "often", "period": 60}
    paused = {"name": "paused", "cron": "0 0 0 1 1 *", "enabled": False, "catch_up": True, "concurrency": 4}
    assert apply(server, declared.read(every_minute, paused)) == ["create", "create"]
    for _ in range(2):
        found = difference(declared.read(every_minute, paused), server)[0]
        assert found.settled, found
    held = {change.name: change.found for change in found.changes}

    (run,) = eventually("a firing", lambda: server.under_way(held["often"]), 240)
    fired = connection.client.get_run(run)
    assert fired.pipeline_version_reference.pipeline_version_id == newest

    changed = {"name": "often", "period": 3600}
    with pytest.raises(StepFailed, match=run):
        apply(server, declared.read(changed, paused), wait=5)
    assert connection.client.get_run(run).state in ("PENDING", "RUNNING")
    connection.client.terminate_run(run)
    assert apply(server, declared.read(changed, paused)) == ["replace", "keep"]
    # One that a deletion had killed would say RUNNING for ever.
    assert connection.client.get_run(run).state in ("CANCELED", "FAILED")
    assert difference(declared.read(changed, paused), server)[0].settled

    assert apply(server, declared.read(changed)) == ["keep", "delete"]
    assert apply(server, declared.read()) == ["delete"]
    assert not [each for each in server.recurring_runs() if each.held.name in ("often", "paused")]


def restart_the_scheduler():
    """Ends the controller of recurring runs; Kubernetes, or else a command, starts it again."""
    pod = {"namespace": NAMESPACE, "label_selector": "app=ml-pipeline-scheduledworkflow"}
    if core().list_namespaced_pod(**pod).items:
        core().delete_collection_namespaced_pod(**pod, grace_period_seconds=0)
    else:
        subprocess.run(named("ADSMU_RESTART_SCHEDULER"), check=True)


def test_firings_do_not_overlap_outlive_the_controller_and_take_the_newest_version(api, tmp_path):
    connection, server, declared, newest = api
    often = declared.read({"name": "often", "period": 60})
    assert apply(server, often) == ["create"]
    (change,) = difference(often, server)[0].changes
    found = next(each for each in server.recurring_runs() if each.held.name == "often")
    assert change.act == "keep"
    (first,) = eventually("a firing", lambda: server.under_way(found), 240)
    restart_the_scheduler()
    third = connection.client.upload_pipeline_version(
        compiled(tmp_path / "3.yaml", "3"),
        pipeline_version_name=f"{declared.name}-3",
        pipeline_id=found.held.pipeline,
    ).pipeline_version_id
    time.sleep(130)  # two periods: nothing else fires while the first is under way
    assert server.under_way(found) == [first]
    connection.client.terminate_run(first)

    def another():
        return [run for run in server.under_way(found) if run != first]

    (second,) = eventually("a firing after the restart", another, 240)
    versions = [connection.client.get_run(run).pipeline_version_reference for run in (first, second)]
    assert [each.pipeline_version_id for each in versions] == [newest, third]
    connection.client.terminate_run(second)
