"""The observations: what production saw, was told and answered, one row each, as Parquet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.errors import BadInput
from adsmu.files import written_whole

TIME = pa.timestamp("us", tz="UTC")
TEXT_OR_NUMBER = ("prediction", "label")
RESERVED = {
    "id": pa.string(),
    "time": TIME,
    "model": pa.string(),
    "prediction": None,
    "score": pa.float64(),
    "label": None,
    "label_time": TIME,
    "feedback": pa.string(),
    "weight": pa.float64(),
}
"""The columns whose meaning is fixed, and their types; None: text for classes, a number for regression.

`id` and `time` are required. The others are null (`weight`: 1) where a table lacks them; a prediction or a
label that is NaN is not known and becomes null. `model` is the digest of the model that answered, `score` its
confidence, `weight` one over the chance that the row was kept.
Every other column is a feature."""


def read_observations(path: str | Path, labels: str | Path | None = None) -> pa.Table:
    """Reads observations whole, checks them, and joins labels that came late.

    Args:
        path: A Parquet file.
        labels: A Parquet file with `id`, `label` and `label_time`; see `join_labels`.

    Returns:
        The rows: reserved columns first, of the types of `RESERVED`, then the features as they are.

    Raises:
        BadInput: A file is missing or not Parquet, or a row breaks a rule.
    """
    with _opened(path) as file:
        table = observations(_read(file, path), path)
    return join_labels(table, read_labels(labels), labels) if labels else table


def read_batches(path: str | Path, labels: str | Path | None = None, rows: int = 2**20) -> Iterator[pa.Table]:
    """Reads observations in parts, for files that are larger than memory.

    Args:
        path: A Parquet file.
        labels: As for `read_observations`.
        rows: The most rows of a part. Ids are told apart over all parts by a 64-bit hash, 8 bytes a row.

    Yields:
        The rows, as `read_observations` gives them.

    Raises:
        BadInput: As `read_observations` says; the parts before the fault have been given by then.
    """
    late = read_labels(labels) if labels else None
    seen, begin = np.zeros(0, np.uint64), 0
    with _opened(path) as file:
        for batch in _batches(file, path, rows):
            table = observations(batch, path, begin)
            hashes = pd.util.hash_array(table["id"].to_numpy(), categorize=False)
            _refuse(np.isin(hashes, seen), "the id stands in an earlier row", path, "id", begin)
            seen, begin = np.concatenate([seen, hashes]), begin + len(table)
            yield join_labels(table, late, labels) if late is not None else table


def write_observations(table: pa.Table, path: str | Path) -> None:
    """Checks observations and writes them, whole or not at all.

    Args:
        table: The rows.
        path: The Parquet file to write.

    Raises:
        BadInput: A row breaks a rule; nothing is written.
    """
    table = observations(table, path)
    with written_whole(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def observations(table: pa.Table, file: str | Path = "observations", begin: int = 0) -> pa.Table:
    """Checks a table of observations and completes its reserved columns.

    Args:
        table: The rows.
        file: Where they come from, for errors.
        begin: How many rows of the file stand before them.

    Returns:
        Reserved columns first, then the features.

    Raises:
        BadInput: A row breaks a rule; the first such row is named.

    >>> import datetime
    >>> now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    >>> table = observations(pa.table({"id": ["a"], "time": [now], "temperature": [21.5]}))
    >>> table["weight"].to_pylist(), table["label"].to_pylist(), table.column_names[-1]
    ([1.0], [None], 'temperature')
    >>> observations(pa.table({"id": ["a", "a"], "time": [now, now]}), "log.parquet")
    Traceback (most recent call last):
    adsmu.errors.BadInput: log.parquet, row 2, column id: the id stands in an earlier row
    """
    if len(set(table.column_names)) != len(table.column_names):
        twice = next(name for name in table.column_names if table.column_names.count(name) > 1)
        raise BadInput("the column stands there twice", file=file, column=twice)
    for name in ("id", "time"):
        if name not in table.column_names:
            raise BadInput("the column is missing", file=file, column=name)
    made = {name: _reserved(table, name, file) for name in RESERVED}
    _check_rows(made, file, begin)
    for name in features(table):
        type_ = table.schema.field(name).type
        known = (is_numeric, is_text, is_embedding, is_tokens, pa.types.is_temporal, pa.types.is_null)
        if not any(check(type_) for check in known):
            rule = f"numbers, text, times, vectors or lists of words are needed, not {type_}"
            raise BadInput(rule, file=file, column=name)
        made[name] = table[name]
    return pa.table(made)


def features(table: pa.Table) -> list[str]:
    """The names of the columns that are not reserved."""
    return [name for name in table.column_names if name not in RESERVED]


def read_labels(path: str | Path) -> pa.Table:
    """Reads labels that came late.

    Args:
        path: A Parquet file with `id`, `label` (text or number) and `label_time`.

    Returns:
        One row an id, the last by `label_time`: a correction replaces what it corrects.

    Raises:
        BadInput: The file is missing or not Parquet, a value is missing, or one id has two labels of the same
            time.
    """
    with _opened(path) as file:
        return late_labels(_read(file, path), path)


def late_labels(table: pa.Table, file: str | Path) -> pa.Table:
    """Checks labels that came late; as `read_labels`.

    Args:
        table: `id`, `label` and `label_time`.
        file: Where they come from, for errors.

    Returns:
        As `read_labels`.

    Raises:
        BadInput: As for `read_labels`.
    """
    for name in ("id", "label", "label_time"):
        if name not in table.column_names:
            raise BadInput("the column is missing", file=file, column=name)
    table = table.select(["id", "label", "label_time"])
    for number, name in enumerate(table.column_names):
        column = _cast(table[name], name, file)
        _refuse(pc.is_null(column).to_numpy(), "a value is missing", file, name)
        table = table.set_column(number, name, column)
    frame = table.to_pandas().drop_duplicates()
    twice = frame.duplicated(["id", "label_time"])
    if twice.any():
        raise BadInput(
            "the id has another label of the same time", file=file, row=int(twice.idxmax()) + 1, column="id"
        )
    newest = frame.sort_values("label_time", kind="stable").drop_duplicates("id", keep="last").index
    return table.take(pa.array(np.sort(newest.to_numpy())))


def join_labels(table: pa.Table, late: pa.Table, file: str | Path | None = None) -> pa.Table:
    """Gives each observation its late label; rows are neither added nor lost.

    Args:
        table: Checked observations.
        late: What `read_labels` gives. A label counts unless the row has one of the same time or
            later. Labels of ids that are not in `table` are passed over: sampling left these out, or
            other days hold them.
        file: Where the labels come from, for errors.

    Returns:
        The observations, with `label` and `label_time` filled in.

    Raises:
        BadInput: Labels are of another kind than the predictions.
    """
    prediction, kind = table["prediction"].type, late["label"].type
    known = table["label"].type if pa.types.is_null(prediction) else prediction
    if not pa.types.is_null(known) and known != kind:
        raise BadInput(f"a {_kind(known)} is needed, not {_kind(kind)}", file=file, column="label")
    place = pc.index_in(table["id"], value_set=late["id"].combine_chunks())
    label, time = late["label"].take(place), late["label_time"].take(place)
    newer = pc.if_else(pc.is_null(table["label_time"]), True, pc.greater(time, table["label_time"]))
    replaces = pc.and_(pc.is_valid(place), pc.fill_null(newer, False))
    for name, values in (("label", label), ("label_time", time)):
        joined = pc.if_else(replaces, values, table[name].cast(values.type))
        table = table.set_column(table.column_names.index(name), name, joined)
    return table


def is_embedding(type_: pa.DataType) -> bool:
    """Whether a column of this type holds a vector a row."""
    lists = pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    return lists and pa.types.is_floating(type_.value_type)


def is_numeric(type_: pa.DataType) -> bool:
    """Whether a column of this type is a numeric feature."""
    return pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_boolean(type_)


def is_text(type_: pa.DataType) -> bool:
    """Whether a column of this type is a categorical feature (or text, when a strategy says so)."""
    if pa.types.is_dictionary(type_):
        return is_text(type_.value_type)
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def is_tokens(type_: pa.DataType) -> bool:
    """Whether a column of this type holds a list of words a row."""
    return (pa.types.is_list(type_) or pa.types.is_large_list(type_)) and is_text(type_.value_type)


def _opened(path: str | Path) -> pq.ParquetFile:
    if not Path(path).is_file():
        raise BadInput("no such file", file=path)
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _read(file: pq.ParquetFile, path: str | Path) -> pa.Table:
    try:
        table = file.read()
        table.validate(full=True)  # offsets in range, text in UTF-8: the file may come from anywhere
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    return table


def _batches(file: pq.ParquetFile, path: str | Path, rows: int) -> Iterator[pa.Table]:
    if not file.metadata.num_rows:
        yield file.schema_arrow.empty_table()
    try:
        for batch in file.iter_batches(rows):
            batch.validate(full=True)
            yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> BadInput:
    return BadInput(f"not a readable Parquet file: {str(error).splitlines()[0]}", file=path)


def _reserved(table: pa.Table, name: str, file: str | Path) -> pa.ChunkedArray:
    if name in table.column_names:
        return _cast(table[name], name, file)
    if name == "weight":
        return pa.chunked_array([np.ones(len(table))])
    return pa.chunked_array([pa.nulls(len(table), RESERVED[name] or pa.null())])


def _cast(column: pa.ChunkedArray, name: str, file: str | Path) -> pa.ChunkedArray:
    wanted, found = RESERVED[name], column.type
    if pa.types.is_null(found):
        return column.cast(wanted) if wanted else column
    if wanted is None:
        wanted = pa.string() if is_text(found) else pa.float64()
    if _kind(found) != _kind(wanted):
        raise BadInput(f"a {_kind(wanted)} is needed, not {_kind(found)}", file=file, column=name)
    try:
        made = column.cast(wanted)
    except pa.ArrowInvalid as error:
        raise BadInput(str(error).splitlines()[0], file=file, column=name) from error
    if name in TEXT_OR_NUMBER and pa.types.is_floating(wanted):  # frames write NaN for what is not known
        made = pc.if_else(pc.is_nan(made), pa.scalar(None, wanted), made)
    return made


def _kind(type_: pa.DataType) -> str:
    if is_text(type_):
        return "text"
    if pa.types.is_timestamp(type_):
        return "time"
    return "number" if is_numeric(type_) else str(type_)


def _check_rows(columns: dict[str, pa.ChunkedArray], file: str | Path, begin: int) -> None:
    ids, weight = columns["id"], columns["weight"]
    for name in ("id", "time", "weight"):
        _refuse(pc.is_null(columns[name]).to_numpy(), "a value is missing", file, name, begin)
    _refuse(pc.equal(ids, "").to_numpy(), "a value is missing", file, "id", begin)
    if pc.count_distinct(ids).as_py() < len(ids):
        again = ids.to_pandas().duplicated().to_numpy()
        _refuse(again, "the id stands in an earlier row", file, "id", begin)
    good = pc.and_(pc.greater(weight, 0.0), pc.is_finite(weight))
    _refuse(~good.to_numpy(), "a finite number above 0 is needed", file, "weight", begin)
    for name in ("score", *TEXT_OR_NUMBER):
        if pa.types.is_floating(columns[name].type):
            finite = pc.fill_null(pc.is_finite(columns[name]), True)
            _refuse(~finite.to_numpy(), "a finite number is needed", file, name, begin)
    prediction, label = columns["prediction"].type, columns["label"].type
    if pa.null() not in (prediction, label) and prediction != label:
        rule = f"a {_kind(prediction)} is needed as the predictions are, not {_kind(label)}"
        raise BadInput(rule, file=file, column="label")


def _refuse(broken: np.ndarray, rule: str, file: str | Path, column: str, begin: int = 0) -> None:
    if broken.any():
        raise BadInput(rule, file=file, row=begin + int(broken.argmax()) + 1, column=column)
