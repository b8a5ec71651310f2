"""The Kubeflow interface of stratified-evaluate."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def stratified_evaluate(
    model: Input[Model],
    data: Input[Dataset],
    strata: Input[Dataset],
    existing: Input[Dataset],
    evaluation: Output[Artifact],
    predictions: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[HTML],
    champion_predictions: Input[Dataset] = None,
    previous: Input[Artifact] = None,
    round: int = 0,
    max_rounds: int = 3,
    target: float = 0.95,
    margin: float = 0.02,
    confidence: float = 0.95,
    patience: int = 2,
    churn_floor: float = -1.0,
    trainer: str = "adsmu.train.two_stage:TwoStageTrainer",
) -> NamedTuple("Outputs", verdict=str, next_round=int):
    """Measures every stratum with equal weight, compares with the champion, and gives the round's verdict.

    Args:
        model: Model folder.
        data: The new use case's rows; development and test rows are measured.
        strata: Strata table.
        existing: Utterance table of the existing data; its test rows are measured.
        evaluation: evaluation.json: verdict, reasons, digests, figures for each stratum.
        predictions: One row an utterance: what is right, and what the champion had right.
        metrics: The round's few main figures.
        report: A self-contained page.
        champion_predictions: The champion's predictions on the same rows; none: the model is the champion.
        previous: The evaluation before this one; its rounds are carried on.
        round: The round; 0 for the champion.
        max_rounds: The last round allowed.
        target: The frame accuracy that a stratum, and the mean over strata, must clear.
        margin: How much lower the accuracy on existing use cases may be.
        confidence: Of every interval, two-sided.
        patience: Rounds without improvement before a failing stratum is given up.
        churn_floor: Share of negative flips that a mere change of seed causes; negative: unknown.
        trainer: Import path of the trainer that made the model.

    Returns:
        verdict: pass, refine or exhausted.
        next_round: The round that follows; the last one when a scout calls for no more data.
    """
    from collections import namedtuple

    from adsmu.files import write_json
    from adsmu.stratified_evaluate.evaluate import evaluate_files

    result = evaluate_files(
        model.path,
        data.path,
        strata.path,
        existing.path,
        evaluation=evaluation.path,
        predictions=predictions.path,
        report=report.path,
        champion_predictions=champion_predictions.path if champion_predictions else None,
        previous=previous.path if previous else None,
        round=round,
        max_rounds=max_rounds,
        target=target,
        margin=margin,
        confidence=confidence,
        patience=patience,
        churn_floor=churn_floor if churn_floor >= 0 else None,
        trainer=trainer,
    )
    for name, value in result.metrics.items():
        metrics.log_metric(name, value)
    write_json(result.metrics, metrics.path)  # a cache takes an artifact without a file for a lost one
    return namedtuple("Outputs", ["verdict", "next_round"])(result.verdict, result.next_round)
