"""Profile and drift of a large table against a stored reference, beside NannyML and Evidently in one run.

    python -m benchmarks.monitoring.drift --peers FOLDER

FOLDER holds the environments that `benchmarks.monitoring.peers.environments` makes; without it only the
project is measured. Ours computes PSI, W1, L1 and L∞ of all columns; NannyML W1 and L∞, fitted beforehand;
Evidently PSI. Loading is left out everywhere, reading the stored profile is not. On a machine that others
use, the clock tells little: rounds alternate, ratios are of neighbours, the median counts, and the
processor's seconds stand beside.
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
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats

from adsmu.profile.drift import drift, population_stability_index
from adsmu.profile.file import read_profile, write_profile
from adsmu.profile.profiles import profile
from benchmarks.measure import peak_memory_of
from benchmarks.monitoring.peers.measure import timed
from benchmarks.monitoring.record import merge

PEERS = Path(__file__).parent / "peers"
COMMAND = "python -m benchmarks.monitoring.drift --peers FOLDER"
NUMERIC, CATEGORICAL, BINS = 15, 5, 10
QUIET = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
"""Peers report their use to their makers unless told otherwise."""
log = logging.getLogger(__name__)


def rows(count: int, seed: int, drifted: bool) -> pa.Table:
    """Fifteen columns of numbers of five shapes and five of categories; of the drifted every third moves."""
    random, columns = np.random.default_rng(seed), {}
    for number in range(NUMERIC):
        by = 0.05 * number if drifted and number % 3 == 0 else 0.0
        x = random.normal(by, 1, count)
        shape = number % 5
        if shape == 1:
            x = np.exp(x)
        elif shape == 2:
            x = np.where(random.random(count) < 0.4, 0.0, x)
        elif shape == 3:
            x = np.floor(10 * np.abs(x))
        elif shape == 4:
            x = x + 8 * (random.random(count) < 0.3)
        columns[f"n{number:02d}"] = x
    for number in range(CATEGORICAL):
        names = np.array([f"value {each}" for each in range(3 * 2**number)], dtype=object)
        chances = np.arange(1, len(names) + 1) ** (-0.5 - 0.1 * drifted)
        columns[f"c{number}"] = pa.array(random.choice(names, count, p=chances / chances.sum()))
    return pa.table(columns)


def ours(folder: Path) -> dict[str, Any]:
    """Times the project once, from an Arrow table and from a data frame.

    Args:
        folder: Holds current.parquet and reference.profile.
    """
    table = pq.read_table(folder / "current.parquet")
    frame = table.to_pandas()

    def work(given: pa.Table | pd.DataFrame) -> Any:
        reference = read_profile(folder / "reference.profile")
        if isinstance(given, pd.DataFrame):
            given = pa.Table.from_pandas(given, preserve_index=False)
        return drift(reference, profile(given, like=reference))

    work(table.slice(0, 1000))
    time, found = timed(lambda: work(table))
    from_frame, _ = timed(lambda: work(frame))
    figures = {each.column: [each.psi, each.w1, each.l_infinity, each.l1] for each in found}
    return {**time, "from_frame": from_frame, "figures": figures}


def peer(folder: Path, python: Path, script: str) -> dict[str, Any]:
    """Runs a peer's script in its environment."""
    command = [python, PEERS / script, folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=QUIET, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def largest_differences(folder: Path, found: dict[str, list[float]]) -> dict[str, float]:
    """How far the figures are from those of the rows, by scipy and numpy: W1 in standard deviations."""
    reference, current = (pq.read_table(folder / f"{name}.parquet") for name in ("reference", "current"))
    worst = dict.fromkeys(("psi", "w1", "l_infinity", "l1"), 0.0)
    for name, (psi, w1, l_infinity, l1) in found.items():
        before, now = reference[name].to_pandas(), current[name].to_pandas()
        if w1 is not None:
            exact = stats.wasserstein_distance(before, now) / before.std(ddof=0)
            worst["w1"] = max(worst["w1"], abs(w1 - exact))
            p, q = _cells(before.to_numpy(), now.to_numpy())
        else:
            names = sorted(set(before) | set(now))
            p, q = (each.value_counts().reindex(names, fill_value=0).to_numpy() for each in (before, now))
        worst["psi"] = max(worst["psi"], abs(psi - population_stability_index(p, q)))
        shares = p / p.sum() - q / q.sum()
        worst["l_infinity"] = max(worst["l_infinity"], abs(l_infinity - np.abs(shares).max()))
        worst["l1"] = max(worst["l1"], abs(l1 - np.abs(shares).sum()))
    return {key: float(value) for key, value in worst.items()}


def _cells(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows between tenths of the reference; a value with more than a tenth is a cell of its own."""
    edges, counts = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]), return_counts=True)
    del counts
    alone = [edge for edge in edges if (before == edge).mean() > 1 / BINS]
    cells = []
    for x in (np.sort(before), np.sort(now)):
        cuts = np.concatenate([np.searchsorted(x, edges, "right"), np.searchsorted(x, alone, "left")])
        cells.append(np.diff(np.concatenate([[0], np.sort(cuts), [len(x)]])))
    some = (cells[0] > 0) | (cells[1] > 0)
    return cells[0][some], cells[1][some]


def measure(folder: Path, peers: Path | None, count: int, rounds: int) -> dict[str, Any]:
    """Measures in rounds: ours, then each peer."""
    for name, seed in (("reference", 1), ("current", 2)):
        pq.write_table(rows(count, seed, name == "current"), folder / f"{name}.parquet")
    write_profile(profile(pq.read_table(folder / "reference.parquet")), folder / "reference.profile")
    held: dict[str, list[dict[str, Any]]] = {"ours": [], "nannyml": [], "evidently": []}
    for number in range(rounds):
        _, peak, found = peak_memory_of(ours, folder)
        held["ours"].append({**found, "peak_bytes": peak})
        log.info("round %d: ours %.2f s", number, found["seconds"])
        for name, script in (("nannyml", "nannyml_columns.py"), ("evidently", "evidently_psi.py")):
            if peers:
                held[name].append(with_reference(peer(folder, peers / name / "bin" / "python", script)))
                log.info("round %d: %s %.2f s", number, name, held[name][-1]["seconds"])
    figures = held["ours"][0].pop("figures")
    for each in held["ours"][1:]:
        each.pop("figures")
    return {
        "rounds": held,
        "from_the_rows": largest_differences(folder, figures),
        "profile_bytes": os.path.getsize(folder / "reference.profile"),
        "figures": figures,
    }


def ratio(held: dict[str, list[dict[str, Any]]], name: str, key: str, over: str = "") -> float:
    """The median over rounds of a peer's seconds over ours."""
    pairs = zip(held["ours"], held[name], strict=True)
    return float(np.median([theirs[key] / mine[over or key] for mine, theirs in pairs]))


def with_reference(each: dict[str, Any]) -> dict[str, Any]:
    """A peer's time with that of its reference, which it keeps nowhere but in the process, and without."""
    fit = each.get("fit", {"seconds": 0.0, "processor_seconds": 0.0})
    total = {key: each[key] + fit[key] for key in ("seconds", "processor_seconds")}
    return each | {"calculate": each["seconds"]} | total


def main() -> None:
    """Measures and writes its keys of the record."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--peers", type=Path)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        found = measure(
            Path(place), given.peers.absolute() if given.peers else None, given.rows, given.rounds
        )
    held = found["rounds"]
    about = {
        "date": datetime.date.today().isoformat(),
        "command": f"{COMMAND} --rows {given.rows} --rounds {given.rounds}",
        "n": given.rows,
        "columns": NUMERIC + CATEGORICAL,
        "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
    }
    seconds = [each["seconds"] for each in held["ours"]]
    figures: dict[str, Any] = {
        "profile_seconds": {
            **about,
            "value": float(np.median(seconds)),
            "all": seconds,
            "processor_seconds": [each["processor_seconds"] for each in held["ours"]],
            "from_frame": [each["from_frame"]["seconds"] for each in held["ours"]],
            "peak_bytes": max(each["peak_bytes"] for each in held["ours"]),
            "profile_bytes": found["profile_bytes"],
            "largest_difference_from_the_rows": found["from_the_rows"],
            "bar": "at most 1.0 on two cores; differences at most 1e-3",
        }
    }
    for name, bar in (("nannyml", 5), ("evidently", 40)):
        if held[name]:
            figures[f"vs_{name}"] = {
                **about,
                "value": ratio(held, name, "seconds"),
                "of_processor_seconds": ratio(held, name, "processor_seconds"),
                "without_its_reference": ratio(held, name, "calculate", "seconds"),
                "seconds": [each["seconds"] for each in held[name]],
                "peak_bytes": max(each["peak_bytes"] for each in held[name]),
                "bar": f"at least {bar}",
            }
    merge(figures)
    log.info("%s", json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
