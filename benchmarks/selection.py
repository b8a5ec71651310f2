"""Submodular selection beside apricot's lazy greedy, whose compilation is not counted."""

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
from apricot import FeatureBasedSelection
from scipy import sparse

from adsmu.synthesize.greedy import lazy_greedy
from benchmarks.measure import record

ITEMS, FEATURES, COUNT = 5000, 2000, 300
FASTER = 10


class _Timed(FeatureBasedSelection):
    """Apricot's selection, which compiles anew in each `_initialize`: that time is kept apart."""

    def _initialize(self, X: Any) -> None:
        begin = time.perf_counter()
        super()._initialize(X)
        self.compiling = time.perf_counter() - begin


def run() -> list[dict[str, Any]]:
    """Measures sparse features, the same as a dense matrix, and features without a zero.

    Returns:
        A record for each.
    """
    warnings.simplefilter("ignore")
    few = sparse.random(ITEMS, FEATURES, density=0.01, random_state=0, format="csr")
    full = np.random.default_rng(0).random((ITEMS, FEATURES))
    records = []
    for name, features in {"sparse": few, "dense, 1 % not 0": few.toarray(), "dense, none 0": full}.items():
        begin = time.perf_counter()
        apricot = _Timed(COUNT, "sqrt", optimizer="lazy").fit(features)
        theirs = time.perf_counter() - begin - apricot.compiling
        begin = time.perf_counter()
        picks = lazy_greedy(features, COUNT)
        ours = time.perf_counter() - begin
        values = [
            float(np.sqrt(np.asarray(features[chosen].sum(axis=0))).sum())
            for chosen in (picks, apricot.ranking)
        ]
        figures = {
            "ours": ours,
            "apricot": theirs,
            "compiling": apricot.compiling,
            "times_faster": theirs / ours,
        }
        records.append(
            record(
                f"select {COUNT} of {ITEMS} items by {FEATURES} features, {name}",
                "python -m benchmarks.selection",
                figures | {"value": values[0], "apricot_value": values[1]},
                f"the same value as apricot's lazy greedy, at least {FASTER} times faster",
                bool(np.isclose(*values, rtol=1e-9)) and theirs >= FASTER * ours,
            )
        )
    return records


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
