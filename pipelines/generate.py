"""Writes the generated files of the source tree: compiled components and pipelines, manifests, tables."""

from importlib import import_module
from pathlib import Path
from typing import Any

import docstring_parser

from adsmu.errors import BadInput
from adsmu.pipelines import manifests, recursion
from adsmu.pipelines.update import pipeline as update
from adsmu.pipelines.watch import pipeline as watch

STEPS = (
    "stratify",
    "synthesize",
    "train",
    "stratified_evaluate",
    "canary_deploy",
    "canary_finalise",
    "profile",
    "monitor",
    "analyze",
    "decide",
    "form_dataset",
    "curate",
    "sign_off",
)
UNROLLED_ROUNDS = 3
BEGIN, END = "<!-- begin generated: inputs and outputs -->", "<!-- end generated -->"
TYPES = {
    "STRING": "text",
    "NUMBER_INTEGER": "whole number",
    "NUMBER_DOUBLE": "number",
    "BOOLEAN": "true or false",
    "STRUCT": "object",
    "LIST": "list",
}


def generate(root: Path) -> list[Path]:
    """Writes the generated files that are not current.

    Args:
        root: The source tree: it holds `components` and `pipelines`.

    Returns:
        The files that were written.

    Raises:
        BadInput: There is no source tree, or a README has no place for its tables.
    """
    return _write(_stale(root))


def generate_manifests(folder: Path) -> list[Path]:
    """Writes the update pipeline as Kubernetes objects that are not current.

    Args:
        folder: Where to; made when it is missing.

    Returns:
        The files that were written.
    """
    return _write(_changed(manifests.texts(update.tied(), folder)))


def check(root: Path) -> list[Path]:
    """Finds the generated files that are not current, and writes nothing.

    Args:
        root: As for `generate`.

    Returns:
        The files.

    Raises:
        BadInput: As for `generate`.
    """
    return list(_stale(root))


def _write(texts: dict[Path, str]) -> list[Path]:
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _stale(root: Path) -> dict[Path, str]:
    return _changed(_texts(root))


def _changed(texts: dict[Path, str]) -> dict[Path, str]:
    return {p: t for p, t in texts.items() if not p.exists() or p.read_text(encoding="utf-8") != t}


def _texts(root: Path) -> dict[Path, str]:
    """The text that each generated file is to have."""
    compiled = {root / "components" / step / "component.yaml": _component(step) for step in STEPS}
    compiled[root / "pipelines" / "update" / "pipeline.yaml"] = update.tied()
    compiled[root / "pipelines" / "watch" / "pipeline.yaml"] = watch.compiled()
    texts = {path: spec.text() for path, spec in compiled.items()}
    texts |= {
        path.with_name("README.md"): _with_tables(path.with_name("README.md"), spec)
        for path, spec in compiled.items()
    }
    unrolled = f"pipeline-unrolled-{UNROLLED_ROUNDS}.yaml"
    texts[root / "pipelines" / "update" / unrolled] = update.unrolled(UNROLLED_ROUNDS).text()
    for spec in (update.tied(), watch.compiled()):
        texts |= manifests.texts(spec, root / "manifests" / "pipelines")
    return texts


def _component(step: str) -> recursion.Spec:
    """Compiles a component; kfp leaves the descriptions of output artifacts out, so they are put in here."""
    component = getattr(import_module(f"adsmu.{step}.component"), step)
    spec = recursion.compiled(component)
    said = {p.arg_name: p.description for p in docstring_parser.parse(component.python_func.__doc__).params}
    for part in (*spec.pipeline["components"].values(), spec.pipeline["root"]):
        for name, artifact in part.get("outputDefinitions", {}).get("artifacts", {}).items():
            artifact["description"] = said[name]
    return spec


def _with_tables(readme: Path, spec: recursion.Spec) -> str:
    if not readme.parent.is_dir():
        raise BadInput("no such folder: this is not the root of the source tree", file=readme.parent)
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BadInput(f"the lines {BEGIN!r} and {END!r} are missing", file=readme)
    return f"{before}{BEGIN}\n{tables(spec)}\n{END}{after}"


def tables(spec: recursion.Spec) -> str:
    """The inputs and outputs of a compiled component or pipeline as Markdown.

    Args:
        spec: The compiled form.

    Returns:
        One or two tables with headings.
    """
    root = spec.pipeline["root"]
    return "".join(
        _table(title, root.get(definitions, {}))
        for title, definitions in (("Inputs", "inputDefinitions"), ("Outputs", "outputDefinitions"))
        if definitions in root
    )


def _table(title: str, definitions: dict[str, Any]) -> str:
    defaults = title == "Inputs"
    head = ("name", "type", "default", "what it is") if defaults else ("name", "type", "what it is")
    rows = [head, ("---",) * len(head)]
    for name, artifact in definitions.get("artifacts", {}).items():
        kind = artifact["artifactType"]["schemaTitle"].removeprefix("system.")
        default = "none" if artifact.get("isOptional") else "required"
        rows.append(_row(name, kind, default, artifact, defaults))
    for name, parameter in definitions.get("parameters", {}).items():
        default = f"`{_default(parameter)}`" if "defaultValue" in parameter else "required"
        rows.append(_row(name, TYPES[parameter["parameterType"]], default, parameter, defaults))
    return f"\n## {title}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(name: str, kind: str, default: str, spec: dict[str, Any], defaults: bool) -> tuple[str, ...]:
    description = " ".join(spec.get("description", "").split()).replace("|", "\\|")
    return (f"`{name}`", kind, *([default] if defaults else []), description)


def _default(parameter: dict[str, Any]) -> str:
    value = parameter["defaultValue"]
    if parameter["parameterType"] == "NUMBER_INTEGER":
        return str(int(value))
    return repr(value) if isinstance(value, str) else str(value)
