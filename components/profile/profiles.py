"""The profile of a table: what is known of each column in a few kilobytes, mergeable, without its rows."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.profile.columns import Column, column_profile, merged_column
from adsmu.profile.observations import RESERVED
from adsmu.profile.projections import project

THREADS = 2
NOT_PROFILED = ("id", "time", "label_time", "weight")
"""Reserved columns that are no quantity of their own."""


@dataclass(frozen=True)
class Profile:
    """The profile of a table.

    Attributes:
        rows: How many.
        weight: Of all rows, summed.
        first: The earliest time of a row, if rows have one.
        last: The latest.
        strategy: Digest of the strategy that asked for it, or None.
        columns: By name: `Numeric`, `Categorical`, `Embedding`, or a mere `Column` of a type that is only
            counted. Projections stand among them.
    """

    rows: int
    weight: float
    first: datetime | None
    last: datetime | None
    strategy: str | None
    columns: dict[str, Column]

    def missing_share(self, name: str) -> float:
        """The weighted share of rows without a (finite) value in a column."""
        return max(0.0, 1 - self.columns[name].weight / self.weight) if self.weight else 0.0


def profile(
    table: pa.Table,
    *,
    like: Profile | None = None,
    projections: Mapping[str, str] | None = None,
    strategy: str | None = None,
    seed: int = 0,
) -> Profile:
    """Profiles a table.

    Args:
        table: Observations, or any table; a column `weight` is respected, and `id`, `time`, `label_time` and
            `weight` are no columns of the profile.
        like: A profile that this one is to be compared or merged with: its random features are taken over.
        projections: By name, import path of a function `f(table) -> array`; its values become a
            numeric column.
        strategy: Digest of the strategy.
        seed: Of random features, where `like` does not give it.

    Returns:
        The profile.

    Raises:
        BadInput: A projection cannot be imported or gives another number of values; vectors of one column
            differ in length.

    >>> found = profile(pa.table({"x": [1.0, 2.0, None], "kind": ["a", "a", "b"]}))
    >>> found.rows, found.columns["x"].missing, found.columns["x"].mean
    (3, 1, 1.5)
    >>> found.columns["kind"].categories.names
    ('a', 'b')
    """
    for name, path in (projections or {}).items():
        if name in table.column_names:
            raise BadInput("there is a column of this name", file="projections", column=name)
        table = table.append_column(name, project(table, path, name))
    if "weight" in table.column_names:
        weights = np.asarray(table["weight"].to_numpy(), dtype=float)
        all_one = bool((weights == 1).all())
    else:
        weights, all_one = np.ones(len(table)), True
    names = [name for name in table.column_names if name not in NOT_PROFILED]
    of = partial(column_profile, weights=None if all_one else weights, seed=seed)
    before = like.columns if like else {}
    with ThreadPoolExecutor(THREADS) as pool:
        made = list(pool.map(lambda name: of(table[name], name, before.get(name)), names))
    first, last = _times(table)
    total = float(weights.sum())
    return Profile(len(table), total, first, last, strategy, dict(zip(names, made, strict=True)))


def profile_batches(
    batches: Iterable[pa.Table],
    *,
    like: Profile | None = None,
    projections: Mapping[str, str] | None = None,
    strategy: str | None = None,
    seed: int = 0,
) -> Profile:
    """Profiles a table that comes in parts.

    Parts are merged in pairs, pairs of pairs and so on, so that the error grows with the logarithm of their
    number.

    Args:
        batches: At least one.
        like: As for `profile`.
        projections: As for `profile`.
        strategy: As for `profile`.
        seed: As for `profile`.

    Returns:
        The profile of all of them.

    Raises:
        BadInput: As `profile`; or there are no parts, or a column's kind differs between them.
    """
    levels: list[Profile | None] = []
    for batch in batches:
        carried = profile(batch, like=like, projections=projections, strategy=strategy, seed=seed)
        like = like or carried
        for level, held in enumerate(levels):
            if held is None:
                levels[level] = carried
                break
            carried, levels[level] = merge(held, carried), None
        else:
            levels.append(carried)
    held_now = [each for each in levels if each is not None]
    if not held_now:
        raise BadInput("there are no rows to profile", file="profile")
    total = held_now[0]
    for each in held_now[1:]:
        total = merge(each, total)
    return total


def merge(one: Profile, other: Profile) -> Profile:
    """The profile of the rows of both.

    Counts, extremes, moments, mean maps and categories held are exact. Quantiles and rarer categories
    have the errors that `Distribution` and `Categories` state.

    Args:
        one: A profile.
        other: Another, with the same columns.

    Returns:
        The profile.

    Raises:
        BadInput: Columns, their kinds or their random features differ, or the strategies do.

    >>> parts = [profile(pa.table({"x": values})) for values in ([1.0, 2.0], [6.0])]
    >>> together = merge(*parts).columns["x"]
    >>> together.rows, together.mean, round(together.sd, 4)
    (3, 3.0, 2.1602)
    """
    if one.columns.keys() != other.columns.keys():
        name = min(one.columns.keys() ^ other.columns.keys())
        raise BadInput("only one of two profiles has the column", file="profile", column=name)
    if one.strategy != other.strategy:
        raise BadInput("two profiles are of different strategies", file="profile", column="strategy")
    times = [each for each in (one.first, one.last, other.first, other.last) if each]
    return Profile(
        one.rows + other.rows,
        one.weight + other.weight,
        min(times, default=None),
        max(times, default=None),
        one.strategy,
        {name: merged_column(name, one.columns[name], other.columns[name]) for name in one.columns},
    )


def _times(table: pa.Table) -> tuple[datetime | None, datetime | None]:
    if "time" not in table.column_names or not pa.types.is_timestamp(table["time"].type) or not len(table):
        return None, None
    ends = pc.min_max(table["time"].cast(RESERVED["time"])).as_py()
    first, last = ends["min"], ends["max"]
    return (first.astimezone(UTC), last.astimezone(UTC)) if first else (None, None)
