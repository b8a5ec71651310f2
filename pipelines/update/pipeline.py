"""The update pipeline: measure the champion; while strata fail, synthesize, train and measure again; promote.

Three sub-pipelines. `refine` is one round, and calls itself. `renew` holds all that a failing champion sets
off, so that one condition guards it. `promote` takes up the model that the last round left: an importer does
not wait for the task that its URI comes from, so it stands in a sub-pipeline that is given the URI.

Accelerators are asked for by a text, because the engine reads only text there: a number would be dropped in
silence. Empty asks for none at all, where "0" would make some clusters treat the pod as one that wants a GPU.
Where several nodes train, the step only submits them and watches: the pool is theirs, not the step's.
No step but canary-deploy asks for retries: the engine's own settings decide whether a step that failed runs
again, and a step that refuses its input should not. A lost pod is replaced in any case. A rollout whose pod
ends goes on where it was.

The key that report cards are signed with reaches sign-off, and no other step, as a file of the Secret
`adsmu-card-key`; where there is no such Secret, cards are left unsigned.
"""

import copy
from typing import Any, NamedTuple

from kfp import components, dsl, kubernetes
from kfp.dsl import Artifact, Dataset, Input, Model

from adsmu import (
    CanaryDeployOp,
    CanaryFinaliseOp,
    SignOffOp,
    StratifiedEvaluateOp,
    StratifyOp,
    SynthesizeOp,
    TrainOp,
)
from adsmu.image import IMAGE
from adsmu.pipelines import recursion
from adsmu.pipelines.storage import opens_storage
from adsmu.pipelines.update.component import finish
from adsmu.sign_off.signature import MOUNTED

CARD_SECRET = "adsmu-card-key"  # noqa: S105 - the name of a Secret
TRAINER = "adsmu.train.two_stage:TwoStageTrainer"
ONE_NODE = {"nodes": 1, "gpus": "", "accelerator": "nvidia.com/gpu", "selector": {}, "tolerations": []}
NEEDS_MORE = recursion.Guard("stratified-evaluate", "verdict", "refine")


class Refined(NamedTuple):
    """What flows out of the recursion: parameters, no artifacts."""

    model_uri: str
    evaluation_uri: str
    data_uri: str
    verdict: str


def refine(
    data: Input[Dataset],
    strata: Input[Dataset],
    existing: Input[Dataset],
    catalog: Input[Artifact],
    champion: Input[Model],
    champion_predictions: Input[Dataset],
    evaluation: Input[Artifact],
    round: int,
    max_rounds: int,
    rows_per_stratum: int,
    target: float,
    margin: float,
    allocation: str,
    selection: str,
    generator: str,
    mode: str,
    early_mode: str,
    trainer: str,
    settings: dict,
    checkpoints: str,
    seed: int,
    cpu: str,
    memory: str,
    gpus: str,
    accelerator: str,
    node_selector: dict,
    tolerations: list,
    pool: dict,
) -> Refined:
    """One round."""
    rows = SynthesizeOp(
        utterances=data,
        strata=strata,
        existing=existing,
        catalog=catalog,
        evaluation=evaluation,
        round=round,
        rows_per_stratum=rows_per_stratum,
        allocation=allocation,
        selection=selection,
        generator=generator,
        seed=seed,
    )
    trained = TrainOp(
        existing=existing,
        data=rows.outputs["data"],
        base=champion,
        mode=mode,
        early_mode=early_mode,
        round=round,
        max_rounds=max_rounds,
        trainer=trainer,
        settings=settings,
        checkpoints=checkpoints,
        seed=seed,
        pool=pool,
        cpu=cpu,
        memory=memory,
    )
    opens_storage(trained)  # its checkpoints
    trained.set_cpu_request(cpu).set_memory_request(memory)
    trained.set_accelerator_type(accelerator).set_accelerator_limit(gpus)
    kubernetes.add_node_selector_json(trained, node_selector)
    kubernetes.add_toleration_json(trained, tolerations)
    measured = StratifiedEvaluateOp(
        model=trained.outputs["model"],
        data=rows.outputs["data"],
        strata=strata,
        existing=existing,
        champion_predictions=champion_predictions,
        previous=evaluation,
        round=round,
        max_rounds=max_rounds,
        target=target,
        margin=margin,
        trainer=trainer,
    )
    again(
        data=rows.outputs["data"],
        strata=strata,
        existing=existing,
        catalog=catalog,
        champion=champion,
        champion_predictions=champion_predictions,
        evaluation=measured.outputs["evaluation"],
        round=measured.outputs["next_round"],
        max_rounds=max_rounds,
        rows_per_stratum=rows_per_stratum,
        target=target,
        margin=margin,
        allocation=allocation,
        selection=selection,
        generator=generator,
        mode=mode,
        early_mode=early_mode,
        trainer=trainer,
        settings=settings,
        checkpoints=checkpoints,
        seed=seed,
        cpu=cpu,
        memory=memory,
        gpus=gpus,
        accelerator=accelerator,
        node_selector=node_selector,
        tolerations=tolerations,
        pool=pool,
    )
    last = finish(
        model=trained.outputs["model"],
        evaluation=measured.outputs["evaluation"],
        data=rows.outputs["data"],
        verdict=measured.outputs["verdict"],
    ).set_caching_options(False)
    return Refined(*(last.outputs[name] for name in Refined._fields))


again = recursion.stub(refine)
refine_pipeline = dsl.pipeline(refine)


@dsl.pipeline
def promote(
    existing: Input[Dataset],
    champion: Input[Model],
    model_uri: str,
    evaluation_uri: str,
    data_uri: str,
    verdict: str,
    service: str,
    backend: str,
    store: str,
    plan: dict,
    serving: dict,
    trainer: str,
    margin: float,
    strategy: str,
    cause: dict,
) -> None:
    """Takes up what the last round left, makes and signs its report card, and hands both to canary-deploy."""
    model = dsl.importer(artifact_uri=model_uri, artifact_class=Model, reimport=False)
    evaluation = dsl.importer(artifact_uri=evaluation_uri, artifact_class=Artifact, reimport=False)
    data = dsl.importer(artifact_uri=data_uri, artifact_class=Dataset, reimport=False)
    signed = SignOffOp(
        model=model.output,
        champion=champion,
        data=data.output,
        existing=existing,
        evaluation=evaluation.output,
        strategy=strategy,
        store=store,
        margin=margin,
        trainer=trainer,
    ).set_caching_options(False)
    opens_storage(signed)
    kubernetes.use_secret_as_volume(signed, CARD_SECRET, str(MOUNTED.parent), optional=True)
    rollout = CanaryDeployOp(
        model=model.output,
        evaluation=evaluation.output,
        data=data.output,
        existing=existing,
        champion=champion,
        card=signed.outputs["card"],
        verdict=verdict,
        service=service,
        backend=backend,
        store=store,
        plan=plan,
        serving=serving,
        trainer=trainer,
        cause=cause,
    )
    opens_storage(rollout)
    rollout.set_env_variable("ADSMU_IMAGE", IMAGE)  # what its predictors run, unless `serving` says otherwise
    rollout.set_caching_options(False).set_retry(num_retries=3, backoff_duration="10s", backoff_factor=2.0)


@dsl.pipeline
def renew(
    data: Input[Dataset],
    strata: Input[Dataset],
    existing: Input[Dataset],
    catalog: Input[Artifact],
    champion: Input[Model],
    champion_predictions: Input[Dataset],
    evaluation: Input[Artifact],
    max_rounds: int,
    rows_per_stratum: int,
    target: float,
    margin: float,
    allocation: str,
    selection: str,
    generator: str,
    mode: str,
    early_mode: str,
    trainer: str,
    settings: dict,
    checkpoints: str,
    seed: int,
    cpu: str,
    memory: str,
    pool: dict,
    service: str,
    backend: str,
    store: str,
    plan: dict,
    serving: dict,
    strategy: str,
    cause: dict,
) -> None:
    """Refines until a round ends it, then promotes."""
    refined = refine_pipeline(
        data=data,
        strata=strata,
        existing=existing,
        catalog=catalog,
        champion=champion,
        champion_predictions=champion_predictions,
        evaluation=evaluation,
        round=1,
        max_rounds=max_rounds,
        rows_per_stratum=rows_per_stratum,
        target=target,
        margin=margin,
        allocation=allocation,
        selection=selection,
        generator=generator,
        mode=mode,
        early_mode=early_mode,
        trainer=trainer,
        settings=settings,
        checkpoints=checkpoints,
        seed=seed,
        cpu=cpu,
        memory=memory,
        gpus="",  # `_split_pool` puts the parts of the pool here, and in the three below
        accelerator="",
        node_selector=pool,
        tolerations=[],
        pool=pool,
    )
    promote(
        existing=existing,
        champion=champion,
        service=service,
        backend=backend,
        store=store,
        plan=plan,
        serving=serving,
        trainer=trainer,
        margin=margin,
        strategy=strategy,
        cause=cause,
        **refined.outputs,
    )


def _imported(uri: Any, kind: type[Artifact]) -> Any:
    """An artifact that is there; no display name, by which the engine would look for the task and miss it."""
    return dsl.importer(artifact_uri=uri, artifact_class=kind, reimport=False).output


@dsl.pipeline
def update(
    existing: str,
    user: str,
    test: str,
    catalog: str,
    champion: str,
    max_rounds: int = 3,
    rows_per_stratum: int = 8,
    evaluation_rows: int = 80,
    target: float = 0.95,
    margin: float = 0.02,
    rule: str = "exact",
    min_rows: int = 1,
    max_strata: int = 200,
    allocation: str = "failing",
    selection: str = "balanced",
    generator: str = "recombine",
    mode: str = "warm",
    early_mode: str = "scout",
    trainer: str = TRAINER,
    settings: dict = {},  # noqa: B006 - kfp reads the default, nothing writes it
    checkpoints: str = "",
    seed: int = 0,
    cpu: str = "2",
    memory: str = "4Gi",
    pool: dict = ONE_NODE,
    service: str = "",
    backend: str = "",
    store: str = "",
    plan: dict = {},  # noqa: B006 - as above
    serving: dict = {},  # noqa: B006 - as above
    strategy: str = "",
    cause: dict = {},  # noqa: B006 - as above
) -> None:
    """Updates a production model for a new use case, gated stratum by stratum.

    Args:
        existing: URI of the utterance table that the production model was trained on.
        user: URI of the user's utterance table for the new use case.
        test: URI of real, held-out utterances of the new use case.
        catalog: URI of a JSON object, slot name to a list of values.
        champion: URI of the production model's folder.
        max_rounds: The last round allowed.
        rows_per_stratum: Synthetic training rows a round, for each stratum on average.
        evaluation_rows: Synthetic development rows of each stratum, written once.
        target: The frame accuracy that a stratum, and the mean over strata, must clear.
        margin: How much lower the accuracy on existing use cases may be.
        rule: How rows are grouped: exact, fuzzy, model, or the import path of a rule.
        min_rows: Strata with fewer user rows are merged with their fuzzy twins, or set aside.
        max_strata: The largest strata that are kept; the others are set aside.
        allocation: How a round's rows are shared out: equal, natural, failing, failure_rate, an import path.
        selection: Which rows of the pool are taken: balanced, submodular or random.
        generator: fill (the shapes of the strata), recombine (new shapes beside them), an import path.
        mode: full: from new weights; warm: from the champion, all weights; finetune: encoder frozen.
        early_mode: The mode of rounds before the last: scout (brief, on few existing rows), or as mode.
        trainer: Import path of the trainer.
        settings: Settings of the trainer that differ from its defaults.
        checkpoints: Folder or URI of object storage that outlives a step; a killed training resumes from it.
            Empty: none. Several nodes need object storage.
        seed: Makes the update reproducible.
        cpu: CPU request of training; of several nodes, what each one gets.
        memory: Memory request of training; of several nodes, what each one gets.
        pool: Where training runs. All keys stand: nodes (how many train together), gpus (of each node, as
            text; empty: none), accelerator (its resource name), selector (labels to values), tolerations.
        service: The service that a model which passes is rolled out to.
        backend: What moves its traffic: local, gateway, kserve or knative; empty: nothing is rolled out.
        store: URI of the object storage of releases, event logs and the rollout's evidence.
        plan: What the candidate must show, and when.
        serving: Settings of the backend.
        strategy: The text of strategy.yaml, which the report card is bound to; empty: there is none.
        cause: What opened the update: digest of the strategy, id of the dataset, decision and reason. It is
            kept with the model.
    """
    last = CanaryFinaliseOp(service=service, backend=backend, store=store, serving=serving, trainer=trainer)
    with dsl.ExitHandler(opens_storage(last.set_caching_options(False))):
        existing_data = _imported(existing, Dataset)
        user_data = _imported(user, Dataset)
        test_data = _imported(test, Dataset)
        values = _imported(catalog, Artifact)
        model = _imported(champion, Model)
        strata = StratifyOp(
            user=user_data, test=test_data, rule=rule, min_rows=min_rows, max_strata=max_strata, seed=seed
        )
        rows = SynthesizeOp(
            utterances=strata.outputs["utterances"],
            strata=strata.outputs["strata"],
            existing=existing_data,
            catalog=values,
            round=0,
            rows_per_stratum=evaluation_rows,
            seed=seed,
        )
        measured = StratifiedEvaluateOp(
            model=model,
            data=rows.outputs["data"],
            strata=strata.outputs["strata"],
            existing=existing_data,
            round=0,
            max_rounds=max_rounds,
            target=target,
            margin=margin,
            trainer=trainer,
        )
        renew(
            data=rows.outputs["data"],
            strata=strata.outputs["strata"],
            existing=existing_data,
            catalog=values,
            champion=model,
            champion_predictions=measured.outputs["predictions"],
            evaluation=measured.outputs["evaluation"],
            max_rounds=max_rounds,
            rows_per_stratum=rows_per_stratum,
            target=target,
            margin=margin,
            allocation=allocation,
            selection=selection,
            generator=generator,
            mode=mode,
            early_mode=early_mode,
            trainer=trainer,
            settings=settings,
            checkpoints=checkpoints,
            seed=seed,
            cpu=cpu,
            memory=memory,
            pool=pool,
            service=service,
            backend=backend,
            store=store,
            plan=plan,
            serving=serving,
            strategy=strategy,
            cause=cause,
        )


def tied() -> recursion.Spec:
    """The update pipeline, its rounds a component that calls itself."""
    return recursion.tie(_authored(), "refine", NEEDS_MORE)


def unrolled(rounds: int) -> recursion.Spec:
    """The update pipeline without a cycle, for engines that refuse one.

    Args:
        rounds: How many rounds there may be; the default of `max_rounds`, and not to be exceeded by it.
    """
    spec = recursion.unroll(_authored(), "refine", NEEDS_MORE, rounds)
    return recursion.with_default(spec, "max_rounds", rounds)


def load_tied() -> Any:
    """The update pipeline as a component: call it under `kfp.local`, or inside another pipeline."""
    return components.load_component_from_text(tied().text())


def _authored() -> recursion.Spec:
    spec = recursion.guard(recursion.compiled(update), "renew", NEEDS_MORE, "exit-handler-1")
    return _split_pool(spec)


def _split_pool(spec: recursion.Spec) -> recursion.Spec:
    """Gives `refine` the parts of the pool: kfp has no word for a part of a parameter, engines have.

    Where several nodes train, the step itself gets none of them. An expression begins with the part it is
    about, since that part is all that `kfp.local` makes of it; and the empty values are parsed, since the
    engine takes no object or list that an expression builds.
    """
    spec = copy.deepcopy(spec)
    given = spec.pipeline["components"]["comp-renew"]["dag"]["tasks"]["refine"]["inputs"]["parameters"]
    parsed = "parseJson(string_value)"
    empty = {"gpus": '""', "selector": 'parseJson("{}")', "tolerations": 'parseJson("[]")'}
    for part, none in empty.items():
        many = f'{parsed}["{part}"] != null && {parsed}["nodes"] > 1.0'
        given["node_selector" if part == "selector" else part] = {
            "componentInputParameter": "pool",
            "parameterExpressionSelector": f'{many} ? {none} : {parsed}["{part}"]',
        }
    given["accelerator"] = {
        "componentInputParameter": "pool",
        "parameterExpressionSelector": f'{parsed}["accelerator"]',
    }
    return spec
