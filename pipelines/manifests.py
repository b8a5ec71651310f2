"""Pipelines as Kubernetes objects, for servers that keep them as such, and for writing them from Git.

JSON, because in YAML 1.1, which Kubernetes tools read, a parameter named `n` or `y` is a truth value. A
version's name is a digest of its content, so that an object never changes: another content is another object,
and going back to an earlier content brings the earlier name back. One version of a pipeline stands in Git,
and the one before is pruned: which of two versions is the newest is told by a clock of seconds.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from adsmu.pipelines.recursion import Spec

API = "pipelines.kubeflow.org/v2beta1"


def objects(spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """A compiled pipeline as the two objects that hold it.

    Args:
        spec: The compiled pipeline.

    Returns:
        A Pipeline and a PipelineVersion, without a namespace.
    """
    pipeline, *more = _documents(spec)
    info = pipeline["pipelineInfo"]
    name, version = info["name"], version_of([pipeline, *more])
    about = {"description": info["description"]} if info.get("description") else {}
    # The client looks a pipeline up by its display name.
    held = {"displayName": version, "pipelineName": name, "pipelineSpec": pipeline, **about}
    if more:
        held["platformSpec"] = more[0]
    return (
        {
            "apiVersion": API,
            "kind": "Pipeline",
            "metadata": {"name": name},
            "spec": {"displayName": name, **about},
        },
        {"apiVersion": API, "kind": "PipelineVersion", "metadata": {"name": version}, "spec": held},
    )


def version_name(spec: Spec) -> str:
    """The name of a version of a compiled pipeline.

    Args:
        spec: The compiled pipeline.
    """
    return version_of(_documents(spec))


def version_of(documents: Sequence[dict[str, Any]]) -> str:
    """The name of a version: the same content has the same name, another content another.

    Args:
        documents: The pipeline, and behind it what is for Kubernetes alone, where there is some.
    """
    content = json.dumps(documents, sort_keys=True)
    return f"{documents[0]['pipelineInfo']['name']}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _documents(spec: Spec) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(spec.text()) if each]


def texts(spec: Spec, folder: Path) -> dict[Path, str]:
    """The files that hold a compiled pipeline's objects.

    They stand apart, because the server refuses a version before it has the pipeline: whoever applies them
    can wait for the first before the second.

    Args:
        spec: The compiled pipeline.
        folder: The folder they are for.

    Returns:
        Each file's text.
    """
    pipeline, version = objects(spec)
    name = f"{pipeline['metadata']['name']}.json"
    wanted = {folder / "names" / name: pipeline, folder / "versions" / name: version}
    return {path: json.dumps(value, indent=1, sort_keys=True) + "\n" for path, value in wanted.items()}
