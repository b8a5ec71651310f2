"""What a trainer is: bring another architecture by an import path `package.module:Trainer`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from adsmu.store import Store


@dataclass(frozen=True)
class Predictions:
    """One prediction a row.

    Attributes:
        domain: Domain names.
        intent: Intent names.
        tags: BIO tags, as many as the row has tokens.
    """

    domain: list[str]
    intent: list[str]
    tags: list[list[str]]


class Predictor(Protocol):
    """A loaded model.

    Attributes:
        labels: The names it can predict: `domains`, `intents`, `slots`.
    """

    labels: dict[str, list[str]]

    def predict(self, tokens: Sequence[Sequence[str]]) -> Predictions:
        """Predicts rows; a row's prediction does not depend on the rows beside it."""
        ...


class Trainer(Protocol):
    """Trains a model folder and loads it back. Made without arguments."""

    def train(
        self,
        rows: pa.Table,
        output: Path,
        *,
        base: Path | None,
        mode: str,
        settings: dict[str, Any],
        checkpoints: Store | None,
        seed: int,
    ) -> dict[str, float]:
        """Trains and writes the model's own files into the folder `output`, which exists and is empty.

        Only safetensors, JSON and the like: a model is loaded from places that are not trusted. On several
        machines every process calls it, with torch's process group at hand; what the first one writes counts.

        Args:
            rows: Utterance table: existing, user and synthetic rows of the splits train and dev.
            output: Folder to write to. `model.json` and `README.md` are added by the caller.
            base: Model folder to start from, or None.
            mode: full, warm, finetune or scout; a scout may be trained as in mode warm.
            settings: What differs from the trainer's defaults; an unknown key is a BadInput.
            checkpoints: What outlives a killed training: a folder or bucket for its state, or None.
            seed: Makes the training reproducible.

        Returns:
            Figures of the training, by name.
        """
        ...

    def load(self, folder: Path) -> Predictor:
        """Loads what `train` wrote."""
        ...
