"""The exact MMD² with permutations beside alibi-detect's, and the one of random features.

    python -m benchmarks.monitoring.mmd --peers FOLDER

FOLDER as for `benchmarks.monitoring.drift`. Two samples of 5,000 rows with 384 numbers, of the second a
tenth moved; two threads for both; the same kernel by each one's own median heuristic.
"""

import argparse
import datetime
import json
import logging
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from adsmu.profile.drift import drift
from adsmu.profile.mmd import mmd
from adsmu.profile.profiles import profile
from benchmarks.measure import peak_memory_of
from benchmarks.monitoring.peers.measure import timed
from benchmarks.monitoring.record import merge

COMMAND = "python -m benchmarks.monitoring.mmd --peers FOLDER"
ROWS, DIMENSIONS, PERMUTATIONS = 5_000, 384, 100
PEER = Path(__file__).parent / "peers" / "alibi_mmd.py"
log = logging.getLogger(__name__)


def samples(count: int, moved: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of correlated vectors, a share of the second moved."""
    random = np.random.default_rng(seed)
    mix = random.normal(0, 1, (DIMENSIONS, DIMENSIONS)) * np.linspace(1, 0.05, DIMENSIONS)[:, None]
    reference, current = (random.normal(0, 1, (count, DIMENSIONS)) @ mix for _ in range(2))
    some = random.random(count) < moved
    current[some] += 2 * random.normal(0, 1, DIMENSIONS) @ mix
    return reference.astype(np.float32), current.astype(np.float32)


def ours(file: Path) -> dict[str, Any]:
    """Times the exact statistic, and that of random features with the reference's profile at hand."""
    torch.set_num_threads(2)
    with np.load(file, allow_pickle=False) as held:
        reference, current = held["reference"], held["current"]
    mmd(reference[:50], current[:50], permutations=1)
    time, found = timed(lambda: mmd(reference, current, permutations=PERMUTATIONS))
    before, now = (pa.table({"v": pa.array(list(each))}) for each in (reference, current))
    cached = profile(before)
    fast, drifted = timed(lambda: drift(cached, profile(now, like=cached))[0])
    return {
        **time,
        "value": found.value,
        "p": found.p_value,
        "bandwidth": found.bandwidth,
        "random_features": {**fast, "value": drifted.mmd, "floor": drifted.mmd_floor},
    }


def theirs(python: Path, file: Path) -> dict[str, Any]:
    """Runs alibi-detect in its environment."""
    command = [python, PEER, file, str(PERMUTATIONS)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measures and writes its key of the record."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--peers", type=Path, required=True)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    load, held = os.getloadavg()[0], []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "samples.npz")
        reference, current = samples(given.rows, moved=0.1)
        np.savez(file, reference=reference, current=current)
        for _ in range(given.rounds):
            _, peak, mine = peak_memory_of(ours, file)
            other = theirs(given.peers.absolute() / "alibi" / "bin" / "python", file)
            held.append(({**mine, "peak_bytes": peak}, other))
            log.info("%s\n%s", held[-1][0], other)
    first = held[0]
    figures = {
        "date": datetime.date.today().isoformat(),
        "command": f"{COMMAND} --rows {given.rows} --rounds {given.rounds}",
        "n": [given.rows, given.rows, DIMENSIONS],
        "permutations": PERMUTATIONS,
        "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
        "value": float(np.median([other["seconds"] / mine["seconds"] for mine, other in held])),
        "of_processor_seconds": float(
            np.median([other["processor_seconds"] / mine["processor_seconds"] for mine, other in held])
        ),
        "statistic_relative_difference": abs(first[0]["value"] / first[1]["value"] - 1),
        "rounds": [{"ours": mine, "alibi": other} for mine, other in held],
        "bar": "at least 30; statistics within 0.005",
    }
    merge({"mmd_vs_alibi": figures})
    log.info("%s", json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
