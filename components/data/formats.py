"""Labelled corpora in any format that is read here."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.jsonl import read_jsonl
from adsmu.data.schema import read_utterances
from adsmu.errors import BadInput


def read_corpus(path: str | Path, lower: bool = False) -> pa.Table:
    """Reads a labelled corpus in the format that its name tells.

    Args:
        path: `.jsonl`, `.jsonl.gz`, `.parquet`.
        lower: Lower-case the tokens.

    Returns:
        The utterance table.

    Raises:
        BadInput: No reader knows the file, or it breaks a rule; file, row and column are named.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput("no such file", file=path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        table = read_jsonl(path)
    elif path.suffix == ".parquet":
        table = read_utterances(path)
    else:
        raise BadInput("no reader for this kind of file", file=path)
    return lowered(table) if lower else table


def lowered(table: pa.Table) -> pa.Table:
    """Lower-cases the tokens of rows.

    Args:
        table: Rows with `tokens`.

    Returns:
        The same rows, their tokens in lower case.

    >>> lowered(pa.table({"tokens": [["Play", "Moana"]]}))["tokens"].to_pylist()
    [['play', 'moana']]
    """
    tokens = table["tokens"].combine_chunks()
    small = pa.ListArray.from_arrays(tokens.offsets, pc.utf8_lower(tokens.values))
    return table.set_column(table.column_names.index("tokens"), "tokens", small)
