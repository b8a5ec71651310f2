"""The Kubeflow interface of analyze."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def analyze(
    reference: Input[Dataset],
    window: Input[Dataset],
    strategy: Input[Artifact],
    analysis: Output[Artifact],
    metrics: Output[Metrics],
    findings: Input[Artifact] = None,
    labels: Input[Dataset] = None,
    unfit: str = "",
    seed: int = 0,
) -> NamedTuple("Outputs", diagnosis=str, action=str):
    """Says what is wrong with a model in production, and what data would mend it.

    Args:
        reference: Observations with labels and predictions, that the model did well on.
        window: Observations of production; labels may be missing.
        strategy: The strategy.
        analysis: analysis.json: tests, diagnosis, recommendation with reason, confidence and rows.
        metrics: Confidence, tests run, and labels asked for.
        findings: The findings that opened the analysis; none: nothing is known beforehand.
        labels: Labels by id, of rows that an analysis before this one wanted; none: nobody gave any.
        unfit: Why the window cannot be analyzed: then its data are to be mended; empty: it can.
        seed: Of the samples.

    Returns:
        diagnosis: none, quality, covariate, label_shift, new_class, concept, cohort or poisoned.
        action: nothing, retrain, new_mix, new_class or mend_data.
    """
    from collections import namedtuple

    from adsmu.analyze.analyze import analyze_files
    from adsmu.files import write_json

    result = analyze_files(
        reference.path,
        window.path,
        strategy.path,
        analysis=analysis.path,
        findings=findings.path if findings else None,
        labels=labels.path if labels else None,
        unfit=unfit,
        seed=seed,
    )
    figures = {
        "confidence": result["confidence"],
        "tests": float(result["stopped_after"]),
        "labels_asked": float(result["labels_asked"]),
    }
    for name, value in figures.items():
        metrics.log_metric(name, value)
    write_json(figures, metrics.path)  # a cache takes an artifact without a file for a lost one
    outputs = namedtuple("Outputs", ["diagnosis", "action"])
    return outputs(result["diagnosis"], result["recommendation"]["action"])
