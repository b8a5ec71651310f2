"""What the compiled update pipeline says to the engine."""

import pytest

from adsmu.errors import BadInput
from adsmu.pipelines.rules import check
from adsmu.pipelines.update.pipeline import tied, unrolled
from adsmu.sign_off.signature import MOUNTED
from adsmu.train_job.pool import Pool, read_pool


@pytest.fixture(scope="module")
def spec():
    return tied()


UPDATE = "comp-exit-handler-1"
"""All of the update but the exit task."""


def tasks(spec, component):
    part = spec.pipeline["root"] if component == "root" else spec.pipeline["components"][component]
    return part["dag"]["tasks"]


def sources(task):
    found = {}
    for kind in ("artifacts", "parameters"):
        for name, value in task["inputs"].get(kind, {}).items():
            (source,) = (v for k, v in value.items() if k != "parameterExpressionSelector")
            found[name] = (
                source["producerTask"] if isinstance(source, dict) and "producerTask" in source else source
            )
    return found


def test_both_forms_obey_every_rule(spec):
    check(spec.pipeline)
    check(unrolled(5).pipeline)


def test_a_round_is_three_tasks_and_two_that_exclude_each_other(spec):
    conditions = {
        name: t.get("triggerPolicy", {}).get("condition") for name, t in tasks(spec, "comp-refine").items()
    }
    verdict = "inputs.parameter_values['pipelinechannel--stratified-evaluate--verdict']"
    assert conditions == {
        "synthesize": None,
        "train": None,
        "stratified-evaluate": None,
        "next-iteration-refine": f"{verdict} == 'refine'",
        "finish": f"{verdict} != 'refine'",
    }
    assert tasks(spec, "comp-refine")["next-iteration-refine"]["componentRef"]["name"] == "comp-refine"


def test_predictors_run_the_image_that_the_steps_run(spec):
    executors = spec.pipeline["deploymentSpec"]["executors"]
    container = executors["exec-canary-deploy"]["container"]
    assert container["env"] == [{"name": "ADSMU_IMAGE", "value": container["image"]}]


def test_what_opens_the_object_storage_itself_and_nothing_else_is_given_its_credentials(spec):
    executors = spec.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    given = {name for name, each in executors.items() if "secretAsEnv" in each}
    assert given == {f"exec-{step}" for step in ("train", "sign-off", "canary-deploy", "canary-finalise")}


def test_only_parameters_flow_out_of_the_recursion(spec):
    outputs = spec.pipeline["components"]["comp-refine"]["outputDefinitions"]
    assert set(outputs) == {"parameters"}
    assert set(outputs["parameters"]) == {"model_uri", "evaluation_uri", "data_uri", "verdict"}


def test_a_round_starts_from_what_the_one_before_left(spec):
    given = sources(tasks(spec, "comp-refine")["next-iteration-refine"])
    assert given["data"] == "synthesize"
    assert given["evaluation"] == given["round"] == "stratified-evaluate"
    own = {"data", "evaluation", "round", "pipelinechannel--stratified-evaluate--verdict"}
    assert all(source == name for name, source in given.items() if name not in own)


def test_every_round_trains_from_the_champion_and_is_compared_with_it(spec):
    assert sources(tasks(spec, "comp-refine")["train"])["base"] == "champion"
    measured = sources(tasks(spec, "comp-refine")["stratified-evaluate"])
    assert measured["champion_predictions"] == "champion_predictions"
    assert measured["previous"] == "evaluation"
    first = sources(tasks(spec, UPDATE)["renew"])
    assert first["champion_predictions"] == first["evaluation"] == "stratified-evaluate"


def test_all_that_follows_the_champion_waits_for_a_failing_verdict(spec):
    update = tasks(spec, UPDATE)
    assert {name for name in update if "importer" not in name} == {
        "stratify",
        "synthesize",
        "stratified-evaluate",
        "renew",
    }
    assert update["renew"]["triggerPolicy"]["condition"].endswith(
        "stratified-evaluate--verdict'] == 'refine'"
    )
    assert set(tasks(spec, "comp-renew")) == {"first-iteration-refine", "promote"}


def test_the_champion_is_measured_on_rows_of_round_zero(spec):
    given = tasks(spec, UPDATE)["synthesize"]["inputs"]["parameters"]
    assert given["round"] == {"runtimeValue": {"constant": 0.0}}
    assert given["rows_per_stratum"] == {"componentInputParameter": "pipelinechannel--evaluation_rows"}


def test_the_model_is_taken_up_again_where_its_uri_is_an_input(spec):
    promote = tasks(spec, "comp-promote")
    assert sources(promote["importer"])["uri"] == "model_uri"
    assert sources(promote["importer-2"])["uri"] == "evaluation_uri"
    assert sources(promote["importer-3"])["uri"] == "data_uri"
    given = sources(promote["canary-deploy"])
    left = {"model": "importer", "evaluation": "importer-2", "data": "importer-3", "card": "sign-off"}
    assert given == left | {name: name for name in set(given) - set(left)}
    assert {"existing", "champion", "verdict", "service", "backend", "store", "plan", "cause"} <= set(given)


def test_the_key_of_report_cards_is_a_file_of_a_secret_for_the_step_that_signs_and_no_other(spec):
    given = sources(tasks(spec, "comp-promote")["sign-off"])
    assert (given["model"], given["evaluation"], given["champion"]) == ("importer", "importer-2", "champion")
    assert not any("key" in name for name in spec.pipeline["root"]["inputDefinitions"]["parameters"])
    platform = spec.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    (secret,) = platform["exec-sign-off"]["secretAsVolume"]
    assert (secret["secretName"], secret["mountPath"]) == ("adsmu-card-key", str(MOUNTED.parent))
    assert secret["optional"] is True
    assert [name for name, each in platform.items() if "secretAsVolume" in each] == ["exec-sign-off"]


def test_the_exit_task_runs_last_whatever_became_of_the_update(spec):
    assert set(tasks(spec, "root")) == {"exit-handler-1", "canary-finalise"}
    last = tasks(spec, "root")["canary-finalise"]
    assert last["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert last["dependentTasks"] == ["exit-handler-1"]


def test_caching_is_off_only_where_a_cached_step_would_do_harm(spec):
    uncached = {
        name
        for component in ("root", UPDATE, "comp-renew", "comp-refine", "comp-promote")
        for name, task in tasks(spec, component).items()
        if not task.get("cachingOptions", {}).get("enableCache")
    }
    handler = "exit-handler-1"  # a sub-pipeline; its tasks say for themselves
    steps = {"finish", "next-iteration-refine", "sign-off", "canary-deploy", "canary-finalise"}
    assert uncached == {*steps, handler}


def test_accelerators_and_the_node_pool_reach_the_train_task_and_no_other(spec):
    executors = spec.pipeline["deploymentSpec"]["executors"]
    resources = executors["exec-train"]["container"]["resources"]
    assert resources["accelerator"] == {
        "resourceCount": "{{$.inputs.parameters['pipelinechannel--gpus']}}",
        "resourceType": "{{$.inputs.parameters['pipelinechannel--accelerator']}}",
    }
    assert resources["resourceCpuRequest"] == "{{$.inputs.parameters['pipelinechannel--cpu']}}"
    assert resources["resourceMemoryRequest"] == "{{$.inputs.parameters['pipelinechannel--memory']}}"
    assert [name for name, e in executors.items() if "resources" in e.get("container", {})] == ["exec-train"]
    platform = spec.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    places = {"nodeSelector", "tolerations"}
    placed = {
        name: {key: value for key, value in each.items() if key in places}
        for name, each in platform.items()
        if places & set(each)
    }
    assert placed == {
        "exec-train": {
            "nodeSelector": {"nodeSelectorJson": {"componentInputParameter": "node_selector"}},
            "tolerations": [{"tolerationJson": {"componentInputParameter": "tolerations"}}],
        }
    }
    given = sources(tasks(spec, "comp-refine")["train"])
    for name in ("gpus", "accelerator", "cpu", "memory"):
        assert given[f"pipelinechannel--{name}"] == name


def test_the_pool_is_one_node_without_accelerators_by_default(spec):
    pool = spec.pipeline["root"]["inputDefinitions"]["parameters"]["pool"]
    assert pool["parameterType"] == "STRUCT"
    assert read_pool(pool["defaultValue"]) == Pool()
    assert pool["defaultValue"].keys() == Pool.__dataclass_fields__.keys()


def test_the_pool_is_split_where_the_recursion_starts(spec):
    given = tasks(spec, "comp-renew")["first-iteration-refine"]["inputs"]["parameters"]
    parts = {"node_selector": "selector", "tolerations": "tolerations", "gpus": "gpus"}
    for name, part in parts.items():
        assert given[name]["componentInputParameter"] == "pool"
        one, many = given[name]["parameterExpressionSelector"].split(" ? ")
        assert one.endswith('["nodes"] > 1.0')
        assert many.endswith(f' : parseJson(string_value)["{part}"]')
    kinds = spec.pipeline["components"]["comp-refine"]["inputDefinitions"]["parameters"]
    assert kinds["node_selector"]["parameterType"] == "STRUCT"
    assert kinds["tolerations"]["parameterType"] == "LIST"


@pytest.mark.parametrize("part", ["selector", "tolerations", "gpus", "accelerator"])
def test_the_local_engine_takes_the_same_part_of_the_pool(spec, part):
    from kfp.local.orchestrator.orchestrator_utils import OrchestratorUtils

    given = tasks(spec, "comp-renew")["first-iteration-refine"]["inputs"]["parameters"]
    expression = given["node_selector" if part == "selector" else part]["parameterExpressionSelector"]
    pool = {"gpus": "2", "accelerator": "a", "selector": {"b": "c"}, "tolerations": [{"key": "d"}]}
    assert OrchestratorUtils._apply_expression_selector(pool, expression) == pool[part]


def test_several_nodes_get_the_pool_and_its_requests_from_the_train_step(spec):
    given = sources(tasks(spec, "comp-refine")["train"])
    assert [given[name] for name in ("pool", "cpu", "memory")] == ["pool", "cpu", "memory"]


def test_every_parameter_is_typed_and_documented(spec):
    parameters = spec.pipeline["root"]["inputDefinitions"]["parameters"]
    assert all(p["description"] and p["parameterType"] for p in parameters.values())
    required = {name for name, p in parameters.items() if not p.get("isOptional")}
    assert required == {"existing", "user", "test", "catalog", "champion"}


def test_nothing_is_installed_while_it_runs(spec):
    for executor in spec.pipeline["deploymentSpec"]["executors"].values():
        assert "pip install" not in str(executor)


@pytest.mark.parametrize("rounds", [1, 4])
def test_unrolling_keeps_the_steps_and_bounds_the_rounds(spec, rounds):
    flat = unrolled(rounds)
    assert flat.pipeline["deploymentSpec"] == spec.pipeline["deploymentSpec"]
    assert flat.platform == spec.platform
    assert flat.pipeline["root"]["inputDefinitions"]["parameters"]["max_rounds"]["defaultValue"] == rounds
    assert sum(name.startswith("comp-refine-round-") for name in flat.pipeline["components"]) == rounds


def test_no_rounds_are_refused():
    with pytest.raises(BadInput, match="rounds"):
        unrolled(0)
