"""The step train, from files to files."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.schema import read_utterances
from adsmu.errors import BadInput
from adsmu.files import digest, write_json, written_whole
from adsmu.imports import load
from adsmu.store import open_store
from adsmu.train.model import CARD, FORMAT, MODEL, load_model, read_model
from adsmu.train.protocol import Trainer

MODES = ("full", "warm", "finetune", "scout")
TIMES = ("seconds", "utterances_per_second")  # left out of the model: equal trainings give equal files


def train_files(
    existing: str | Path,
    data: str | Path | None,
    base: str | Path | None,
    output: str | Path,
    *,
    mode: str = "warm",
    trainer: str = "adsmu.train.two_stage:TwoStageTrainer",
    settings: dict[str, Any] | None = None,
    checkpoints: str | Path | None = None,
    seed: int = 0,
    elsewhere: Callable[..., dict[str, float]] | None = None,
) -> dict[str, float]:
    """Trains a model folder on rows of the splits train and dev. The folder is whole or absent.

    Args:
        existing: Utterance table of the existing data.
        data: Utterance table of the new use case, or None.
        base: Model folder to start from (not in mode full) and the parent of the new model, or None.
        output: The model folder to write.
        mode: full: from new weights; warm: from `base`, all weights; finetune: from `base`, encoder frozen;
            scout: as warm, but briefly and on few existing rows, to find what fails, not to be kept.
        trainer: Import path of the trainer.
        settings: What differs from the trainer's defaults.
        checkpoints: Folder, or URI of object storage, that outlives a killed training; empty or None: none.
        seed: Makes the training reproducible.
        elsewhere: What trains in place of the trainer, called as it and with its import path; None: here.

    Returns:
        Figures of the training, by name.

    Raises:
        BadInput: A table, the base model, the mode or a setting breaks a rule.
    """
    settings = settings or {}
    if mode not in MODES:
        raise BadInput(f"{mode!r} is not one of {', '.join(MODES)}", file="mode")
    if mode != "full" and base is None:
        raise BadInput(f"mode {mode} needs a base model", file="base")
    made: Trainer = load(trainer, "trainer")()
    tables = {"existing": existing} | ({"data": data} if data else {})
    rows = pa.concat_tables([_rows(path) for path in tables.values()]).combine_chunks()
    if not pc.any(pc.equal(rows["split"], "train")).as_py():
        raise BadInput("no row of split train", file=existing, column="split")
    if base is not None:
        known = read_model(base)["trainer"]
        if known != trainer:
            raise BadInput(f"made by the trainer {known!r}, not by {trainer!r}", file=Path(base) / MODEL)

    with written_whole(output) as temporary:
        temporary.mkdir()
        figures = (partial(elsewhere, trainer=trainer) if elsewhere else made.train)(
            rows,
            temporary,
            base=Path(base) if base else None,
            mode=mode,
            settings=settings,
            checkpoints=open_store(checkpoints) if checkpoints else None,
            seed=seed,
        )
        model = {
            "format": FORMAT,
            "trainer": trainer,
            "parent": digest(base) if base else None,
            "data": {name: digest(path) for name, path in tables.items()},
            "mode": mode,
            "settings": settings,
            "seed": seed,
            "labels": made.load(temporary).labels,
            "figures": {name: value for name, value in figures.items() if name not in TIMES},
        }
        write_json(model, temporary / MODEL)
        (temporary / CARD).write_text(model_card(model, rows), encoding="utf-8")
        load_model(temporary, trainer)
    return figures


def _rows(path: str | Path) -> pa.Table:
    table = read_utterances(path)
    return table.filter(pc.is_in(table["split"], pa.array(["train", "dev"])))


def model_card(model: dict[str, Any], rows: pa.Table) -> str:
    """The model card, as Markdown (after Mitchell et al. 2019).

    Args:
        model: The content of `model.json`.
        rows: What the model was trained and steered with.

    Returns:
        The text.
    """
    counts = rows.group_by(["source", "split"]).aggregate([([], "count_all")])
    counts = counts.sort_by([("source", "ascending"), ("split", "ascending")])
    labels = model["labels"]
    lines = [
        "# Model card",
        "",
        "A model that names the domain, the intent and the slots of an utterance: "
        f"{len(labels['domains'])} domains, {len(labels['intents'])} intents, {len(labels['slots'])} slots.",
        "",
        "| | |",
        "| --- | --- |",
        f"| trainer | `{model['trainer']}` |",
        f"| mode | {model['mode']} |",
        f"| parent | {model['parent'] or 'none'} |",
        *(f"| data: {name} | {value} |" for name, value in model["data"].items()),
        f"| settings | `{json.dumps(model['settings'], sort_keys=True)}` |",
        f"| seed | {model['seed']} |",
        "",
        "| source | split | rows |",
        "| --- | --- | --- |",
        *(f"| {row['source']} | {row['split']} | {row['count_all']} |" for row in counts.to_pylist()),
        "",
        "| figure | value |",
        "| --- | --- |",
        *(f"| {name} | {value:.6g} |" for name, value in model["figures"].items()),
        "",
        *(f"{kind.capitalize()}: {', '.join(names)}\n" for kind, names in labels.items()),
        "The development figures are measured on rows that chose the best epoch, synthetic ones among them;",
        "the evaluation of the model on held-out rows says how good it is.",
    ]
    return "\n".join(lines) + "\n"
