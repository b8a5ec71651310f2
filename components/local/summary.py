"""What is left when a run is finished: the summary, and the last round's files in easy reach."""

import re
import shutil
from typing import Any

from adsmu.files import digest, read_json, write_json, written_whole
from adsmu.local.folder import RunFolder
from adsmu.sign_off.records import read_signed
from adsmu.sign_off.run import PAGE

FIGURES = (
    "round",
    "added",
    "strata",
    "passed",
    "failed",
    "undecided",
    "given_up",
    "mean",
    "mean_low",
    "existing",
    "flips",
    "seconds",
)


def conclude(folder: RunFolder) -> dict[str, Any]:
    """Brings the last evaluation, report, predictions and model to the top of the folder; writes the summary.

    Args:
        folder: The run's folder, its pipeline finished.

    Returns:
        The summary.
    """
    written = folder.steps.rglob("evaluation")
    path = max(written, key=lambda path: (read_json(path)["round"], path.stat().st_mtime))
    evaluation = read_json(path)
    for name, artifact in (
        ("report.html", "report"),
        ("evaluation.json", "evaluation"),
        ("predictions.parquet", "predictions"),
    ):
        with written_whole(folder.path / name) as temporary:
            shutil.copyfile(path.with_name(artifact), temporary)
    for model in folder.steps.rglob("train*/model"):
        if digest(model) == evaluation["model"]["digest"]:
            with written_whole(folder.model) as temporary:
                shutil.copytree(model, temporary)
    rolled_out = _card(folder) | _rollout(folder)
    seconds = round_seconds(folder.log.read_text(encoding="utf-8", errors="replace"))
    summary = summarise(evaluation, seconds) | {"report": str(folder.report)} | rolled_out
    write_json(summary, folder.summary)
    return summary


def _card(folder: RunFolder) -> dict[str, Any]:
    """Brings the report card to the top of the folder; of an update that was resumed, the last."""
    written = sorted(folder.steps.rglob("sign-off/card"), key=lambda path: path.stat().st_mtime)
    if not written:
        return {"signed": None, "card": None}
    with written_whole(folder.card) as temporary:
        shutil.copytree(written[-1], temporary)
    signature = read_signed(folder.card).signature
    return {"signed": signature and signature["decision"], "card": str(folder.card / PAGE)}


def _rollout(folder: RunFolder) -> dict[str, Any]:
    """Brings what became of the rollout to the top of the folder; of an update that was resumed, the last."""
    written = sorted(folder.steps.rglob("canary-deploy/rollout"), key=lambda path: path.stat().st_mtime)
    if not written:
        return {"outcome": None, "rollout_report": None}
    for path, artifact in (
        (folder.rollout, written[-1]),
        (folder.rollout_report, written[-1].with_name("report")),
    ):
        with written_whole(path) as temporary:
            shutil.copyfile(artifact, temporary)
    return {"outcome": read_json(folder.rollout)["outcome"], "rollout_report": str(folder.rollout_report)}


def summarise(evaluation: dict[str, Any], seconds: list[float]) -> dict[str, Any]:
    """The few figures of a run that scripts read.

    Args:
        evaluation: The last evaluation of the run.
        seconds: What each round took, the champion's first.

    Returns:
        verdict, rounds, champion, candidate (None when the champion passed) and model_digest.
    """
    measured = evaluation["rounds"]
    if len(seconds) < len(measured):  # the log was taken away: what the evaluation itself took is left
        seconds = [entry["seconds"] for entry in measured]
    rounds = [
        {name: entry[name] for name in FIGURES} | {"seconds": taken}
        for entry, taken in zip(measured, seconds[-len(measured) :], strict=True)
    ]
    last = {"mean": rounds[-1]["mean"], "existing": rounds[-1]["existing"]}
    refined = evaluation["round"] > 0
    champion = {name: evaluation["champion"][name] for name in last} if refined else last
    return {
        "verdict": evaluation["verdict"],
        "rounds": rounds[1:],
        "champion": champion,
        "candidate": last if refined else None,
        "model_digest": evaluation["model"]["digest"],
    }


def round_seconds(log: str) -> list[float]:
    r"""What the tasks of each round took, from what `kfp.local` logged, over all that a run was resumed.

    Args:
        log: Its log, over all the times that the run was resumed.

    Returns:
        Seconds: first up to the end of the champion's evaluation, then one number a round.

    >>> began = "23:59:59.000 - INFO - Executing task 'stratified-evaluate'"
    >>> ended = "00:00:01.500 - INFO - Task 'stratified-evaluate' finished with status SUCCESS"
    >>> round_seconds(f"{began}\n{ended}")
    [2.5]
    """
    line = re.compile(r"(\d\d):(\d\d):(\d\d\.\d+) - INFO - (Executing task|Task) \S*?'([^']+)'(.*)")
    rounds: list[float] = []
    began: dict[str, float] = {}
    total = 0.0
    for hours, minutes, seconds, what, task, rest in line.findall(log):
        moment = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        if what == "Executing task":
            began[task] = moment
        elif "finished with status" in rest and "SUCCESS" in rest:
            total += (moment - began[task]) % 86_400
            if task.startswith("stratified-evaluate"):
                rounds.append(total)
                total = 0.0
    return rounds
