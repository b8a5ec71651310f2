"""The one step that the update pipeline has for itself."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Input, Model

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def finish(model: Input[Model], evaluation: Input[Artifact], verdict: str) -> NamedTuple(
    "Refined", model_uri=str, evaluation_uri=str, verdict=str
):
    """Hands on where the last round's model and evaluation lie.

    Args:
        model: The last round's model.
        evaluation: Its evaluation.
        verdict: The verdict of that evaluation.

    Returns:
        model_uri: Where the model lies.
        evaluation_uri: Where the evaluation lies.
        verdict: As given.
    """
    return model.uri, evaluation.uri, verdict
