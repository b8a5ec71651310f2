"""One training in several processes, started by torchrun.

By itself: `torchrun --nproc-per-node=2 -m adsmu.train.distributed FOLDER`, where the folder holds what
`train_in_processes` writes. Gradients are summed over NCCL where there are GPUs, else over Gloo.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.distributed as dist

from adsmu.errors import BadInput
from adsmu.files import read_json, write_json

ROWS, TASK, FIGURES = "rows.parquet", "task.json", "figures.json"


def train_in_processes(
    rows: pa.Table, output: Path, processes: int, *, base: Path | None, checkpoints: Path | None, **task: Any
) -> dict[str, float]:
    """Trains a two-stage model in several processes of this machine.

    Args:
        rows: Utterance table.
        output: Folder that the first process writes the model's files to.
        processes: How many; where there are GPUs, no more than those.
        base: Model folder to start from, or None.
        checkpoints: Folder that outlives a killed training, or None.
        task: Mode, settings and seed of the training.

    Returns:
        Figures of the training, by name.

    Raises:
        BadInput: There are fewer GPUs than processes.
        RuntimeError: A process failed; it has said why on standard error.
    """
    gpus = torch.cuda.device_count() if task["settings"].get("device") != "cpu" else 0
    if 0 < gpus < processes:
        raise BadInput(f"{processes} is more than the GPUs here, {gpus}", file="settings", column="processes")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(rows, folder / ROWS)
        paths = {"output": output, "base": base, "checkpoints": checkpoints}
        absolute = {key: str(path.absolute()) if path else None for key, path in paths.items()}
        write_json(absolute | task, folder / TASK)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}", "-m", "adsmu.train.distributed", str(folder)]
        code = subprocess.run(command, check=False).returncode  # noqa: S603 - an argument list, no shell
        if code:
            raise RuntimeError(f"the training in {processes} processes ended with exit code {code}")
        figures: dict[str, float] = read_json(folder / FIGURES)
    return figures


def work(folder: Path) -> None:
    """The work of one process; the first one writes the model and its figures.

    Args:
        folder: What `train_in_processes` wrote.
    """
    from adsmu.train.two_stage import TwoStageTrainer

    task = read_json(folder / TASK)
    gpus = torch.cuda.device_count() if task["settings"].get("device") != "cpu" else 0
    if gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if gpus else "gloo")
    try:
        first = dist.get_rank() == 0
        output, base, checkpoints = (task.pop(key) for key in ("output", "base", "checkpoints"))
        figures = TwoStageTrainer().train(
            pq.read_table(folder / ROWS),
            Path(output),
            base=Path(base) if base else None,
            checkpoints=Path(checkpoints) if checkpoints else None,
            **task,
        )
        if first:
            write_json(figures, folder / FIGURES)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
