"""Uploads a pipeline's version where the server lacks it, and starts runs of it."""

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kfp_server_api import (
    ApiException,
    V2beta1Experiment,
    V2beta1Pipeline,
    V2beta1PipelineVersionReference,
    V2beta1Run,
    V2beta1RuntimeConfig,
)

from adsmu.submit.package import Package
from adsmu.submit.server import Server, reaching

EXPERIMENT = "adsmu"


def upload(server: Server, package: Package) -> tuple[V2beta1PipelineVersionReference, bool]:
    """Uploads a version, unless one with its content is there already.

    Two that upload at the same time end with one version: who comes second finds that of the first.

    Args:
        server: Where to.
        package: The compiled pipeline.

    Returns:
        The version, and whether it is new.

    Raises:
        BadInput: The server refuses.
        Away: It does not answer.
    """
    with reaching(server.host):
        pipeline = _pipeline(server, package.name)
        if pipeline is None:
            wanted = V2beta1Pipeline(name=package.name, display_name=package.name, namespace=server.namespace)
            _unless_there(server.client.pipelines.pipeline_service_create_pipeline, wanted)
            pipeline = _pipeline(server, package.name)
        version = _version(server, pipeline, package.version)
        new = version is None
        if new:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "pipeline.yaml"
                path.write_text(package.text(), encoding="utf-8")
                new = _unless_there(
                    server.client.pipeline_uploads.upload_pipeline_version,
                    str(path),
                    name=package.version,
                    display_name=package.version,
                    pipelineid=pipeline,
                )
            version = _version(server, pipeline, package.version)
    return V2beta1PipelineVersionReference(pipeline_id=pipeline, pipeline_version_id=version), new


def start(
    server: Server, version: V2beta1PipelineVersionReference, parameters: dict[str, Any], name: str
) -> str:
    """Starts a run.

    Args:
        server: Where.
        version: What `upload` returned.
        parameters: Those that differ from their defaults.
        name: What the run is called.

    Returns:
        The run's id.

    Raises:
        BadInput: The server refuses.
        Away: It does not answer.
    """
    with reaching(server.host):
        run = V2beta1Run(
            experiment_id=_experiment(server),
            display_name=name,
            pipeline_version_reference=version,
            runtime_config=V2beta1RuntimeConfig(parameters=parameters),
        )
        return str(server.client.runs.run_service_create_run(run=run).run_id)


def run_name(package: Package) -> str:
    """A name for a run that starts now.

    Args:
        package: What it runs.
    """
    return f"{package.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


def experiment_name() -> str:
    """The experiment that runs belong to: kfp's own variables name it, else it is called as this package."""
    names = ("KF_PIPELINES_OVERRIDE_EXPERIMENT_NAME", "KF_PIPELINES_DEFAULT_EXPERIMENT_NAME")
    return next((os.environ[each] for each in names if os.environ.get(each)), EXPERIMENT)


def find_experiment(server: Server) -> str | None:
    """The experiment's id; None where there is none yet.

    Args:
        server: Where.
    """
    found = server.client.experiments.experiment_service_list_experiments(
        filter=_named(experiment_name()), **_mine(server)
    )
    return found.experiments[0].experiment_id if found.experiments else None


def _experiment(server: Server) -> str | None:
    known = find_experiment(server)
    if known is None:
        wanted = V2beta1Experiment(display_name=experiment_name(), namespace=server.namespace)
        _unless_there(server.client.experiments.experiment_service_create_experiment, wanted)
        known = find_experiment(server)
    return known


def _pipeline(server: Server, name: str) -> str | None:
    found = server.client.pipelines.pipeline_service_list_pipelines(filter=_named(name), **_mine(server))
    return found.pipelines[0].pipeline_id if found.pipelines else None


def _version(server: Server, pipeline: str | None, name: str) -> str | None:
    found = server.client.pipelines.pipeline_service_list_pipeline_versions(pipeline, filter=_named(name))
    return found.pipeline_versions[0].pipeline_version_id if found.pipeline_versions else None


def _mine(server: Server) -> dict[str, str]:
    return {"namespace": server.namespace} if server.namespace else {}


def _named(name: str) -> str:
    wanted = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [wanted]})


def _unless_there(create: Any, *arguments: Any, **keywords: Any) -> bool:
    """Whether it was made here; False when somebody else was first."""
    try:
        create(*arguments, **keywords)
    except ApiException as error:
        if error.status != 409:
            raise
        return False
    return True
