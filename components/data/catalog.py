"""Catalogs: the values that each slot can take."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from adsmu.files import write_json

Catalog = Mapping[str, Sequence[str]]


def write_catalog(catalog: Catalog, path: str | Path) -> None:
    """Writes a catalog with its slots in alphabetical order, whole or not at all.

    Args:
        catalog: The values of each slot.
        path: The JSON file to write.
    """
    write_json({slot: list(catalog[slot]) for slot in sorted(catalog)}, path)
