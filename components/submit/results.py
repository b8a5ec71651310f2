"""What a run came to: its evaluations, its verdict, and everything of worth brought to a folder."""

import functools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from adsmu.data.evaluation import read_evaluation
from adsmu.errors import BadInput, StepFailed, StoreUnavailable
from adsmu.files import digest, read_json, refuse_existing, write_json, written_whole
from adsmu.local.summary import summarise
from adsmu.store import download, open_store
from adsmu.submit.pods import Pod

EVALUATE, TRAIN, FINISH, DEPLOY = "stratified-evaluate", "train", "finish", "canary-deploy"


def evaluation_uris(pods: list[Pod]) -> list[str]:
    """Where the evaluations of a run lie, the first round's first.

    Args:
        pods: The run's pods.
    """
    found = []
    for pod in pods:
        if pod.task.startswith(EVALUATE) and not pod.driver:
            found += [
                pod.inputs.get("previous"),
                pod.outputs.get("evaluation") if pod.phase == "Succeeded" else None,
            ]
        else:
            found.append(pod.inputs.get("evaluation"))
    return list(dict.fromkeys(uri for uri in found if uri))


def last_evaluation(pods: list[Pod]) -> tuple[str, dict[str, Any]] | None:
    """The evaluation of the latest round and where it lies; None before there is one.

    Args:
        pods: The run's pods.

    Raises:
        StepFailed: The object storage does not answer.
        BadInput: What lies there is no evaluation.
    """
    found = [(uri, _evaluation(uri)) for uri in evaluation_uris(pods)]
    return max(found, key=lambda each: each[1]["round"]) if found else None


def outcome(pods: list[Pod]) -> dict[str, Any] | None:
    """What became of the rollout; None when there was none.

    Args:
        pods: The run's pods.

    Raises:
        StepFailed: The object storage does not answer.
    """
    uri = _output(pods, DEPLOY, "rollout")
    return dict(_json(uri)) if uri else None


def verdict(pods: list[Pod]) -> str:
    """The verdict of the last round; empty before there is one.

    Args:
        pods: The run's pods.

    Raises:
        StepFailed: The object storage does not answer.
    """
    found = last_evaluation(pods)
    return str(found[1]["verdict"]) if found else ""


def fetch(pods: list[Pod], output: Path) -> dict[str, Any]:
    """Brings report, evaluation, predictions, model and the rollout's outcome to a folder, with a summary.

    The model is taken only if its digest is the one that the evaluation names. There is none when the
    champion passed: it is the user's own.

    Args:
        pods: The run's pods.
        output: Folder to make, as `adsmu run` leaves one.

    Returns:
        The summary.

    Raises:
        BadInput: The run has no evaluation yet, the folder exists, or no model is the one evaluated.
        StepFailed: The object storage does not answer.
    """
    refuse_existing(output)
    found = last_evaluation(pods)
    if found is None:
        raise BadInput(
            "there is no evaluation: the run has not come so far, or took every step from the cache"
        )
    uri, evaluation = found
    with written_whole(output) as folder:
        folder.mkdir()
        place = uri.rpartition("/")[0]
        for name, artifact in (("report.html", "report"), ("predictions.parquet", "predictions")):
            (folder / name).write_bytes(_bytes(f"{place}/{artifact}"))
        (folder / "evaluation.json").write_bytes(_bytes(uri))
        _fetch_model(pods, evaluation, folder / "model")
        summary = summarise(evaluation, round_seconds(pods)) | {"report": str(output / "report.html")}
        summary |= {"outcome": None, "rollout_report": None}
        if (rolled_out := outcome(pods)) and (page := _output(pods, DEPLOY, "report")):
            write_json(rolled_out, folder / "outcome.json")
            (folder / "rollout.html").write_bytes(_bytes(page))
            summary |= {"outcome": rolled_out["outcome"], "rollout_report": str(output / "rollout.html")}
        write_json(summary, folder / "summary.json")
    return summary


def round_seconds(pods: list[Pod]) -> list[float]:
    """What each round took, the champion's first: from the end of one evaluation to the end of the next.

    Args:
        pods: The run's pods.

    Returns:
        Seconds, the engine's own time included.
    """
    ends: dict[int, datetime] = {}
    for pod in pods:
        if pod.task.startswith(EVALUATE) and pod.phase == "Succeeded" and pod.ended:
            ends[pod.round] = max(_moment(pod.ended), ends.get(pod.round, _moment(pod.ended)))
    if not ends:
        return []
    start = min(_moment(pod.began) for pod in pods if pod.began)
    moments = [start, *(ends[number] for number in sorted(ends))]
    return [(after - before).total_seconds() for before, after in pairwise(moments)]


def _fetch_model(pods: list[Pod], evaluation: dict[str, Any], folder: Path) -> None:
    candidates = [pod.inputs.get("model") for pod in pods if pod.task in (FINISH, DEPLOY)]
    candidates += [pod.outputs.get("model") for pod in reversed(pods) if pod.task == TRAIN]
    if evaluation["round"] == 0:
        return
    for uri in dict.fromkeys(each for each in candidates if each):
        place, _, name = uri.rpartition("/")
        with _stored():
            download(open_store(place), name, folder)
        if digest(folder) == evaluation["model"]["digest"]:
            return
        shutil.rmtree(folder)
    raise BadInput(f"no model of this run has the digest {evaluation['model']['digest']} that was evaluated")


def _output(pods: list[Pod], task: str, name: str) -> str | None:
    written = [
        pod.outputs.get(name) for pod in reversed(pods) if pod.task == task and pod.phase == "Succeeded"
    ]
    return next((uri for uri in written if uri), None)


@functools.cache
def _evaluation(uri: str) -> dict[str, Any]:
    """Reads an evaluation once: one that stands is whole and never changes, and the live view asks often."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evaluation.json"
        path.write_bytes(_bytes(uri))
        try:
            return read_evaluation(path)
        except BadInput as error:
            raise BadInput(error.rule, file=uri, column=error.column) from error


def _json(uri: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artifact.json"
        path.write_bytes(_bytes(uri))
        return read_json(path)


def _bytes(uri: str) -> bytes:
    place, _, name = uri.rpartition("/")
    with _stored():
        content = open_store(place).read(name)
    if content is None:
        raise BadInput("is not there any more; the object storage was cleared", file=uri)
    return content


@contextmanager
def _stored() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise StepFailed(str(error)) from error


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
