"""The files of a two-stage model: safetensors and JSON, checked when they are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor

from adsmu.errors import BadInput
from adsmu.files import read_json, write_json
from adsmu.train.network import TwoStage
from adsmu.train.pieces import UNKNOWN, WordPieces
from adsmu.train.settings import NETWORK, Settings, read_settings
from adsmu.train.transformer import Encoder, check_pieces, read_config
from adsmu.train.vocabulary import Vocabulary, read_vocabulary

FORMAT = 1
DESCRIPTION, WEIGHTS = "two_stage.json", "weights.safetensors"
PIECES, VECTORS = "pieces.json", "vectors.safetensors"


@dataclass(frozen=True)
class Parts:
    """The parts of a two-stage model.

    Attributes:
        vocabulary: Its names.
        network: The sizes of its network, by setting.
        weights: Its weights, by name.
        pieces: Its static vectors, or None.
        encoder: Its transformer, or None.
    """

    vocabulary: Vocabulary
    network: dict[str, Any]
    weights: dict[str, Tensor]
    pieces: WordPieces | None
    encoder: Encoder | None

    def build(self, settings: Settings) -> TwoStage:
        """The network, with new weights.

        Args:
            settings: Its sizes and dropout.
        """
        width = self.pieces.table.shape[1] if self.pieces else 0
        return TwoStage(self.vocabulary, settings, width, self.encoder)


def write_folder(folder: Path, parts: Parts) -> None:
    """Writes the files of a model.

    Args:
        folder: An empty folder.
        parts: The model.
    """
    weights = {name: value.cpu().contiguous() for name, value in parts.weights.items()}
    save_file(weights, folder / WEIGHTS)
    description = {
        "format": FORMAT,
        "network": parts.network,
        "static_vectors": parts.pieces is not None,
        "encoder": parts.encoder.config if parts.encoder else None,
        "vocabulary": parts.vocabulary.to_json(),
    }
    write_json(description, folder / DESCRIPTION)
    if parts.encoder:
        write_json(parts.encoder.pieces, folder / PIECES)
    if parts.pieces:
        write_json(parts.pieces.pieces, folder / PIECES)
        save_arrays({"table": parts.pieces.table}, folder / VECTORS)


def read_folder(folder: Path) -> Parts:
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
    pieces = _read_vectors(folder) if description.get("static_vectors") else None
    encoder = None
    if description.get("encoder") is not None:
        encoder = Encoder(read_config(description["encoder"], file), _read_pieces(folder))
        check_pieces(encoder, folder / PIECES)
    weights = _tensors(load_file, folder / WEIGHTS)
    parts = Parts(vocabulary, sizes, weights, pieces, encoder)
    try:
        with torch.device("meta"):
            expected = parts.build(settings).state_dict()
    except (ValueError, TypeError, RuntimeError) as error:
        raise BadInput(f"no network has these sizes: {error}", file=file) from error
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
    return parts


def _read_pieces(folder: Path) -> list[str]:
    pieces = read_json(folder / PIECES)
    if not isinstance(pieces, list) or not all(isinstance(piece, str) for piece in pieces):
        raise BadInput("not a list of word pieces", file=folder / PIECES)
    return pieces


def _read_vectors(folder: Path) -> WordPieces:
    pieces = _read_pieces(folder)
    table = _tensors(load_arrays, folder / VECTORS).get("table")
    if table is None or table.ndim != 2 or len(pieces) != len(table) or UNKNOWN not in pieces:
        raise BadInput(f"does not fit {VECTORS}", file=folder / PIECES)
    return WordPieces(pieces, table)


def _tensors(read: Any, file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise BadInput("no such file", file=file)
    try:
        return read(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"not a whole safetensors file: {error}", file=file) from error
