"""A model folder: what `model.json` says of it, and its predictor."""

from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import read_json
from adsmu.imports import load
from adsmu.train.protocol import Predictor

FORMAT = 1
MODEL, CARD = "model.json", "README.md"
KEYS = ("trainer", "parent", "data", "mode", "settings", "seed", "labels", "figures")


def read_model(folder: str | Path) -> dict[str, Any]:
    """Reads and checks `model.json`.

    Args:
        folder: A model folder.

    Returns:
        What it says.

    Raises:
        BadInput: It is missing, of another format or incomplete.
    """
    file = Path(folder) / MODEL
    model = read_json(file)
    if not isinstance(model, dict) or model.get("format") != FORMAT:
        raise BadInput(f"not a model of format {FORMAT}", file=file, column="format")
    for key in KEYS:
        if key not in model:
            raise BadInput("missing", file=file, column=key)
    return model


def load_model(folder: str | Path, trainer: str) -> Predictor:
    """Loads a model with the trainer that is asked for; a path named by the model itself is never imported.

    Args:
        folder: A model folder that `train_files` wrote.
        trainer: Import path of its trainer.

    Returns:
        Its predictor.

    Raises:
        BadInput: Another trainer made it, a file is missing or damaged, or its labels are not those it says.
    """
    folder = Path(folder)
    model = read_model(folder)
    if model["trainer"] != trainer:
        raise BadInput(
            f"made by the trainer {model['trainer']!r}, not by {trainer!r}",
            file=folder / MODEL,
            column="trainer",
        )
    predictor: Predictor = load(trainer, "trainer")().load(folder)
    if predictor.labels != model["labels"]:
        raise BadInput("not the labels of the weights", file=folder / MODEL, column="labels")
    return predictor
