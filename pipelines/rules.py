"""What a compiled pipeline must obey to run on Kubeflow Pipelines 2.15 to 2.17 and under `kfp.local` alike.

Each rule is a function that yields `(task or output, what is wrong)` for one DAG. Where a rule comes from:

- *self-loop only*: the engine's compiler marks a component as visited before it descends and saves it after;
  only a direct self-loop finds what it refers to.
- *guard inputs*: a condition reads the task's own inputs; `kfp.local` takes the output of a task only from an
  input named `pipelinechannel--<task>--<output>`, and treats any other as false, in silence.
- *opposite guards*, *last tasks*, *uncached*: an output taken from either of two tasks needs the state of
  the one that ran. A DAG's state is only written by a task that really ran, and counts every task: one that
  depends on a skipped task is never counted.
- *parameters out*: `kfp.local` has no OneOf over artifacts.
- *importer*: an importer starts at once, whatever its URI depends on, and cannot be conditional; the engine
  records it under its display name, and looks for it under its task's.
- *own paths*: `kfp.local` writes a component's outputs to one path for each level of DAGs; only a task with
  `-iteration-` in its name opens a new level.
- *all handed on*: an input that the next round is not given falls back to its default in the middle of a run.
"""

import re
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from adsmu.errors import BadInput

Tasks = dict[str, dict[str, Any]]
Found = Iterator[tuple[str, str]]
INPUT = re.compile(r"inputs\.parameter_values\['([^']+)'\]")
CONDITION = re.compile(r"(inputs\.parameter_values\['[^']+'\]) (==|!=) (.+)")


def check(pipeline: dict[str, Any]) -> None:
    """Checks a compiled pipeline.

    Args:
        pipeline: The intermediate representation: the first document of a compiled YAML file.

    Raises:
        BadInput: A rule is broken; the text names the component, the task and the rule.
    """
    for rule, place, wrong in broken(pipeline):
        raise BadInput(f"{rule}: {wrong}", file=place)


def broken(pipeline: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Finds every broken rule.

    Args:
        pipeline: As for `check`.

    Yields:
        The rule's name, the place (`component.task`) and what is wrong there.
    """
    loops = [("self-loop only", place, wrong) for place, wrong in _self_loop_only(pipeline)]
    yield from loops
    if loops:
        return  # the other rules walk the graph
    for component, dag in _dags(pipeline).items():
        tasks: Tasks = dag["tasks"]
        recursive = [name for name, task in tasks.items() if _target(task) == component]
        rules = dict(ANYWHERE)
        if recursive:
            rules |= RECURSIVE
        for rule, find in rules.items():
            for task, wrong in find(pipeline, component, dag):
                yield rule, f"{component}.{task}", wrong


def _self_loop_only(pipeline: dict[str, Any]) -> Found:
    graph = {c: {_target(t) for t in dag["tasks"].values()} - {c} for c, dag in _dags(pipeline).items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = error.args[1][::-1]
        yield cycle[0], f"{' -> '.join(cycle)}: only a task of the component's own DAG may call it again"


def _guard_inputs(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    for name, task in dag["tasks"].items():
        given = task.get("inputs", {}).get("parameters", {})
        for read in INPUT.findall(_condition(task)):
            if read not in given:
                yield name, f"the condition reads {read}, which is not an input of the task"
                continue
            source = given[read].get("taskOutputParameter")
            if source is None:
                continue
            producer, key = source["producerTask"], source["outputParameterKey"]
            if read not in {f"pipelinechannel--{producer}--{key}", f"pipelinechannel--{producer}-Output"}:
                yield name, f"the condition's input {read} must be named pipelinechannel--{producer}--{key}"
            if producer not in task.get("dependentTasks", []):
                yield name, f"the condition reads an output of {producer}, which the task does not wait for"


def _importer(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    executors = pipeline["deploymentSpec"]["executors"]
    for name, task in dag["tasks"].items():
        label = pipeline["components"][_target(task)].get("executorLabel")
        if label is None or "importer" not in executors[label]:
            continue
        if _condition(task):
            yield name, "an importer cannot be conditional"
        if task["taskInfo"]["name"] != name:
            yield name, "an importer with a display name is not found by the tasks that take what it imports"
        for value in task.get("inputs", {}).get("parameters", {}).values():
            if "taskOutputParameter" in value:
                producer = value["taskOutputParameter"]["producerTask"]
                yield (
                    name,
                    f"its URI is an output of {producer}: import it in a sub-pipeline that is given the URI",
                )


def _own_paths(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    seen: dict[str, str] = {}
    for name, task in dag["tasks"].items():
        for leaf in _leaves(pipeline, name, _target(task)):
            if seen.setdefault(leaf, name) != name:
                place = f"{leaf} also runs in {seen[leaf]}, on the same paths"
                yield name, f"{place}: put -iteration- in the task's name"


def _leaves(pipeline: dict[str, Any], task: str, component: str) -> set[str]:
    """The components that run on the level of the DAG that holds the task."""
    dag = pipeline["components"][component].get("dag")
    if dag is None:
        return {component}
    if "-iteration-" in task:
        return set()
    return set().union(
        *(
            _leaves(pipeline, t, _target(body))
            for t, body in dag["tasks"].items()
            if _target(body) != component
        )
    )


def _opposite_guards(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    guarded = {name: _condition(task) for name, task in dag["tasks"].items() if _condition(task)}
    recursive = [name for name, task in dag["tasks"].items() if _target(task) == component]
    if len(recursive) != 1:
        yield recursive[1], f"{component} calls itself more than once: {', '.join(recursive)}"
    elif recursive[0] not in guarded:
        yield recursive[0], "the recursive task has no condition: it would never end"
    elif len(guarded) != 2:
        names = ", ".join(sorted(guarded))
        yield (
            recursive[0],
            f"two tasks must be conditional, the next round and the one that ends it; here: {names}",
        )
    else:
        first, second = (CONDITION.fullmatch(condition) for condition in guarded.values())
        if not (first and second and first.group(1, 3) == second.group(1, 3) and first[2] != second[2]):
            yield recursive[0], f"not opposite: {' and '.join(guarded.values())}"


def _last_tasks(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    guarded = {name for name, task in dag["tasks"].items() if _condition(task)}
    for name, task in dag["tasks"].items():
        for other in guarded.intersection(task.get("dependentTasks", [])):
            yield name, f"waits for {other}, which may be skipped: it would never run, nor the round end"


def _uncached(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    for name, task in dag["tasks"].items():
        if _condition(task) and task.get("cachingOptions", {}).get("enableCache"):
            yield name, "caching must be off: .set_caching_options(False)"


def _parameters_out(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    for name in dag.get("outputs", {}).get("artifacts", {}):
        yield name, "an artifact flows out; hand on its URI and import it in a sub-pipeline"
    both = {name for name, task in dag["tasks"].items() if _condition(task)}
    for key, output in dag.get("outputs", {}).get("parameters", {}).items():
        selectors = output.get("valueFromOneof", {}).get("parameterSelectors", [])
        if {s["producerSubtask"] for s in selectors} != both or len(selectors) != len(both):
            yield key, f"the output must be taken from either of {', '.join(sorted(both))}"


def _recursive_name(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    for name, task in dag["tasks"].items():
        if _target(task) == component and "-iteration-" not in name:
            yield name, "a round would write over the one before: put -iteration- in the task's name"


def _all_handed_on(pipeline: dict[str, Any], component: str, dag: dict[str, Any]) -> Found:
    declared = pipeline["components"][component].get("inputDefinitions", {})
    for name, task in dag["tasks"].items():
        if _target(task) == component:
            for kind in ("parameters", "artifacts"):
                missing = set(declared.get(kind, {})) - set(task.get("inputs", {}).get(kind, {}))
                for key in sorted(missing):
                    yield name, f"the next round is not given {key}"


ANYWHERE: dict[str, Callable[..., Found]] = {
    "guard inputs": _guard_inputs,
    "importer": _importer,
    "own paths": _own_paths,
}
RECURSIVE: dict[str, Callable[..., Found]] = {
    "own paths": _recursive_name,
    "opposite guards": _opposite_guards,
    "last tasks": _last_tasks,
    "uncached": _uncached,
    "parameters out": _parameters_out,
    "all handed on": _all_handed_on,
}


def _dags(pipeline: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {name: c["dag"] for name, c in pipeline.get("components", {}).items() if "dag" in c}
    return found | {"root": pipeline["root"]["dag"]}


def _target(task: dict[str, Any]) -> str:
    return task["componentRef"]["name"]


def _condition(task: dict[str, Any]) -> str:
    return task.get("triggerPolicy", {}).get("condition", "")
