"""Which strata there are: declared by the user's rows, joined by held-out ones, merged and set aside."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa

from adsmu.errors import BadInput
from adsmu.stratify.shapes import Shapes

ID_DIGITS = 16  # hexadecimal; of 10,000 strata two share an id once in 3 * 10^11 corpora


def stratum_ids(rule: str, intents: list[str], shapes: list[str]) -> list[str]:
    """The ids of strata: a hash of what they are, whatever else the data hold.

    Args:
        rule: The rule that gave the shapes.
        intents: The intent of each stratum.
        shapes: The shape of each.

    Returns:
        The first `ID_DIGITS` hexadecimal digits of the SHA-256 of rule, intent and shape, a zero byte
        between.

    >>> stratum_ids("exact", ["AddToPlaylist"], ["add {entity_name} to my {playlist}"])
    ['090bd5c6545e5ca4']
    """
    keys = (f"{rule}\0{intent}\0{shape}" for intent, shape in zip(intents, shapes, strict=True))
    return [hashlib.sha256(key.encode()).hexdigest()[:ID_DIGITS] for key in keys]


def declare(
    shapes: Shapes, user: pa.Table, forming: np.ndarray, rule: str
) -> tuple[pd.DataFrame, np.ndarray]:
    """Finds the strata that the user's rows form.

    Args:
        shapes: The shapes of the user's rows.
        user: The rows.
        forming: bool, the rows that are not held out.
        rule: The rule that gave the shapes.

    Returns:
        One row for each distinct (intent, shape), largest first: stratum_id, intent, shape, domain (the most
        frequent) and rows; and the stratum of each user row as its place there, -1 for none.
    """
    intent, intents = codes(user["intent"])
    domain, domains = codes(user["domain"])
    key = intent * len(shapes.texts) + shapes.of_row
    distinct, rows = np.unique(key[forming], return_counts=True)
    declared = pd.DataFrame(
        {
            "intent": [intents[place] for place in distinct // len(shapes.texts)],
            "shape": [shapes.texts[place] for place in distinct % len(shapes.texts)],
            "rows": rows,
        }
    )
    declared["stratum_id"] = stratum_ids(rule, declared["intent"].tolist(), declared["shape"].tolist())
    place = np.searchsorted(distinct, key)
    place = np.where(np.append(distinct, -1)[place] == key, place, -1)
    by_name = np.argsort(np.argsort(domains))  # of equally frequent domains the first in the alphabet
    frequent = _most_frequent(place[forming], by_name[domain[forming]])
    declared["domain"] = [sorted(domains)[code] for code in frequent]
    ordered = declared.sort_values(["rows", "stratum_id"], ascending=[False, True])
    rank = np.argsort(ordered.index.to_numpy())
    return ordered.reset_index(drop=True), np.append(rank, -1)[place]


def join(shapes: Shapes, test: pa.Table, declared: pd.DataFrame) -> np.ndarray:
    """Finds the strata that held-out rows belong to.

    Args:
        shapes: The shapes of the held-out rows.
        test: The rows.
        declared: What `declare` found.

    Returns:
        The declared stratum of each row as its place, -1 for none.
    """
    keys = pd.MultiIndex.from_frame(declared[["intent", "shape"]])
    intent, intents = codes(test["intent"])
    pair, distinct = pd.factorize(intent * max(1, len(shapes.texts)) + shapes.of_row)
    asked = [
        (intents[code // len(shapes.texts)], shapes.texts[code % len(shapes.texts)]) for code in distinct
    ]
    if not asked:
        return np.empty(0, np.int64)
    return keys.get_indexer(pd.MultiIndex.from_tuples(asked))[pair]


def settle(
    declared: pd.DataFrame,
    of_user: np.ndarray,
    forming: np.ndarray,
    trail: Shapes,
    min_rows: int,
    max_strata: int,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Merges small strata and sets aside what is small still, or too much.

    Args:
        declared: What `declare` found.
        of_user: The declared stratum of each user row.
        forming: bool, the user rows that are not held out.
        trail: The slot trails of the user's rows.
        min_rows: The fewest user rows of a stratum.
        max_strata: The most active strata.

    Returns:
        The strata that are left, largest first, with merged, status and reason; and for each declared stratum
        the place of the one that it went to.

    Raises:
        BadInput: No stratum has `min_rows` rows.
    """
    by_text = np.argsort(np.argsort(trail.texts))  # so that the order of the rows decides nothing
    trails = _most_frequent(of_user[forming], by_text[trail.of_row[forming]])
    places = np.arange(len(declared))
    leader = pd.Series(places).groupby([declared["intent"], trails]).transform("min").to_numpy()
    target = np.where(declared["rows"] < min_rows, leader, places)
    merged: list[list[str]] = [[] for _ in places]
    for place in np.flatnonzero(target != places):
        merged[target[place]].append(declared["shape"][place])
    rows = np.bincount(target, declared["rows"], len(declared)).astype(np.int64)
    left = declared.assign(rows=rows, merged=pd.Series(merged))[target == places]
    left = left.sort_values(["rows", "stratum_id"], ascending=[False, True])
    went = np.empty(len(declared), np.int64)
    went[left.index] = np.arange(len(left))
    strata = left.reset_index(drop=True)
    if strata["rows"][0] < min_rows:
        raise BadInput(
            f"no stratum has {min_rows} user rows; the largest has {strata['rows'][0]}", file="min_rows"
        )
    few = strata["rows"] < min_rows
    beyond = strata.index >= max_strata
    strata["status"] = np.where(few | beyond, "set_aside", "active")
    strata["reason"] = np.select(
        [few, beyond],
        [
            strata["rows"].astype(str) + f" user rows, fewer than {min_rows} (min_rows)",
            np.full(len(strata), f"not among the {max_strata} largest (max_strata)"),
        ],
        "",
    )
    return strata, went[target]


def codes(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """A text column as codes.

    Args:
        column: Strings, none null.

    Returns:
        int64, one code a row, and the distinct strings that they are indices into.
    """
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):  # combine_chunks keeps an empty column chunked
        return np.empty(0, np.int64), []
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _most_frequent(group_of: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The most frequent value of each group, of several the smallest."""
    pairs = (
        pd.DataFrame({"group": group_of, "value": value}).value_counts(sort=False).reset_index(name="rows")
    )
    pairs = pairs.sort_values(["group", "rows", "value"], ascending=[True, False, True])
    return pairs.drop_duplicates("group")["value"].to_numpy()
