"""A dataset formed of observations, from files to a folder that is named by its content."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.files import digest, read_json, refuse_existing, write_json, written_whole
from adsmu.form_dataset.difference import difference
from adsmu.form_dataset.forms import Formed, form
from adsmu.form_dataset.report import render_report
from adsmu.profile.observations import TIME, join_labels, read_labels, read_observations, write_observations
from adsmu.strategy import MEASURES, Dataset, Strategy, canonical, read_strategy
from adsmu.strategy.times import moment
from adsmu.strategy.typed import taken

ROWS, DATASET, DIFFERENCE, PAGE = "rows.parquet", "dataset.json", "difference.json", "difference.html"
FORMAT = 1


def form_dataset_files(
    sources: Sequence[str | Path],
    strategy: str | Path,
    dataset: str | Path,
    *,
    labels: str | Path | None = None,
    decision: str | Path | None = None,
    previous: str | Path | None = None,
    until: str = "",
) -> dict[str, Any]:
    """Forms a dataset and says how it differs from the last one.

    Rows without a label are left out, and so are the newest, which the evaluation set holds out. Of an id
    that several sources have, the row of the last counts; a label that only an earlier one has is kept.

    Args:
        sources: Observations, Parquet.
        strategy: `strategy.yaml`.
        dataset: The folder to make: `rows.parquet`, `dataset.json`, `difference.json`, `difference.html`.
        labels: Labels that came late, Parquet, or None.
        decision: The `decision.json` that asks for it; None: the strategy's own form.
        previous: The folder of the last dataset, or None.
        until: The end of the newest window, ISO 8601; empty: the second after the newest row.

    Returns:
        The content of `dataset.json`.

    Raises:
        BadInput: An input breaks a rule; nothing is written.
    """
    plan = read_strategy(strategy)
    taken_from = decision if decision else strategy
    asked = _decision(decision) if decision else None
    wanted = requested(plan, asked["dataset"] if asked else None, taken_from)
    pool, repeated = _pool(sources)
    if labels:
        pool = join_labels(pool, read_labels(labels), labels)
    end = _end(until, pool)
    usable, counts = _usable(pool, end, plan.evaluation_set.hold_out)
    formed = form(usable, wanted, end - plan.evaluation_set.hold_out)
    rows = materialised(usable, formed)
    last, before = _previous(previous)
    target = refuse_existing(dataset)
    with written_whole(target) as folder:
        folder.mkdir()
        write_observations(rows, folder / ROWS)
        described = {
            "format": FORMAT,
            "id": digest(folder / ROWS),
            "previous": last,
            "strategy": plan.digest,
            "decision": asked["event"] if asked else None,
            "form": wanted.form,
            "parameters": {name: value for name, value in canonical(wanted).items() if name != "form"},
            "until": end.isoformat(),
            "sources": [digest(source) for source in sources],
            "labels": digest(labels) if labels else None,
            "rows": len(rows),
            "drawn": len(formed.rows),
            "pool": {"rows": len(usable), "repeated": repeated, **counts},
            "weights": {
                "sum": float(formed.weights.sum()),
                "population": formed.population,
                "effective_rows": _effective(formed.weights),
            },
            "warnings": list(formed.warnings),
            **formed.facts,
        }
        apart = {
            "format": FORMAT,
            "id": described["id"],
            "previous": last,
            "strategy": plan.digest,
            **difference(before, rows, _threshold(plan)),
        }
        write_json(described, folder / DATASET)
        write_json(apart, folder / DIFFERENCE)
        (folder / PAGE).write_text(render_report(described, apart, plan.name), encoding="utf-8")
    return described


def requested(strategy: Strategy, request: Any, file: str | Path) -> Dataset:
    """The form that is asked for: the strategy's, with what a decision says otherwise.

    Args:
        strategy: The strategy.
        request: `{"form", "parameters"}` of a decision, or None.
        file: Where the request stands, for errors.

    Raises:
        BadInput: The request breaks a rule of `Dataset`.

    >>> requested(Strategy("x"), {"form": "mix", "parameters": {"history": 0.8}}, "decision.json").history
    0.8
    """
    if request is None:
        return strategy.dataset
    if not isinstance(request, dict) or not isinstance(request.get("parameters", {}), dict):
        raise BadInput("must be a form and parameters", file=file, column="dataset")
    said = {**canonical(strategy.dataset), **request.get("parameters", {}), "form": request.get("form")}
    made: Dataset = taken(Dataset, said, file, "dataset")
    return made


def materialised(table: pa.Table, formed: Formed) -> pa.Table:
    """The rows of a dataset as they are written: every copy a row, in order of time and id.

    Args:
        table: The rows chosen from.
        formed: Which, how often, and what each stands for.

    Returns:
        The rows. The copies of a row share its weight; those after the first have `#2` and on behind the id.
    """
    places = np.repeat(formed.rows, formed.copies)
    weights = np.repeat(formed.weights / formed.copies, formed.copies)
    number = np.arange(len(places)) - np.repeat(np.cumsum(formed.copies) - formed.copies, formed.copies) + 1
    rows = table.take(pa.array(places))
    suffix = pa.array(np.where(number > 1, np.char.add("#", number.astype(str)), ""))
    ids = pc.binary_join_element_wise(rows["id"], suffix, "")
    rows = rows.set_column(rows.column_names.index("id"), "id", ids)
    rows = rows.set_column(rows.column_names.index("weight"), "weight", pa.array(weights))
    return rows.sort_by([("time", "ascending"), ("id", "ascending")]).combine_chunks()


def read_dataset(folder: str | Path) -> tuple[dict[str, Any], pa.Table]:
    """Reads a dataset and checks that its rows are those that its id names.

    Args:
        folder: As `form_dataset_files` made it.

    Returns:
        The content of `dataset.json`, and the rows.

    Raises:
        BadInput: A file is missing or damaged, or the rows are others.
    """
    path = Path(folder) / DATASET
    described = read_json(path)
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise BadInput(f"is not a dataset.json of format {FORMAT}", file=path)
    rows = Path(folder) / ROWS
    if not rows.is_file() or digest(rows) != described.get("id"):
        raise BadInput("the rows are not those that dataset.json names", file=rows)
    return described, read_observations(rows)


def _pool(sources: Sequence[str | Path]) -> tuple[pa.Table, int]:
    """All sources, in order of time and id, each id once; and how many rows that leaves out."""
    if not sources:
        raise BadInput("at least one table of observations is needed", file="sources")
    tables = [read_observations(source) for source in sources]
    for source, table in zip(sources[1:], tables[1:], strict=True):
        if set(table.column_names) != set(tables[0].column_names):
            name = min(set(table.column_names) ^ set(tables[0].column_names))
            raise BadInput(f"only one of it and {sources[0]} has the column", file=source, column=name)
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise BadInput(
            f"columns of different types: {str(error).splitlines()[0]}", file=sources[-1]
        ) from error
    repeated = table["id"].to_pandas().duplicated(keep="last").to_numpy()
    table = _with_known_labels(table) if repeated.any() else table
    table = table.filter(pa.array(~repeated)).sort_by([("time", "ascending"), ("id", "ascending")])
    return table.combine_chunks(), int(repeated.sum())


def _with_known_labels(table: pa.Table) -> pa.Table:
    """A row without a label takes the one that an earlier row of its id has."""
    known = table.filter(table["label"].is_valid())
    last = ~known["id"].to_pandas().duplicated(keep="last").to_numpy()
    known = known.filter(pa.array(last)).combine_chunks()
    place = pc.index_in(table["id"], value_set=known["id"].combine_chunks())
    lacks = table["label"].is_null()
    for name in ("label", "label_time"):
        held = pc.if_else(lacks, known[name].take(place), table[name])
        table = table.set_column(table.column_names.index(name), name, held)
    return table


def _usable(pool: pa.Table, end: datetime, hold_out: timedelta) -> tuple[pa.Table, dict[str, int]]:
    """Labelled rows from before the held-out time, and how many others there are."""
    begin = pa.scalar(end - hold_out, TIME)
    past = pc.less(pool["time"], begin)
    held = pc.and_(pc.invert(past), pc.less(pool["time"], pa.scalar(end, TIME)))
    known = pc.is_valid(pool["label"])
    counts = {
        "held_out": int(pc.sum(held).as_py() or 0),
        "later": int(pc.sum(pc.greater_equal(pool["time"], pa.scalar(end, TIME))).as_py() or 0),
        "unlabelled": int(pc.sum(pc.and_(past, pc.invert(known))).as_py() or 0),
    }
    return pool.filter(pc.and_(past, known)), counts


def _end(until: str, pool: pa.Table) -> datetime:
    if until:
        try:
            return moment(until)
        except ValueError as error:
            raise BadInput(str(error), file="until") from error
    if not len(pool):
        raise BadInput("no rows", file="observations")
    newest: datetime = pc.max(pool["time"]).as_py()
    return newest.replace(microsecond=0) + timedelta(seconds=1)


def _decision(path: str | Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not {"event", "action", "dataset"} <= content.keys():
        raise BadInput("is no decision.json", file=path)
    if content["action"] != "update":
        raise BadInput(f"is to {content['action']}: there is nothing to learn", file=path, column="action")
    return content


def _previous(folder: str | Path | None) -> tuple[str | None, pa.Table | None]:
    if folder is None:
        return None, None
    described, rows = read_dataset(folder)
    return described["id"], rows


def _threshold(strategy: Strategy) -> float:
    """From where on a column counts as moved: as a signal of L1 says, else the measure's default."""
    said = [signal.threshold for signal in strategy.signals.values() if signal.measure == "l1"]
    return min(said, default=MEASURES["l1"].threshold or math.inf)


def _effective(weights: np.ndarray) -> float:
    """How many equally weighted rows know as much: (Σw)² / Σw² (Kish 1965, "Survey Sampling")."""
    return float(weights.sum() ** 2 / (weights @ weights))
