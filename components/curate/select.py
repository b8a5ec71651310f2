"""Which rows go to people for labels: one function a way, all with the same result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.curate.scores import SCORES, Pool, nearest
from adsmu.draw import drawn, in_proportion, lots, shared_out
from adsmu.errors import BadInput
from adsmu.stratified_evaluate.intervals import clopper_pearson


@dataclass(frozen=True)
class Chosen:
    """Rows that were chosen, the first of them first.

    Attributes:
        rows: Places in the table.
        scores: What ranks each; NaN where nothing does.
        weights: How many rows each stands for; NaN where rows were chosen for a reason and not by lot: no
            estimate may rest on these.
    """

    rows: np.ndarray
    scores: np.ndarray
    weights: np.ndarray


def stratified(
    table: pa.Table, by: str, budget: int, shares: Mapping[str, float] | None = None, seed: int = 0
) -> Chosen:
    """A random sample with exact proportions of the values of a column.

    Args:
        table: Observations.
        by: The column.
        budget: Rows at most.
        shares: Value to its proportion, summing to 1; None: as even as the values allow.
        seed: Of the lots.

    Returns:
        The rows: with `shares`, as many as the scarcest value allows in these proportions.

    Raises:
        BadInput: The column or a value is missing, or proportions do not sum to 1.
    """
    values = _column(table, by).cast(pa.string()).to_pandas().fillna("").to_numpy(dtype=str)
    names, which = np.unique(values, return_inverse=True)
    sizes = np.bincount(which, minlength=len(names))
    if shares is None:
        counts = shared_out(sizes, budget)
    else:
        if not all(isinstance(share, int | float) for share in shares.values()):
            raise BadInput("must be numbers", file="shares", column=by)
        wanted = np.array([shares.get(str(name), 0.0) for name in names])
        if missing := sorted(shares.keys() - set(names.tolist())):
            raise BadInput(f"no row has the value {missing[0]!r}", file="shares", column=by)
        if (wanted < 0).any() or abs(wanted.sum() - 1) > 1e-9:
            raise BadInput(f"must sum to 1, not {wanted.sum():g}", file="shares", column=by)
        counts = in_proportion(sizes, wanted, budget)
    lot = lots(table["id"], seed)
    own = table["weight"].to_numpy()
    rows, weights = [], []
    for number, count in enumerate(counts):
        places = np.flatnonzero(which == number)
        taken = places[drawn(lot[places], int(count))]
        rows.append(taken)
        weights.append(own[taken] * (len(places) / max(int(count), 1)))
    together = np.concatenate(rows)
    return Chosen(together, np.full(len(together), np.nan), np.concatenate(weights))


def flagged_first(table: pa.Table, flags: Sequence[str], budget: int, seed: int = 0) -> Chosen:
    """Rows that a user complained of, the newest first, before any other; then others by lot.

    Args:
        table: Observations.
        flags: The values of `feedback` that are complaints.
        budget: Rows at most.
        seed: Of the lots.

    >>> from datetime import datetime, UTC
    >>> from adsmu.profile.observations import observations
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> feedback = [None, "down", "up"]
    >>> table = observations(pa.table({"id": ["a", "b", "c"], "time": [now] * 3, "feedback": feedback}))
    >>> flagged_first(table, ["down"], 2).rows[0]
    np.int64(1)
    """
    flagged = pc.fill_null(pc.is_in(table["feedback"], pa.array(flags, pa.string())), False).to_numpy()
    newest = -table["time"].cast(pa.int64()).to_numpy()
    lot = lots(table["id"], seed)
    order = np.lexsort((lot, np.where(flagged, newest, 0), ~flagged))[:budget]
    return Chosen(order, flagged[order].astype(float), np.full(len(order), np.nan))


def similar_to_errors(vectors: np.ndarray, errors: np.ndarray, candidates: np.ndarray, budget: int) -> Chosen:
    """The rows most similar to known errors.

    Args:
        vectors: Of all rows, of length one.
        errors: Places of the rows that the model is known to have answered wrongly.
        candidates: Places of the rows to choose from.
        budget: Rows at most.

    Raises:
        BadInput: No errors are known.
    """
    if not len(errors):
        raise BadInput(
            "no row has a label that its prediction is not: no error to search by", file="observations"
        )
    alike = nearest(vectors[candidates], vectors[errors])
    return _best(candidates, alike, budget)


def worth_a_label(pool: Pool, score: str, candidates: np.ndarray) -> Chosen:
    """The rows of the highest score.

    Args:
        pool: Labelled and unlabelled rows.
        score: A name in `SCORES`.
        candidates: Places of the unlabelled rows, in the pool's order.

    Raises:
        BadInput: There is no such score, or nothing to learn the probe from.
    """
    if score not in SCORES:
        raise BadInput(f"{score!r} is not one of {', '.join(SCORES)}", file="score")
    if len(np.unique(pool.labels)) < 2:
        raise BadInput("labelled rows of two classes are needed", file="observations", column="label")
    return _best(candidates, SCORES[score](pool), pool.budget)


def lift(
    errors_found: int, chosen: int, errors: int, rows: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """How many times as many errors are among chosen rows as among as many drawn at random.

    The pool's own share of errors is known where it is computed, so the exact interval of the share among the
    chosen, over it, is the interval of the lift.

    Args:
        errors_found: Errors among the chosen.
        chosen: How many were chosen.
        errors: Errors in the pool.
        rows: Rows of the pool.
        confidence: Two-sided.

    Returns:
        The lift and its bounds.

    >>> [round(value, 2) for value in lift(30, 100, 100, 1000)]
    [3.0, 2.12, 4.0]
    """
    low, high = clopper_pearson(errors_found, chosen, confidence)
    share = errors / rows
    return errors_found / chosen / share, float(low) / share, float(high) / share


def _best(candidates: np.ndarray, scores: np.ndarray, budget: int) -> Chosen:
    order = np.argsort(-scores, kind="stable")[:budget]
    return Chosen(candidates[order], scores[order], np.full(len(order), np.nan))


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise BadInput("the column is missing", file="observations", column=name)
    return table[name]
