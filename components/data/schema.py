"""The utterance table: what every step reads and writes, as Parquet."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.data.columns import list_codes
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


def read_utterances(path: str | Path) -> pa.Table:
    """Reads an utterance table and checks it.

    Args:
        path: A Parquet file with the columns of `SCHEMA`. Other widths of a column's type (large strings,
            dictionaries, 64-bit numbers) are taken and cast.

    Returns:
        The rows, of exactly `SCHEMA`'s types.

    Raises:
        BadInput: The file is missing, truncated or not Parquet, or a row breaks a rule of the table.
    """
    if not Path(path).is_file():
        raise BadInput("no such file", file=path)
    try:
        table = pq.read_table(path)
        table.validate(full=True)  # offsets in range, text in UTF-8: the file may come from anywhere
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"not a readable Parquet file: {str(error).splitlines()[0]}", file=path) from error
    table = _cast(table)
    validate(table, path)
    return table.cast(SCHEMA)


def write_utterances(table: pa.Table, path: str | Path) -> None:
    """Writes an utterance table, whole or not at all.

    Args:
        table: Rows with the columns of `SCHEMA`.
        path: The Parquet file to write.
    """
    with written_whole(path) as temporary:
        pq.write_table(table.cast(SCHEMA), temporary, compression="zstd")


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
        RULES.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return
    raise _first_fault(cases, table, Path(file), lines)


def _cast(table: pa.Table) -> pa.Table:
    """Casts columns of the right kind but of another width; `validate` names the others."""
    for number, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if name in SCHEMA.names and _kind(column.type) in (_kind(SCHEMA.field(name).type), "null"):
            table = table.set_column(number, name, column.cast(SCHEMA.field(name).type))
    return table


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_dictionary(type_):
        return _kind(type_.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"list of {_kind(type_.value_type)}s"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
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
        _explain(check, column, table.slice(row, 1).to_pylist()[0]),
        file=file,
        row=row + 1 if lines is None else int(lines[row]),
        column=column,
    )


def _explain(check: str, column: str, row: dict[str, Any]) -> str:
    value = row[column]
    if check == "not_nullable":
        return "a value is needed"
    if check == "field_uniqueness":
        return f"{value!r} stands twice"
    if check == _LENGTH:
        return f"{len(row['tags'])} tags for {len(row['tokens'])} tokens: {check}"
    if check == _ONE_WORD:
        value = next(token for token in value if not _one_word(token))
    if check == _SPELLING:
        value = next(tag for tag in value if not _spelt(tag))
    if check == _CONTINUES:
        value = next(
            tag for before, tag in pairwise(["O", *value]) if tag[0] == "I" and before[1:] != tag[1:]
        )
    return f"{value!r}: {check}"


def _one_word(token: str | None) -> bool:
    return token is not None and token.split() == [token]


def _spelt(tag: str | None) -> bool:
    return tag is not None and (tag == "O" or (tag[:2] in ("B-", "I-") and _one_word(tag[2:])))


def _each_is(right: Callable[[str], bool]) -> Callable[[pd.Series], pd.Series]:
    """Makes a check of a list column: every string is right. Each distinct string is asked once."""

    def check(column: pd.Series) -> pd.Series:
        lengths, codes, words = list_codes(pa.chunked_array(pa.array(column.array)))
        wrong = np.array([not right(word) for word in words], dtype=bool)
        return _rows_without(np.flatnonzero(wrong[codes]), lengths, column)

    return check


def _continues(tags: pd.Series) -> pd.Series:
    lengths, codes, labels = list_codes(pa.chunked_array(pa.array(tags.array)))
    _, slots = np.unique([label[2:] for label in labels] or [""], return_inverse=True)
    inside = np.array([label[:2] == "I-" for label in labels], dtype=bool)[codes]
    slot = slots[codes]
    follows = np.zeros(len(codes), dtype=bool)
    follows[1:] = slot[1:] == slot[:-1]  # the slot of O is the empty text
    ends = np.cumsum(lengths)
    follows[(ends - lengths)[lengths > 0]] = False
    return _rows_without(np.flatnonzero(inside & ~follows), lengths, tags)


def _rows_without(positions: np.ndarray, lengths: np.ndarray, column: pd.Series) -> pd.Series:
    good = np.ones(len(lengths), dtype=bool)
    good[np.searchsorted(np.cumsum(lengths), positions, side="right")] = False
    return pd.Series(good, index=column.index)


def _lengths(frame: pd.DataFrame) -> pd.Series:
    return (frame["tokens"].list.len() == frame["tags"].list.len()).fillna(True).astype(bool)


_ONE_WORD = "a token is one word without blanks"
_SPELLING = "a tag is O, B-slot or I-slot"
_CONTINUES = "an I- tag continues the same slot: the tag before it is B- or I- of that slot"
_LENGTH = "every token has one tag"

_TEXT, _LIST = pd.ArrowDtype(pa.string()), pd.ArrowDtype(pa.list_(pa.string()))


def _check(function: Callable[..., pd.Series], rule: str) -> pandera.Check:
    return pandera.Check(function, error=rule, n_failure_cases=1)


def _one_of(values: tuple[str, ...]) -> pandera.Check:
    return _check(lambda column: column.isin(values), f"one of {', '.join(values)} is needed")


def _is_name(column: pd.Series) -> pd.Series:
    return (column != "") & (column.str.strip() == column) & ~column.str.contains(r"[\r\n]")


_NAMED = _check(_is_name, "a name is one line of text without blanks around it")

RULES = pandera.DataFrameSchema(
    {
        "id": pandera.Column(_TEXT, _NAMED, unique=True, report_duplicates="exclude_first"),
        "tokens": pandera.Column(
            _LIST,
            [
                _check(lambda column: column.list.len() > 0, "a token is needed"),
                _check(_each_is(_one_word), _ONE_WORD),
            ],
        ),
        "tags": pandera.Column(_LIST, [_check(_each_is(_spelt), _SPELLING), _check(_continues, _CONTINUES)]),
        "intent": pandera.Column(_TEXT, _NAMED),
        "domain": pandera.Column(_TEXT, _NAMED),
        "source": pandera.Column(_TEXT, _one_of(SOURCES)),
        "split": pandera.Column(_TEXT, _one_of(SPLITS), nullable=True),
        "stratum_id": pandera.Column(_TEXT, _NAMED, nullable=True),
        "round": pandera.Column(
            pd.ArrowDtype(pa.int32()),
            _check(lambda column: column >= 0, "a round is 0 or more"),
            nullable=True,
        ),
        "weight": pandera.Column(
            pd.ArrowDtype(pa.float32()),
            _check(lambda column: np.isfinite(column) & (column > 0), "a weight is finite and above 0"),
        ),
    },
    checks=_check(_lengths, _LENGTH),
    strict=True,
)
