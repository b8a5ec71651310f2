"""The default trainer: a two-stage network, trained in full or from a base model, saved and loaded."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor

from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.train.batches import encode_table, encode_tokens
from adsmu.train.distributed import train_in_processes
from adsmu.train.network import TwoStage
from adsmu.train.pieces import WordPieces, read_word_pieces
from adsmu.train.protocol import Predictions
from adsmu.train.settings import EPOCHS, NETWORK, Settings, read_settings
from adsmu.train.training import fit, predict, reproducible, this_process
from adsmu.train.vocabulary import EMPTY, Vocabulary, grow, read_vocabulary
from adsmu.train.weights import copy_shared, interpolate, row_weights

FORMAT = 1
DESCRIPTION, WEIGHTS = "two_stage.json", "weights.safetensors"
PIECES, VECTORS = "pieces.json", "vectors.safetensors"
RARE = 2


@dataclass(frozen=True)
class Loaded:
    """A model folder of this trainer, read.

    Attributes:
        vocabulary: Its names.
        network: The sizes of its network, by setting.
        weights: Its weights, by name.
        pieces: Its static vectors, or None.
    """

    vocabulary: Vocabulary
    network: dict[str, Any]
    weights: dict[str, Tensor]
    pieces: WordPieces | None

    def build(self, settings: Settings) -> TwoStage:
        """The network with its weights."""
        network = TwoStage(self.vocabulary, settings, _width(self.pieces))
        network.load_state_dict(self.weights)
        return network


class TwoStagePredictor:
    """A loaded two-stage model.

    Args:
        network: The network.
        vocabulary: Its names.
        pieces: Its static vectors, or None.
    """

    def __init__(self, network: TwoStage, vocabulary: Vocabulary, pieces: WordPieces | None) -> None:
        self.network, self.vocabulary, self.pieces = network.eval(), vocabulary, pieces
        self.labels = {
            "domains": vocabulary.domains,
            "intents": vocabulary.intents,
            "slots": vocabulary.slots,
        }

    def predict(self, tokens: Sequence[Sequence[str]]) -> Predictions:
        """Predicts rows; see `adsmu.train.protocol.Predictor`."""
        rows = encode_tokens(tokens, self.vocabulary, self.pieces)
        domain, intent, tags = predict(self.network, rows)
        names = np.array(self.vocabulary.tags, dtype=object)[tags].tolist()
        bounds = rows.offsets.tolist()
        return Predictions(
            np.array(self.vocabulary.domains, dtype=object)[domain].tolist(),
            np.array(self.vocabulary.intents, dtype=object)[intent].tolist(),
            [names[start:end] for start, end in pairwise(bounds)],
        )


class TwoStageTrainer:
    """Trains, saves and loads two-stage models; see `adsmu.train.protocol.Trainer`."""

    def train(
        self,
        rows: pa.Table,
        output: Path,
        *,
        base: Path | None,
        mode: str,
        settings: dict[str, Any],
        checkpoints: Path | None,
        seed: int,
    ) -> dict[str, float]:
        """Trains a model and writes its files into `output`."""
        chosen = read_settings(settings)
        start = read_folder(base) if base is not None and mode != "full" else None
        if start is not None:
            chosen = _settings_of_base(chosen, settings, start, base)
        elif chosen.interpolate:
            raise BadInput("needs mode warm or finetune", file="settings", column="interpolate")
        pieces = start.pieces if start else read_word_pieces(chosen.vectors) if chosen.vectors else None
        if chosen.processes > 1 and this_process() == (0, 1):
            task = {"mode": mode, "settings": settings, "seed": seed}
            return train_in_processes(
                rows, output, chosen.processes, base=base, checkpoints=checkpoints, **task
            )

        learnt = rows.filter(pc.equal(rows["split"], "train"))
        held_back = rows.filter(pc.equal(rows["split"], "dev"))
        weights = row_weights(learnt, chosen)
        if not weights.sum() > 0:
            raise BadInput("no row to learn from has a weight above 0", file="rows", column="weight")
        vocabulary = grow(start.vocabulary if start else EMPTY, learnt)
        encoded = encode_table(learnt, vocabulary, pieces)

        checkpoint = _checkpoint(checkpoints, rows, chosen, mode, base, seed)
        with reproducible():
            torch.manual_seed(seed)
            network = TwoStage(vocabulary, chosen, _width(pieces)).to(_device(chosen))
            counts = np.bincount(encoded.words[encoded.tokens], minlength=len(vocabulary.words) + 1)
            network.features.rare.copy_(torch.from_numpy(counts <= RARE))
            if start is not None:
                copy_shared(start.weights, network)
            if mode == "finetune":
                _freeze(network, len(start.vocabulary.words) + 1 if start else 0)
            figures = fit(
                network,
                encoded,
                weights,
                encode_table(held_back, vocabulary, pieces),
                chosen,
                chosen.epochs or EPOCHS[mode],
                seed,
                checkpoint,
            )
            if start is not None and chosen.interpolate:
                interpolate(start.weights, network, chosen.interpolate)
        if this_process()[0] == 0:
            _write_folder(output, network, vocabulary, pieces, chosen)
            if checkpoint is not None:
                shutil.rmtree(checkpoint.parent)
        return figures

    def load(self, folder: Path) -> TwoStagePredictor:
        """Loads what `train` wrote."""
        loaded = read_folder(folder)
        settings = read_settings(loaded.network)
        network = loaded.build(settings).to(_device(settings))
        return TwoStagePredictor(network, loaded.vocabulary, loaded.pieces)


def _width(pieces: WordPieces | None) -> int:
    return pieces.table.shape[1] if pieces else 0


def _device(settings: Settings) -> torch.device:
    if settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise BadInput("no GPU is here", file="settings", column="device")
    return torch.device("cuda", torch.cuda.current_device())


def _settings_of_base(chosen: Settings, given: dict[str, Any], start: Loaded, base: Path | None) -> Settings:
    """A network keeps the sizes of its base; a setting that says otherwise is refused."""
    for name, value in start.network.items():
        if name in given and getattr(chosen, name) != value:
            raise BadInput(f"is {value} in the base model {base}", file="settings", column=name)
    return dataclasses.replace(chosen, **start.network)


def _freeze(network: TwoStage, known_words: int) -> None:
    """Leaves the heads to train, and the embeddings of words that the base model did not know."""
    for parameter in network.encoder_parameters():
        parameter.requires_grad_(False)
    words = network.features.words.weight
    if len(words) > known_words:
        new = (torch.arange(len(words), device=words.device) >= known_words)[:, None]
        words.requires_grad_(True)
        words.register_hook(lambda gradient: gradient * new)


def _checkpoint(
    folder: Path | None, rows: pa.Table, settings: Settings, mode: str, base: Path | None, seed: int
) -> Path | None:
    """The file that holds the state of this very training: its name is a digest of all that goes in."""
    if folder is None:
        return None
    total = hashlib.sha256()
    for column in ("tokens", "tags", "intent", "domain", "source", "split", "stratum_id", "weight"):
        total.update(json.dumps(rows[column].to_pylist()).encode())
    parts = [dataclasses.asdict(settings), mode, digest(base) if base else None, seed]
    total.update(json.dumps(parts, sort_keys=True).encode())
    return folder / total.hexdigest()[:32] / "state.safetensors"


def _write_folder(
    folder: Path, network: TwoStage, vocabulary: Vocabulary, pieces: WordPieces | None, settings: Settings
) -> None:
    save_file(
        {name: value.cpu().contiguous() for name, value in network.state_dict().items()}, folder / WEIGHTS
    )
    sizes = {name: getattr(settings, name) for name in NETWORK}
    description = {"format": FORMAT, "network": sizes, "static_vectors": pieces is not None}
    write_json(description | {"vocabulary": vocabulary.to_json()}, folder / DESCRIPTION)
    if pieces:
        write_json(pieces.pieces, folder / PIECES)
        save_arrays({"table": pieces.table}, folder / VECTORS)


def read_folder(folder: Path) -> Loaded:
    """Reads and checks the files of a model.

    Args:
        folder: A model folder that this trainer wrote.

    Returns:
        Its parts; they fit one another.

    Raises:
        BadInput: A file is missing, damaged or of another format, or weights and names do not fit.
    """
    file = folder / DESCRIPTION
    description = read_json(file)
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise BadInput(f"not a description of format {FORMAT}", file=file, column="format")
    sizes = description.get("network")
    if not isinstance(sizes, dict) or set(sizes) != set(NETWORK):
        raise BadInput(f"not the sizes {', '.join(NETWORK)}", file=file, column="network")
    settings = read_settings(sizes)
    vocabulary = read_vocabulary(description.get("vocabulary"), file)
    pieces = _read_pieces(folder) if description.get("static_vectors") else None
    weights = _tensors(load_file, folder / WEIGHTS)
    with torch.device("meta"):
        expected = TwoStage(vocabulary, settings, _width(pieces)).state_dict()
    for name in sorted(expected.keys() | weights.keys()):
        if name not in expected or name not in weights:
            raise BadInput("weights missing or not of this network", file=folder / WEIGHTS, column=name)
        if expected[name].shape != weights[name].shape:
            raise BadInput(
                f"shape {tuple(weights[name].shape)} does not fit the names and sizes in {DESCRIPTION}, "
                f"which ask for {tuple(expected[name].shape)}",
                file=folder / WEIGHTS,
                column=name,
            )
    return Loaded(vocabulary, sizes, weights, pieces)


def _read_pieces(folder: Path) -> WordPieces:
    pieces = read_json(folder / PIECES)
    table = _tensors(load_arrays, folder / VECTORS).get("table")
    if table is None or table.ndim != 2 or not isinstance(pieces, list) or len(pieces) != len(table):
        raise BadInput(f"does not fit {VECTORS}", file=folder / PIECES)
    return WordPieces(pieces, table)


def _tensors(read: Any, file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise BadInput("no such file", file=file)
    try:
        return read(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"not a whole safetensors file: {error}", file=file) from error
