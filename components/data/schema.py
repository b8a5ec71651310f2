"""The utterance table: what every step reads and writes, as Parquet."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.data import checks
from adsmu.data.checks import explain
from adsmu.data.parquet import read_parquet
from adsmu.errors import BadInput
from adsmu.files import written_whole

SOURCES = ("existing", "user", "synthetic")
SPLITS = ("train", "dev", "test")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("tokens", pa.list_(pa.string()), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("intent", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("split", pa.string()),  # null until stratify
        pa.field("stratum_id", pa.string()),  # null: of no declared stratum
        pa.field("round", pa.int32()),  # null: a real row
        pa.field("weight", pa.float32(), nullable=False),
    ]
)

LISTS = ("tokens", "tags")
ENCODED = pa.list_(pa.dictionary(pa.int32(), pa.string()))
ENCODED_SCHEMA = pa.schema([field.with_type(ENCODED) if field.name in LISTS else field for field in SCHEMA])


def read_utterances(path: str | Path, encoded: bool = False) -> pa.Table:
    """Reads an utterance table and checks it.

    Args:
        path: A Parquet file with the columns of `SCHEMA`. Other widths of a column's type (large strings,
            dictionaries, 64-bit numbers) are taken and cast.
        encoded: Leave `tokens` and `tags` as lists of dictionary-encoded strings (`ENCODED`): half the time
            and memory for a large table that is only laid flat.

    Returns:
        The rows, of `SCHEMA`'s types but for `encoded`.

    Raises:
        BadInput: The file is missing, truncated or not Parquet, or a row breaks a rule of the table.
    """
    table = read_parquet(path, dictionaries=[f"{name}.list.element" for name in LISTS], validate=True)
    table = _cast(table, path)
    validate(table, path)
    return table if encoded else table.cast(SCHEMA)


def write_utterances(table: pa.Table, path: str | Path) -> None:
    """Writes an utterance table, whole or not at all.

    Args:
        table: Rows with the columns of `SCHEMA` or of `ENCODED_SCHEMA`: the latter are written as they are,
            and read back as lists of strings.
        path: The Parquet file to write.
    """
    wanted = ENCODED_SCHEMA if ENCODED in table.schema.types else SCHEMA
    with written_whole(path) as temporary:
        pq.write_table(
            table.cast(wanted),
            temporary,
            compression="zstd",
            store_schema=False,  # Parquet's own types say all, and nothing of dictionaries
            write_statistics=[name for name in SCHEMA.names if name not in LISTS],
        )


def utterances(records: Iterable[Mapping[str, Any]] = ()) -> pa.Table:
    """Makes an utterance table of records; without records, an empty one.

    Args:
        records: Mappings with `id`, `tokens`, `tags`, `intent`, `domain` and `source`, and any other column
            of `SCHEMA`. A column that a record lacks is null; `weight` is 1.

    Returns:
        The table, not yet checked.

    >>> row = {"id": "1", "tokens": ["stop"], "tags": ["O"], "intent": "Stop", "domain": "audio"}
    >>> utterances([row | {"source": "user"}])["weight"].to_pylist()
    [1.0]
    """
    return pa.Table.from_pylist([{"weight": 1.0, **record} for record in records], SCHEMA)


def labelled(columns: Mapping[str, Any], file: str | Path, lines: Sequence[int] | np.ndarray) -> pa.Table:
    """Makes a checked utterance table of what a reader of a public format found.

    Args:
        columns: Some of the columns of `SCHEMA`, others are left. `source` is existing and `weight` 1 where a
            row says nothing; any other missing value is null.
        file: The file, for errors.
        lines: The line of `file` that each row starts at.

    Returns:
        The rows.

    Raises:
        BadInput: A row breaks a rule of the table; its line is named.
    """
    made = {}
    for field in SCHEMA:
        values = columns.get(field.name)
        made[field.name] = pa.nulls(len(lines), field.type) if values is None else values
    nullable = pa.schema([field.with_nullable(True) for field in SCHEMA])
    table = pa.table(made, nullable)
    for name, default in (("source", "existing"), ("weight", 1.0)):
        table = table.set_column(SCHEMA.names.index(name), name, pc.fill_null(table[name], default))
    validate(table, file, np.asarray(lines, np.int64))
    return table.cast(SCHEMA)


def validate(table: pa.Table, file: str | Path, lines: np.ndarray | None = None) -> None:
    """Checks every rule of the utterance table.

    Args:
        table: The rows.
        file: The file they come from, for the error.
        lines: The line of `file` that each row stands in; without it the row's own number is told.

    Raises:
        BadInput: A column is missing, unknown or of another type, or a row breaks a rule: the first such row
            is named.
    """
    frame = table.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
    try:
        _rules(ENCODED if table.schema.types[1:3] == [ENCODED, ENCODED] else SCHEMA.types[1]).validate(
            frame, lazy=True
        )
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return
    raise _first_fault(cases, table, Path(file), lines)


def _cast(table: pa.Table, file: str | Path) -> pa.Table:
    """Casts columns of the right kind but of another width; `validate` names the others."""
    for number, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if name in SCHEMA.names and _kind(column.type) in (_kind(SCHEMA.field(name).type), "null"):
            wanted = ENCODED if name in LISTS else SCHEMA.field(name).type
            try:
                table = table.set_column(number, name, column.cast(wanted))
            except pa.ArrowInvalid as error:
                raise BadInput(str(error).splitlines()[0], file=file, column=name) from error
    return table


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_dictionary(type_):
        return _kind(type_.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"list of {_kind(type_.value_type)}s"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return "text"
    if pa.types.is_integer(type_):
        return "whole number"
    return "number" if pa.types.is_floating(type_) else str(type_)


def _first_fault(cases: pd.DataFrame, table: pa.Table, file: Path, lines: np.ndarray | None) -> BadInput:
    """Makes one line of what pandera found: a fault of the whole table, else that of the first row."""
    for check, rule in (
        ("column_in_dataframe", "the column is missing"),
        ("column_in_schema", "no such column"),
    ):
        if (cases["check"] == check).any():
            return BadInput(
                rule, file=file, column=cases.loc[cases["check"] == check, "failure_case"].iloc[0]
            )
    wrong_type = cases[cases["check"].str.startswith("dtype(")]
    if len(wrong_type):
        column = wrong_type["column"].iloc[0]
        wanted, found = _kind(SCHEMA.field(column).type), _kind(table.schema.field(column).type)
        return BadInput(f"a {wanted} is needed, not {found}", file=file, column=column)
    cases = cases.assign(index=cases["index"].astype(int), of_row=cases["schema_context"] != "Column")
    first = cases.sort_values(["index", "of_row"], kind="stable").iloc[0]  # a value's own fault comes first
    row = int(first["index"])
    check, column = first["check"], first["column"] if first["schema_context"] == "Column" else "tags"
    return BadInput(
        explain(check, column, table.slice(row, 1).to_pylist()[0]),
        file=file,
        row=row + 1 if lines is None else int(lines[row]),
        column=column,
    )


@cache
def _rules(words: pa.DataType) -> pandera.DataFrameSchema:
    """The schema, with list columns of the given type."""
    text, lists = pd.ArrowDtype(pa.string()), pd.ArrowDtype(words)
    return pandera.DataFrameSchema(
        {
            "id": pandera.Column(text, checks.NAME, unique=True, report_duplicates="exclude_first"),
            "tokens": pandera.Column(lists, [checks.SOME, checks.WORDS]),
            "tags": pandera.Column(lists, [checks.TAGS, checks.BIO]),
            "intent": pandera.Column(text, checks.RECURRING_NAME),
            "domain": pandera.Column(text, checks.RECURRING_NAME),
            "source": pandera.Column(text, checks.one_of(SOURCES)),
            "split": pandera.Column(text, checks.one_of(SPLITS), nullable=True),
            "stratum_id": pandera.Column(text, checks.RECURRING_NAME, nullable=True),
            "round": pandera.Column(pd.ArrowDtype(pa.int32()), checks.ROUND, nullable=True),
            "weight": pandera.Column(pd.ArrowDtype(pa.float32()), checks.WEIGHT),
        },
        checks=checks.ALIGNED,
        strict=True,
    )
