"""The one file that the figures of watching a model stand in, and how a benchmark of seeds is begun."""

import argparse
import logging
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


def asked_seeds(about: str | None, default: int) -> int:
    """Begins a benchmark that is asked for nothing but a number of seeds: its options, and its log.

    Args:
        about: What `--help` says.
        default: How many, where none is named.
    """
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--seeds", type=int, default=default)
    given = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return int(given.seeds)
