"""Pipelines that call themselves: written with plain kfp, tied after compilation.

kfp has no loop with an exit condition. What it compiles to allows one all the same: a task of a component's
own DAG may refer to that component, and Kubeflow Pipelines 2.15 to 2.17 and `kfp.local` run it, when certain
rules hold (`adsmu.pipelines.rules` names them). A pipeline of your own needs four things: a round as a
function, a stub that stands for the next round, a task that ends the last round, an output to decide by.

    from typing import NamedTuple
    from kfp import components, dsl, local
    from adsmu.pipelines import recursion

    Root = NamedTuple("Root", [("root", float)])

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def newton(x: float, square: float) -> NamedTuple("Step", [("x", float), ("verdict", str)]):
        x = (x + square / x) / 2
        return x, "close" if abs(x * x - square) < 1e-9 else "far"

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def finish(x: float) -> NamedTuple("Root", [("root", float)]):
        return (x,)

    def approach(x: float, square: float) -> Root:
        step = newton(x=x, square=square)
        again(x=step.outputs["x"], square=square)
        return Root(root=finish(x=step.outputs["x"]).set_caching_options(False).outputs["root"])

    again = recursion.stub(approach)
    approach = dsl.pipeline(approach)

    @dsl.pipeline
    def square_root(square: float = 2.0) -> Root:
        return Root(root=approach(x=1.0, square=square).outputs["root"])

    while_far = recursion.Guard("newton", "verdict", "far")
    spec = recursion.tie(recursion.compiled(square_root), "approach", while_far)
    components.load_component_from_text(spec.text())  # a component like any other

Artifacts flow into a recursion, only parameters flow out: hand on an artifact's URI, and take it back with an
importer inside a sub-pipeline that has the URI as its own input.
"""

import ast
import copy
import functools
import pprint
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler, dsl

from adsmu.errors import BadInput
from adsmu.pipelines.rules import check

Dag = dict[str, Any]
DEFAULT = re.compile(r"(?<=\[Default: )\{.+\}(?=\])")


@dataclass(frozen=True)
class Spec:
    """A compiled pipeline.

    Attributes:
        header: The comment lines that kfp puts first: name, description, inputs, outputs.
        pipeline: The pipeline's intermediate representation.
        platform: What kfp-kubernetes added (pools, tolerations, secrets), or None.
    """

    header: str
    pipeline: dict[str, Any]
    platform: dict[str, Any] | None = None

    def text(self) -> str:
        """The YAML file that kfp, its API server and `kfp.local` read."""
        documents = [self.pipeline] + ([self.platform] if self.platform else [])
        return self.header + yaml.safe_dump_all(documents, sort_keys=True, allow_unicode=True, width=100)


@dataclass(frozen=True)
class Guard:
    """What lets a task run: an output parameter, of a task in the same DAG, has this value.

    Attributes:
        producer: The task's name, as in the compiled pipeline (`stratified-evaluate`).
        key: The name of its output parameter; a string.
        value: The value.
    """

    producer: str
    key: str
    value: str


def compiled(pipeline: Any) -> Spec:
    """Compiles a pipeline or a component.

    Args:
        pipeline: What `dsl.pipeline` or `dsl.component` made.

    Returns:
        The compiled form, deterministic for a version of kfp.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "compiled.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    header = "".join(lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))])
    documents = list(yaml.safe_load_all(text))
    return Spec(DEFAULT.sub(_ordered, header), documents[0], documents[1] if len(documents) > 1 else None)


def stub(function: Callable[..., Any]) -> Any:
    """A component that stands for the next round while a round is written down.

    Args:
        function: The round, before `dsl.pipeline` is applied to it.

    Returns:
        A component with the round's own inputs and outputs, so that kfp checks the call's types. `tie` and
        `unroll` replace it; it never runs.
    """

    @functools.wraps(function)
    def next_round() -> None:
        """Has the signature of what it wraps."""

    next_round.__name__ = f"next_iteration_{function.__name__}"
    return dsl.component(next_round, base_image="stub", install_kfp_package=False)


def guard(spec: Spec, task: str, when: Guard, component: str | None = None) -> Spec:
    """Lets a task run only when an earlier task's output has a value.

    A lone `dsl.If` on a named output is skipped in silence by `kfp.local` 2.17; this form is not, and it
    costs one DAG (on the engine: one pod) less.

    Args:
        spec: The compiled pipeline.
        task: The task: a component or a sub-pipeline, not an importer.
        when: The condition.
        component: The sub-pipeline that holds the task; None: the pipeline itself.

    Returns:
        A new compiled pipeline.

    Raises:
        BadInput: No such task.
    """
    spec = copy.deepcopy(spec)
    dag = spec.pipeline["root"]["dag"] if component is None else _dag(spec, _component(component))
    _guard(dag, task, when, "==")
    return spec


def tie(spec: Spec, component: str, when: Guard, finish: str = "finish") -> Spec:
    """Replaces the stub in a sub-pipeline by a call of that sub-pipeline itself.

    Args:
        spec: A compiled pipeline in which the sub-pipeline `component` calls its `stub`.
        component: The name of the sub-pipeline that is one round.
        when: What lets the next round run. `finish` runs when it does not hold.
        finish: The task of a round whose output parameters are the sub-pipeline's, caching off.

    Returns:
        A new compiled pipeline, checked. Calls of the sub-pipeline are renamed to `first-iteration-...`, so
        that each round has paths of its own under `kfp.local`.

    Raises:
        BadInput: The pipeline has another form, or breaks a rule of `adsmu.pipelines.rules`.
    """
    spec = copy.deepcopy(spec)
    name = _component(component)
    _remove_stub(spec, component)
    _enter(spec, name, name)
    _link(_dag(spec, name), component, name, when, finish)
    check(spec.pipeline)
    return spec


def unroll(spec: Spec, component: str, when: Guard, rounds: int, finish: str = "finish") -> Spec:
    """Replaces the stub by as many copies of the sub-pipeline as there may be rounds: no cycle is left.

    For engines that refuse a cycle. The last copy has no next round: its `finish` always runs, and hands on
    whatever it has, also when one more round was asked for.

    Args:
        spec: As for `tie`.
        component: As for `tie`.
        when: As for `tie`.
        rounds: How many rounds there may be, at least 1.
        finish: As for `tie`.

    Returns:
        A new compiled pipeline, checked.

    Raises:
        BadInput: As for `tie`.
    """
    if rounds < 1:
        raise BadInput(f"{rounds} is not at least 1", file="rounds")
    spec = copy.deepcopy(spec)
    name = _component(component)
    _remove_stub(spec, component)
    _enter(spec, name, f"{name}-round-1")
    body = spec.pipeline["components"].pop(name)
    for number in range(1, rounds + 1):
        one = spec.pipeline["components"][f"{name}-round-{number}"] = copy.deepcopy(body)
        if number < rounds:
            _link(one["dag"], component, f"{name}-round-{number + 1}", when, finish)
        else:
            one["dag"]["tasks"].pop(f"next-iteration-{_kebab(component)}")
    check(spec.pipeline)
    return spec


def with_default(spec: Spec, parameter: str, value: Any) -> Spec:
    """Gives a parameter of the pipeline another default value.

    Args:
        spec: The compiled pipeline.
        parameter: Its name.
        value: The default.

    Returns:
        A new compiled pipeline.
    """
    pipeline = copy.deepcopy(spec.pipeline)
    pipeline["root"]["inputDefinitions"]["parameters"][parameter]["defaultValue"] = value
    return replace(spec, pipeline=pipeline)


def _ordered(default: re.Match[str]) -> str:
    """Sorts the keys of a default: kfp prints them in an order that differs from run to run."""
    return pprint.pformat(ast.literal_eval(default[0]), width=10_000)


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _component(name: str) -> str:
    return f"comp-{_kebab(name)}"


def _dag(spec: Spec, component: str) -> Dag:
    found = spec.pipeline["components"].get(component, {})
    if "dag" not in found:
        raise BadInput(f"the compiled pipeline has no sub-pipeline {component!r}")
    return found["dag"]


def _remove_stub(spec: Spec, component: str) -> None:
    """Takes the stub's component and executor out; its task stays, to be given another component."""
    task = _dag(spec, _component(component))["tasks"].get(f"next-iteration-{_kebab(component)}")
    if task is None:
        raise BadInput(f"{_component(component)} does not call recursion.stub({component})")
    label = spec.pipeline["components"].pop(task["componentRef"]["name"])["executorLabel"]
    spec.pipeline["deploymentSpec"]["executors"].pop(label)
    for platform in (spec.platform or {}).get("platforms", {}).values():
        platform["deploymentSpec"]["executors"].pop(label, None)


def _enter(spec: Spec, component: str, first: str) -> None:
    """Turns every call of `component` into a call of `first` in a task named `first-iteration-...`."""
    pipeline = spec.pipeline
    for dag in [pipeline["root"]["dag"]] + [c["dag"] for c in pipeline["components"].values() if "dag" in c]:
        for task in [t for t, body in dag["tasks"].items() if body["componentRef"]["name"] == component]:
            dag["tasks"][task]["componentRef"]["name"] = first
            _rename(dag, task, f"first-iteration-{task}")


def _rename(dag: Dag, old: str, new: str) -> None:
    body = dag["tasks"][new] = dag["tasks"].pop(old)
    body["taskInfo"]["name"] = new
    pending: list[Any] = [dag]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("producerTask", "producerSubtask") and value == old:
                    node[key] = new
                elif key == "dependentTasks":
                    node[key] = sorted(new if task == old else task for task in value)
                else:
                    pending.append(value)
        elif isinstance(node, list):
            pending += node


def _link(dag: Dag, component: str, target: str, when: Guard, finish: str) -> None:
    """Points the next round's task at `target`, guards it and `finish`, and takes outputs from either."""
    following = f"next-iteration-{_kebab(component)}"
    dag["tasks"][following]["componentRef"]["name"] = target
    dag["tasks"][following]["cachingOptions"] = {}
    _guard(dag, following, when, "==")
    _guard(dag, finish, when, "!=")
    for key, output in dag.get("outputs", {}).get("parameters", {}).items():
        last = output.pop("valueFromParameter")
        selectors = [{"outputParameterKey": key, "producerSubtask": following}, last]
        output["valueFromOneof"] = {"parameterSelectors": selectors}


def _guard(dag: Dag, task: str, when: Guard, operator: str) -> None:
    for name in (task, when.producer):
        if name not in dag["tasks"]:
            raise BadInput(f"no task {name!r} among {', '.join(sorted(dag['tasks']))}")
    # kfp.local takes an input of this name for the output of a task; the engine does not look at the name.
    name = f"pipelinechannel--{when.producer}--{when.key}"
    body = dag["tasks"][task]
    body["triggerPolicy"] = {"condition": f"inputs.parameter_values['{name}'] {operator} '{when.value}'"}
    body.setdefault("inputs", {}).setdefault("parameters", {})[name] = {
        "taskOutputParameter": {"outputParameterKey": when.key, "producerTask": when.producer}
    }
    body["dependentTasks"] = sorted({*body.get("dependentTasks", []), when.producer})
