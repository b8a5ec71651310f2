"""What is submitted: a compiled pipeline, named by its content, and parameters that it takes."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adsmu.errors import BadInput
from adsmu.files import read_json

_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "STRING": ("text", (str,)),
    "NUMBER_INTEGER": ("a whole number", (int,)),
    "NUMBER_DOUBLE": ("a number", (int, float)),
    "BOOLEAN": ("true or false", (bool,)),
    "STRUCT": ("a JSON object", (dict,)),
    "LIST": ("a JSON list", (list,)),
}


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        documents: The pipeline, and behind it what is for Kubernetes alone, where there is some.
    """

    documents: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.documents[0]["pipelineInfo"]["name"])

    @property
    def version(self) -> str:
        """The name of this version, as the objects in Git have it."""
        from adsmu.pipelines.manifests import version_of

        return version_of(self.documents)

    @property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """The parameters it takes, by name."""
        definitions = self.documents[0]["root"].get("inputDefinitions", {})
        return dict(definitions.get("parameters", {}))

    @property
    def imported(self) -> set[str]:
        """The parameters that are URIs of artifacts, because an importer is given them."""
        pipeline = self.documents[0]
        dags = [part.get("dag", {}) for part in (pipeline["root"], *pipeline.get("components", {}).values())]
        executors = pipeline.get("deploymentSpec", {}).get("executors", {})
        importers = {
            name
            for name, component in pipeline.get("components", {}).items()
            if "importer" in executors.get(component.get("executorLabel"), {})
        }
        given = {
            value.get("componentInputParameter", "").removeprefix("pipelinechannel--")
            for dag in dags
            for task in dag.get("tasks", {}).values()
            if task["componentRef"]["name"] in importers
            for value in task.get("inputs", {}).get("parameters", {}).values()
        }
        return given & self.inputs.keys()

    def text(self) -> str:
        """The pipeline as the server takes it."""
        return yaml.safe_dump_all(self.documents, sort_keys=True)


def read_package(path: Path) -> Package:
    """Reads a compiled pipeline.

    Args:
        path: The YAML that kfp's compiler, or `adsmu compile`, wrote.

    Raises:
        BadInput: It is missing, not YAML, or not a pipeline.
    """
    try:
        return package(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("cannot be read as text", file=path) from error
    except yaml.YAMLError as error:
        raise BadInput("not YAML", file=path, row=_row(error)) from error
    except BadInput as error:
        raise BadInput(error.rule, file=path) from error


def package(text: str) -> Package:
    """A compiled pipeline from its text.

    Args:
        text: What kfp's compiler writes: one or two YAML documents.

    Raises:
        BadInput: It is not a pipeline.
    """
    documents = tuple(each for each in yaml.safe_load_all(text) if each is not None)
    whole = documents and all(isinstance(each, dict) for each in documents)
    if not whole or not {"pipelineInfo", "root", "schemaVersion"} <= documents[0].keys():
        raise BadInput("not a compiled pipeline: pipelineInfo, root and schemaVersion are expected")
    return Package(documents)


def without_cache(given: Package) -> Package:
    """The same pipeline, no step of which is taken from the cache; it is another version.

    Args:
        given: The pipeline.
    """
    documents = copy.deepcopy(given.documents)
    for part in (documents[0]["root"], *documents[0].get("components", {}).values()):
        for task in part.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {}
    return Package(documents)


def read_parameters(given: Package, pairs: list[str], file: Path | None) -> dict[str, Any]:
    """Reads the parameters of a run, and holds them against what the pipeline takes.

    Args:
        given: The pipeline.
        pairs: `NAME=VALUE` each; they go before those of the file.
        file: A JSON or YAML file with one object.

    Returns:
        The parameters that are not left at their default, each of the kind that the pipeline declares.

    Raises:
        BadInput: A name is unknown, a value of another kind, one that is required is missing, or what the
            cluster is to import has no URI.
    """
    values = _from_file(file) if file else {}
    places = dict.fromkeys(values, str(file))
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise BadInput(f"{pair!r} is not of the form NAME=VALUE", file="--param")
        values[name] = _from_text(given.inputs.get(name, {}), text)
        places[name] = "--param"
    for name, value in values.items():
        if name not in given.inputs:
            raise BadInput(
                f"{given.name} takes {', '.join(given.inputs) or 'none'}", file=places[name], column=name
            )
        kind, types = _KINDS[given.inputs[name]["parameterType"]]
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "true or false"):
            raise BadInput(f"must be {kind}, not {value!r}", file=places[name], column=name)
        if name in given.imported and "://" not in str(value):
            raise BadInput(
                "must be a URI that the cluster reads: s3://, minio://, gs://", file=places[name], column=name
            )
    missing = [
        name
        for name, each in given.inputs.items()
        if name not in values and "defaultValue" not in each and not each.get("isOptional")
    ]
    if missing:
        raise BadInput(f"{given.name} needs {', '.join(missing)}", file="--param")
    return values


def _from_file(file: Path) -> dict[str, Any]:
    if file.suffix == ".json":
        values = read_json(file)
    else:
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput("cannot be read as text", file=file) from error
        except yaml.YAMLError as error:
            raise BadInput("not YAML", file=file, row=_row(error)) from error
    if not isinstance(values, dict):
        raise BadInput("must hold one object: names and their values", file=file)
    return values


def _from_text(declared: dict[str, Any], text: str) -> Any:
    if declared.get("parameterType") in (None, "STRING"):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _row(error: yaml.YAMLError) -> int | None:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else None
