"""What is wrong with the data themselves: rules that the reference keeps and the window breaks."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.analyze.points import vectors, words
from adsmu.profile.observations import is_embedding, is_numeric, is_text, is_tokens
from adsmu.strategy.watched import Contract
from adsmu.stratified_evaluate.intervals import clopper_pearson

CONFIDENCE = 0.999
"""Of the bounds of a share: a table has many columns and rules."""

EXCESS = 0.005
"""A share must have risen by more than this, surely, to break a rule."""

MARGIN = 0.25
"""How far beyond the reference's range a value may lie, in parts of the range."""

CONTINUOUS = 20
"""A column of more distinct numbers than this measures something."""

STUCK = 3.0
"""A single number has become so many times more frequent than its neighbours have: a sensor is stuck, or a
default is filled in. Where inputs merely shift, neighbours become more frequent together."""


@dataclass(frozen=True)
class Broken:
    """A rule that rows of the window break.

    Attributes:
        column: The column.
        rule: What ought to hold, in words.
        share: The share of rows that break it.
        low: Lower bound of what that share has risen by against the reference.
        high: Upper bound.
        rows: bool, the rows of the window that break it.
    """

    column: str
    rule: str
    share: float
    low: float
    high: float
    rows: np.ndarray


def broken_rules(
    reference: pa.Table,
    window: pa.Table,
    columns: Sequence[str],
    text: Sequence[str],
    declared: Mapping[str, Contract] | None = None,
) -> list[Broken]:
    """Learns rules from the reference and checks the window by them.

    They are: the column is there, of its kind; values are there; numbers lie in the range; a continuous
    column is not stuck at one value; categories are known; texts are neither empty nor of unknown characters;
    vectors are not constant and their length lies in the range. Of a column whose contract is declared they
    are what that says, and that values are there: a reference of one season knows no other.

    Args:
        reference: Rows that are taken for good.
        window: Rows to check.
        columns: The columns to check.
        text: Columns of strings that are text, not categories.
        declared: What a strategy says of the values of columns.

    Returns:
        The rules that are broken, the most often broken first.

    >>> good, bad = pa.table({"x": [0.0, 1.0] * 50}), pa.table({"x": [0.5] * 20 + [None] * 20})
    >>> [(each.column, each.rule, each.share) for each in broken_rules(good, bad, ["x"], [])]
    [('x', 'a value is there', 0.5)]
    """
    found = []
    for name in columns:
        every = np.ones(len(window), bool)
        if name not in window.column_names:
            found.append(Broken(name, "the column is there", 1.0, 1.0, 1.0, every))
            continue
        old, new = reference[name], window[name]
        if pa.types.is_null(new.type) or kind(old.type) != kind(new.type):
            if not pa.types.is_null(old.type):
                found.append(Broken(name, f"values are {kind(old.type)}", 1.0, 1.0, 1.0, every))
            continue
        said = (declared or {}).get(name)
        rules = _declared_rules(said, old, new) if said else _rules(name, old, new, name in text)
        for rule, before, now in rules:
            low, high = _risen(before, now)
            if low > EXCESS:
                found.append(Broken(name, rule, float(now.mean()), low, high, now))
    return sorted(found, key=lambda each: -each.low)


def _risen(before: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    old_low, old_high = clopper_pearson(before.sum(), len(before), CONFIDENCE)
    low, high = clopper_pearson(now.sum(), len(now), CONFIDENCE)
    return float(low - (old_high if before.any() else 0.0)), float(high - old_low)


def kind(type_: pa.DataType) -> str:
    """What values of a type are, in words: numbers, text, lists of words, vectors, else the type itself."""
    for check, name in (
        (is_numeric, "numbers"),
        (is_text, "text"),
        (is_tokens, "lists of words"),
        (is_embedding, "vectors"),
    ):
        if check(type_):
            return name
    return str(type_)


def _declared_rules(
    said: Contract, old: pa.ChunkedArray, new: pa.ChunkedArray
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The rules of a column whose contract is declared."""
    absent = [_mask(pc.is_null(each, nan_is_null=True)) for each in (old, new)]
    rules = [("a value is there", absent[0], absent[1])]
    if said.values:
        known = pa.array(said.values).cast(old.type)
        none = [~_mask(pc.is_in(each.cast(old.type), known)) & _mask(each.is_valid()) for each in (old, new)]
        rules.append((f"the value is one of {', '.join(map(str, said.values))}", none[0], none[1]))
    if said.low is not None or said.high is not None:
        low = -np.inf if said.low is None else said.low
        high = np.inf if said.high is None else said.high
        numbers = [each.cast(pa.float64()).to_numpy() for each in (old, new)]
        outside = [(each < low) | (each > high) for each in numbers]
        rules.append((f"the number lies from {low:g} to {high:g}", outside[0], outside[1]))
    return rules


def _rules(
    name: str, old: pa.ChunkedArray, new: pa.ChunkedArray, text: bool
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The rules of a column: in words, and which rows of each side break it."""
    missing = [_mask(pc.is_null(each, nan_is_null=True)) for each in (old, new)]
    rules = [("a value is there", missing[0], missing[1])]
    if is_numeric(old.type):
        return rules + _number_rules(old, new)
    if is_tokens(old.type) or text:
        return rules + _text_rules(words(old), words(new), missing)
    if is_text(old.type):
        known = pc.unique(old).drop_null()
        unknown = ~_mask(pc.is_in(new, known.cast(new.type))) & ~missing[1]
        return [*rules, ("the category is known", np.zeros(len(old), bool), unknown)]
    if is_embedding(old.type) and not missing[1].all():
        return rules + _vector_rules(vectors(old, name), vectors(new, name), missing)
    return rules


def _number_rules(old: pa.ChunkedArray, new: pa.ChunkedArray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    before, now = (each.cast(pa.float64()).to_numpy() for each in (old, new))
    finite = before[np.isfinite(before)]
    if not len(finite):
        return []
    rules = [_range_rule("the number", before, now)]
    values, counts = np.unique(now[np.isfinite(now)], return_counts=True)
    if len(values) and len(np.unique(finite)) > CONTINUOUS:
        stuck = values[counts.argmax()]
        order = np.argsort(np.abs(finite - stuck), kind="stable")
        near = np.ptp(finite[order[: max(1, len(finite) // 5)]]) / 2
        times = [_odds(stuck, near, each) for each in (finite, now)]
        if times[1] > STUCK * times[0]:
            rules.append((f"the number is not stuck at {stuck:g}", before == stuck, now == stuck))
    return rules


def _odds(value: float, near: float, numbers: np.ndarray) -> float:
    """How often a value stands there, beside the others within `near` of it; half a row is added to both."""
    same = numbers == value
    return float((same.sum() + 0.5) / ((np.abs(numbers - value) <= near).sum() - same.sum() + 0.5))


def _range_rule(what: str, before: np.ndarray, now: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    finite = before[np.isfinite(before)]
    margin = MARGIN * (finite.max() - finite.min())
    low, high = finite.min() - margin, finite.max() + margin
    outside = ~np.isnan(now) & ((now < low) | (now > high))
    return f"{what} lies from {low:.4g} to {high:.4g}", np.zeros(len(before), bool), outside


def _text_rules(
    before: list[str], now: list[str], missing: list[np.ndarray]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    known = {
        *string.printable,
        *"".join(before),
    }  # a digit or a currency sign is no fault of a new topic's text
    empty = [np.array([not each.strip() for each in side]) for side in (before, now)]
    strange = np.array([not known.issuperset(each) for each in now])
    return [
        ("the text is not empty", empty[0] & ~missing[0], empty[1] & ~missing[1]),
        ("the text's characters are known", np.zeros(len(before), bool), strange),
    ]


def _vector_rules(
    before: np.ndarray, now: np.ndarray, missing: list[np.ndarray]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    spread = [np.nan_to_num(each.std(axis=1), nan=1.0) for each in (before, now)]
    holes = [np.isnan(each).any(axis=1) & ~gone for each, gone in zip((before, now), missing, strict=True)]
    length = [np.linalg.norm(np.nan_to_num(each), axis=1) for each in (before, now)]
    constant = [each == 0 for each in spread]
    rule, old, new = _range_rule("the vector's length", *length)
    small = (
        np.quantile(length[0], 0.01) / 5
    )  # a range of lengths begins near 0, where all but broken ones are not
    return [
        ("each number of the vector is there", *holes),
        ("the vector is not constant", constant[0] & ~holes[0], constant[1] & ~missing[1]),
        (rule, old, new & ~missing[1]),
        (
            f"the vector's length is at least {small:.4g}",
            length[0] < small,
            (length[1] < small) & ~missing[1] & ~constant[1],
        ),
    ]


def _mask(values: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(values.to_numpy(), bool)
