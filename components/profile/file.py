"""A profile as a file: Parquet, one row a column of the profiled table."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adsmu.errors import BadInput
from adsmu.files import written_whole
from adsmu.profile.categories import HASHES, HELD, Categories
from adsmu.profile.columns import Categorical, Column, Embedding, Numeric
from adsmu.profile.features import FEATURES, MeanMap
from adsmu.profile.profiles import Profile
from adsmu.profile.quantiles import KNOTS, Distribution

FORMAT = 1
KEY = b"adsmu.profile"
KINDS = {"numeric": Numeric, "categorical": Categorical, "embedding": Embedding, "counted": Column}
NUMBERS = pa.list_(pa.float64())
SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("type", pa.string()),
        ("rows", pa.int64()),
        ("missing", pa.int64()),
        ("weight", pa.float64()),
        ("weight_squares", pa.float64()),
        ("scalars", NUMBERS),
        ("values", NUMBERS),
        ("at", NUMBERS),
        ("below", NUMBERS),
        ("names", pa.list_(pa.string())),
        ("hashes", pa.list_(pa.uint64())),
    ]
)


def write_profile(profile: Profile, path: str | Path) -> None:
    """Writes a profile, whole or not at all.

    Args:
        profile: The profile.
        path: The file.
    """
    about = {
        "format": FORMAT,
        "rows": profile.rows,
        "weight": profile.weight,
        "first": profile.first.isoformat() if profile.first else None,
        "last": profile.last.isoformat() if profile.last else None,
        "strategy": profile.strategy,
    }
    records = [{"name": name, **_record(column)} for name, column in profile.columns.items()]
    table = pa.Table.from_pylist(records, SCHEMA.with_metadata({KEY: json.dumps(about).encode()}))
    with written_whole(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=9,
            use_dictionary=["kind", "type"],
            write_statistics=False,
            column_encoding={
                f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in ("values", "at", "below")
            },
        )


def read_profile(path: str | Path) -> Profile:
    """Reads a profile and checks it.

    Args:
        path: What `write_profile` has written.

    Returns:
        The profile, equal to the one that was written.

    Raises:
        BadInput: The file is missing, not a profile, of another format, or breaks a rule of one.
    """
    if not Path(path).is_file():
        raise BadInput("no such file", file=path)
    try:
        table = pq.read_table(path)
        table.validate(full=True)
        about = json.loads((table.schema.metadata or {})[KEY])
        table = table.select(SCHEMA.names).cast(SCHEMA)
        if about["format"] != FORMAT:
            raise BadInput(f"format {FORMAT} is needed, not {about['format']}", file=path)
        columns = {row["name"]: _column(row, path) for row in table.to_pylist()}
        first, last = (
            datetime.fromisoformat(about[end]) if about[end] else None for end in ("first", "last")
        )
        return Profile(int(about["rows"]), float(about["weight"]), first, last, about["strategy"], columns)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"not a profile: {str(error).splitlines()[0]}", file=path) from error


def _record(column: Column) -> dict[str, Any]:
    record = {
        "kind": next(kind for kind, class_ in KINDS.items() if type(column) is class_),
        "type": column.type,
        "rows": column.rows,
        "missing": column.missing,
        "weight": column.weight,
        "weight_squares": column.weight_squares,
    }
    if isinstance(column, Numeric):
        found = column.distribution
        record |= {
            "scalars": [column.nan, column.infinite, column.mean, column.squares],
            "values": found.values,
            "at": found.at,
            "below": found.below,
        }
    elif isinstance(column, Categorical):
        held = column.categories
        record |= {
            "scalars": [held.other, held.lacks],
            "at": held.weights,
            "names": list(held.names),
            "hashes": held.hashes,
        }
    elif isinstance(column, Embedding) and column.map:
        map_ = column.map
        record |= {
            "scalars": [map_.dimension, map_.bandwidth, map_.seed, map_.spread, map_.norm],
            "values": map_.mean,
        }
    return record


def _column(row: dict[str, Any], path: str | Path) -> Column:
    def numbers(key: str) -> np.ndarray:
        return np.array(row[key] or [], dtype=float)

    def rule(good: bool, what: str) -> None:
        if not good:
            raise BadInput(what, file=path, column=row["name"])

    common = (row["type"], row["rows"], row["missing"], row["weight"], row["weight_squares"])
    rule(0 <= row["missing"] <= row["rows"] and row["weight"] >= 0, "rows or weights contradict each other")
    scalars = row["scalars"] or []
    rule(bool(np.isfinite(scalars).all()), "a figure is not finite")
    values, at, below = numbers("values"), numbers("at"), numbers("below")
    rule(bool(np.isfinite(np.concatenate([values, at, below])).all()), "a figure is not finite")
    rule(bool((at >= 0).all() and (below >= 0).all()), "a weight is negative")
    if row["kind"] == "numeric":
        rule(len(values) == len(at) == len(below) <= KNOTS, "the distribution has parts of different lengths")
        rule(bool((np.diff(values) > 0).all()), "values of the distribution do not increase")
        nan, infinite, mean, squares = scalars
        found = Distribution(values, at, below)
        return Numeric(*common, int(nan), int(infinite), mean, squares, found)
    if row["kind"] == "categorical":
        names, hashes = tuple(row["names"] or ()), np.array(row["hashes"] or [], dtype=np.uint64)
        rule(
            len(set(names)) == len(names) == len(at) <= HELD, "a category stands there twice, or too many do"
        )
        rule(len(hashes) <= HASHES, "there are too many hashes")
        other, lacks = scalars
        return Categorical(*common, Categories(names, at, other, lacks, hashes))
    if row["kind"] == "embedding":
        if not scalars:
            return Embedding(*common, None)
        rule(len(values) == FEATURES, f"{FEATURES} features are needed")
        dimension, bandwidth, seed, spread, norm = scalars
        rule(bandwidth > 0 and dimension >= 1, "the bandwidth or the dimension is not above 0")
        return Embedding(*common, MeanMap(int(dimension), bandwidth, int(seed), values, spread, norm))
    rule(row["kind"] == "counted", f"no kind of column is {row['kind']!r}")
    return Column(*common)
