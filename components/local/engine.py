"""Trains a champion where none is given, and runs the update pipeline under `kfp.local`."""

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adsmu.data.corpus import Corpus
from adsmu.errors import BadInput, StepFailed
from adsmu.local.folder import Parameters, RunFolder
from adsmu.train.run import train_files

ROLLOUT = {
    "look_seconds": 3.0,
    "label_seconds": 1.0,
    "settle_seconds": 1.5,
    "slow_seconds": 2.0,
    "min_requests": 50,
    "rare": 0.02,
    "max_seconds": 600.0,
}
"""The plan of a rollout on one machine, where replayed requests come fast and a look need not be long."""


def rollout_plan(wanted: bool | None, given: dict[str, Any]) -> dict[str, Any] | None:
    """The plan of a rollout on this machine.

    Args:
        wanted: Whether there is to be one; None: if what it takes is installed.
        given: Keys of the plan that differ from `ROLLOUT`.

    Returns:
        The plan; None when there is to be no rollout.

    Raises:
        BadInput: The plan is refused, or what a rollout takes is not installed and it is wanted.
    """
    from adsmu.canary_deploy.schedule import read_plan

    read_plan(ROLLOUT | given)
    missing = [name for module, name in (("envoy", "local"), ("kserve", "serve")) if not find_spec(module)]
    if wanted is False or (wanted is None and missing):
        return None
    if missing:
        raise BadInput(f"needs adsmu[{','.join(missing)}]", file="--rollout")
    return ROLLOUT | given


def signing(strategy: Path | None, card_key: Path | None) -> str:
    """Checks what the report card is made and signed with, and names the key to the step that signs.

    Args:
        strategy: A strategy.yaml, or None.
        card_key: The file of the private key, or None: cards are left unsigned.

    Returns:
        The text of the strategy; empty: there is none.

    Raises:
        BadInput: One of them is not what it should be.
    """
    from adsmu.sign_off.signature import KEY_FILE, private_key
    from adsmu.strategy import read_strategy

    if card_key:
        private_key(card_key)
        os.environ[KEY_FILE] = str(card_key.absolute())
    if strategy is None:
        return ""
    read_strategy(strategy)
    return strategy.read_text(encoding="utf-8")


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


def run_pipeline(
    folder: RunFolder,
    corpus: Corpus,
    champion: Path,
    parameters: Parameters,
    rollout: dict[str, Any] | None = None,
    *,
    strategy: str = "",
    store: str = "",
) -> None:
    """Runs the update pipeline under `kfp.local`; steps that finished before are taken from the cache.

    Args:
        folder: The run's folder.
        corpus: The corpus.
        champion: Model folder.
        parameters: The pipeline's parameters.
        rollout: The plan of the rollout; None: a model that passes is not rolled out.
        strategy: The text of a strategy.yaml that the report card is bound to; empty: there is none.
        store: Where releases, cards and lineage are kept; empty: in the service's folder.

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
        "service": str(folder.service),
        "backend": "" if rollout is None else "local",
        "plan": rollout or {},
        "strategy": strategy,
        "store": store or str(folder.service / "store"),
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
    failed = re.findall(r"Task \S*?'([^']+)'\S* finished with status \S*FAILURE", text)
    return StepFailed(f"the step {failed[0] if failed else 'update'} failed; its words are in {log}")
