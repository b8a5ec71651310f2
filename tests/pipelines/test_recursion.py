"""Tying, unrolling and checking, on a pipeline that is not the update pipeline."""

import copy
import importlib.util
import math
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from kfp import components, dsl, kubernetes, local

from adsmu.errors import BadInput
from adsmu.pipelines import recursion
from adsmu.pipelines.rules import broken, check


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


root = load("root")


@pytest.fixture(scope="module")
def plain() -> recursion.Spec:
    return recursion.compiled(root.square_root)


@pytest.fixture(scope="module")
def tied(plain) -> recursion.Spec:
    return recursion.tie(plain, "approach", root.WHEN)


def run(spec: recursion.Spec, folder: Path, **arguments):
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder))
    return components.load_component_from_text(spec.text())(**arguments).outputs


def test_a_tied_pipeline_runs_as_many_rounds_as_it_needs(tied, tmp_path):
    near = run(tied, tmp_path / "near", square=1.0)
    assert near == {"root": 1.0, "log": "begin 1.000"}
    far = run(tied, tmp_path / "far", square=9.0)
    assert far["root"] == pytest.approx(3, abs=1e-9)
    assert far["log"] == "begin 5.000 3.400 3.024 3.000 3.000 3.000"
    assert len(list((tmp_path / "far").rglob("newton/log"))) == 6


def test_an_unrolled_pipeline_gives_what_the_tied_one_gives(plain, tied, tmp_path):
    unrolled = recursion.unroll(plain, "approach", root.WHEN, 6)
    assert run(unrolled, tmp_path / "a", square=9.0) == run(tied, tmp_path / "b", square=9.0)


def test_the_last_round_of_an_unrolled_pipeline_hands_on_what_it_has(plain, tmp_path):
    unrolled = recursion.unroll(plain, "approach", root.WHEN, 2)
    assert run(unrolled, tmp_path, square=9.0) == {"root": 3.4, "log": "begin 5.000 3.400"}


def test_an_unrolled_pipeline_holds_no_cycle_and_one_copy_a_round(plain):
    pipeline = recursion.unroll(plain, "approach", root.WHEN, 4).pipeline
    called = {
        name: {t["componentRef"]["name"] for t in c["dag"]["tasks"].values()}
        for name, c in pipeline["components"].items()
        if "dag" in c
    }
    rounds = [f"comp-approach-round-{n}" for n in range(1, 5)]
    assert set(rounds) == {name for name in called if "approach" in name}
    for number, name in enumerate(rounds):
        assert called[name].intersection(rounds) == set(rounds[number + 1 : number + 2])


def test_the_tied_component_calls_itself_directly_and_the_stub_is_gone(tied):
    dag = tied.pipeline["components"]["comp-approach"]["dag"]
    assert dag["tasks"]["next-iteration-approach"]["componentRef"] == {"name": "comp-approach"}
    assert list(tied.pipeline["root"]["dag"]["tasks"]) == ["begin", "reopen", "first-iteration-approach"]
    assert "stub" not in tied.text()


def test_a_spec_survives_a_round_trip_through_its_text(tied, tmp_path):
    path = tmp_path / "tied.yaml"
    path.write_text(tied.text())
    loaded = components.load_component_from_file(str(path))
    assert recursion.compiled(loaded).pipeline == tied.pipeline
    assert loaded.description == "Finds a square root."


def test_a_tied_component_is_reused_inside_another_pipeline(tied, tmp_path):
    part = components.load_component_from_text(tied.text())

    @dsl.pipeline
    def fourth_root(number: float = 16.0) -> float:
        half = part(square=number)
        return part(square=half.outputs["root"]).outputs["root"]

    outer = recursion.compiled(fourth_root)
    check(outer.pipeline)
    assert run(outer, tmp_path)["Output"] == pytest.approx(2)


def test_the_platform_part_keeps_what_the_inner_tasks_were_given(tied):
    def approach(x: float, square: float, log: dsl.Input[dsl.Dataset], pool: dict) -> root.Root:
        step = root.newton(x=x, square=square, before=log)
        kubernetes.add_node_selector_json(step, pool)
        following(x=step.outputs["x"], square=square, log=step.outputs["log"], pool=pool)
        end = root.finish(x=step.outputs["x"], log=step.outputs["log"]).set_caching_options(False)
        return root.Root(root=end.outputs["root"], uri=end.outputs["uri"])

    following = recursion.stub(approach)
    inner = dsl.pipeline(approach)

    @dsl.pipeline
    def outer(pool: dict = {}):  # noqa: B006
        inner(x=1.0, square=2.0, log=root.begin().output, pool=pool)

    spec = recursion.tie(recursion.compiled(outer), "approach", root.WHEN)
    executors = spec.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors == {
        "exec-newton": {"nodeSelector": {"nodeSelectorJson": {"componentInputParameter": "pool"}}}
    }
    assert set(executors) <= set(spec.pipeline["deploymentSpec"]["executors"])
    check(spec.pipeline)


def test_tying_leaves_what_it_was_given_as_it_was(plain):
    before = copy.deepcopy(plain)
    recursion.tie(plain, "approach", root.WHEN)
    recursion.unroll(plain, "approach", root.WHEN, 2)
    recursion.guard(plain, "reopen", recursion.Guard("begin", "log", "x"))
    assert plain == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("descend", root.WHEN), "no sub-pipeline 'comp-descend'"),
        (("newton", root.WHEN), "no sub-pipeline 'comp-newton'"),
        (("reopen", root.WHEN), "does not call recursion.stub"),
        (("approach", recursion.Guard("secant", "verdict", "far")), "no task 'secant' among finish"),
        (("approach", root.WHEN, "end"), "no task 'end'"),
    ],
)
def test_what_cannot_be_tied_is_named(plain, arguments, said):
    with pytest.raises(BadInput, match=said):
        recursion.tie(plain, *arguments)


def test_rounds_are_at_least_one(plain):
    with pytest.raises(BadInput, match="rounds: 0 is not at least 1"):
        recursion.unroll(plain, "approach", root.WHEN, 0)


def body(pipeline):
    return pipeline["components"]["comp-approach"]["dag"]


def indirect(pipeline):
    pipeline["components"]["comp-between"] = copy.deepcopy(pipeline["components"]["comp-approach"])
    body(pipeline)["tasks"]["next-iteration-approach"]["componentRef"]["name"] = "comp-between"


def unguarded_input(pipeline):
    task = body(pipeline)["tasks"]["finish"]
    del task["inputs"]["parameters"]["pipelinechannel--newton--verdict"]


def named_as_kfp_names_it(pipeline):
    task = body(pipeline)["tasks"]["finish"]
    task["triggerPolicy"]["condition"] = "inputs.parameter_values['pipelinechannel--newton-verdict'] != 'far'"
    given = task["inputs"]["parameters"]
    given["pipelinechannel--newton-verdict"] = given.pop("pipelinechannel--newton--verdict")


def not_waited_for(pipeline):
    body(pipeline)["tasks"]["next-iteration-approach"]["dependentTasks"] = []


def same_guard_twice(pipeline):
    tasks = body(pipeline)["tasks"]
    tasks["finish"]["triggerPolicy"] = tasks["next-iteration-approach"]["triggerPolicy"]


def endless(pipeline):
    del body(pipeline)["tasks"]["next-iteration-approach"]["triggerPolicy"]


def three_guards(pipeline):
    tasks = body(pipeline)["tasks"]
    tasks["also"] = copy.deepcopy(tasks["finish"])
    tasks["also"]["componentRef"]["name"] = "comp-begin"


def twice(pipeline):
    tasks = body(pipeline)["tasks"]
    tasks["next-iteration-again"] = copy.deepcopy(tasks["next-iteration-approach"])


def waits_for_a_skipped_task(pipeline):
    task = copy.deepcopy(body(pipeline)["tasks"]["newton"])
    task["componentRef"]["name"] = "comp-show"
    task["dependentTasks"] = ["finish"]
    body(pipeline)["tasks"]["after"] = task


def cached_end(pipeline):
    body(pipeline)["tasks"]["finish"]["cachingOptions"] = {"enableCache": True}


def artifact_out(pipeline):
    selector = {"artifactSelectors": [{"outputArtifactKey": "log", "producerSubtask": "newton"}]}
    body(pipeline)["outputs"]["artifacts"] = {"log": selector}


def one_branch_out(pipeline):
    del body(pipeline)["outputs"]["parameters"]["root"]["valueFromOneof"]["parameterSelectors"][0]


def plain_name(pipeline):
    tasks = body(pipeline)["tasks"]
    tasks["again"] = tasks.pop("next-iteration-approach")


def outer_plain_name(pipeline):
    tasks = pipeline["root"]["dag"]["tasks"]
    tasks["approach"] = tasks.pop("first-iteration-approach")
    tasks["newton"] = copy.deepcopy(body(pipeline)["tasks"]["newton"])


def forgotten_input(pipeline):
    del body(pipeline)["tasks"]["next-iteration-approach"]["inputs"]["parameters"]["square"]


def forgotten_artifact(pipeline):
    del body(pipeline)["tasks"]["next-iteration-approach"]["inputs"]["artifacts"]["log"]


def uri_from_a_task(pipeline):
    task = pipeline["components"]["comp-reopen"]["dag"]["tasks"]["importer"]
    task["inputs"]["parameters"]["uri"] = {
        "taskOutputParameter": {"producerTask": "show", "outputParameterKey": "Output"}
    }


def conditional_importer(pipeline):
    task = pipeline["components"]["comp-reopen"]["dag"]["tasks"]["importer"]
    task["triggerPolicy"] = {"condition": "inputs.parameter_values['uri'] != ''"}


def shown_under_another_name(pipeline):
    task = pipeline["components"]["comp-reopen"]["dag"]["tasks"]["importer"]
    task["taskInfo"]["name"] = "the-model"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (indirect, r"self-loop only: comp-(approach|between) -> comp-(between|approach)"),
        (unguarded_input, "comp-approach.finish: guard inputs: .* not an input of the task"),
        (
            named_as_kfp_names_it,
            "comp-approach.finish: guard inputs: .* must be named pipelinechannel--newton--verdict",
        ),
        (
            not_waited_for,
            "comp-approach.next-iteration-approach: guard inputs: .* newton, which the task does not wait",
        ),
        (same_guard_twice, "comp-approach.next-iteration-approach: opposite guards: not opposite"),
        (endless, "opposite guards: .* no condition"),
        (three_guards, "opposite guards: two tasks must be conditional"),
        (twice, "opposite guards: comp-approach calls itself more than once"),
        (waits_for_a_skipped_task, "comp-approach.after: last tasks: waits for finish"),
        (cached_end, "comp-approach.finish: uncached"),
        (artifact_out, "comp-approach.log: parameters out: an artifact flows out"),
        (one_branch_out, "comp-approach.root: parameters out: the output must be taken from either"),
        (plain_name, "comp-approach.again: own paths"),
        (outer_plain_name, "root.(newton|approach): own paths: comp-newton also runs in"),
        (forgotten_input, "all handed on: the next round is not given square"),
        (forgotten_artifact, "all handed on: the next round is not given log"),
        (uri_from_a_task, "comp-reopen.importer: importer: its URI is an output of show"),
        (conditional_importer, "comp-reopen.importer: importer: an importer cannot be conditional"),
        (shown_under_another_name, "comp-reopen.importer: importer: an importer with a display name"),
    ],
)
def test_a_broken_rule_is_named(tied, spoil, said):
    pipeline = copy.deepcopy(tied.pipeline)
    check(pipeline)
    spoil(pipeline)
    with pytest.raises(BadInput, match=said):
        check(pipeline)


def verdict_pipeline():
    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def judge(number: int) -> NamedTuple("Judged", [("verdict", str)]):
        return ("odd" if number % 2 else "even",)

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def halve(number: int) -> int:
        return number // 2

    return judge, halve


def test_a_lone_condition_of_kfp_on_a_named_output_is_found():
    judge, halve = verdict_pipeline()

    @dsl.pipeline
    def maybe(number: int):
        with dsl.If(judge(number=number).outputs["verdict"] == "even"):
            halve(number=number)

    assert [rule for rule, *_ in broken(recursion.compiled(maybe).pipeline)] == ["guard inputs"]


@pytest.mark.parametrize(("number", "ran"), [(4, True), (5, False)])
def test_a_guarded_task_runs_only_when_its_guard_holds(number, ran, tmp_path):
    judge, halve = verdict_pipeline()

    @dsl.pipeline
    def maybe(number: int):
        judge(number=number)
        halve(number=number)

    spec = recursion.guard(recursion.compiled(maybe), "halve", recursion.Guard("judge", "verdict", "even"))
    check(spec.pipeline)
    run(spec, tmp_path, number=number)
    assert bool(list(tmp_path.rglob("halve/executor_output.json"))) == ran


def test_the_example_of_the_module_runs(tmp_path):
    lines = recursion.__doc__.splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith("    ") or not line.strip())
    path = tmp_path / "example.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert run(module.spec, tmp_path / "out", square=2.0)["root"] == pytest.approx(math.sqrt(2))
    assert re.search("tie\\(", code)
