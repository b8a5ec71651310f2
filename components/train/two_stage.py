"""The default trainer: a two-stage network, trained in full or from a base model, saved and loaded."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.store import Store
from adsmu.train.batches import encode_table, encode_tokens
from adsmu.train.checkpoint import Checkpoint
from adsmu.train.distributed import processes_here, train_in_processes
from adsmu.train.folder import Parts, read_folder, write_folder
from adsmu.train.network import TwoStage, WordFeatures
from adsmu.train.pieces import WordPieces, read_word_pieces
from adsmu.train.protocol import Predictions
from adsmu.train.settings import EPOCHS, LEARNING_RATES, NETWORK, Settings, read_settings
from adsmu.train.training import fit, predict, reproducible, this_process
from adsmu.train.transformer import read_encoder
from adsmu.train.vocabulary import EMPTY, Vocabulary, grow
from adsmu.train.weights import copy_shared, interpolate, row_weights


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
        checkpoints: Store | None,
        seed: int,
    ) -> dict[str, float]:
        """Trains a model and writes its files into `output`."""
        chosen = read_settings(settings)
        start = _start(chosen, settings, mode, base)
        if this_process() == (0, 1) and (processes := processes_here(settings)) > 1:
            trainer = f"{type(self).__module__}:{type(self).__qualname__}"
            task = {"trainer": trainer, "mode": mode, "settings": settings, "seed": seed}
            return train_in_processes(rows, output, processes, base=base, checkpoints=checkpoints, **task)
        learnt = rows.filter(pc.equal(rows["split"], "train"))
        if mode == "scout":
            learnt = _some_existing(learnt, chosen.scout_existing, seed)
        held_back = rows.filter(pc.equal(rows["split"], "dev"))
        weights = row_weights(learnt, chosen)
        if not weights.sum() > 0:
            raise BadInput("no row to learn from has a weight above 0", file="rows", column="weight")
        parts = dataclasses.replace(start, vocabulary=grow(start.vocabulary, learnt))
        sized = dataclasses.replace(chosen, **start.network)
        encoded = encode_table(learnt, parts.vocabulary, parts.pieces)
        development = encode_table(held_back, parts.vocabulary, parts.pieces)
        checkpoint = _checkpoint(checkpoints, rows, sized, mode, base, seed)

        with reproducible():
            torch.manual_seed(seed)
            network = parts.build(sized).to(_device(sized))
            if isinstance(network.features, WordFeatures):
                network.features.mark_rare(encoded)
            copy_shared(start.weights, network)
            if mode == "finetune":
                _freeze(network, len(start.vocabulary.words) + 1)
            rate = sized.learning_rate or LEARNING_RATES[mode]
            epochs = sized.scout_epochs if mode == "scout" else sized.epochs or EPOCHS[mode]
            figures = fit(network, encoded, weights, development, sized, epochs, rate, seed, checkpoint)
            if sized.interpolate:
                interpolate(start.weights, network, sized.interpolate)
        if this_process()[0] == 0:
            write_folder(output, dataclasses.replace(parts, weights=network.state_dict()))
            if checkpoint is not None:
                checkpoint.remove()
        return figures

    def load(self, folder: Path) -> TwoStagePredictor:
        """Loads what `train` wrote."""
        parts = read_folder(folder)
        settings = read_settings(parts.network)
        network = parts.build(settings)
        network.load_state_dict(parts.weights)
        return TwoStagePredictor(network.to(_device(settings)), parts.vocabulary, parts.pieces)


def _some_existing(rows: pa.Table, share: float, seed: int) -> pa.Table:
    existing = np.flatnonzero(pc.equal(rows["source"], "existing"))
    stay = np.ones(len(rows), dtype=bool)
    left_out = np.random.default_rng(seed).permutation(existing)[round(share * len(existing)) :]
    stay[left_out] = False
    return rows.filter(pa.array(stay))


def _device(settings: Settings) -> torch.device:
    if settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise BadInput("no GPU is here", file="settings", column="device")
    return torch.device("cuda", torch.cuda.current_device())


def _start(chosen: Settings, given: dict[str, Any], mode: str, base: Path | None) -> Parts:
    """What training starts from: the base model, or nothing but what is pretrained.

    A network keeps the sizes of its base; a setting that says otherwise is refused.
    """
    if mode != "full" and base is not None:
        start = read_folder(base)
        for name, value in start.network.items():
            if name in given and getattr(chosen, name) != value:
                raise BadInput(f"is {value} in the base model {base}", file="settings", column=name)
        return start
    if chosen.interpolate:
        raise BadInput("needs mode warm or finetune", file="settings", column="interpolate")
    if chosen.vectors and chosen.encoder:
        raise BadInput("not beside an encoder", file="settings", column="vectors")
    pieces = read_word_pieces(chosen.vectors) if chosen.vectors else None
    encoder, weights = read_encoder(chosen.encoder) if chosen.encoder else (None, {})
    weights = {f"features.{name}": value for name, value in weights.items()}
    return Parts(EMPTY, {name: getattr(chosen, name) for name in NETWORK}, weights, pieces, encoder)


def _freeze(network: TwoStage, known_words: int) -> None:
    """Leaves the heads to train, and the embeddings of words that the base model did not know."""
    for parameter in network.encoder_parameters():
        parameter.requires_grad_(False)
    if not isinstance(network.features, WordFeatures):
        return
    words = network.features.words.weight
    if len(words) > known_words:
        new = (torch.arange(len(words), device=words.device) >= known_words)[:, None]
        words.requires_grad_(True)
        words.register_hook(lambda gradient: gradient * new)


def _checkpoint(
    store: Store | None, rows: pa.Table, settings: Settings, mode: str, base: Path | None, seed: int
) -> Checkpoint | None:
    """Where the state of this very training is kept: under a digest of all that goes in."""
    if store is None:
        return None
    total = hashlib.sha256()
    for column in ("tokens", "tags", "intent", "domain", "source", "split", "stratum_id", "weight"):
        total.update(json.dumps(rows[column].to_pylist()).encode())
    pretrained = [Path(name) / "model.safetensors" for name in (settings.vectors, settings.encoder) if name]
    files = [digest(path) for path in [base, *pretrained] if path and path.exists()]
    parts = [dataclasses.asdict(settings), mode, seed, files]
    total.update(json.dumps(parts, sort_keys=True).encode())
    return Checkpoint(store, total.hexdigest()[:32])
