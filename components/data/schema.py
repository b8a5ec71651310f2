"""The utterance table: what every step reads and writes, as Parquet."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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


def complete(table: pa.Table, source: str = "existing") -> pa.Table:
    """Fills in what a public format leaves out.

    Args:
        table: Rows with some of the columns of `SCHEMA`.
        source: What `source` is where a row says nothing.

    Returns:
        The columns of `SCHEMA` and no other, in order; missing ones are null, `weight` is 1.
    """
    columns = {
        field.name: table[field.name]
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in SCHEMA
    }
    columns["source"] = pc.fill_null(columns["source"], source)
    columns["weight"] = pc.fill_null(columns["weight"], 1.0)
    return pa.table(columns, pa.schema([field.with_nullable(True) for field in SCHEMA]))


def validate(table: pa.Table, file: str | Path, lines: np.ndarray | None = None) -> None: ...


def read_utterances(path: str | Path) -> pa.Table:
    """Reads an utterance table and checks it.

    Args:
        path: A Parquet file with the columns of `SCHEMA`.

    Returns:
        The rows; list columns hold dictionary-encoded strings where the file does.

    Raises:
        BadInput: The file is missing, truncated or not Parquet, or a row breaks a rule of the table.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"not a readable Parquet file: {error}", file=path) from error
    return table


def write_utterances(table: pa.Table, path: str | Path) -> None:
    """Writes an utterance table, whole or not at all.

    Args:
        table: Rows with the columns of `SCHEMA`.
        path: The Parquet file to write.
    """
    with written_whole(path) as temporary:
        pq.write_table(table.cast(SCHEMA), temporary, compression="zstd")
