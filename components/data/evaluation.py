"""Reads an `evaluation.json`; `docs/formats.md` says what stands in one."""

from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import read_json

FORMAT = 1
KEYS = (
    *("round", "max_rounds", "verdict", "reasons", "gate", "model", "data", "splits"),
    *("unseen_shapes", "existing", "champion", "strata", "rounds"),
)
LISTS = {"strata": ("stratum_id", "shape", "verdict", "reason", "dev", "history"), "rounds": ("round",)}


def read_evaluation(path: str | Path) -> dict[str, Any]:
    """Reads an evaluation and checks that its parts are there.

    Args:
        path: The file.

    Returns:
        What it holds.

    Raises:
        BadInput: It is missing, not JSON, of another format, or lacks a part.
    """
    evaluation = read_json(path)
    if not isinstance(evaluation, dict) or evaluation.get("format") != FORMAT:
        raise BadInput(f"not an evaluation of format {FORMAT}", file=path)
    for key in KEYS:
        if key not in evaluation:
            raise BadInput("missing", file=path, column=key)
    for name, keys in LISTS.items():
        entries = evaluation[name]
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and entry.keys() >= set(keys) for entry in entries
        ):
            raise BadInput(f"must be a list of objects with {', '.join(keys)}", file=path, column=name)
    return evaluation
