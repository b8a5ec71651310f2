"""What some arms are given in place of the cell's own: real rows, a spoilt catalog, random strata."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.catalog import Catalog
from adsmu.data.strata import STRATA_SCHEMA
from adsmu.stratified_evaluate.requests import requests
from adsmu.synthesize.select import MANY_VALUES
from benchmarks.table1.bench import Bench, Judged

BAD_VALUES = 0.1  # of an open slot's values, where a catalog is spoilt
GROUP_OF_PLACEBO = 4  # strata that a random group has rows of


def ask_by_requests(bench: Bench, judged: Judged, rows: int) -> pa.Table:
    """Real rows of the strata that the evaluation asks for, one of each in the order of the requests.

    Args:
        bench: The arm.
        judged: The last evaluation.
        rows: How many, at most.
    """
    kept = bench.shared.kept
    ids = np.array(kept["stratum_id"].to_pylist(), dtype=object)
    waiting = [np.flatnonzero(ids == r["stratum_id"]).tolist() for r in requests(judged.content, len(ids))]
    given: list[int] = []
    while any(waiting) and len(given) < rows:
        given += [places.pop(0) for places in waiting if places]
    return kept.take(pa.array(given[:rows], pa.int64()))


def ask_at_random(bench: Bench, judged: Judged, rows: int) -> pa.Table:
    """As many real rows, whatever their shape. Args as `ask_by_requests`."""
    kept = bench.shared.kept
    asked = len(ask_by_requests(bench, judged, rows))
    order = np.random.default_rng(bench.shared.cell.seed).permutation(len(kept))
    return kept.take(pa.array(np.sort(order[:asked])))


def bad_values(catalog: Catalog, seed: int) -> dict[str, list[str]]:
    """For each slot with many values, values of other slots that it lacks.

    Args:
        catalog: The user's values.
        seed: Decides which.
    """
    dice = np.random.default_rng(seed)
    bad = {}
    for slot, values in sorted(catalog.items()):
        others = sorted({v for other, texts in catalog.items() if other != slot for v in texts} - set(values))
        wanted = min(int(BAD_VALUES * len(values)), len(others))
        if len(values) >= MANY_VALUES and wanted:
            bad[slot] = [others[place] for place in dice.choice(len(others), wanted, replace=False)]
    return bad


def random_groups(bench: Bench) -> tuple[pa.Table, pa.Table]:
    """Strata that mean nothing: the user's rows dealt out by chance into groups of like size.

    Returns:
        The rows, test rows among them without a stratum, and a strata table of the groups.
    """
    rows, seed = bench.shared.rows, bench.shared.cell.seed
    of_active = pc.is_in(rows["stratum_id"], pa.array(bench.shared.active))
    mine = np.flatnonzero(pc.and_(pc.not_equal(rows["split"], "test"), of_active))
    count = max(2, len(bench.shared.active) // GROUP_OF_PLACEBO)
    names = np.full(len(rows), None, dtype=object)
    names[np.random.default_rng(seed).permutation(mine)] = [
        f"random-{row % count}" for row in range(len(mine))
    ]
    rows = rows.set_column(
        rows.column_names.index("stratum_id"), "stratum_id", pa.array(names.tolist(), pa.string())
    )
    splits = rows["split"].to_pylist()
    like = bench.shared.strata.slice(0, 1).to_pylist()[0]
    groups = []
    for name in sorted(set(names[mine])):
        of = [split for split, group in zip(splits, names, strict=True) if group == name]
        groups.append(
            like
            | {
                "stratum_id": name,
                "shape": name,
                "train": of.count("train"),
                "dev": of.count("dev"),
                "test": 0,
            }
            | {"status": "active", "reason": None, "conflict_with": [], "merged": []}
        )
    return rows, pa.Table.from_pylist(groups, STRATA_SCHEMA)
