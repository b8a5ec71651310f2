"""The watch pipeline: profile, monitor, analyze, decide; and on a decision to update, submit it once.

For a recurring run: each run takes the newest window that is over out of the store, and leaves there what it
found, for the next. One sub-pipeline, `renew`, holds all that a decision to update sets off, so that one
condition guards it. An analysis is made of every window, not only where something was found: nothing is ever
trained without one, whatever trigger called for it.

What reads or writes the store is never cached: its content changes under the same URI. Such a step is
given the store's credentials, and no other step is.
"""

from typing import Any

from kfp import components, dsl
from kfp.dsl import Artifact, Dataset, Input

from adsmu import AnalyzeOp, DecideOp, FormDatasetOp, MonitorOp, ProfileOp
from adsmu.pipelines import recursion, rules
from adsmu.pipelines.storage import opens_storage
from adsmu.pipelines.watch.component import keep_window, open_window, submit_update

UPDATES = recursion.Guard("decide", "action", "update")


@dsl.pipeline
def renew(
    observations: Input[Dataset],
    previous: Input[Dataset],
    strategy: Input[Artifact],
    decision: Input[Artifact],
    until: str,
    store: str,
    update: dict,
    host: str,
    namespace: str,
) -> None:
    """Forms the dataset and submits the update."""
    formed = FormDatasetOp(
        observations=observations, strategy=strategy, decision=decision, previous=previous, until=until
    )
    submitted = submit_update(
        decision=decision,
        dataset=formed.outputs["dataset"],
        strategy=strategy,
        store=store,
        update=update,
        host=host,
        namespace=namespace,
    )
    opens_storage(submitted.set_caching_options(False))


def _imported(uri: Any, kind: type[Artifact]) -> Any:
    """An artifact that is there; no display name, by which the engine would look for the task and miss it."""
    return dsl.importer(artifact_uri=uri, artifact_class=kind, reimport=False).output


@dsl.pipeline
def watch(
    strategy: str,
    validation: str,
    service: str,
    store: str,
    update: dict = {},  # noqa: B006 - kfp reads the default, nothing writes it
    host: str = "http://ml-pipeline:8888",
    namespace: str = "",
    until: str = "",
    asked: str = "",
    seed: int = 0,
) -> None:
    """Watches a model: what a window shows, what is wrong, and whether the model is updated.

    Args:
        strategy: URI of strategy.yaml; another strategy is another URI.
        validation: URI of labelled observations, Parquet, with the answers of the model in production.
        service: The service whose log in the store is watched.
        store: URI of the object storage of logs, decisions and datasets.
        update: Parameters of the update pipeline but user, strategy and cause, which the decision gives. Once
            the service has a promoted model, that is the champion.
        host: URL of the Kubeflow Pipelines server; local: the update runs in this step.
        namespace: The user's, on a server with users.
        until: The time up to which windows are over, ISO 8601; empty: now.
        asked: Why a person asks for an update; empty: nobody does.
        seed: Of samples.
    """
    plan = _imported(strategy, Artifact)
    known = _imported(validation, Dataset)
    opened = open_window(strategy=plan, validation=known, service=service, store=store, until=until)
    opens_storage(opened.set_caching_options(False))
    says = {"projections": opened.outputs["projections"], "strategy": opened.outputs["digest"]}
    reference = ProfileOp(observations=known, seed=seed, **says)
    window = ProfileOp(
        observations=opened.outputs["window"], like=reference.outputs["profile"], seed=seed, **says
    )
    looked = MonitorOp(
        observations=opened.outputs["observations"],
        profile=window.outputs["profile"],
        strategy=plan,
        begin=opened.outputs["begin"],
        end=opened.outputs["end"],
        validation=known,
        validation_profile=reference.outputs["profile"],
        history=opened.outputs["history"],
        readings=opened.outputs["readings"],
    )
    analyzed = AnalyzeOp(
        reference=known,
        window=opened.outputs["window"],
        strategy=plan,
        findings=looked.outputs["findings"],
        unfit=opened.outputs["unfit"],
        seed=seed,
    )
    decided = DecideOp(
        findings=looked.outputs["findings"],
        strategy=plan,
        analysis=analyzed.outputs["analysis"],
        labelled=opened.outputs["labelled"],
        store=store,
        asked=asked,
    )
    opens_storage(decided.set_caching_options(False))
    kept = keep_window(
        strategy=plan,
        profile=window.outputs["profile"],
        findings=looked.outputs["findings"],
        analysis=analyzed.outputs["analysis"],
        decision=decided.outputs["decision"],
        store=store,
    )
    opens_storage(kept.set_caching_options(False))
    renew(
        observations=opened.outputs["observations"],
        previous=opened.outputs["previous"],
        strategy=plan,
        decision=decided.outputs["decision"],
        until=opened.outputs["end"],
        store=store,
        update=update,
        host=host,
        namespace=namespace,
    )


def compiled() -> recursion.Spec:
    """The watch pipeline, checked."""
    spec = recursion.guard(recursion.compiled(watch), "renew", UPDATES)
    rules.check(spec.pipeline)
    return spec


def load() -> Any:
    """The watch pipeline as a component: call it under `kfp.local`, or inside another pipeline."""
    return components.load_component_from_text(compiled().text())
