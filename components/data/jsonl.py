"""JSON lines: one utterance a line, plain or gzipped."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from adsmu.data.schema import SCHEMA, labelled
from adsmu.data.text import decoded
from adsmu.errors import BadInput
from adsmu.files import written_whole

_KINDS = {
    pa.string(): "text",
    pa.list_(pa.string()): "a list of texts",
    pa.int32(): "a whole number",
    pa.float32(): "a number",
}
_NULLABLE = pa.schema([field.with_nullable(True) for field in SCHEMA])


def read_jsonl(path: str | Path) -> pa.Table:
    """Reads one JSON object a line; empty lines are skipped.

    Args:
        path: A text file, gzipped when its name ends with `.gz`. Every object has `id`, `domain`, `intent`,
            `tokens` and `tags`, and may have the other columns of the utterance table. Further keys are not
            read.

    Returns:
        The utterance table; `source` is existing and `weight` 1 where a row says nothing.

    Raises:
        BadInput: A line is not such an object, or breaks a rule of the table; file and line are named.
    """
    path = Path(path)
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"cannot be read: {error}", file=path) from error
    decoded(content, path)
    lines = np.array(
        [number for number, line in enumerate(content.split(b"\n"), 1) if line.strip()], np.int64
    )
    if not len(lines):
        raise BadInput("holds no utterances", file=path)
    options = pj.ParseOptions(explicit_schema=_NULLABLE, unexpected_field_behavior="ignore")
    # A block must hold its longest line; one block a file keeps that true for any line.
    blocks = pj.ReadOptions(block_size=min(max(1 << 20, len(content) + 1), 2**31 - 1))
    try:
        table = pj.read_json(pa.BufferReader(content), blocks, options)
    except pa.ArrowInvalid as error:
        raise _first_fault(content, path) or BadInput(f"not JSON lines: {error}", file=path) from error
    return labelled({name: table[name] for name in table.column_names}, path, lines)


def _first_fault(content: bytes, path: Path) -> BadInput | None:
    """Reads line by line, slowly, to name the line that the fast reader stumbled over."""
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            record: Any = json.loads(line)
        except json.JSONDecodeError as error:
            return BadInput(f"not JSON: {error.msg}", file=path, row=number)
        if not isinstance(record, dict):
            return BadInput("not a JSON object", file=path, row=number)
        for field in SCHEMA:
            value = record.get(field.name)
            if value is not None and not _fits(value, field.type):
                return BadInput(
                    f"{json.dumps(value)[:40]} is not {_KINDS[field.type]}",
                    file=path,
                    row=number,
                    column=field.name,
                )
    return None


def _fits(value: Any, type_: pa.DataType) -> bool:
    if pa.types.is_list(type_):
        return isinstance(value, list) and all(isinstance(item, str | None) for item in value)
    if pa.types.is_string(type_):
        return isinstance(value, str)
    return isinstance(value, int if pa.types.is_integer(type_) else int | float) and not isinstance(
        value, bool
    )


def write_jsonl(table: pa.Table, path: str | Path) -> None:
    """Writes every column of the rows, one JSON object a line, whole or not at all.

    Args:
        table: An utterance table.
        path: The file to write, gzipped when its name ends with `.gz`. Keys without a value are left out.
    """
    path = Path(path)
    lines = (
        json.dumps({name: value for name, value in row.items() if value is not None}, ensure_ascii=False)
        + "\n"
        for batch in table.to_batches(10_000)
        for row in batch.to_pylist()
    )
    with written_whole(path) as temporary:
        if path.suffix == ".gz":
            # No name and no time in the header: equal rows give equal files.
            with temporary.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                packed.writelines(line.encode() for line in lines)
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as text:
                text.writelines(lines)
