"""Submodular selection beside apricot's lazy greedy, each called as a user calls it, in a warm process.

Apricot compiles its functions anew in every fit. The bar counts the whole call; the share that compiling
takes is told apart, and what is left without it.
"""

import statistics
import time
import warnings
from typing import Any

import numpy as np
from apricot import FeatureBasedSelection
from scipy import sparse

from adsmu.synthesize.greedy import lazy_greedy
from benchmarks.measure import command_line, record

ITEMS, FEATURES, COUNT = 5000, 2000, 300
REPEATS = 3
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
        theirs, ours, compiling = [], [], []
        for repeat in range(1 + REPEATS):  # the first warms both up
            begin = time.perf_counter()
            apricot = _Timed(COUNT, "sqrt", optimizer="lazy").fit(features)
            middle = time.perf_counter()
            picks = lazy_greedy(features, COUNT)
            end = time.perf_counter()
            if repeat:
                theirs.append(middle - begin)
                compiling.append(apricot.compiling)
                ours.append(end - middle)
        values = [
            float(np.sqrt(np.asarray(features[chosen].sum(axis=0))).sum())
            for chosen in (picks, apricot.ranking)
        ]
        call, own, share = (statistics.median(seconds) for seconds in (theirs, ours, compiling))
        figures = {
            "seconds": own,
            "apricot_seconds": call,
            "apricot_compiling_seconds": share,
            "times_faster": call / own,
            "times_faster_without_compiling": (call - share) / own,
        }
        records.append(
            record(
                f"select {COUNT} of {ITEMS} items by {FEATURES} features, {name}",
                "python -m benchmarks.selection",
                figures | {"value": values[0], "apricot_value": values[1]},
                f"the same value as apricot's lazy greedy, at least {FASTER} times faster than its fit",
                bool(np.isclose(*values, rtol=1e-9)) and call >= FASTER * own,
            )
        )
    return records


if __name__ == "__main__":
    command_line(run, __doc__)
