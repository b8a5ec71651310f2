"""Values that failures point to: a bad entry of a catalog is missed in every sentence it is put into."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from adsmu.data.columns import flatten, spans
from adsmu.stratified_evaluate.compare import holm

MOSTLY = 0.5  # a suspect is missed in more than this share of its rows


def suspects(rows: pa.Table, predicted: list[list[str]], confidence: float) -> list[dict[str, Any]]:
    """Finds the values that a model misses far more often than others of their slot.

    A value is compared with the other values of its slot: the exact probability of as many misses or more at
    their rate (binomial test, Clopper and Pearson 1934), adjusted over all values (Holm 1979). Wrong values
    make a model fail that is right; a value that is right and hard looks the same. A person has to say which.

    Args:
        rows: Synthetic rows, with `tokens`, `tags` and `split`.
        predicted: The tags predicted for each.
        confidence: One less the chance that any value is listed without cause.

    Returns:
        For each suspect `slot`, `value`, `split`, `rows` (slots that hold it), `missed`, `p`, and `text`, one
        of the rows; most certain first.

    >>> said = [["play", value] for value in ("moana", "frozen", "coco", "the") for _ in range(8)]
    >>> table = pa.table({"tokens": said, "tags": [["O", "B-film"]] * 32, "split": ["dev"] * 32})
    >>> found = suspects(table, [["O", "O" if words[1] == "the" else "B-film"] for words in said], 0.95)
    >>> [(entry["value"], entry["missed"], entry["rows"]) for entry in found]
    [('the', 8, 8)]
    """
    flat = flatten(rows)
    found = spans(flat)
    if not len(found.start):
        return []
    frame = pd.DataFrame(
        {
            "slot": found.names[found.slot],
            "value": _values(flat.words[flat.tokens], found.start, found.end),
            "split": np.array(rows["split"].to_pylist(), dtype=object)[found.row],
            "missed": ~_hit(flat.labels[flat.tags], found.start, found.end, predicted),
            "row": found.row,
        }
    )
    counts = frame.groupby(["slot", "value", "split"], sort=True, as_index=False).agg(
        rows=("missed", "size"), missed=("missed", "sum"), row=("row", "first")
    )
    of_slot = counts.groupby("slot")[["rows", "missed"]].transform("sum")
    others = of_slot["rows"] - counts["rows"], of_slot["missed"] - counts["missed"]
    rate = (others[1] + 1) / (others[0] + 2)  # Laplace: no slot is taken to be never missed
    p = holm(stats.binom.sf(counts["missed"] - 1, counts["rows"], rate))
    chosen = np.flatnonzero((p < 1 - confidence) & (counts["missed"] > MOSTLY * counts["rows"]))
    texts = rows["tokens"].take(pa.array(counts["row"].to_numpy()[chosen])).to_pylist()
    entries = [
        {
            **{name: str(counts[name][place]) for name in ("slot", "value", "split")},
            **{name: int(counts[name][place]) for name in ("rows", "missed")},
            "p": float(p[place]),
            "text": " ".join(text),
        }
        for place, text in zip(chosen, texts, strict=True)
    ]
    return sorted(entries, key=lambda entry: (entry["p"], entry["slot"], entry["value"]))


def _values(words: np.ndarray, start: np.ndarray, end: np.ndarray) -> list[str]:
    return [" ".join(words[first:last]).casefold() for first, last in zip(start, end, strict=True)]


def _hit(labels: np.ndarray, start: np.ndarray, end: np.ndarray, predicted: list[list[str]]) -> np.ndarray:
    """Whether each span was predicted with its slot, its first and its last token."""
    told = np.array([tag for tags in predicted for tag in tags] + ["O"], dtype=object)
    wrong = np.concatenate([[0], np.cumsum(labels != told[:-1])])
    goes_on = np.array([tag.startswith("I-") for tag in told], dtype=bool)[end]
    starts_a_row = np.zeros(len(told), dtype=bool)
    starts_a_row[np.cumsum([0, *map(len, predicted)])] = True
    hit: np.ndarray = (wrong[end] == wrong[start]) & (~goes_on | starts_a_row[end])
    return hit
