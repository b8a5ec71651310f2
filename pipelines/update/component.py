"""The one step that the update pipeline has for itself."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def finish(
    model: Input[Model], evaluation: Input[Artifact], data: Input[Dataset], verdict: str
) -> NamedTuple("Refined", model_uri=str, evaluation_uri=str, data_uri=str, verdict=str):
    """Hands on where the last round's model, evaluation and data lie.

    Args:
        model: The last round's model.
        evaluation: Its evaluation.
        data: The rows it was trained and measured on.
        verdict: The verdict of that evaluation.

    Returns:
        model_uri: Where the model lies.
        evaluation_uri: Where the evaluation lies.
        data_uri: Where the rows lie.
        verdict: As given.
    """
    return model.uri, evaluation.uri, data.uri, verdict
