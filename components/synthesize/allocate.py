"""How a budget of rows is spread over strata.

The port of allocations: `allocate(strata, evaluation, budget)`, by import path or one of the names here.
Every allocation here gives a stratum that was given up nothing, and rounds by largest remainders; equal
remainders go by stratum id, so that the order of the strata does not matter.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.imports import load

Allocation = Callable[[pa.Table, dict[str, Any] | None, int], np.ndarray]

FAILED = 4.0  # the weight of a stratum that failed, where an undecided one has 1
FLOOR = 0.05  # the least weight of a stratum by failure_rate: what passes is not forgotten


def equal(strata: pa.Table, evaluation: dict[str, Any] | None, budget: int) -> np.ndarray:
    """The same for each stratum.

    Args:
        strata: The active strata; of a strata table's columns, `stratum_id`, `train` and `dev` are read.
        evaluation: The last evaluation; without one, no stratum was given up.
        budget: Rows to spread.

    Returns:
        int64, one a stratum; they sum to the budget, or are all 0 when every stratum was given up.

    >>> equal(pa.table({"stratum_id": ["a", "b"]}), None, 5).tolist()
    [3, 2]
    """
    return _spread(np.ones(len(strata)), strata, evaluation, budget)


def natural(strata: pa.Table, evaluation: dict[str, Any] | None, budget: int) -> np.ndarray:
    """In proportion to the real rows that the user gave; held-out test rows do not count.

    Args and returns as `equal`.

    >>> natural(pa.table({"stratum_id": ["a", "b"], "train": [3, 1], "dev": [0, 0]}), None, 8).tolist()
    [6, 2]
    """
    rows = pc.add(strata["train"], strata["dev"]).to_numpy().astype(float)
    return _spread(rows, strata, evaluation, budget)


def failing(strata: pa.Table, evaluation: dict[str, Any] | None, budget: int) -> np.ndarray:
    """Nothing for strata that passed; `FAILED` times as much for a failed one as for an undecided one.

    Where none is left (or nothing was evaluated yet) all share that were not given up. Args and returns as
    `equal`.

    >>> verdicts = {"a": "pass", "b": "fail", "c": "undecided"}
    >>> judged = [{"stratum_id": stratum, "verdict": verdict} for stratum, verdict in verdicts.items()]
    >>> failing(pa.table({"stratum_id": list(verdicts)}), {"strata": judged}, 5).tolist()
    [0, 4, 1]
    """
    share = {"fail": FAILED, "undecided": 1.0}
    entries = _entries(strata, evaluation)
    weights = np.array([share.get(entry.get("verdict", "undecided"), 0.0) for entry in entries])
    return _spread(weights, strata, evaluation, budget)


def failure_rate(strata: pa.Table, evaluation: dict[str, Any] | None, budget: int) -> np.ndarray:
    """In proportion to 1 minus the lower bound of the frame rate on development rows, at least `FLOOR`.

    A stratum that was not measured has the weight 1. Args and returns as `equal`.

    >>> bounds = {"a": 0.7, "b": 0.9}
    >>> measured = [{"stratum_id": s, "verdict": "fail", "dev": {"low": low}} for s, low in bounds.items()]
    >>> failure_rate(pa.table({"stratum_id": ["a", "b"]}), {"strata": measured}, 8).tolist()
    [6, 2]
    """
    entries = _entries(strata, evaluation)
    lows = [(entry.get("dev") or {}).get("low") or 0.0 for entry in entries]
    return _spread(np.maximum(1 - np.array(lows, dtype=float), FLOOR), strata, evaluation, budget)


ALLOCATIONS: dict[str, Allocation] = {
    "equal": equal,
    "natural": natural,
    "failing": failing,
    "failure_rate": failure_rate,
}


def find_allocation(name: str) -> Allocation:
    """The allocation of a name or an import path.

    Args:
        name: A key of `ALLOCATIONS`, or `package.module:function`.

    Returns:
        The allocation. What an imported one answers is checked.

    Raises:
        BadInput: There is none; or, when it is called, an imported one gives other than one whole number a
            stratum, 0 or more, which sum to the budget.
    """
    if ":" not in name:
        if name not in ALLOCATIONS:
            known = ", ".join(ALLOCATIONS)
            raise BadInput(f"no allocation {name!r}; there are {known}, or an import path", file="allocation")
        return ALLOCATIONS[name]
    imported = load(name, "allocation")

    def checked(strata: pa.Table, evaluation: dict[str, Any] | None, budget: int) -> np.ndarray:
        shares = np.asarray(imported(strata, evaluation, budget))
        whole = shares.shape == (len(strata),) and np.issubdtype(shares.dtype, np.integer)
        if not whole or (shares < 0).any() or shares.sum() not in (0, budget):
            raise BadInput(
                f"{name!r} is to give {len(strata)} whole numbers, 0 or more, that sum to {budget}",
                file="allocation",
            )
        return shares.astype(np.int64)

    return checked


def _entries(strata: pa.Table, evaluation: dict[str, Any] | None) -> list[dict[str, Any]]:
    found = {entry["stratum_id"]: entry for entry in (evaluation or {"strata": []})["strata"]}
    return [found.get(stratum, {}) for stratum in strata["stratum_id"].to_pylist()]


def _spread(
    weights: np.ndarray, strata: pa.Table, evaluation: dict[str, Any] | None, budget: int
) -> np.ndarray:
    """Hamilton's method of largest remainders over the strata that were not given up."""
    if budget < 0:
        raise BadInput(f"{budget} is below 0", file="budget")
    alive = np.array(
        [entry.get("verdict") != "give_up" for entry in _entries(strata, evaluation)], dtype=bool
    )
    weights = weights * alive if (weights * alive).any() else alive.astype(float)
    if not alive.any():
        return np.zeros(len(strata), np.int64)
    exact = budget * weights / weights.sum()
    shares = np.floor(exact).astype(np.int64)
    left = budget - int(shares.sum())
    by_remainder = np.lexsort((strata["stratum_id"].to_pylist(), -np.round(exact - shares, 9)))
    shares[by_remainder[:left]] += 1
    return shares
