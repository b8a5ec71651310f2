"""The strata table: what stratify hands to the steps behind it, as Parquet."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.data.parquet import read_parquet
from adsmu.errors import BadInput
from adsmu.files import written_whole

STRATA_SCHEMA = pa.schema(
    [
        pa.field("stratum_id", pa.string(), nullable=False),
        pa.field("shape", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("intent", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("slots", pa.list_(pa.string()), nullable=False),
        pa.field("train", pa.int32(), nullable=False),
        pa.field("dev", pa.int32(), nullable=False),
        pa.field("test", pa.int32(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("conflict_with", pa.list_(pa.string()), nullable=False),
        pa.field("merged", pa.list_(pa.string()), nullable=False),
    ]
)


def read_strata(path: str | Path) -> pa.Table:
    """Reads a strata table and checks it.

    Args:
        path: A Parquet file with the columns of `STRATA_SCHEMA`.

    Returns:
        One row a stratum.

    Raises:
        BadInput: The file is missing or not Parquet, a column is missing, null or of another type, a stratum
            stands twice, or none is active.
    """
    table = read_parquet(path)
    if missing := [name for name in STRATA_SCHEMA.names if name not in table.column_names]:
        raise BadInput("missing", file=path, column=missing[0])
    for field in STRATA_SCHEMA:
        if table[field.name].null_count and not field.nullable:
            raise BadInput("must not be null", file=path, column=field.name)
    try:
        table = table.select(STRATA_SCHEMA.names).cast(STRATA_SCHEMA)
    except (ValueError, pa.ArrowException) as error:
        raise BadInput(f"not the types of a strata table: {str(error).splitlines()[0]}", file=path) from error
    if pc.count_distinct(table["stratum_id"]).as_py() < len(table):
        raise BadInput("a stratum stands twice", file=path, column="stratum_id")
    if not pc.any(pc.equal(table["status"], "active")).as_py():
        raise BadInput("no stratum is active: there is nothing to measure", file=path, column="status")
    return table


def write_strata(table: pa.Table, path: str | Path) -> None:
    """Writes a strata table, whole or not at all.

    Args:
        table: Rows with the columns of `STRATA_SCHEMA`.
        path: The Parquet file to write.
    """
    with written_whole(path) as temporary:
        pq.write_table(table.cast(STRATA_SCHEMA), temporary)
