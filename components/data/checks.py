"""The rules that single columns of the utterance table keep, each asked of all rows at once."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa

from adsmu.data.columns import list_codes


def rule(text: str, holds: Callable[..., pd.Series]) -> pandera.Check:
    """Makes a pandera check that knows its rule in words.

    Args:
        text: What is right, as the user reads it.
        holds: From a column (or the frame) without nulls to one bool a row.

    Returns:
        The check; of the rows that fail, the first is told.
    """
    return pandera.Check(holds, error=text, n_failure_cases=1)


def one_of(values: tuple[str, ...]) -> pandera.Check:
    """Makes the rule that a column holds one of some values."""
    return rule(f"one of {', '.join(values)} is needed", lambda column: column.isin(values))


def _is_name(column: pd.Series) -> pd.Series:
    return (column != "") & (column.str.strip() == column) & ~column.str.contains(r"[\r\n]")


def _is_recurring_name(column: pd.Series) -> pd.Series:
    """The same for a column of few different strings, each of which is asked once."""
    distinct = pd.Series(column.unique())
    return ~column.isin(distinct[~_is_name(distinct)])


def _is_word(token: str | None) -> bool:
    return token is not None and token.split() == [token]


def _is_tag(tag: str | None) -> bool:
    return tag is not None and (tag == "O" or (tag[:2] in ("B-", "I-") and _is_word(tag[2:])))


def _continues(tags: pd.Series) -> pd.Series:
    lengths, codes, labels = _codes(tags)
    _, slot = np.unique([label[2:] for label in labels] or [""], return_inverse=True)
    goes_on = np.flatnonzero(np.array([label[:2] == "I-" for label in labels], dtype=bool)[codes])
    ends = np.cumsum(lengths)
    begins = np.zeros(len(codes), dtype=bool)
    begins[(ends - lengths)[lengths > 0]] = True
    # O has the empty text for a slot; what stands before position 0 does not matter, a row begins there.
    follows = ~begins[goes_on] & (slot[codes[goes_on]] == slot[codes[goes_on - 1]])
    return _rows_without(goes_on[~follows], lengths, tags)


def _every(right: Callable[[str | None], bool]) -> Callable[[pd.Series], pd.Series]:
    """From a check of a string to one of a column of lists; each distinct string is asked once."""

    def holds(column: pd.Series) -> pd.Series:
        lengths, codes, strings = _codes(column)
        wrong = np.array([not right(string) for string in strings], dtype=bool)
        return _rows_without(np.flatnonzero(wrong[codes]), lengths, column)

    return holds


def _codes(column: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return list_codes(pa.chunked_array(pa.array(column.array)))


def _rows_without(positions: np.ndarray, lengths: np.ndarray, column: pd.Series) -> pd.Series:
    good = np.ones(len(lengths), dtype=bool)
    good[np.searchsorted(np.cumsum(lengths), positions, side="right")] = False
    return pd.Series(good, index=column.index)


def _as_many(frame: pd.DataFrame) -> pd.Series:
    return (frame["tokens"].list.len() == frame["tags"].list.len()).fillna(True).astype(bool)


NAME = rule("a name is one line of text without blanks around it", _is_name)
RECURRING_NAME = rule(NAME.error, _is_recurring_name)
SOME = rule("a token is needed", lambda column: column.list.len() > 0)
WORDS = rule("a token is one word without blanks", _every(_is_word))
TAGS = rule("a tag is O, B-slot or I-slot", _every(_is_tag))
BIO = rule("an I- tag continues the same slot: the tag before it is B- or I- of that slot", _continues)
ALIGNED = rule("every token has one tag", _as_many)
ROUND = rule("a round is 0 or more", lambda column: column >= 0)
WEIGHT = rule("a weight is finite and above 0", lambda column: np.isfinite(column) & (column > 0))


def explain(text: str, column: str, row: dict[str, Any]) -> str:
    """Says what is wrong with a row.

    Args:
        text: The rule that it breaks, or pandera's name of a check.
        column: The column.
        row: The row.

    Returns:
        One line that shows the value at fault and the rule.
    """
    value = row[column]
    if text == "not_nullable":
        return "a value is needed"
    if text == "field_uniqueness":
        return f"{value!r} stands twice"
    if text == ALIGNED.error:
        return f"{len(row['tags'])} tags for {len(row['tokens'])} tokens: {text}"
    if text == WORDS.error:
        value = next(token for token in value if not _is_word(token))
    elif text == TAGS.error:
        value = next(tag for tag in value if not _is_tag(tag))
    elif text == BIO.error:
        tags = pairwise(["O", *(tag or "" for tag in value)])
        value = next(tag for before, tag in tags if tag[:2] == "I-" and before[2:] != tag[2:])
    return f"{value!r}: {text}"
