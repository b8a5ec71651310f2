"""The Kubeflow interface of canary-deploy."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def canary_deploy(
    model: Input[Model],
    evaluation: Input[Artifact],
    rollout: Output[Artifact],
    report: Output[HTML],
    data: Input[Dataset] = None,
    existing: Input[Dataset] = None,
    champion: Input[Model] = None,
    card: Input[Artifact] = None,
    verdict: str = "",
    service: str = "",
    backend: str = "",
    store: str = "",
    plan: dict = {},  # noqa: B006 - kfp reads the default, nothing writes it
    serving: dict = {},  # noqa: B006 - as above
    trainer: str = "adsmu.train.two_stage:TwoStageTrainer",
    override: str = "",
    cause: dict = {},  # noqa: B006 - as above
) -> NamedTuple("Outputs", outcome=str):
    """Rolls a model out behind statistics; only with the evaluation that names its digest and lets it pass.

    Args:
        model: Model folder.
        evaluation: evaluation.json of this very model.
        rollout: outcome.json: the outcome, its reasons, digests, and where the evidence stands.
        report: Page: the ramp over time, what was found in each stratum, what was decided and why.
        data: Utterance table of the new use case, with stratum_id: how requests are grouped, shadow requests.
        existing: Utterance table of the existing data: likewise.
        champion: Model that a local service without a model begins with.
        card: The report card, as sign-off makes it; one that was published of the model goes before it.
        verdict: The verdict that the pipeline came to; anything but pass is refused.
        service: Name of the service; for the backend local its folder.
        backend: local, gateway, kserve or knative; empty: the model is only admitted.
        store: Object storage of releases, event logs and evidence, as URI; local: empty for the folder.
        plan: What the candidate must show, and when: keys of Plan and Schedule.
        serving: Settings of the backend.
        trainer: Import path of the models' trainer.
        override: Who admits a model that its evaluation does not, and why; recorded. Empty: nobody.
        cause: What opened the update, by name; kept with the model.

    Returns:
        outcome: promoted, rolled_back, inconclusive or skipped.
    """
    from collections import namedtuple

    from adsmu.canary_deploy.roll_out import roll_out_files

    outcome = roll_out_files(
        model.path,
        evaluation.path,
        data.path if data else None,
        existing.path if existing else None,
        champion.path if champion else None,
        rollout.path,
        report.path,
        verdict=verdict,
        service=service,
        backend=backend,
        store=store,
        plan=plan,
        serving=serving,
        trainer=trainer,
        override=override,
        card=card.path if card else None,
        cause=cause,
    )
    return namedtuple("Outputs", ["outcome"])(outcome)
