"""Which of a stratum's rows are learnt from, which steer, which are held out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from adsmu.data.schema import SPLITS
from adsmu.errors import BadInput

TRAIN, DEV, TEST = range(len(SPLITS))
SHARE = 0.2  # of a stratum's texts for each of dev and test


def split(
    preset: np.ndarray,
    text: np.ndarray,
    order: np.ndarray,
    stratum: np.ndarray,
    covered: np.ndarray,
    file: str | Path,
) -> np.ndarray:
    """Splits the user's rows stratum by stratum; rows of one text always go together.

    A row that has a split keeps it, and every row of the same text takes it. Of the other texts of a stratum,
    n of them, in the order of their hash: one alone is learnt from; of two, one goes to dev; of more, max(1,
    n/5 rounded) go to dev, and as many to test unless the stratum has held-out rows already; the rest is
    learnt from. A text of several strata counts in the first. Rows of no active stratum are learnt from.

    Args:
        preset: The split of each row as a code of `SPLITS`, -1 for none.
        text: The group of each row by text.
        order: uint64, a hash of each row's text: equal for equal texts, whatever other rows there are.
        stratum: The active stratum of each row, as a code; -1 for none.
        covered: bool, for each stratum: it has held-out rows.
        file: The file that the rows come from, for the error.

    Returns:
        A code of `SPLITS` for each row.

    Raises:
        BadInput: Rows of the same text have different splits.
    """
    given = pd.DataFrame({"text": text, "split": preset})[preset >= 0].drop_duplicates()
    twice = given["text"].duplicated()
    if twice.any():
        refuse("stands in two splits", np.flatnonzero(text == given["text"][twice].iloc[0]), file)
    of_text = np.full(int(text.max(initial=-1)) + 1, -1)
    of_text[given["text"]] = given["split"]

    nobody = len(covered)
    owners = np.full(len(of_text), nobody)
    np.minimum.at(owners, text, np.where(stratum < 0, nobody, stratum))
    orders = np.empty(len(of_text), np.uint64)
    orders[text] = order
    texts = np.flatnonzero((of_text < 0) & (owners < nobody))
    of_text[of_text < 0] = TRAIN
    texts = texts[np.lexsort((orders[texts], owners[texts]))]
    owner = owners[texts]
    first = np.flatnonzero(np.diff(owner, prepend=-1) != 0)
    sizes = np.diff(np.append(first, len(owner)))
    place, n = np.arange(len(owner)) - np.repeat(first, sizes), np.repeat(sizes, sizes)
    held = np.maximum(1, np.round(SHARE * n)).astype(np.int64)
    dev = np.where(n > 1, held, 0)
    test = np.where((n > 2) & ~covered[owner], held, 0)
    of_text[texts] = np.select([place < dev, place < dev + test], [DEV, TEST], TRAIN)
    return of_text[text]


def refuse(what: str, rows: Sequence[int] | np.ndarray, file: str | Path) -> None:
    """Says which rows hold a text that stands where it must not.

    Args:
        what: What is wrong with their text.
        rows: Row numbers, from 0.
        file: The file they come from.

    Raises:
        BadInput: Always.
    """
    others = f" (so do rows {', '.join(str(row + 1) for row in rows[1:6])})" if len(rows) > 1 else ""
    more = f" and {len(rows) - 6} more" if len(rows) > 6 else ""
    raise BadInput(
        f"the text {what}{others}{more}; duplicates never stand on both sides",
        file=file,
        row=int(rows[0]) + 1,
        column="tokens",
    )
