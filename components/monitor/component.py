"""The Kubeflow interface of monitor."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def monitor(
    observations: Input[Dataset],
    profile: Input[Artifact],
    strategy: Input[Artifact],
    begin: str,
    end: str,
    findings: Output[Artifact],
    metrics: Output[Metrics],
    report: Output[HTML],
    labels: Input[Dataset] = None,
    validation: Input[Dataset] = None,
    validation_profile: Input[Artifact] = None,
    history: Input[Artifact] = None,
    readings: Input[Dataset] = None,
) -> NamedTuple("Outputs", blocked=bool, alerts=int, found=int):
    """Looks at a window of production, from outcome down to system, and says what changed and how it matters.

    Args:
        observations: Observations: the window's rows, and earlier ones whose labels came late.
        profile: The profile of the window's rows.
        strategy: The strategy, YAML.
        begin: When the window begins, ISO 8601.
        end: When it ends; not in it.
        findings: findings.json: what was found, ranked, with the rows behind it; every figure; the series.
        metrics: How many findings there are at each level.
        report: A self-contained page.
        labels: Late labels: id, label, label_time.
        validation: Labelled observations that the model was evaluated on.
        validation_profile: Their profile; a reference of kind validation needs it.
        history: A folder of earlier windows, each a folder with profile.parquet and findings.json.
        readings: Readings of the system: time, pod, metric, value, limit.

    Returns:
        blocked: Whether the window's rows are not to be learnt from.
        alerts: How many findings call a person.
        found: How many findings there are.
    """
    from collections import namedtuple

    from adsmu.files import write_json
    from adsmu.monitor.run import counts, monitor_files

    result = monitor_files(
        observations.path,
        profile.path,
        strategy.path,
        begin=begin,
        end=end,
        findings=findings.path,
        report=report.path,
        labels=labels.path if labels else None,
        validation=validation.path if validation else None,
        validation_profile=validation_profile.path if validation_profile else None,
        history=history.path if history else None,
        readings=readings.path if readings else None,
    )
    found = counts(result)
    for name, value in found.items():
        metrics.log_metric(name, value)
    write_json(found, metrics.path)  # a cache takes an artifact without a file for a lost one
    outputs = namedtuple("Outputs", ["blocked", "alerts", "found"])
    return outputs(result["blocked"], len(result["alerts"]), len(result["findings"]))
