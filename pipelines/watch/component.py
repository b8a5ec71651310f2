"""The steps that the watch pipeline has for itself."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def open_window(
    strategy: Input[Artifact],
    validation: Input[Dataset],
    service: str,
    store: str,
    until: str,
    observations: Output[Dataset],
    window: Output[Dataset],
    readings: Output[Dataset],
    history: Output[Artifact],
    previous: Output[Dataset],
) -> NamedTuple("Outputs", begin=str, end=str, labelled=int, digest=str, projections=dict, unfit=str):
    """Takes the newest window that is over out of the store, and what earlier runs left there.

    Args:
        strategy: strategy.yaml.
        validation: Labelled observations, with the answers of the model in production.
        service: The service whose log is read.
        store: URI of the object storage.
        until: The time up to which windows are over, ISO 8601; empty: now.
        observations: All rows before the window's end.
        window: The window's rows.
        readings: What the system used in the window, and how requests fared.
        history: The folder of earlier windows.
        previous: The folder of the last dataset; empty: there was none.

    Returns:
        begin: When the window begins.
        end: When it ends.
        labelled: How many rows have a label.
        digest: Of the strategy.
        projections: Of the strategy.
        unfit: Why the window cannot be analyzed; empty: it can.
    """
    from collections import namedtuple

    from adsmu.pipelines.watch import window as opened

    names = ["begin", "end", "labelled", "digest", "projections", "unfit"]
    found = opened.open_window(
        store,
        service,
        strategy.path,
        until,
        observations.path,
        window.path,
        readings.path,
        history.path,
        previous.path,
        validation.path,
    )
    return namedtuple("Outputs", names)(*(found[name] for name in names))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def keep_window(
    strategy: Input[Artifact],
    profile: Input[Artifact],
    findings: Input[Artifact],
    analysis: Input[Artifact],
    decision: Input[Artifact],
    store: str,
) -> NamedTuple("Outputs", place=str):
    """Keeps what was found in the window for the next run.

    Args:
        strategy: strategy.yaml.
        profile: The window's profile.
        findings: findings.json.
        analysis: analysis.json.
        decision: decision.json.
        store: URI of the object storage.

    Returns:
        place: Where it stands.
    """
    from collections import namedtuple

    from adsmu.pipelines.watch import window as opened

    place = opened.keep_window(
        store,
        strategy.path,
        profile=profile.path,
        findings=findings.path,
        analysis=analysis.path,
        decision=decision.path,
    )
    return namedtuple("Outputs", ["place"])(place)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def submit_update(
    decision: Input[Artifact],
    dataset: Input[Dataset],
    strategy: Input[Artifact],
    store: str,
    update: dict,
    host: str,
    namespace: str,
) -> NamedTuple("Outputs", run=str):
    """Runs the update pipeline for the decision, once however often it is delivered.

    Args:
        decision: decision.json, to update.
        dataset: The dataset that was formed for it.
        strategy: strategy.yaml.
        store: URI of the object storage.
        update: Parameters of the update pipeline.
        host: URL of the Kubeflow Pipelines server, or local.
        namespace: The user's, on a server with users.

    Returns:
        run: The run's id.
    """
    import json
    import os
    import subprocess
    import sys
    from collections import namedtuple

    # kfp's executor loads kfp without what submits and runs pipelines: another process has all of it.
    environment = {name: value for name, value in os.environ.items() if name != "_KFP_RUNTIME"}
    paths = [decision.path, dataset.path, strategy.path]
    told = subprocess.run(  # noqa: S603 - a list, no shell
        [sys.executable, "-m", "adsmu.submit.once", *paths, store, json.dumps(update), host, namespace],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(told.stdout)  # noqa: T201 - the step's log
    told.check_returncode()
    return namedtuple("Outputs", ["run"])(told.stdout.splitlines()[-1])
