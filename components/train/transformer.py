"""A bidirectional transformer of the BERT kind as the encoder, from a folder in the Hugging Face layout.

It needs the extra `encoder`. Only sizes are taken from `config.json`: other keys could have code loaded.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from adsmu.errors import BadInput
from adsmu.files import read_json
from adsmu.train.batches import Batch
from adsmu.train.pieces import UNKNOWN, read_pieces, word_pieces

FIRST, LAST, PADDING = "[CLS]", "[SEP]", "[PAD]"
SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)
ACTIVATIONS = ("gelu", "gelu_new", "relu")


@dataclass(frozen=True)
class Encoder:
    """What is needed to build a transformer.

    Attributes:
        config: The sizes and the activation of its `config.json`.
        pieces: Its word pieces.
    """

    config: dict[str, Any]
    pieces: list[str]


class TransformerFeatures(nn.Module):
    """Features of each position: the transformer's state at the first piece of the word.

    Args:
        encoder: Its architecture and its word pieces.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        transformers = _library()
        config = transformers.BertConfig(**encoder.config)
        self.transformer = transformers.BertModel(config, add_pooling_layer=False)
        self.width = config.hidden_size
        self.longest = config.max_position_embeddings
        self.places = {piece: index for index, piece in enumerate(encoder.pieces)}

    def forward(self, batch: Batch) -> Tensor:
        """States at the words' first pieces: rows x longest x width.

        Raises:
            BadInput: A row has more pieces than the transformer reads.
        """
        known = [[self.places[piece] for piece in word_pieces(text, self.places)] for text in batch.texts]
        rows, firsts = [], torch.zeros_like(batch.distinct)
        for row, (words, length) in enumerate(
            zip(batch.distinct.tolist(), batch.lengths.tolist(), strict=True)
        ):
            codes = [self.places[FIRST]]
            for position, word in enumerate(words[:length]):
                firsts[row, position] = len(codes)
                codes += known[word]
            rows.append([*codes, self.places[LAST]])
        longest = max(map(len, rows))
        if longest > self.longest:
            rule = f"a row of {longest} word pieces; the encoder reads at most {self.longest}"
            raise BadInput(rule, column="tokens")
        padding = self.places[PADDING]
        device = batch.words.device
        pieces = torch.tensor([row + [padding] * (longest - len(row)) for row in rows], device=device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        inside = (torch.arange(longest, device=device) < lengths[:, None]).long()
        states = self.transformer(input_ids=pieces, attention_mask=inside).last_hidden_state
        return states.gather(1, firsts[:, :, None].expand(-1, -1, self.width))


def read_encoder(folder: str | Path) -> tuple[Encoder, dict[str, Tensor]]:
    """Reads a pretrained transformer.

    Args:
        folder: Holds `config.json`, `model.safetensors` and `vocab.txt`.

    Returns:
        Its architecture, and its weights by the names that `TransformerFeatures` has for them.

    Raises:
        BadInput: A file is missing or damaged, or the extra `encoder` is not installed.
    """
    folder = Path(folder)
    config = read_config(read_json(folder / "config.json"), folder / "config.json")
    encoder = Encoder(config, read_pieces(folder / "vocab.txt"))
    check_pieces(encoder, folder / "vocab.txt")
    file = folder / "model.safetensors"
    if not file.is_file():
        raise BadInput("no such file", file=file)
    try:
        found = {name.removeprefix("bert."): value for name, value in load_file(file).items()}
        features = TransformerFeatures(encoder)
        weights = {name: found[name] for name in features.transformer.state_dict()}
        features.transformer.load_state_dict(weights)
    except (SafetensorError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise BadInput(f"not the weights of this BERT: {str(error).splitlines()[0]}", file=file) from error
    return encoder, {f"transformer.{name}": value for name, value in weights.items()}


def read_config(value: Any, file: Path) -> dict[str, Any]:
    """Takes what is needed from the configuration of a BERT.

    Args:
        value: What the file holds.
        file: Its name, for the error.

    Returns:
        Sizes and activation.

    Raises:
        BadInput: It is of another architecture, or a size is missing or no number.
    """
    if not isinstance(value, dict) or value.get("model_type", "bert") != "bert":
        raise BadInput("not of the architecture bert", file=file, column="model_type")
    for name in SIZES:
        size = value.get(name)
        if isinstance(size, bool) or not isinstance(size, (int, float)) or size < 0:
            raise BadInput("not a size", file=file, column=name)
    if value.get("hidden_act") not in ACTIVATIONS:
        raise BadInput(f"not one of {', '.join(ACTIVATIONS)}", file=file, column="hidden_act")
    return {name: value[name] for name in (*SIZES, "hidden_act")}


def check_pieces(encoder: Encoder, file: Path) -> None:
    """Checks that word pieces fit the sizes and hold the special ones.

    Args:
        encoder: Both.
        file: Where the pieces come from, for the error.

    Raises:
        BadInput: They do not.
    """
    for piece in (FIRST, LAST, PADDING, UNKNOWN):
        if piece not in encoder.pieces:
            raise BadInput(f"has no piece {piece}", file=file)
    if encoder.config["vocab_size"] != len(encoder.pieces):
        rule = f"{len(encoder.pieces)} pieces do not fit a vocabulary of {encoder.config['vocab_size']}"
        raise BadInput(rule, file=file)


def _library() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise BadInput(
            "needs the extra `encoder`: pip install 'adsmu[encoder]'", file="settings", column="encoder"
        ) from error
    return transformers
