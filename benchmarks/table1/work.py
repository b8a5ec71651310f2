"""Runs the arms of cells, several at a time; what is there already is left as it is."""

import hashlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

import adsmu
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from benchmarks.table1.arms import ARMS
from benchmarks.table1.bench import Bench, builds
from benchmarks.table1.cell import Cell, open_cell
from benchmarks.table1.setting import Setting

FORMAT = 1
STEPS = ("data", "stratify", "synthesize", "train", "stratified_evaluate")  # whose code makes the results
ARM_SEED = 10_000  # added to the cell's seed: no arm may begin with the champion's own weights
log = logging.getLogger(__name__)


def result_file(output: Path, cell: Cell, arm: str) -> Path:
    """Where the result of an arm on a cell stands."""
    return output / "runs" / f"{cell.name}--{arm}.json"


def missing(output: Path, cell: Cell, arms: Sequence[str], setting: Setting) -> list[str]:
    """The arms of a cell that have no result yet.

    Args:
        output: The results' folder.
        cell: The cell.
        arms: The arms asked for.
        setting: The setting of this run.

    Raises:
        BadInput: A result is there that was made with another setting.
    """
    stated, left = setting.stated(), []
    for arm in arms:
        file = result_file(output, cell, arm)
        if not file.exists():
            left.append(arm)
        elif read_json(file)["setting"] != stated:
            raise BadInput("was made with another setting; name another --output", file=file)
    return left


def run(output: Path, cells: Sequence[Cell], arms: Sequence[str], processes: int) -> int:
    """Runs what is missing: cell by cell in the order given, the arms of a cell side by side.

    Args:
        output: The results' folder.
        cells: The cells.
        arms: Names of arms.
        processes: How many at a time.

    Returns:
        How many arms failed; each is logged, and the others go on.

    Raises:
        BadInput: A result was made with another setting.
    """
    waiting = [(cell, left) for cell in cells if (left := missing(output, cell, arms, cell.setting))]
    log.info("%d runs in %d cells", sum(len(left) for _, left in waiting), len(waiting))
    failed = 0
    with ProcessPoolExecutor(processes, get_context("spawn"), _set_up, (processes, os.getpid())) as pool:
        # A cell is made while the arms of the one before it run, so no process waits for a champion.
        running: dict[Future[Any], tuple[Cell, str | list[str]]] = {}

        def make_next() -> None:
            if waiting:
                cell, left = waiting.pop(0)
                running[pool.submit(open_cell, cell)] = (cell, left)

        for _ in range(processes):
            make_next()
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                cell, what = running.pop(future)
                error = future.exception()
                if error:
                    failed += 1 if isinstance(what, str) else len(what)
                    log.error("%s, %s failed", cell.name, what, exc_info=error)
                elif isinstance(what, str):
                    log.info("%s %s: %s", cell.name, what, future.result())
                if isinstance(what, list):
                    if not error:
                        for arm in what:
                            running[pool.submit(run_arm, output, cell, arm)] = (cell, arm)
                    make_next()
    return failed


def run_arm(output: Path, cell: Cell, name: str) -> str:
    """Runs one arm on one cell and writes its result.

    Args:
        output: The results' folder.
        cell: The cell.
        name: The arm.

    Returns:
        A line that says what came of it.
    """
    shared = open_cell(cell)
    with tempfile.TemporaryDirectory(dir=cell.work) as folder:
        bench = Bench(shared, Path(folder), ARM_SEED + cell.seed)
        ARMS[name](bench)
    last = bench.rounds[-1]
    cost = asdict(bench.cost) | {"builds": builds(bench.cost, shared)}
    spent = {"rows", *asdict(bench.cost)}
    result = {
        "format": FORMAT,
        "corpus": cell.corpus_name,
        "use_case": cell.use_case,
        "tuned": cell.tuned,
        "seed": cell.seed,
        "arm": name,
        "setting": cell.setting.stated(),
        "cell": {
            "grouping": shared.facts["grouping"],
            "strata": len(shared.active),
            "user_rows": len(shared.user),
            "budget": shared.budget,
            "test_rows": len(shared.test),
            "test_rows_of_unseen_shape": shared.facts["test_rows_of_unseen_shape"],
            "test_rows_with_a_value_outside_the_catalog": float(shared.outside.mean()),
            "existing_test_rows": len(shared.champion_right),
        },
        "rows": last["rows"],
        "figures": {name: value for name, value in last.items() if name not in spent},
        "cost": cost,
        "rounds": bench.rounds,
        "notes": bench.notes,
        "made": {"date": datetime.now(UTC).date().isoformat(), **_machine()},
    }
    write_json(result, result_file(output, cell, name))
    return f"frame {last['frame']:.3f}, existing {last['existing']:.3f}, {cost['seconds']:.0f} s"


def _machine() -> dict[str, str]:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    # What was measured stays known though the product goes on changing.
    files = (file for step in STEPS for file in sorted(Path(adsmu.__path__[0], step).rglob("*.py")))
    steps = hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()
    return {
        "adsmu": adsmu.__version__,
        "steps": f"sha256:{steps}",
        "torch": torch.__version__,
        "device": device,
    }


def _set_up(processes: int, parent: int) -> None:
    """Shares the cores among the processes, and ends this one when the benchmark was killed."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))
    logging.getLogger("adsmu").setLevel(logging.WARNING)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
