"""How much a training varies when nothing but its seed does: too much, and it is not left to itself."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from scipy import stats

from adsmu.data.schema import read_utterances
from adsmu.errors import BadInput
from adsmu.files import digest, write_json
from adsmu.stratified_evaluate.correctness import mark
from adsmu.train.model import load_model, read_model
from adsmu.train.run import train_files

FORMAT = 1


@dataclass(frozen=True)
class Repeated:
    """Trainings that differ in their seed alone.

    Attributes:
        frames: Frame accuracy of each on the same held-out rows.
        deviation: Their standard deviation.
        high: The bound that the true one lies below with the stated confidence.
        disagreement: Share of the rows on whose frame two of them disagree, in the mean over pairs.
        limit: How large the bound may be.
        repeatable: Whether it is no larger.
    """

    frames: tuple[float, ...]
    deviation: float
    high: float
    disagreement: float
    limit: float
    repeatable: bool


def spread(right: np.ndarray, limit: float, confidence: float = 0.95) -> Repeated:
    """Judges how far trainings lie apart.

    The bound is that of the variance of normal values, s² (n - 1) / χ²: with few trainings it lies far above
    what was seen (at five, 2.4 times), so few are no way to be let through.

    Args:
        right: Trainings by rows, bool: which rows each has right.
        limit: The largest standard deviation with which updates run unattended.
        confidence: Of the bound, one-sided.

    Raises:
        BadInput: There are fewer than two trainings, or the limit is not above 0.

    >>> found = spread(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0]], dtype=bool), 0.1)
    >>> round(found.deviation, 3), round(found.high, 3), round(found.disagreement, 3), found.repeatable
    (0.144, 0.637, 0.167, False)
    """
    runs = len(right)
    if runs < 2:
        raise BadInput(f"two trainings or more are needed, not {runs}", file="seeds")
    if not limit > 0:
        raise BadInput(f"must be above 0, not {limit}", file="limit")
    frames = right.mean(axis=1)
    deviation = float(frames.std(ddof=1))
    high = deviation * math.sqrt((runs - 1) / stats.chi2.ppf(1 - confidence, runs - 1))
    share = right.mean(axis=0)
    disagreement = float((2 * share * (1 - share)).mean() * runs / (runs - 1))
    return Repeated(tuple(frames.tolist()), deviation, high, disagreement, limit, high <= limit)


def repeat_files(
    model: str | Path,
    existing: str | Path,
    data: str | Path | None,
    base: str | Path | None,
    held_out: str | Path,
    output: str | Path,
    *,
    seeds: int,
    limit: float,
    trainer: str,
    scratch: str | Path,
) -> Repeated:
    """Trains a model again with other seeds and writes how far the results lie apart.

    Args:
        model: The model; its mode and settings are taken.
        existing: As it was trained with; likewise `data` and `base`.
        data: Or None.
        base: Or None.
        held_out: Utterance table; its rows of split test are measured.
        output: The JSON to write.
        seeds: How many trainings, the model itself not counted.
        limit: See `spread`.
        trainer: Import path of the trainer.
        scratch: A folder for the models that are made.

    Raises:
        BadInput: An input breaks a rule.
    """
    said = read_model(model)
    rows = read_utterances(held_out)
    rows = rows.filter(pc.equal(rows["split"], "test"))
    if not len(rows):
        raise BadInput("no rows of split test", file=held_out, column="split")
    right = []
    for number in range(seeds):
        made = Path(scratch) / f"seed-{number}"
        seed = said["seed"] + 1 + number
        how: dict[str, Any] = {"mode": said["mode"], "settings": said["settings"], "trainer": trainer}
        train_files(existing, data, base, made, seed=seed, **how)
        found = load_model(made, trainer).predict(rows["tokens"].to_pylist())
        right.append(mark(rows, found)["frame"])
    repeated = spread(np.array(right), limit)
    value = {
        "format": FORMAT,
        "model": digest(model),
        "rows": len(rows),
        "runs": len(right),
        **asdict(repeated),
    }
    write_json(value, output)
    return repeated
