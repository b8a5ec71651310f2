"""`adsmu run`: the update pipeline on this machine, in a folder that a killed run resumes from."""

import contextlib
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adsmu import __version__
from adsmu.data.corpus import Corpus, read_corpus_folder
from adsmu.errors import BadInput, StepFailed
from adsmu.files import digest, read_json, write_json, written_whole
from adsmu.imports import load
from adsmu.stratify.shapes import check_rule
from adsmu.synthesize.allocate import find_allocation
from adsmu.synthesize.select import find_selection
from adsmu.train.model import load_model
from adsmu.train.run import MODES, train_files

TRAINER = "adsmu.train.two_stage:TwoStageTrainer"


@dataclass(frozen=True)
class Parameters:
    """The update pipeline's parameters that `adsmu run` offers; the pipeline documents each."""

    max_rounds: int = 3
    rows_per_stratum: int = 4
    evaluation_rows: int = 80
    target: float = 0.95
    margin: float = 0.02
    rule: str = "exact"
    min_rows: int = 1
    max_strata: int = 200
    allocation: str = "failing"
    selection: str = "balanced"
    mode: str = "warm"
    trainer: str = TRAINER
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_rounds", 1, 90),
            ("rows_per_stratum", 1, 10_000),
            ("evaluation_rows", 1, 10_000),
            ("min_rows", 1, 1_000_000),
            ("max_strata", 1, 1_000_000),
            ("seed", 0, 2**31 - 1),
        ):
            if not low <= getattr(self, name) <= high:
                raise BadInput(
                    f"must be from {low} to {high}, not {getattr(self, name)}",
                    file=f"--{name.replace('_', '-')}",
                )
        if not 0 < self.target <= 1:
            raise BadInput(f"must be above 0 and at most 1, not {self.target}", file="--target")
        if not 0 <= self.margin < 1:
            raise BadInput(f"must be from 0 to below 1, not {self.margin}", file="--margin")
        if self.mode not in MODES:
            raise BadInput(f"{self.mode!r} is not one of {', '.join(MODES)}", file="--mode")
        check_rule(self.rule)
        find_allocation(self.allocation)
        find_selection(self.selection)
        load(self.trainer, "--trainer")


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it makes.

    Attributes:
        path: The folder itself.
    """

    path: Path

    @property
    def plan(self) -> Path:
        """What the run was asked to do, and the digests of its inputs."""
        return self.path / "run.json"

    @property
    def champion(self) -> Path:
        """The champion that was trained here, when none was given."""
        return self.path / "champion"

    @property
    def steps(self) -> Path:
        """The artifacts of every step."""
        return self.path / "steps"

    @property
    def log(self) -> Path:
        """Everything that the steps said."""
        return self.path / "pipeline.log"

    @property
    def summary(self) -> Path:
        """The result; stands there once the run is finished."""
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        """The report of the last evaluation."""
        return self.path / "report.html"

    def evaluations(self) -> list[dict[str, Any]]:
        """The evaluations made so far, in order of their rounds."""
        found = [read_json(path) for path in self.steps.rglob("evaluation") if path.is_file()]
        return sorted(found, key=lambda evaluation: evaluation["round"])

    def current_step(self) -> str:
        """The step that started last."""
        if not self.log.exists():
            return ""
        started = _started(self.log.read_text(encoding="utf-8", errors="replace"))
        return started[-1] if started else ""


def open_run(
    corpus: Path, output: Path, champion: Path | None, parameters: Parameters
) -> tuple[RunFolder, Corpus]:
    """Checks every input and makes the run's folder, or reopens one that the same command left unfinished.

    Args:
        corpus: Corpus folder.
        output: The run's folder.
        champion: The production model, or None.
        parameters: The pipeline's parameters.

    Returns:
        The folder and the corpus.

    Raises:
        BadInput: An input breaks a rule, or `output` holds something else than this run unfinished.
    """
    parts = read_corpus_folder(corpus)
    if champion is not None:
        load_model(champion, parameters.trainer)
    plan = {
        "version": __version__,
        "corpus": {"path": str(corpus.resolve()), "digest": digest(corpus)},
        "champion": {"path": str(champion.resolve()), "digest": digest(champion)} if champion else None,
        "parameters": asdict(parameters),
    }
    folder = RunFolder(output.resolve())
    if folder.plan.exists():
        before = read_json(folder.plan)
        changed = [key for key in plan if before.get(key) != plan[key]]
        if changed:
            raise BadInput(
                f"holds a run with another {' and '.join(changed)}; name a new folder", file=output
            )
        if folder.summary.exists():
            raise BadInput("holds this run already, finished; name a new folder", file=output)
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadInput("already exists and is no run; name a new folder", file=output)
    folder.path.mkdir(parents=True, exist_ok=True)
    write_json(plan, folder.plan)
    return folder, parts


@contextlib.contextmanager
def nothing_left_of_a_refusal(folder: RunFolder) -> Iterator[None]:
    """Removes the run's folder when bad input ends the run before anything was finished in it.

    Args:
        folder: The run's folder.
    """
    try:
        yield
    except BadInput:
        if not folder.champion.exists() and not folder.evaluations():
            shutil.rmtree(folder.path)
        raise


def train_champion(folder: RunFolder, corpus: Corpus, parameters: Parameters) -> Path:
    """Trains a champion on the existing data, for a run that was given none.

    Args:
        folder: The run's folder; a champion that stands there already is kept.
        corpus: The corpus.
        parameters: Trainer, settings and seed are read.

    Returns:
        The model's folder.
    """
    if not folder.champion.exists():
        train_files(
            corpus.existing,
            None,
            None,
            folder.champion,
            mode="full",
            trainer=parameters.trainer,
            settings=parameters.settings,
            checkpoints=str(folder.path / "checkpoints"),
            seed=parameters.seed,
        )
    return folder.champion


def run_pipeline(folder: RunFolder, corpus: Corpus, champion: Path, parameters: Parameters) -> None:
    """Runs the update pipeline under `kfp.local`; steps that finished before are taken from the cache.

    Args:
        folder: The run's folder.
        corpus: The corpus.
        champion: Model folder.
        parameters: The pipeline's parameters.

    Raises:
        BadInput: A step refused its input.
        StepFailed: A step ended with a fault.
    """
    from kfp import local

    from adsmu.pipelines.update.pipeline import load_tied

    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(folder.steps),
        enable_caching=True,
        cache_root=str(folder.path / "cache"),
    )
    arguments = asdict(parameters) | {
        "existing": str(corpus.existing),
        "user": str(corpus.user),
        "test": str(corpus.test),
        "catalog": str(corpus.catalog),
        "champion": str(champion),
        "checkpoints": str(folder.path / "checkpoints"),
    }
    said = folder.log.stat().st_size if folder.log.exists() else 0
    try:
        with _logged(folder.log):
            load_tied()(**arguments)
    except RuntimeError as error:
        raise _failure(folder.log, said) from error


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Sends what kfp prints and logs to a file, so that the terminal stays the run's own."""
    with path.open("a", encoding="utf-8", buffering=1) as log:
        handler = logging.StreamHandler(log)
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                yield
        finally:
            root.removeHandler(handler)


def _failure(log: Path, start: int) -> Exception:
    """The error behind a failed pipeline: a step's refusal keeps its own words."""
    text = log.read_bytes()[start:].decode("utf-8", errors="replace")
    if refused := re.findall(r"adsmu\.errors\.BadInput: (.+)", text):
        return BadInput(refused[-1].strip())
    if "No space left on device" in text:
        return BadInput("no space left on the device", file=log.parent)
    return StepFailed(f"the step {([*_started(text)] or ['update'])[-1]} failed; its words are in {log}")


def _started(log: str) -> list[str]:
    """The tasks that kfp says it started; it colours their names."""
    return re.findall(r"Executing task \S*?'([^']+)'", log)


def conclude(folder: RunFolder) -> dict[str, Any]:
    """Writes the summary and brings the last evaluation, its report and predictions to the top of the folder.

    Args:
        folder: The run's folder, its pipeline finished.

    Returns:
        The summary.
    """
    last_path, last = _last_evaluation(folder)
    for name, artifact in (
        ("report.html", "report"),
        ("evaluation.json", "evaluation"),
        ("predictions.parquet", "predictions"),
    ):
        with written_whole(folder.path / name) as temporary:
            shutil.copyfile(last_path.with_name(artifact), temporary)
    summary = summarise(last) | {"report": str(folder.report)}
    write_json(summary, folder.summary)
    return summary


def _last_evaluation(folder: RunFolder) -> tuple[Path, dict[str, Any]]:
    paths = [path for path in folder.steps.rglob("evaluation") if path.is_file()]
    read = [(path, read_json(path)) for path in paths]
    return max(read, key=lambda pair: (pair[1]["round"], pair[0].stat().st_mtime))


def summarise(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The few figures of a run that scripts read.

    Args:
        evaluation: The last evaluation of the run.

    Returns:
        verdict, rounds, champion, candidate (None when the champion passed) and model_digest.
    """
    keys = (
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
    rounds = [{key: entry[key] for key in keys} for entry in evaluation["rounds"]]
    measured = rounds[-1]
    candidate = {"mean": measured["mean"], "existing": measured["existing"]}
    return {
        "verdict": evaluation["verdict"],
        "rounds": [entry for entry in rounds if entry["round"] > 0],
        "champion": evaluation["champion"] if evaluation["round"] > 0 else candidate,
        "candidate": candidate if evaluation["round"] > 0 else None,
        "model_digest": evaluation["model"]["digest"],
    }
