"""One training in several processes, of one machine or of several.

A folder holds the task, as `write_task` lays it out, and gets the model. By itself:
`torchrun --nproc-per-node=2 -m adsmu.train.distributed FOLDER`. Gradients are summed over NCCL where there
are GPUs, else over Gloo.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.distributed as dist

from adsmu.errors import BadInput
from adsmu.files import read_json, write_json
from adsmu.imports import load
from adsmu.store import Store, open_store

PARTING = 5
"""Seconds by which the first of several machines ends last: to torchrun on another its end is a loss."""

ROWS, TASK, BASE, MODEL, FIGURES = "rows.parquet", "task.json", "base", "model", "figures.json"


def processes_here(settings: dict[str, Any]) -> int:
    """How many processes train on this machine: as many as set, or one a GPU; one where there is none.

    Args:
        settings: Of the trainer; `processes` and `device` count here.

    Raises:
        BadInput: There are GPUs, but fewer than processes.
    """
    gpus = _gpus(settings)
    wanted = int(settings.get("processes") or max(gpus, 1))
    if 0 < gpus < wanted:
        raise BadInput(f"{wanted} is more than the GPUs here, {gpus}", file="settings", column="processes")
    return wanted


def _gpus(settings: dict[str, Any]) -> int:
    return 0 if settings.get("device") == "cpu" else torch.cuda.device_count()


def write_task(
    folder: Path, rows: pa.Table, *, base: Path | None, checkpoints: Store | None, **task: Any
) -> None:
    """Lays out a training.

    Args:
        folder: A folder that exists.
        rows: Utterance table.
        base: Model folder to start from, or None.
        checkpoints: What outlives a killed training, or None.
        task: Trainer (its import path), mode, settings and seed.
    """
    pq.write_table(rows, folder / ROWS)
    if base:
        shutil.copytree(base, folder / BASE)
    write_json({"checkpoints": checkpoints.uri if checkpoints else None} | task, folder / TASK)


def train_in_processes(rows: pa.Table, output: Path, processes: int, **task: Any) -> dict[str, float]:
    """Trains a model in several processes of this machine.

    Args:
        rows: Utterance table.
        output: Folder that gets the model's files, which the first process wrote.
        processes: How many.
        task: As for `write_task`.

    Returns:
        Figures of the training, by name.

    Raises:
        RuntimeError: A process failed or was killed; standard error says which one, and how.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_task(folder, rows, **task)
        code = torchrun(folder, ["--standalone", f"--nproc-per-node={processes}"])
        if code:
            raise RuntimeError(f"the training in {processes} processes ended with exit code {code}")
        shutil.copytree(folder / MODEL, output, dirs_exist_ok=True)
        figures: dict[str, float] = read_json(folder / FIGURES)
    return figures


def torchrun(folder: Path, options: Sequence[str]) -> int:
    """Starts the processes of this machine and waits for them.

    Args:
        folder: What `write_task` wrote.
        options: Of torchrun: how many processes, and where the other machines are.

    Returns:
        The exit code.
    """
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "adsmu.train.distributed"]
    return subprocess.run([*command, str(folder)], check=False).returncode  # noqa: S603 - no shell


def work(folder: Path) -> None:
    """The work of one process. What the first one writes is the model; that of others is thrown away.

    Args:
        folder: What `write_task` wrote.
    """
    task = read_json(folder / TASK)
    if gpus := _gpus(task["settings"]):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if gpus else "gloo")
    try:
        process = dist.get_rank()
        logging.basicConfig(level=logging.WARNING if process else logging.INFO, format="%(message)s")
        output = folder / (MODEL if process == 0 else f"other-{process}")
        output.mkdir()
        figures = load(task["trainer"], "trainer")().train(
            pq.read_table(folder / ROWS),
            output,
            base=folder / BASE if (folder / BASE).exists() else None,
            mode=task["mode"],
            settings=task["settings"],
            checkpoints=open_store(task["checkpoints"]) if task["checkpoints"] else None,
            seed=task["seed"],
        )
        if process == 0:
            write_json(figures, folder / FIGURES)
        dist.barrier()
        if process == 0 and int(os.environ["GROUP_WORLD_SIZE"]) > 1:
            time.sleep(PARTING)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
