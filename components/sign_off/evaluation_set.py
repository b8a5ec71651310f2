"""Evaluation sets: rows and behavioural tests under a name that follows from their content."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.errors import BadInput
from adsmu.files import read_json, refuse_existing, write_json, written_whole
from adsmu.sign_off.pairs import Pair, read_pairs

FORMAT = 1
NAME, ROWS, PAIRS = "evaluation_set.json", "rows.parquet", "pairs.jsonl"


@dataclass(frozen=True)
class EvaluationSet:
    """What two models are compared on.

    Attributes:
        id: Hash of all that it holds: another row, another id.
        previous: The id of the version before; None: it is the first.
        rows: `id`, and what a model reads and what is right; `weight` is there.
        pairs: Behavioural tests.
    """

    id: str
    previous: str | None
    rows: pa.Table
    pairs: tuple[Pair, ...]


def write_evaluation_set(
    rows: pa.Table, pairs: str | Path | None, output: str | Path, previous: str | Path | None = None
) -> EvaluationSet:
    """Makes an evaluation set, or a new version of one: what it held before stands in it still.

    Args:
        rows: New rows: sampled ones, edge cases, the most recent. Without a column `weight` each weighs 1.
        pairs: New behavioural tests, JSON Lines; None: none.
        output: The folder to make.
        previous: The version before, or None.

    Raises:
        BadInput: A row or a pair breaks a rule, an id stands in both with another content, or the folder is
            there already.
    """
    refuse_existing(output)
    rows = _checked(rows, "rows")
    lines = [] if pairs is None else [pair.as_json() for pair in read_pairs(pairs)]
    before = read_evaluation_set(previous) if previous is not None else None
    if before is not None:
        rows = _joined(before.rows, rows)
        lines = [*(known := [pair.as_json() for pair in before.pairs]), *(x for x in lines if x not in known)]
    with written_whole(output) as temporary:
        temporary.mkdir()
        pq.write_table(rows, temporary / ROWS, compression="zstd")
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (temporary / PAIRS).write_text(text, encoding="utf-8")
        made = {
            "format": FORMAT,
            "id": content_hash(rows, lines),
            "previous": before.id if before else None,
            "rows": len(rows),
            "pairs": len(lines),
        }
        write_json(made, temporary / NAME)
    return read_evaluation_set(output)


def read_evaluation_set(folder: str | Path) -> EvaluationSet:
    """Reads an evaluation set and checks that its id is that of its content.

    Args:
        folder: As `write_evaluation_set` makes it.

    Raises:
        BadInput: A file is missing or damaged, or the content is not that of the id.
    """
    folder = Path(folder)
    said = read_json(folder / NAME)
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise BadInput(f"not an evaluation set of format {FORMAT}", file=folder / NAME)
    try:
        table = pq.read_table(folder / ROWS)
        table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        rule = f"not a readable Parquet file: {str(error).splitlines()[0]}"
        raise BadInput(rule, file=folder / ROWS) from error
    rows, pairs = _checked(table, folder / ROWS), read_pairs(folder / PAIRS)
    found = content_hash(rows, [pair.as_json() for pair in pairs])
    if found != said.get("id"):
        raise BadInput(f"the content is that of {found}, not of the id", file=folder / NAME, column="id")
    return EvaluationSet(found, said.get("previous"), rows, tuple(pairs))


def content_hash(rows: pa.Table, pairs: list[dict[str, Any]]) -> str:
    """The id of rows and pairs: the same for another order, and for another way to write them to a file.

    Args:
        rows: With a column `id`.
        pairs: As JSON.

    >>> one, other = pa.table({"id": ["a", "b"], "x": [1, 2]}), pa.table({"x": [2, 1], "id": ["b", "a"]})
    >>> content_hash(one, []) == content_hash(other, [])
    True
    """
    found = hashlib.sha256()
    for line in sorted([*_lines(rows), *(f"pair {json.dumps(each, sort_keys=True)}" for each in pairs)]):
        found.update(line.encode() + b"\n")
    return f"sha256:{found.hexdigest()}"


def _lines(rows: pa.Table) -> Iterator[str]:
    for batch in rows.to_batches(max_chunksize=65_536):
        for row in batch.to_pylist():
            yield json.dumps(row, sort_keys=True, default=str)


def _checked(rows: pa.Table, file: str | Path) -> pa.Table:
    """The rows, with a weight each; refuses what cannot be told apart or weighed."""
    if "id" not in rows.column_names:
        raise BadInput("missing", file=file, column="id")
    ids = rows["id"]
    if not len(rows) or ids.null_count or len(pc.unique(ids)) != len(rows):
        raise BadInput("must hold rows, each with an id of its own", file=file, column="id")
    if "weight" not in rows.column_names:
        return rows.append_column("weight", pa.array(np.ones(len(rows))))
    try:
        weight = rows["weight"].cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise BadInput("must hold numbers", file=file, column="weight") from error
    if not (np.isfinite(weight) & (weight > 0)).all():
        row = int(np.argmin(np.isfinite(weight) & (weight > 0)))
        raise BadInput("must be above 0", file=file, row=row + 1, column="weight")
    return rows.set_column(rows.column_names.index("weight"), "weight", pa.array(weight))


def _joined(before: pa.Table, rows: pa.Table) -> pa.Table:
    """Old rows and new ones; a row that is there already is not doubled, and not changed in silence."""
    try:
        new = rows.select(before.column_names).cast(before.schema)
    except (KeyError, pa.ArrowException) as error:
        raise BadInput(f"must have the columns of the version before: {error}", file="rows") from error
    known = dict(zip(before["id"].to_pylist(), before.to_pylist(), strict=True))
    for number, row in enumerate(new.to_pylist()):
        if row["id"] in known and row != known[row["id"]]:
            rule = f"the id {row['id']!r} stands in the version before with another content"
            raise BadInput(rule, file="rows", row=number + 1, column="id")
    fresh = pc.invert(pc.is_in(new["id"], before["id"].combine_chunks()))
    return pa.concat_tables([before, new.filter(fresh)])
