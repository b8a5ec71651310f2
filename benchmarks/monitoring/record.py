"""The one file that the figures of watching a model stand in."""

from pathlib import Path
from typing import Any

from adsmu.files import read_json, write_json

RESULTS = Path(__file__).parent / "results.json"


def merge(figures: dict[str, Any], path: Path = RESULTS) -> None:
    """Replaces keys of the record and leaves the others.

    Args:
        figures: Figures by key.
        path: The record.
    """
    before = read_json(path) if path.exists() else {}
    write_json(dict(sorted((before | figures).items())), path)
