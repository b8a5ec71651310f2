"""Catalogs: the values that each slot can take."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.columns import flatten, spans
from adsmu.data.text import read_text
from adsmu.errors import BadInput
from adsmu.files import write_json

Catalog = Mapping[str, Sequence[str]]


def read_catalog(path: str | Path) -> dict[str, list[str]]:
    """Reads a catalog and checks it.

    Args:
        path: A JSON file, `{slot: [value, ...]}`.

    Returns:
        The values of each slot.

    Raises:
        BadInput: It is not JSON of that form, a slot stands twice or has no values, or a value is empty,
            stands twice or holds other blanks than single spaces between words; the slot is named.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [slot for slot, count in Counter(slot for slot, _ in pairs).items() if count > 1]
        if twice:
            raise BadInput("the slot stands twice", file=path, column=twice[0])
        return dict(pairs)

    try:
        catalog = json.loads(read_text(path), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise BadInput(f"not JSON: {error.msg}", file=path, row=error.lineno) from error
    if not isinstance(catalog, dict):
        raise BadInput("a catalog is a JSON object of slots and their values", file=path)
    for slot, values in catalog.items():
        if slot.split() != [slot]:
            raise BadInput(f"{slot!r} is not a slot name: it is empty or holds blanks", file=path)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise BadInput("the values of a slot are a list of texts", file=path, column=slot)
        if not values:
            raise BadInput("the slot has no values", file=path, column=slot)
        for value in values:
            if not value or " ".join(value.split()) != value:
                raise BadInput(
                    f"the value {value!r} is empty or holds blanks other than single spaces",
                    file=path,
                    column=slot,
                )
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            raise BadInput(f"the value {twice[0]!r} stands twice", file=path, column=slot)
    return catalog


def write_catalog(catalog: Catalog, path: str | Path) -> None:
    """Writes a catalog with its slots in alphabetical order, whole or not at all.

    Args:
        catalog: The values of each slot.
        path: The JSON file to write.
    """
    write_json({slot: list(catalog[slot]) for slot in sorted(catalog)}, path)


def harvest(table: pa.Table) -> dict[str, dict[str, int]]:
    """Collects the values that stand in the slots of rows, and how often.

    Args:
        table: Rows with valid `tokens` and `tags`.

    Returns:
        For each slot in alphabetical order its values, the most frequent first, equals in alphabetical order.

    >>> row = {"tokens": ["play", "red", "moon"], "tags": ["O", "B-song", "I-song"]}
    >>> harvest(pa.Table.from_pylist([row, row]))
    {'song': {'red moon': 2}}
    """
    flat = flatten(table)
    found = spans(flat)
    # Each span's tokens, one after the other, as one list array: positions start, start + 1, ... end - 1.
    lengths = found.end - found.start
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    positions = np.repeat(found.start - offsets[:-1], lengths) + np.arange(offsets[-1])
    words = pa.array(flat.words, pa.string()).take(pa.array(flat.tokens[positions]))
    values = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), words), " ")
    slots = pa.array(found.names, pa.string()).take(pa.array(found.slot))
    counted = (
        pa.table({"slot": slots, "value": values})
        .group_by(["slot", "value"])
        .aggregate([([], "count_all")])
        .sort_by([("slot", "ascending"), ("count_all", "descending"), ("value", "ascending")])
    )
    catalog: dict[str, dict[str, int]] = {}
    for slot, value, count in zip(
        *(counted[name].to_pylist() for name in ("slot", "value", "count_all")), strict=True
    ):
        catalog.setdefault(slot, {})[value] = count
    return catalog


def divide_values(
    catalog: Catalog, development: float = 0.25
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Divides the values of each slot: some for training rows, the others for development rows only.

    A value falls on a side by the SHA-256 of slot and value, so that it stays there whatever else the catalog
    holds. Of a slot with two values or more each side gets at least one.

    Args:
        catalog: The values of each slot.
        development: The share of values for development rows.

    Returns:
        The catalog of training values and that of development values. A slot with a single value is in the
        first only.

    >>> train, dev = divide_values({"unit": ["cups", "grams", "liters", "ounces"]})
    >>> train["unit"], dev["unit"]
    (['cups', 'grams', 'ounces'], ['liters'])
    """
    train: dict[str, list[str]] = {}
    held: dict[str, list[str]] = {}
    for slot, values in catalog.items():
        rank = {value: _fraction(f"{slot}\0{value}") for value in values}
        least, greatest = min(values, key=rank.__getitem__), max(values, key=rank.__getitem__)
        held_values = {value for value in values if rank[value] < development} | {least}
        held_values.discard(greatest)
        train[slot] = [value for value in values if value not in held_values]
        if held_values:
            held[slot] = [value for value in values if value in held_values]
    return train, held


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
