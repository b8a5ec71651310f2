"""The Kubeflow interface of canary-deploy."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def canary_deploy(
    model: Input[Model],
    evaluation: Input[Artifact],
    rollout: Output[Artifact],
    verdict: str = "",
) -> NamedTuple("Outputs", outcome=str):
    """Admits a model to production only with the evaluation that names its digest and lets it pass.

    Args:
        model: Model folder.
        evaluation: evaluation.json of this very model.
        rollout: outcome.json: the outcome, its reasons, the digests of model and evaluation.
        verdict: The verdict that the pipeline came to; anything but pass is refused.

    Returns:
        outcome: skipped: the model was refused, or no serving backend was named.
    """
    from collections import namedtuple

    from adsmu.canary_deploy.preflight import preflight

    outcome = preflight(model.path, evaluation.path, rollout.path, verdict=verdict)
    return namedtuple("Outputs", ["outcome"])(outcome)
