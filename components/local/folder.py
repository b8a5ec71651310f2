"""A run's parameters and its folder, which a killed run resumes from."""

import contextlib
import functools
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adsmu import __version__
from adsmu.data.corpus import Corpus, read_corpus_folder
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.imports import load
from adsmu.stratify.shapes import check_rule
from adsmu.synthesize.allocate import find_allocation
from adsmu.synthesize.rows import find_generator
from adsmu.synthesize.select import find_selection
from adsmu.train.model import load_model
from adsmu.train.run import MODES

TRAINER = "adsmu.train.two_stage:TwoStageTrainer"


@dataclass(frozen=True)
class Parameters:
    """The update pipeline's parameters that `adsmu run` offers; the pipeline documents each."""

    max_rounds: int = 3
    rows_per_stratum: int = 8
    evaluation_rows: int = 80
    target: float = 0.95
    margin: float = 0.02
    rule: str = "exact"
    min_rows: int = 1
    max_strata: int = 200
    allocation: str = "failing"
    selection: str = "balanced"
    generator: str = "recombine"
    mode: str = "warm"
    early_mode: str = "scout"
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
        for name in ("mode", "early_mode"):
            if getattr(self, name) not in MODES:
                raise BadInput(
                    f"{getattr(self, name)!r} is not one of {', '.join(MODES)}",
                    file=f"--{name.replace('_', '-')}",
                )
        check_rule(self.rule)
        find_allocation(self.allocation)
        find_selection(self.selection)
        find_generator(self.generator)
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
    def model(self) -> Path:
        """The last round's model; none when the champion passed."""
        return self.path / "model"

    @property
    def service(self) -> Path:
        """The service that the model is rolled out to."""
        return self.path / "service"

    @property
    def rollout(self) -> Path:
        """What became of the rollout; none when nothing passed."""
        return self.path / "outcome.json"

    @property
    def rollout_report(self) -> Path:
        """The page of the rollout."""
        return self.path / "rollout.html"

    @property
    def card(self) -> Path:
        """The report card of the last round's model; none when the champion passed."""
        return self.path / "card"

    @property
    def report(self) -> Path:
        """The report of the last evaluation."""
        return self.path / "report.html"

    def evaluations(self) -> list[dict[str, Any]]:
        """The evaluations made so far, in order of their rounds."""
        found = [_read_once(path) for path in self.steps.rglob("evaluation") if path.is_file()]
        return sorted(found, key=lambda evaluation: evaluation["round"])

    def current_step(self) -> str:
        """The step that started last."""
        if not self.log.exists():
            return ""
        started = tasks_started(self.log.read_text(encoding="utf-8", errors="replace"))
        return started[-1] if started else ""


@functools.cache
def _read_once(path: Path) -> dict[str, Any]:
    """Reads an evaluation: one that stands is whole and never changes, and the live view asks often."""
    return dict(read_json(path))


def tasks_started(log: str) -> list[str]:
    """The tasks that kfp says it started, in order.

    Args:
        log: What `kfp.local` said; it colours the names of tasks.

    Returns:
        Their names.
    """
    return re.findall(r"Executing task \S*?'([^']+)'", log)


def open_run(
    corpus: Path,
    output: Path,
    champion: Path | None,
    parameters: Parameters,
    rollout: dict[str, Any] | None = None,
    *,
    strategy: str = "",
    store: str = "",
) -> tuple[RunFolder, Corpus]:
    """Checks every input and makes the run's folder, or reopens one that the same command left unfinished.

    Args:
        corpus: Corpus folder.
        output: The run's folder.
        champion: The production model, or None.
        parameters: The pipeline's parameters.
        rollout: The plan of the rollout; None: a model that passes is not rolled out.
        strategy: The text of a strategy.yaml that the report card is bound to; empty: there is none.
        store: Where releases, cards and lineage are kept; empty: in the service's folder.

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
        "rollout": rollout,
        "strategy": strategy,
        "store": store,
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
