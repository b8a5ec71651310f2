"""The values that slots may take: which in training rows, which in development rows, and after which word."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.catalog import Catalog, divide_values, harvest
from adsmu.data.columns import Flat, Spans, flatten, spans
from adsmu.synthesize.keys import ranges

CLOSED_BELOW = 8  # a slot with fewer values (weekdays, 'my') is a closed set
LENT_BELOW = 20  # with fewer values of the catalog and the user's rows, those of the existing rows help out


@dataclass(frozen=True)
class Values:
    """The values of each slot, in alphabetical order, as they are first written.

    Attributes:
        train: For training rows.
        dev: For development rows. No value of a slot is in both, whatever its capitals, unless the slot is
            closed.
        closed: The slots whose values are shared, because there are too few to divide: fewer than
            `CLOSED_BELOW`, or one side would have none.
    """

    train: dict[str, list[str]]
    dev: dict[str, list[str]]
    closed: list[str]


def divide(catalog: Catalog, utterances: pa.Table, existing: pa.Table) -> Values:
    """Divides the values of every slot between training and development rows.

    A value that stands in a real training row is never a development value, one that stands in a real
    development row never a training value. The others are divided 75 to 25 by a stable hash
    (`adsmu.data.catalog.divide_values`), so that every round divides alike. Only real rows are read, none of
    a test split.

    Args:
        catalog: The user's values.
        utterances: Rows of the new use case.
        existing: Rows of the existing data. Their training rows lend values to slots that catalog and user
            rows give fewer than `LENT_BELOW` values.

    Returns:
        The values of every slot of the catalog and of the rows of the new use case.
    """
    real = utterances.filter(pc.is_null(utterances["round"]))
    user_train, user_dev = (harvest(real.filter(pc.equal(real["split"], side))) for side in ("train", "dev"))
    lent = harvest(existing.filter(pc.equal(existing["split"], "train")))
    values = Values({}, {}, [])
    for slot in sorted({*catalog, *user_train, *user_dev}):
        of_user = [*user_train.get(slot, ()), *user_dev.get(slot, ())]
        written = _folded([*catalog.get(slot, ()), *of_user])
        if len(written) < LENT_BELOW:
            written = _folded([*written.values(), *lent.get(slot, ())])
        in_train = {*_folded(user_train.get(slot, ())), *_folded(lent.get(slot, ()))}
        in_dev = set(_folded(user_dev.get(slot, ())))
        free = sorted(written.keys() - in_train - in_dev)
        sides = divide_values({slot: free}) if free else ({}, {})
        train, dev = (
            (written.keys() & real_values - others) | set(side.get(slot, ()))
            for real_values, others, side in zip((in_train, in_dev), (in_dev, in_train), sides, strict=True)
        )
        if len(written) < CLOSED_BELOW or not train or not dev:
            values.closed.append(slot)
            train = dev = set(written)
        values.train[slot] = [written[value] for value in sorted(train)]
        values.dev[slot] = [written[value] for value in sorted(dev)]
    return values


def contexts(table: pa.Table) -> dict[tuple[str, str], set[str]]:
    """Collects the values that stand in a slot after a word.

    Args:
        table: Rows with `tokens` and `tags`.

    Returns:
        For each slot and the piece before it (see `previous`), the values, capitals folded.

    >>> row = {"tokens": ["Play", "Moana"], "tags": ["O", "B-title"]}
    >>> contexts(pa.Table.from_pylist([row]))
    {('title', 'play'): {'moana'}}
    """
    flat = flatten(table)
    found = spans(flat)
    lengths = found.end - found.start
    words = pa.array(flat.words, pa.string()).take(pa.array(flat.tokens[ranges(found.start, lengths)]))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    pieces, codes = previous(flat, found)
    distinct = (
        pa.table(
            {
                "slot": pa.array(found.names, pa.string()).take(pa.array(found.slot)),
                "before": pa.array(pieces, pa.string()).take(pa.array(codes)),
                "value": pc.binary_join(pa.ListArray.from_arrays(offsets, words), " "),
            }
        )
        .group_by(["slot", "before", "value"])
        .aggregate([])
    )
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for slot, before, value in zip(
        *(distinct[name].to_pylist() for name in ("slot", "before", "value")), strict=True
    ):
        seen[slot, before].add(value.casefold())
    return dict(seen)


def previous(flat: Flat, found: Spans) -> tuple[np.ndarray, np.ndarray]:
    """What stands before each span: a word in small letters, `{slot}`, or the empty text at a row's start.

    Args:
        flat: The rows.
        found: Their spans.

    Returns:
        The distinct pieces, and for each span an index into them.
    """
    pieces = ["", *(word.casefold() for word in flat.words), *(f"{{{label[2:]}}}" for label in flat.labels)]
    outside = np.array([label == "O" for label in flat.labels], dtype=bool)
    before = found.start - 1  # -1 only where a row starts, where it is not used
    codes = np.where(
        outside[flat.tags[before]], 1 + flat.tokens[before], 1 + len(flat.words) + flat.tags[before]
    )
    return np.array(pieces, dtype=object), np.where(found.start == flat.offsets[found.row], 0, codes)


def _folded(values: Iterable[str]) -> dict[str, str]:
    """The first spelling of each value by its text with capitals folded."""
    first: dict[str, str] = {}
    for value in values:
        first.setdefault(value.casefold(), value)
    return first
