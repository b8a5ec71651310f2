"""A labelled corpus cut into a simulated update, so that a real new use case can be rehearsed."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.catalog import harvest
from adsmu.data.corpus import write_corpus
from adsmu.data.formats import read_corpus
from adsmu.errors import BadInput
from adsmu.files import refuse_existing

EXISTING_SHARES = {"test": 0.2, "dev": 0.08}  # of every intent; the rest is for training
SMALLEST_STRATUM = 3
MOST_STRATA = 142  # as many as the published experiment had
MOST_TEST_ROWS = 10  # of a stratum
UNSEEN_SHARE = 0.6  # of the shapes too rare for a stratum go to the test, the others give values only
FEWEST_STRATA = 10  # with fewer exact shapes to work on, rows are grouped by slot trail

_NOISE = {"a", "an", "the"}


def prepare(
    data: str | Path,
    intent: str,
    output: str | Path,
    seed: int = 0,
    lower: bool = False,
    seeds_per_stratum: int = 1,
) -> dict[str, Any]:
    """Cuts a labelled corpus into existing data, the user's data for one intent, a catalog and a test.

    Rows that repeat a text are removed first. The rows of the intent are grouped by shape; the largest
    `MOST_STRATA` groups of at least `SMALLEST_STRATUM` rows are its strata. Of each, `seeds_per_stratum` rows
    become user data, half of the others, at most `MOST_TEST_ROWS`, test rows, and what is left is kept back
    (`trainfold.parquet`: a ceiling for experiments, never learnt from). Of the rarer shapes some are test
    rows of unseen shape and the others give values. The catalog holds what all rows of the intent but the
    test's have in the slots of the user rows.

    Args:
        data: The corpus, in any format of `read_corpus`.
        intent: The intent that plays the new use case.
        output: The folder to make.
        seed: Makes the cut reproducible.
        lower: Lower-case the tokens first.
        seeds_per_stratum: User rows of each stratum.

    Returns:
        What was done, as `corpus.json` holds it.

    Raises:
        BadInput: The corpus breaks a rule, has no such intent or no other, the intent has no shape with
            `SMALLEST_STRATUM` rows, or something stands at `output`.
    """
    refuse_existing(output)
    table = read_corpus(data, lower)
    rows = len(table)
    texts = pc.binary_join(table["tokens"].combine_chunks(), " ").to_pandas()
    table = table.filter(pa.array(~texts.duplicated()))
    intents = Counter(table["intent"].to_pylist())
    if intent not in intents:
        raise BadInput(
            f"no intent {intent!r}; there are {', '.join(sorted(intents))}", file=data, column="intent"
        )
    if len(intents) == 1:
        raise BadInput("holds one intent only: nothing is left to be the existing data", file=data)
    dice = np.random.default_rng(seed)
    table = table.take(pa.array(dice.permutation(len(table))))
    is_new = pc.equal(table["intent"], intent)
    existing, new = table.filter(pc.invert(is_new)), table.filter(is_new)

    grouping, shapes = _group(new, data)
    parts = _divide(shapes, seeds_per_stratum, dice)
    user, test, kept, source = (
        new.filter(pa.array(parts == part)) for part in ("user", "test", "kept", "values")
    )
    asked = harvest(user)
    catalog = {
        slot: list(values)
        for slot, values in harvest(pa.concat_tables([user, kept, source])).items()
        if slot in asked
    }
    seen = set(shapes[parts == "user"])
    facts = {
        "made_by": "prepare",
        "seed": seed,
        "intent": intent,
        "grouping": grouping,
        "lower_cased": lower,
        "rows_read": rows,
        "repeated_texts_removed": rows - len(table),
        "strata": len(seen),
        "test_rows_of_unseen_shape": int((~shapes[parts == "test"].isin(seen)).sum()),
        "rows_kept_back": len(kept),
        "rows_that_give_values_only": len(source),
    }
    return write_corpus(
        output,
        existing=_with(existing, "existing", _split(existing["intent"])),
        user=_with(user, "user", None),
        test=_with(test, "user", "test"),
        catalog=catalog,
        facts=facts,
        more={"trainfold": _with(kept, "user", "train")},
    )


def delexicalised(row: dict[str, Any], carrier: bool = True) -> str:
    """The shape of a row: its words, with every slot's value as the slot's name.

    Args:
        row: Tokens and tags.
        carrier: Keep the words; else only the slot names, repeats as one (the slot trail). Articles, words
            without a letter or digit and capitals are folded.

    Returns:
        The shape.

    >>> row = {"tokens": ["Play", "the", "red", "moon", "!"], "tags": ["O", "O", "B-song", "I-song", "O"]}
    >>> delexicalised(row), delexicalised(row, carrier=False)
    ('play {song}', '{song}')
    """
    pieces: list[str] = []
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        if tag.startswith("B-"):
            slot = f"{{{tag[2:]}}}"
            if carrier or pieces[-1:] != [slot]:
                pieces.append(slot)
        elif tag == "O" and carrier and token.lower() not in _NOISE and any(map(str.isalnum, token)):
            pieces.append(token.lower())
    return " ".join(pieces)


def _group(new: pa.Table, data: str | Path) -> tuple[str, pd.Series]:
    labelled = new.select(["tokens", "tags"]).to_pylist()
    shapes = {
        "exact shape": pd.Series([delexicalised(row) for row in labelled], dtype=object),
        "slot trail": pd.Series([delexicalised(row, carrier=False) for row in labelled], dtype=object),
    }
    strata = {name: int((found.value_counts() >= SMALLEST_STRATUM).sum()) for name, found in shapes.items()}
    name = (
        "exact shape" if strata["exact shape"] >= min(FEWEST_STRATA, strata["slot trail"]) else "slot trail"
    )
    if not strata[name]:
        raise BadInput(
            f"the intent has no shape with {SMALLEST_STRATUM} different texts", file=data, column="intent"
        )
    return name, shapes[name]


def _divide(shapes: pd.Series, seeds: int, dice: np.random.Generator) -> pd.Series:
    """Says of each row, in the order given, whether it goes to user, test, kept or values."""
    counts = shapes.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    strata = counts[counts >= max(SMALLEST_STRATUM, seeds + 2)].index[:MOST_STRATA]
    rare = counts.index.difference(strata, sort=True)
    unseen = rare[dice.permutation(len(rare))[: round(UNSEEN_SHARE * len(rare))]]
    number = shapes.groupby(shapes).cumcount()
    others = shapes.map(counts) - seeds
    to_test = np.minimum(others // 2, MOST_TEST_ROWS)
    in_stratum = np.select([number < seeds, number < seeds + to_test], ["user", "test"], "kept")
    of_rare = np.where(shapes.isin(unseen), "test", "values")
    return pd.Series(np.where(shapes.isin(strata), in_stratum, of_rare))


def _split(intents: pa.ChunkedArray) -> pa.Array:
    """Splits the rows of every intent by the same shares; the rows are in random order."""
    intent = pd.Series(intents.to_pylist())
    place = (intent.groupby(intent).cumcount() + 0.5) / intent.map(intent.value_counts())
    test, dev = EXISTING_SHARES["test"], EXISTING_SHARES["dev"]
    return pa.array(
        np.select([place > 1 - test, place > 1 - test - dev], ["test", "dev"], "train").astype(object)
    )


def _with(table: pa.Table, source: str, split: pa.Array | str | None) -> pa.Table:
    if not isinstance(split, pa.Array):
        split = pa.array([split] * len(table), pa.string())
    table = table.set_column(table.column_names.index("split"), "split", split)
    return table.set_column(table.column_names.index("source"), "source", pa.array([source] * len(table)))
