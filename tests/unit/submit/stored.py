"""A workflow that a real server handed out, of an update of two rounds, and artifacts for it in a folder."""

import json
from pathlib import Path

from adsmu.files import digest, write_json
from adsmu.submit.pods import pods_of

RECORDED = Path(__file__).with_name("recorded_workflow.json")
VERDICTS = ("refine", "refine", "pass")


class Stored:
    """Attributes: `workflow`, `pods`, and `models`, the folder of each round's model."""

    def __init__(self, folder, verdicts=VERDICTS):
        self.workflow = json.loads(RECORDED.read_text().replace("STORE", str(folder)))
        self.pods = pods_of(self.workflow)
        self.models = [Path(pod.outputs["model"]) for pod in self.steps("train")]
        for number, model in enumerate(self.models, 1):
            write_json({"round": number}, model / "model.json")
        self.evaluations = [Path(pod.outputs["evaluation"]) for pod in self.steps("stratified-evaluate")]
        for number, (path, verdict) in enumerate(zip(self.evaluations, verdicts, strict=True)):
            model = digest(self.models[number - 1]) if number else "sha256:of the champion"
            write_json(evaluation(number, verdict, model), path)
            path.with_name("report").write_text(f"<html>round {number}</html>")
            path.with_name("predictions").write_bytes(b"rows")
        for pod in self.steps("canary-deploy"):
            write_json({"outcome": "skipped", "reasons": ["no service"]}, pod.outputs["rollout"])
            Path(pod.outputs["report"]).write_text("<html>rollout</html>")

    def steps(self, task):
        return [pod for pod in self.pods if pod.task == task and not pod.driver]


def evaluation(number, verdict, model):
    entries = [
        {
            **dict.fromkeys(("added", "strata", "passed", "failed", "undecided", "given_up"), count),
            **dict.fromkeys(("mean", "mean_low", "mean_high", "dev_mean", "existing"), 0.5 + count / 10),
            "round": count,
            "flips": None,
            "seconds": 1.0,
        }
        for count in range(number + 1)
    ]
    return {
        **{name: {} for name in ("data", "splits", "unseen_shapes", "existing")},
        "format": 1,
        "round": number,
        "max_rounds": 3,
        "verdict": verdict,
        "reasons": ["because"],
        "gate": {"measured_on": "test"},
        "model": {"digest": model},
        "champion": {"mean": 0.5, "existing": 0.5},
        "strata": [],
        "rounds": entries,
    }
