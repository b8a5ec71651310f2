"""One of several machines that train together: what a pod of a TrainJob runs.

By itself: `python -m adsmu.train.node TASK STATE MODEL`, places in object storage: the first holds what
`adsmu.train.distributed.write_task` wrote, the second is what a killed training goes on from, the third gets
the model and its figures. Which machine this is,
how many there are and where they meet stands in the variables that torchrun reads (PET_NNODES, PET_NODE_RANK,
PET_MASTER_ADDR, PET_MASTER_PORT); Kubeflow Trainer sets them.
"""

import logging
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from adsmu import __version__
from adsmu.errors import BadInput
from adsmu.files import read_json, write_json
from adsmu.store import Store, download, open_store, upload
from adsmu.train.distributed import FIGURES, MODEL, TASK, processes_here, torchrun

PATIENCE = 24 * 60 * 60
"""Seconds for which a machine waits for the others: a pool may have to grow first, or to become free."""

log = logging.getLogger(__name__)


def train_here(task: Store, state: Store, model: Store) -> int:
    """Does this machine's part of a training; the first machine hands over the model.

    Args:
        task: The training, as `write_task` lays it out.
        state: Outlives a killed training.
        model: Gets the model's files and, last of all, the figures: where they are, the model is whole.

    Returns:
        The exit code of the processes here.

    Raises:
        BadInput: Another version of this package wrote the task.
        StoreUnavailable: The storage does not answer.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = download(task, "", Path(name) / "task")
        given: dict[str, Any] = read_json(folder / TASK)
        if given["version"] != __version__:
            rule = f"written by version {given['version']}, read by {__version__}: the images differ"
            raise BadInput(rule, file=f"{task.uri}/{TASK}")
        write_json(given | {"checkpoints": state.uri}, folder / TASK)
        processes, machine = processes_here(given["settings"]), int(os.environ["PET_NODE_RANK"])
        log.info("machine %d of %s: %d processes", machine + 1, os.environ["PET_NNODES"], processes)
        code = torchrun(folder, [f"--nproc-per-node={processes}", f"--rdzv-conf=timeout={PATIENCE}"])
        if code == 0 and machine == 0:
            upload(folder / MODEL, model, MODEL)
            model.create(FIGURES, (folder / FIGURES).read_bytes())
    return code


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # The first process of a container is deaf to the signal that asks it to end, unless it listens.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(train_here(*map(open_store, sys.argv[1:])))
