"""Rows of production chosen for labels, from files to files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.curate.scores import SCORES, Pool
from adsmu.curate.select import Chosen, flagged_first, similar_to_errors, stratified, worth_a_label
from adsmu.curate.vectors import vectors
from adsmu.data.parquet import read_parquet
from adsmu.errors import BadInput
from adsmu.files import digest, write_json, written_whole
from adsmu.profile.observations import join_labels, read_labels, read_observations
from adsmu.strategy import Strategy, read_strategy

WAYS = ("stratified", "feedback", "errors", *SCORES)
FORMAT = 1


def curate_files(
    observations: str | Path,
    strategy: str | Path,
    *,
    chosen: str | Path,
    curation: str | Path,
    way: str,
    budget: int,
    by: str = "",
    shares: Mapping[str, float] | None = None,
    flags: tuple[str, ...] = ("down",),
    labels: str | Path | None = None,
    earlier: str | Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Chooses unlabelled rows, and writes their ids in order and what they were chosen by.

    Args:
        observations: Observations, Parquet: labelled rows to learn from, unlabelled ones to choose among.
        strategy: `strategy.yaml`.
        chosen: The rows to write, Parquet: `id`, `score`, `weight`, the first of them first.
        curation: The `curation.json` to write.
        way: One of `WAYS`.
        budget: Rows at most.
        by: Of stratified: the column.
        shares: Of stratified: value to proportion; None: evenly.
        flags: Of feedback: what a complaint says.
        labels: Labels that came late, Parquet, or None.
        earlier: Rows that were chosen before, a file as `chosen` or a folder of such; none is chosen again
            while people label it. None: there are none.
        seed: Of what is random.

    Returns:
        The content of `curation.json`.

    Raises:
        BadInput: An input breaks a rule; nothing is written.
    """
    plan = read_strategy(strategy)
    if way not in WAYS:
        raise BadInput(f"{way!r} is not one of {', '.join(WAYS)}", file="way")
    if budget < 1:
        raise BadInput(f"must be 1 or more, not {budget}", file="budget")
    table = read_observations(observations)
    if labels:
        table = join_labels(table, read_labels(labels), labels)
    waiting = _chosen_before(earlier)
    unlabelled = pc.is_null(table["label"])
    open_ = np.flatnonzero(pc.and_not(unlabelled, pc.is_in(table["id"], waiting)).to_numpy())
    if not pc.any(unlabelled).as_py():
        raise BadInput("every row has a label already", file=observations, column="label")
    if not len(open_):
        raise BadInput("every row without a label was chosen before", file=earlier)
    if way in ("stratified", "feedback"):
        asked = table.take(pa.array(open_))
        found = (
            stratified(asked, by, budget, shares, seed)
            if way == "stratified"
            else flagged_first(asked, flags, budget, seed)
        )
        found = Chosen(open_[found.rows], found.scores, found.weights)
    else:
        found = _by_likeness(table, plan, way, open_, budget, seed)
    content = {
        "format": FORMAT,
        "strategy": plan.digest,
        "observations": digest(observations),
        "labels": digest(labels) if labels else None,
        "way": way,
        "budget": budget,
        "by": by or None,
        "shares": dict(shares) if shares else None,
        "seed": seed,
        "chosen": len(found.rows),
        "earlier": len(waiting),
        "unlabelled": len(open_),
        "by_lot": bool(len(found.rows) and np.isfinite(found.weights).all()),
    }
    rows = pa.table(
        {
            "id": table["id"].take(pa.array(found.rows)),
            "score": pa.array(found.scores, from_pandas=True),
            "weight": pa.array(found.weights, from_pandas=True),
        }
    )
    with written_whole(chosen) as temporary:
        pq.write_table(rows, temporary, compression="zstd")
    write_json(content, curation)
    return content


def _chosen_before(earlier: str | Path | None) -> pa.Array:
    """The ids of rows that were chosen before."""
    if not earlier:
        return pa.array([], pa.string())
    files = sorted(Path(earlier).rglob("*.parquet")) if Path(earlier).is_dir() else [Path(earlier)]
    ids = []
    for file in files:
        rows = read_parquet(file)
        if "id" not in rows.column_names:
            raise BadInput("the column is missing", file=file, column="id")
        ids += rows["id"].cast(pa.string()).to_pylist()
    return pa.array(ids, pa.string())


def _by_likeness(
    table: pa.Table, plan: Strategy, way: str, open_: np.ndarray, budget: int, seed: int
) -> Chosen:
    """What is chosen by where rows lie: near errors, or by a score of active learning."""
    space = vectors(table, plan.columns)
    if way == "errors":
        return similar_to_errors(space, np.flatnonzero(_wrong(table)), open_, budget)
    if plan.columns.task != "classification":
        raise BadInput(f"{way} is for classification only", file="way")
    known = np.flatnonzero(pc.is_valid(table["label"]).to_numpy())
    labels = np.array(
        [str(label) for label in table["label"].take(pa.array(known)).to_pylist()], dtype=object
    )
    return worth_a_label(Pool(space[known], labels, space[open_], budget, seed), way, open_)


def _wrong(table: pa.Table) -> np.ndarray:
    """Labelled rows that the model answered with another class; for numbers, the tenth of largest error."""
    if pa.null() in (table["prediction"].type, table["label"].type):
        return np.zeros(len(table), dtype=bool)
    if not pa.types.is_floating(table["label"].type):
        return np.asarray(pc.fill_null(pc.not_equal(table["prediction"], table["label"]), False).to_numpy())
    apart = np.abs(table["prediction"].to_numpy().astype(float) - table["label"].to_numpy().astype(float))
    known = np.isfinite(apart)
    return known & (apart >= np.quantile(apart[known], 0.9)) if known.any() else known
