"""The profile of one column, of any kind: how it is made, and how two become one."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.profile import categories, quantiles
from adsmu.profile import features as random_features
from adsmu.profile.categories import Categories, categories_of
from adsmu.profile.features import MeanMap, mean_map, median_bandwidth
from adsmu.profile.observations import is_embedding, is_numeric, is_text
from adsmu.profile.quantiles import Distribution, distribution_of


@dataclass(frozen=True)
class Column:
    """What every column's profile holds.

    Attributes:
        type: The Arrow type, in words.
        rows: All rows.
        missing: Rows without a value.
        weight: The weights of rows with a value (for numbers: a finite one), summed.
        weight_squares: Their squares, summed.
    """

    type: str
    rows: int
    missing: int
    weight: float
    weight_squares: float

    @property
    def effective_rows(self) -> float:
        """The number of equally weighted rows that know as much: (Σw)² / Σw².

        Source: Kish 1965, "Survey Sampling".
        """
        return self.weight**2 / self.weight_squares if self.weight_squares else 0.0


@dataclass(frozen=True)
class Numeric(Column):
    """The profile of numbers; moments and distribution are of the finite ones.

    Attributes:
        nan: Rows that are not a number.
        infinite: Rows that are infinite.
        mean: The weighted mean; 0 without values.
        squares: The weighted sum of squared differences from the mean.
        distribution: See `adsmu.profile.quantiles`.
    """

    nan: int
    infinite: int
    mean: float
    squares: float
    distribution: Distribution

    @property
    def sd(self) -> float:
        """The standard deviation, of the rows as they are (divided by the weight)."""
        return float(np.sqrt(self.squares / self.weight)) if self.weight else 0.0

    @property
    def min(self) -> float | None:
        """The smallest finite value, exactly."""
        return float(self.distribution.values[0]) if self.weight else None

    @property
    def max(self) -> float | None:
        """The largest finite value, exactly."""
        return float(self.distribution.values[-1]) if self.weight else None


@dataclass(frozen=True)
class Categorical(Column):
    """The profile of categories.

    Attributes:
        categories: See `adsmu.profile.categories`.
    """

    categories: Categories


@dataclass(frozen=True)
class Embedding(Column):
    """The profile of vectors.

    Attributes:
        map: See `adsmu.profile.features`; None without values.
    """

    map: MeanMap | None


def column_profile(
    values: pa.ChunkedArray, name: str, like: Column | None, *, weights: np.ndarray | None, seed: int
) -> Column:
    """Profiles a column.

    Args:
        values: The column.
        name: Its name, for errors.
        like: The column of another profile, whose random features are taken over; None: there is none.
        weights: One a row; None: each counts 1.
        seed: Of random features, where `like` gives none.

    Returns:
        `Numeric`, `Categorical`, `Embedding`, or a mere `Column` for a type that is only counted.

    Raises:
        BadInput: Vectors differ in length.
    """
    type_ = values.type
    if pa.types.is_null(type_) and like is not None:
        return replace(_nothing(like), rows=len(values), missing=len(values))
    rows, missing = len(values), values.null_count
    if missing and weights is not None:
        weights = weights[values.is_valid().to_numpy()]
    present = values.drop_null() if missing else values
    if is_numeric(type_):
        return _numeric(present, rows, missing, weights)
    if is_text(type_):
        return _categorical(present, rows, missing, weights)
    if is_embedding(type_):
        return _embedding(present, name, like, rows, missing, weights, seed)
    return Column(str(type_), rows, missing, *_weigh(len(present), weights))


def _numeric(present: pa.ChunkedArray, rows: int, missing: int, weights: np.ndarray | None) -> Numeric:
    type_ = str(present.type)
    x = np.asarray(present.to_numpy(), dtype=np.float64)
    nan = infinite = 0
    with np.errstate(over="ignore", invalid="ignore"):
        all_finite = bool(np.isfinite(x.sum()))
    if not all_finite:  # or the sum of finite numbers overflows; then all are kept
        nan, infinite = int(np.isnan(x).sum()), int(np.isinf(x).sum())
        finite = np.isfinite(x)
        x, weights = x[finite], None if weights is None else weights[finite]
    weight, squares_of_weights = _weigh(len(x), weights)
    mean, squares = 0.0, 0.0
    if len(x):
        mean = float(np.average(x, weights=weights))
        apart = x - mean
        squares = float(apart @ (apart if weights is None else weights * apart))
    return Numeric(
        type_,
        rows,
        missing,
        weight,
        squares_of_weights,
        nan,
        infinite,
        mean,
        squares,
        distribution_of(x, weights),
    )


def _categorical(
    present: pa.ChunkedArray, rows: int, missing: int, weights: np.ndarray | None
) -> Categorical:
    type_ = str(present.type)
    coded = present if pa.types.is_dictionary(present.type) else pc.dictionary_encode(present)
    coded = coded.unify_dictionaries().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0) if coded.num_chunks else pa.array([], coded.type)
    names = np.asarray(coded.dictionary.cast(pa.string()).to_pylist(), dtype=object)
    codes = coded.indices.to_numpy(zero_copy_only=False)
    mass = np.bincount(codes, weights, len(names)) if len(codes) else np.zeros(len(names))
    found = categories_of(names[mass > 0], mass[mass > 0])
    return Categorical(type_, rows, missing, *_weigh(len(present), weights), found)


def _embedding(
    present: pa.ChunkedArray,
    name: str,
    like: Column | None,
    rows: int,
    missing: int,
    weights: np.ndarray | None,
    seed: int,
) -> Embedding:
    type_ = str(present.type)
    if not len(present):
        return Embedding(type_, rows, missing, 0.0, 0.0, None)
    x = vectors(present, name)
    finite = np.isfinite(x).all(axis=1)
    x, weights = x[finite], None if weights is None else weights[finite]
    missing += int((~finite).sum())
    weight, squares = _weigh(len(x), weights)
    if not len(x):
        return Embedding(type_, rows, missing, 0.0, 0.0, None)
    known = like.map if isinstance(like, Embedding) else None
    if known and known.dimension != x.shape[1]:
        rule = f"vectors of {known.dimension} numbers are needed, not of {x.shape[1]}"
        raise BadInput(rule, file="profile", column=name)
    bandwidth, seed = (known.bandwidth, known.seed) if known else (median_bandwidth(x), seed)
    made = mean_map(x, np.ones(len(x)) if weights is None else weights, bandwidth, seed)
    return Embedding(type_, rows, missing, weight, squares, made)


def vectors(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """A column of vectors without nulls as a matrix.

    Args:
        column: Of lists of floats.
        name: Its name, for the error.

    Raises:
        BadInput: Vectors differ in length.
    """
    flat = column.combine_chunks()
    lengths = pc.list_value_length(flat)
    shortest, longest = pc.min_max(lengths).as_py().values()
    if shortest != longest or not longest:
        rule = f"vectors of one length are needed, not of {shortest} to {longest}"
        raise BadInput(rule, file="profile", column=name)
    return np.asarray(pc.list_flatten(flat).to_numpy(zero_copy_only=False)).reshape(-1, longest)


def _weigh(rows: int, weights: np.ndarray | None) -> tuple[float, float]:
    return (float(rows), float(rows)) if weights is None else (float(weights.sum()), float(weights @ weights))


def _nothing(like: Column) -> Column:
    """The same kind of column, without rows."""
    empty: dict[str, Any] = {"rows": 0, "missing": 0, "weight": 0.0, "weight_squares": 0.0}
    if isinstance(like, Numeric):
        none = distribution_of(np.zeros(0))
        return replace(like, **empty, nan=0, infinite=0, mean=0.0, squares=0.0, distribution=none)
    if isinstance(like, Categorical):
        return replace(like, **empty, categories=categories_of(np.zeros(0, object), np.zeros(0)))
    if isinstance(like, Embedding):
        return replace(like, **empty, map=None)
    return replace(like, **empty)


def merged_column(name: str, one: Column, other: Column) -> Column:
    """The profile of a column of which two profiles know a part each.

    Args:
        name: The column, for errors.
        one: A part.
        other: Another.

    Returns:
        Their profile.

    Raises:
        BadInput: They are of different kinds or random features.
    """
    if type(one) is not type(other):
        one, other = _agreed(name, one, other), _agreed(name, other, one)
    sums: dict[str, Any] = {
        "rows": one.rows + other.rows,
        "missing": one.missing + other.missing,
        "weight": one.weight + other.weight,
        "weight_squares": one.weight_squares + other.weight_squares,
    }
    if isinstance(one, Numeric) and isinstance(other, Numeric):
        return _merged_numeric(one, other, sums)
    if isinstance(one, Categorical) and isinstance(other, Categorical):
        return replace(one, **sums, categories=categories.merged(one.categories, other.categories))
    if isinstance(one, Embedding) and isinstance(other, Embedding):
        return replace(one, **sums, map=_merged_map(name, one, other))
    return replace(one, **sums)


def _agreed(name: str, given: Column, like: Column) -> Column:
    """A column without values is of any kind."""
    if given.weight and like.weight:
        raise BadInput(f"{given.type} in one profile, {like.type} in another", file="profile", column=name)
    if given.weight or (isinstance(given, Numeric | Categorical | Embedding) and not like.weight):
        return given
    return replace(_nothing(like), rows=given.rows, missing=given.missing)


def _merged_numeric(one: Numeric, other: Numeric, sums: dict[str, Any]) -> Numeric:
    """Moments of two parts: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm"."""
    share = other.weight / sums["weight"] if sums["weight"] else 0.0
    apart = other.mean - one.mean
    return replace(
        one,
        **sums,
        nan=one.nan + other.nan,
        infinite=one.infinite + other.infinite,
        mean=one.mean + share * apart,
        squares=one.squares + other.squares + apart**2 * one.weight * share,
        distribution=quantiles.merged(one.distribution, other.distribution),
    )


def _merged_map(name: str, one: Embedding, other: Embedding) -> MeanMap | None:
    a, b = one.map, other.map
    if a is None or b is None:
        return a or b
    if (a.dimension, a.bandwidth, a.seed) != (b.dimension, b.bandwidth, b.seed):
        rule = "the random features differ; profile one like the other"
        raise BadInput(rule, file="profile", column=name)
    return random_features.merged(a, b, one.weight, other.weight)
