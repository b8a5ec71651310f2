"""The Kubeflow interface of sign-off."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def sign_off(
    model: Input[Model],
    champion: Input[Model],
    card: Output[Artifact],
    report: Output[HTML],
    evaluation_set: Input[Dataset] = None,
    data: Input[Dataset] = None,
    existing: Input[Dataset] = None,
    evaluation: Input[Artifact] = None,
    strategy: str = "",
    store: str = "",
    margin: float = 0.02,
    scorer: str = "adsmu.sign_off.scorers:Utterances",
    trainer: str = "adsmu.train.two_stage:TwoStageTrainer",
) -> NamedTuple("Outputs", decision=str):
    """Compares a candidate with the champion on everything, and signs the report card by policy.

    The private key is read from the file that the environment variable ADSMU_CARD_KEY names, else from
    /etc/adsmu/card/card.key, where a pipeline mounts it from a Secret. Without one, or where the strategy
    wants a person, the card is left unsigned.

    Args:
        model: The candidate's folder.
        champion: The folder of the model in production.
        card: Folder: card.json, card.html and, once signed, card.sig.json.
        report: The page of the card.
        evaluation_set: The folder of an evaluation set; none: the held-out rows of data and existing, and the
            version that the strategy names, out of the store.
        data: Utterance table that the candidate learnt, with held-out rows.
        existing: Utterance table of the existing data: likewise.
        evaluation: evaluation.json of this candidate.
        strategy: The text of a strategy.yaml: cohorts, confidence, who signs; empty: there is none.
        store: Where the signed card is published, and where evaluation sets stand, as URI; empty: nowhere.
        margin: How much worse the candidate may be on all rows, and on the champion's use cases.
        scorer: Import path of what knows how to ask such models.
        trainer: Import path of the models' trainer.

    Returns:
        decision: approve, refuse or unsigned.
    """
    from collections import namedtuple

    from adsmu.sign_off.step import sign_off_files

    decision = sign_off_files(
        model.path,
        champion.path,
        card.path,
        report.path,
        evaluation_set=evaluation_set.path if evaluation_set else None,
        data=data.path if data else None,
        existing=existing.path if existing else None,
        evaluation=evaluation.path if evaluation else None,
        strategy=strategy,
        store=store,
        margin=margin,
        scorer=scorer,
        trainer=trainer,
    )
    return namedtuple("Outputs", ["decision"])(decision)
