"""Labelled corpora in any format that is read here."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.conll import read_conll
from adsmu.data.jsonl import read_jsonl
from adsmu.data.rasa import read_rasa
from adsmu.data.schema import read_utterances
from adsmu.data.three_files import is_three_files, read_three_files
from adsmu.errors import BadInput

_READERS = {
    ".parquet": read_utterances,
    ".jsonl": read_jsonl,
    ".jsonl.gz": read_jsonl,
    ".conll": read_conll,
    ".bio": read_conll,
    ".iob": read_conll,
    ".txt": read_conll,
    ".tsv": read_conll,
    ".yml": read_rasa,
    ".yaml": read_rasa,
}


def read_corpus(path: str | Path, lower: bool = False) -> pa.Table:
    """Reads a labelled corpus in the format that its name tells.

    Args:
        path: A file that ends with .parquet (the utterance table), .jsonl, .jsonl.gz, .yml or .yaml (Rasa),
            .conll, .bio, .iob, .txt or .tsv (columns); or a folder with seq.in, seq.out and label.
        lower: Lower-case the tokens.

    Returns:
        The utterance table.

    Raises:
        BadInput: No reader knows the file, or it breaks a rule; file, row and column are named.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput("no such file", file=path)
    if path.is_dir():
        read = read_three_files if is_three_files(path) else None
    else:
        read = next((reader for ending, reader in _READERS.items() if path.name.endswith(ending)), None)
    if read is None:
        raise BadInput(
            f"unknown format: not a folder with seq.in, nor one of {', '.join(_READERS)}", file=path
        )
    table = read(path)
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
