"""Reads a Parquet file, or says in one line why it cannot be read."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adsmu.errors import BadInput


def read_parquet(path: str | Path, *, dictionaries: Sequence[str] = (), validate: bool = False) -> pa.Table:
    """Reads a whole Parquet file.

    Args:
        path: The file.
        dictionaries: Columns whose texts stay codes.
        validate: Also checks offsets and that text is UTF-8: for a file that may come from anywhere.

    Raises:
        BadInput: It is missing, truncated or not Parquet.
    """
    if not Path(path).is_file():
        raise BadInput("no such file", file=path)
    try:
        table = pq.read_table(path, read_dictionary=list(dictionaries) or None)
        if validate:
            table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"not a readable Parquet file: {str(error).splitlines()[0]}", file=path) from error
    return table
