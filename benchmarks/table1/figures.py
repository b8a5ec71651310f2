"""The figures of a model on rows that no arm saw."""

from typing import Any

import numpy as np

from adsmu.stratified_evaluate.correctness import FIGURES, Marks
from adsmu.stratified_evaluate.scores import count, scores

WORST_SHARE = 0.1
BAR = 0.95  # of a stratum


def figures(
    new: Marks,
    group: np.ndarray,
    natural: np.ndarray,
    outside: np.ndarray,
    old: Marks,
    champion_right: np.ndarray,
) -> dict[str, Any]:
    """Works out the figures of one model.

    Args:
        new: Marks of the real test rows of the new use case.
        group: The stratum of each of them, counted from 0; -1: of a shape that no user row has.
        natural: How often each stratum is met, the weights of `weighted`.
        outside: bool, one a test row: it holds a value that the catalog lacks.
        old: Marks of the test rows of the existing use cases.
        champion_right: bool, one a row of those: the champion has the frame right.

    Returns:
        `frame` (all of domain, intent and slots right), `domain`, `intent`, `slots` and `mean_of_three` of
        them, each the mean over strata of a stratum's own mean; of frame also `harmonic` and `weighted`
        means, the mean of the `worst_decile` of strata, the share of `strata_at_95`; over rows, not strata:
        `micro`, `unseen_values` and `unseen_shapes` (None without such rows), `existing` and the three
        figures of it, `overall` (all test rows, old and new), `negative_flips` and `positive_flips` (shares
        of the existing rows whose frame the model has wrong, or right, other than the champion).

    >>> marks = {figure: np.array([True, True, False, False]) for figure in FIGURES}
    >>> none = np.zeros(4, dtype=bool)
    >>> found = figures(marks, np.array([0, 0, 1, -1]), np.array([3, 1]), none, marks, ~none)
    >>> found["frame"], found["weighted"], found["micro"], found["unseen_shapes"], found["negative_flips"]
    (0.5, 0.75, 0.6666666666666666, 0.0, 0.5)
    """
    counts = count(group, new, len(natural), np.ones(len(group), dtype=bool))
    means = scores(counts, natural, 0.95)
    if means is None:
        raise ValueError("no test row of a declared stratum")
    measured = counts["rows"] > 0
    rates = np.sort(counts["frame"][measured] / counts["rows"][measured])
    declared = group >= 0
    right = old["frame"]
    return {
        "frame": means["mean"],
        **{figure: means[figure] for figure in ("domain", "intent", "slots")},
        "mean_of_three": float(np.mean([means[figure] for figure in ("domain", "intent", "slots")])),
        "harmonic": means["harmonic"],
        "weighted": means["weighted"],
        "worst_decile": float(rates[: max(1, round(WORST_SHARE * len(rates)))].mean()),
        "strata_at_95": float((rates >= BAR).mean()),
        "micro": _share(new["frame"][declared]),
        "unseen_values": _share(new["frame"][declared & outside]),
        "unseen_shapes": _share(new["frame"][~declared]),
        "existing": _share(right),
        **{f"existing_{figure}": _share(old[figure]) for figure in FIGURES if figure != "frame"},
        "overall": _share(np.concatenate([new["frame"], right])),
        "negative_flips": _share(champion_right & ~right),
        "positive_flips": _share(~champion_right & right),
    }


def _share(right: np.ndarray) -> float | None:
    return float(right.mean()) if len(right) else None
