"""Rules that say what shape an utterance has.

Every rule folds noise, so that strata do not split on it: capitals count as small letters, and outside of
slots the articles a, an, the and tokens without a letter or digit are dropped (unless nothing else is left).

A rule of a user's own is an import path, `package.module:function`; the function takes an utterance table and
returns one string a row, the row's shape. It is called for the user's rows and for the held-out rows apart,
so a shape must follow from its row alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from adsmu.data.columns import Flat
from adsmu.errors import BadInput
from adsmu.imports import load
from adsmu.stratify.sequences import Sequences, group

ARTICLES = frozenset({"a", "an", "the"})
NO_SLOT = "(no slot)"
RULES = ("exact", "fuzzy", "model")

_NOISE = -1  # the code of a position that a shape leaves out


@dataclass(frozen=True)
class Marks:
    """What each position of a table says to a shape.

    Attributes:
        offsets: As in `Flat`.
        word: int32, the folded word of each position, an index into `names`; -1 for noise.
        shape: int32, what the position adds to the exact shape: a word outside of slots, a slot where a slot
            begins, an index into `names`; -1 for noise and where a slot goes on.
        names: The folded words, then the slot names in braces.
        words: How many of `names` are words.
    """

    offsets: np.ndarray
    word: np.ndarray
    shape: np.ndarray
    names: np.ndarray
    words: int


def marks(flat: Flat) -> Marks:
    """Folds words and names slots.

    Args:
        flat: Codes of the rows.

    Returns:
        The marks of each position.
    """
    lower = [word.lower() for word in flat.words]
    of_word, words = pd.factorize(np.array(lower, dtype=object))
    noise = np.array([word in ARTICLES or not any(map(str.isalnum, word)) for word in lower], dtype=bool)
    folded = np.where(noise, _NOISE, of_word).astype(np.int32)
    slots = sorted({label[2:] for label in flat.labels if label != "O"})
    begin = {f"B-{slot}": len(words) + place for place, slot in enumerate(slots)}
    of_label = np.array([begin.get(label, _NOISE) for label in flat.labels], dtype=np.int32)
    outside = np.array([label == "O" for label in flat.labels], dtype=bool)[flat.tags]
    word = folded[flat.tokens]
    shape = np.where(outside, word, of_label[flat.tags])
    empty = np.zeros(len(flat.offsets) - 1, dtype=bool)
    if len(empty):
        empty = ~np.logical_or.reduceat(shape != _NOISE, flat.offsets[:-1])
    if empty.any():  # nothing but noise: then the noise is the shape
        positions = np.repeat(empty, np.diff(flat.offsets))
        word[positions] = of_word[flat.tokens[positions]]
        shape[positions] = word[positions]
    names = np.array([*words, *(f"{{{slot}}}" for slot in slots)], dtype=object)
    return Marks(flat.offsets, word, shape, names, len(words))


@dataclass(frozen=True)
class Shapes:
    """The shape of every row.

    Attributes:
        of_row: int64, an index into `texts`.
        texts: The distinct shapes.
        first: int64, a row of each.
    """

    of_row: np.ndarray
    texts: list[str]
    first: np.ndarray


def check_rule(rule: str) -> None:
    """Refuses a rule that there is not, before any row is read.

    Args:
        rule: A name of `RULES`, or an import path.

    Raises:
        BadInput: It is neither.
    """
    if ":" in rule:
        load(rule, "rule")
    elif rule not in RULES:
        raise BadInput(f"{rule!r} is none of {', '.join(RULES)} and no package.module:function", file="rule")


def exact(found: Marks) -> Shapes:
    """Carrier words kept, slots by name.

    Args:
        found: The marks of the rows.

    Returns:
        Shapes such as `add {entity_name} to my {playlist}`.
    """
    return _spelt(Sequences(found.shape, found.offsets).where(found.shape != _NOISE), found.names)


def fuzzy(found: Marks) -> Shapes:
    """The slot trail: slot names in order, the same slot again and again once, no carrier words.

    Args:
        found: The marks of the rows.

    Returns:
        Shapes such as `{entity_name} {playlist}`; `(no slot)` for a row without slots.
    """
    trail = Sequences(found.shape, found.offsets).where(found.shape >= found.words)
    fresh = np.ones(len(trail.codes), dtype=bool)
    fresh[1:] = trail.codes[1:] != trail.codes[:-1]
    begins = trail.offsets[:-1]
    fresh[begins[begins < len(fresh)]] = True
    return _spelt(trail.where(fresh), found.names)


def own(rule: str, table: pa.Table, file: str | Path) -> Shapes:
    """The shapes that a user's own rule gives.

    Args:
        rule: Its import path.
        table: The rows.
        file: The file they come from, for the error.

    Returns:
        Its shapes.

    Raises:
        BadInput: The path names nothing, the rule raises, or it returns anything but one non-empty string a
            row.
    """
    function = load(rule, "rule")
    if not callable(function):
        raise BadInput(f"{rule!r} is not a function", file="rule")
    try:
        answer = function(table)
    except Exception as error:
        raise BadInput(f"the rule {rule!r} raised {type(error).__name__}: {error}", file=file) from error
    if isinstance(answer, pa.Array | pa.ChunkedArray | np.ndarray | pd.Series):
        answer = answer.tolist()
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        raise BadInput(
            f"the rule {rule!r} returned {type(answer).__name__}, not a list of strings", file=file
        )
    if len(answer) != len(table):
        raise BadInput(f"the rule {rule!r} returned {len(answer)} shapes for {len(table)} rows", file=file)
    for row, shape in enumerate(answer):
        if not isinstance(shape, str) or not shape.strip():
            raise BadInput(
                f"the rule {rule!r} returned {shape!r}, not a shape in words", file=file, row=row + 1
            )
    return named(answer)


def named(texts: Sequence[str]) -> Shapes:
    """Shapes that are known as texts.

    Args:
        texts: One a row.

    Returns:
        The same as codes.
    """
    of_row, distinct = pd.factorize(np.array(texts, dtype=object))
    first = np.empty(len(distinct), np.int64)
    first[of_row[::-1]] = np.arange(len(of_row))[::-1]
    return Shapes(of_row, list(distinct), first)


def _spelt(rows: Sequences, names: np.ndarray) -> Shapes:
    """Groups rows and spells each group once."""
    of_row, first = group(rows)
    chosen = rows.take(first)
    spelt = [
        " ".join(names[chosen.codes[begin:end]]) or NO_SLOT
        for begin, end in zip(chosen.offsets[:-1], chosen.offsets[1:], strict=True)
    ]
    # A word in braces reads like a slot: what reads the same is the same shape, its id being made of the
    # text.
    merged, texts = pd.factorize(np.array(spelt, dtype=object))
    of_text = np.empty(len(texts), np.int64)
    of_text[merged] = first
    return Shapes(merged[of_row], list(texts), of_text)
