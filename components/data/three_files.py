"""The form of the SNIPS and ATIS releases: a folder with seq.in, seq.out and label."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.schema import labelled
from adsmu.data.text import NO_DOMAIN, read_text
from adsmu.errors import BadInput
from adsmu.files import written_whole

_FILES = {"tokens": "seq.in", "tags": "seq.out", "intent": "label"}
_FOLDERS = {"": None, "train": "train", "dev": "dev", "valid": "dev", "test": "test"}


def is_three_files(path: Path) -> bool:
    """Says whether a folder, or a folder of a split in it, holds a `seq.in`."""
    return any((path / name / "seq.in").is_file() for name in _FOLDERS)


def read_three_files(path: str | Path) -> pa.Table:
    """Reads parallel lines of tokens, tags and intents.

    Args:
        path: A folder with the files `seq.in`, `seq.out` and `label`, or with folders `train`, `dev` (or
            `valid`) and `test` that have them.

    Returns:
        The utterance table. An id is the split and the line, the domain is `all`.

    Raises:
        BadInput: A file is missing, the files differ in length, or a row breaks a rule of the table.
    """
    path = Path(path)
    parts = [
        _read_part(path / name, split)
        for name, split in _FOLDERS.items()
        if (path / name / "seq.in").is_file()
    ]
    if not parts:
        raise BadInput("holds no seq.in, nor do folders train, dev, valid, test in it", file=path)
    return pa.concat_tables(parts)


def _read_part(folder: Path, split: str | None) -> pa.Table:
    lines = {
        column: read_text(folder / name).removesuffix("\n").split("\n") for column, name in _FILES.items()
    }
    rows = len(lines["tokens"])
    for column, name in _FILES.items():
        if len(lines[column]) != rows:
            shorter = min(len(lines[column]), rows)
            raise BadInput(
                f"{len(lines[column])} lines where seq.in has {rows}", file=folder / name, row=shorter + 1
            )
    columns = {
        "id": [f"{split}-{row}" if split else str(row) for row in range(1, rows + 1)],
        "tokens": [line.split() for line in lines["tokens"]],
        "tags": [line.split() for line in lines["tags"]],
        "intent": [line.strip() for line in lines["intent"]],
        "domain": [NO_DOMAIN] * rows,
        "split": [split] * rows,
    }
    try:
        return labelled(columns, folder, range(1, rows + 1))
    except BadInput as error:
        file = folder / _FILES.get(error.column or "", "")
        raise BadInput(error.rule, file=file, row=error.row, column=error.column) from error


def write_three_files(table: pa.Table, path: str | Path) -> None:
    """Writes rows as `read_three_files` reads them, whole or not at all.

    Rows with a split go to a folder of its name. The form has place for tokens, tags, intent and split only.

    Args:
        table: An utterance table.
        path: The folder to make.
    """
    with written_whole(path) as temporary:
        for split in table["split"].unique().to_pylist():
            of_split = pc.equal(table["split"], split) if split else pc.is_null(table["split"])
            rows = table.filter(of_split)
            folder = temporary / (split or "")
            folder.mkdir(parents=True, exist_ok=True)
            for column, name in _FILES.items():
                values = rows[column] if column == "intent" else pc.binary_join(rows[column], " ")
                (folder / name).write_text(
                    "\n".join([*values.to_pylist(), ""]), encoding="utf-8", newline="\n"
                )
