"""The Kubeflow interface of canary-finalise."""

from typing import NamedTuple

from kfp import dsl

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def canary_finalise(
    service: str = "",
    backend: str = "",
    store: str = "",
    serving: dict = {},  # noqa: B006 - kfp reads the default, nothing writes it
    trainer: str = "adsmu.train.two_stage:TwoStageTrainer",
) -> NamedTuple("Outputs", outcome=str):
    """Brings a rollout to its end whose canary-deploy is gone: the exit handler of a pipeline that deploys.

    Args:
        service: As for canary-deploy.
        backend: As for canary-deploy; empty: there is nothing to do.
        store: As for canary-deploy.
        serving: As for canary-deploy.
        trainer: As for canary-deploy.

    Returns:
        outcome: promoted, rolled_back or inconclusive; skipped when nothing was left unfinished.
    """
    from collections import namedtuple

    from adsmu.canary_deploy.roll_out import finalise_service

    outcome = finalise_service(service, backend, store, serving, trainer)
    return namedtuple("Outputs", ["outcome"])(outcome)
