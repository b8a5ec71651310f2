"""The Kubeflow interface of sign-off."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def sign_off(
    model: Input[Model],
    champion: Input[Model],
    evaluation_set: Input[Dataset],
    card: Output[Artifact],
    report: Output[HTML],
    evaluation: Input[Artifact] = None,
    strategy: Input[Artifact] = None,
    retraining: Input[Artifact] = None,
    store: str = "",
    margin: float = 0.02,
    scorer: str = "adsmu.sign_off.scorers:Utterances",
    trainer: str = "adsmu.train.two_stage:TwoStageTrainer",
) -> NamedTuple("Outputs", decision=str):
    """Compares a candidate with the champion on everything, and signs the report card by policy.

    The private key is read from the file that the environment variable ADSMU_CARD_KEY names: a pipeline
    mounts it from a Secret. Without it, or where the strategy wants a person, the card is left unsigned.

    Args:
        model: The candidate's folder.
        champion: The folder of the model in production.
        evaluation_set: The folder of an evaluation set.
        card: Folder: card.json, card.html and, once signed, card.sig.json.
        report: The page of the card.
        evaluation: evaluation.json of this candidate.
        strategy: strategy.yaml.
        retraining: How retrainings of the candidate vary.
        store: Where the signed card is published for canary-deploy, as URI; empty: nowhere.
        margin: How much worse the candidate may be on all rows.
        scorer: Import path of what knows how to ask such models.
        trainer: Import path of the models' trainer.

    Returns:
        decision: approve, refuse or unsigned.
    """
    from collections import namedtuple

    from adsmu.sign_off.run import pipeline_files

    decision = pipeline_files(
        model.path,
        champion.path,
        evaluation_set.path,
        card.path,
        report.path,
        evaluation=evaluation.path if evaluation else None,
        strategy=strategy.path if strategy else None,
        retraining=retraining.path if retraining else None,
        store=store,
        margin=margin,
        scorer=scorer,
        trainer=trainer,
    )
    return namedtuple("Outputs", ["decision"])(decision)
