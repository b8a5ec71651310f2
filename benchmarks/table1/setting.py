"""What is the same for every arm: sizes, budget, and which use cases were tuned on."""

from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from adsmu.files import digest

# The defaults of training and the recipe were chosen on these; the others are reported apart.
TUNED = ("AddToPlaylist", "PlayMusic", "RateBook", "calendar_set")
REPORTED = (
    *("SearchScreeningEvent", "GetWeather", "SearchCreativeWork"),
    *("takeaway_order", "transport_taxi", "recommendation_events"),
)


@dataclass(frozen=True)
class Setting:
    """What every arm of every cell is given; results of different settings are never mixed.

    Attributes:
        existing_train: Existing rows to learn from, at most.
        existing_dev: Existing rows that choose the best epoch, at most.
        existing_test: Existing rows that are measured, at most.
        trail_user_rows: User rows of a stratum where rows are grouped by slot trail: such a stratum has many
            carriers. Where they are grouped by exact shape, one stands for all.
        rounds: Rounds of the loops.
        rows_per_round: Synthetic rows of a round, for each stratum on average. The budget of every arm is
            `rounds` times as many, and the user's training rows. One real row and one synthetic at first, two
            more rounds of one: what was added doubles over the loop, as in the published experiment.
        evaluation_rows: Development rows of each stratum, that loops look at.
        steering_rows: Those of them, of each stratum, that choose the best epoch of a training.
        epochs: Of a training from scratch.
        finetune_share: Epochs of a fine-tuning, as a share of those (the published 35 %).
        learning_rates: Those that a fine-tuning tries; development rows choose.
        vectors: Folder of an encoder whose word pieces give static vectors; empty: none.
        network: Settings of the trainer that differ from its defaults.
    """

    existing_train: int = 3000
    existing_dev: int = 300
    existing_test: int = 1200
    trail_user_rows: int = 3
    rounds: int = 3
    rows_per_round: int = 1
    evaluation_rows: int = 80
    steering_rows: int = 8
    epochs: int = 10
    finetune_share: float = 0.35
    learning_rates: tuple[float, ...] = (0.001, 0.004, 0.016)
    vectors: str = ""
    network: dict[str, Any] = field(default_factory=dict)

    @property
    def trainer(self) -> dict[str, Any]:
        """The trainer's settings that all trainings share."""
        return self.network | ({"vectors": self.vectors} if self.vectors else {})

    @property
    def rows_per_stratum(self) -> int:
        """Synthetic rows of a stratum over all rounds, on average."""
        return self.rounds * self.rows_per_round

    def stated(self) -> dict[str, Any]:
        """The setting as results state it: a file by its digest, not by where it lies."""
        vectors = _digest(self.vectors) if self.vectors else None
        return asdict(self) | {"vectors": vectors, "learning_rates": list(self.learning_rates)}


@cache
def _digest(folder: str) -> str:
    return digest(Path(folder) / "model.safetensors")
