"""The worst rows of strata that do not stand, for the report."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.stratified_evaluate.correctness import Marks
from adsmu.train.protocol import Predictions

PER_STRATUM = 3


def add_examples(
    strata: list[dict[str, Any]], rows: pa.Table, predictions: Predictions, marks: Marks
) -> None:
    """Puts the worst development rows into each stratum that fails or was given up.

    Held-out rows are not shown: who read them would tune to them.

    Args:
        strata: Entries of an evaluation; their `examples` are filled.
        rows: The measured rows of the new use case.
        predictions: One a row.
        marks: One a row.
    """
    shown = [entry for entry in strata if entry["verdict"] in ("fail", "give_up")]
    stratum = pc.index_in(rows["stratum_id"], pa.array([e["stratum_id"] for e in shown], pa.string()))
    stratum = pc.fill_null(stratum, -1).to_numpy()
    dev = pc.equal(rows["split"], "dev").to_numpy().astype(bool)
    wrong = np.flatnonzero((stratum >= 0) & dev & ~marks["frame"])
    parts_right = np.sum([marks[figure][wrong] for figure in ("domain", "intent", "slots")], axis=0)
    synthetic = pc.equal(rows["source"], "synthetic").to_numpy().astype(bool)[wrong]
    worst = wrong[np.lexsort((synthetic, parts_right, stratum[wrong]))]
    _, first, number = np.unique(stratum[worst], return_index=True, return_counts=True)
    rank = np.arange(len(worst)) - np.repeat(first, number)
    for place in worst[rank < PER_STRATUM].tolist():
        shown[stratum[place]]["examples"].append(
            {
                **{name: rows[name][place].as_py() for name in ("tokens", "tags", "intent")},
                "predicted_tags": predictions.tags[place],
                "predicted_intent": predictions.intent[place],
            }
        )
