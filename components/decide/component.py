"""The Kubeflow interface of decide."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Input, Metrics, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def decide(
    findings: Input[Artifact],
    strategy: Input[Artifact],
    decision: Output[Artifact],
    metrics: Output[Metrics],
    store: str,
    analysis: Input[Artifact] = None,
    labelled: int = -1,
    asked: str = "",
    time: str = "",
) -> NamedTuple("Outputs", action=str, event=str, dataset=str):
    """Decides whether the model is updated now, and stores the decision: one an event, whatever it is.

    Args:
        findings: findings.json of the window.
        strategy: strategy.yaml.
        decision: decision.json: action, reason, what each trigger said, digests of what it rests on.
        metrics: Whether an update is opened, and how many triggers fired.
        store: Where decisions are kept: a folder, or s3://bucket/prefix.
        analysis: analysis.json of the window; none: there was none.
        labelled: How many labelled rows there are; negative: they were not counted.
        asked: Why a person asks for an update; empty: nobody does.
        time: Now, ISO 8601; empty: when this step runs.

    Returns:
        action: update, do_not_update, ask or blocked.
        event: What was decided about; a second run for the same event is to be refused.
        dataset: What to learn from, as JSON: form and parameters; empty without an update.
    """
    import json
    from collections import namedtuple
    from datetime import UTC, datetime

    from adsmu.decide.decide import decide_files
    from adsmu.files import write_json

    entry = decide_files(
        findings.path,
        strategy.path,
        store=store,
        time=time or datetime.now(UTC).isoformat(),
        decision=decision.path,
        analysis=analysis.path if analysis else None,
        labelled=labelled if labelled >= 0 else None,
        asked=asked,
    )
    fired = sum(trigger["fired"] for trigger in entry["triggers"])
    figures = {"update": float(entry["action"] == "update"), "fired": float(fired)}
    for name, value in figures.items():
        metrics.log_metric(name, value)
    write_json(figures, metrics.path)  # a cache takes an artifact without a file for a lost one
    dataset = json.dumps(entry["dataset"]) if entry["dataset"] else ""
    return namedtuple("Outputs", ["action", "event", "dataset"])(entry["action"], entry["event"], dataset)
