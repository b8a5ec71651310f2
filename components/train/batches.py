"""Rows as codes, and batches of rows of like length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from adsmu.data.columns import flatten
from adsmu.errors import BadInput
from adsmu.train.pieces import WordPieces
from adsmu.train.vocabulary import Vocabulary, codes

LONGEST_WORD = 20
POOL = 50


@dataclass(frozen=True)
class Rows:
    """Rows as codes, one after the other, and what is known of each distinct word.

    Attributes:
        offsets: int64, rows + 1.
        tokens: int64, one a position, an index into the distinct words.
        names: The distinct words as they are spelt.
        words: int64, one a distinct word: its row in the word embedding, 0 when unknown.
        characters: int64, distinct words x at most 20: rows in the character embedding, 0 is padding.
        vectors: float32, distinct words x numbers: static vectors; without any, no columns.
        labels: The codes of the labels, or None for rows to predict.
    """

    offsets: np.ndarray
    tokens: np.ndarray
    names: list[str]
    words: np.ndarray
    characters: np.ndarray
    vectors: np.ndarray
    labels: "Labels | None" = None

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return np.diff(self.offsets)

    def known_labels(self) -> "Labels":
        """The labels of rows that have them.

        Raises:
            ValueError: These rows have none.
        """
        if self.labels is None:
            raise ValueError("rows without labels")
        return self.labels


@dataclass(frozen=True)
class Labels:
    """The codes of rows' labels, -1 where the model does not know the label.

    Attributes:
        tags: int64, one a position.
        domain: int64, one a row.
        intent: int64, one a row.
    """

    tags: np.ndarray
    domain: np.ndarray
    intent: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Rows of like length, longest first.

    Attributes:
        rows: int64: which rows these are.
        lengths: int64 on the CPU, falling.
        words: rows x longest: rows in the word embedding, 0 where a row has ended.
        distinct: rows x longest: indices into the batch's distinct words.
        characters: distinct words x letters.
        vectors: distinct words x numbers.
        texts: The distinct words as they are spelt.
    """

    rows: np.ndarray
    lengths: Tensor
    words: Tensor
    distinct: Tensor
    characters: Tensor
    vectors: Tensor
    texts: list[str]

    def mask(self) -> Tensor:
        """Where rows have tokens: bool, rows x longest."""
        lengths = self.lengths.to(self.words.device)
        return torch.arange(self.words.shape[1], device=lengths.device) < lengths[:, None]


def encode_table(table: pa.Table, vocabulary: Vocabulary, pieces: WordPieces | None) -> Rows:
    """The codes of an utterance table, labels included."""
    flat = flatten(table)
    tag_of = {tag: index for index, tag in enumerate(vocabulary.tags)}
    tags = np.array([tag_of.get(label, -1) for label in flat.labels], dtype=np.int64)[flat.tags]
    labels = Labels(
        tags, codes(table["domain"], vocabulary.domains), codes(table["intent"], vocabulary.intents)
    )
    return _rows(flat.offsets, flat.tokens, flat.words.tolist(), vocabulary, pieces, labels)


def encode_tokens(tokens: Sequence[Sequence[str]], vocabulary: Vocabulary, pieces: WordPieces | None) -> Rows:
    """The codes of rows to predict.

    Args:
        tokens: The tokens of each row.
        vocabulary: The model's.
        pieces: The model's static vectors.

    Raises:
        BadInput: A row has no tokens.
    """
    lengths = np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens))
    if not lengths.all():
        raise BadInput("a row without tokens", row=int(np.argmin(lengths)) + 1, column="tokens")
    encoded = pa.array(chain.from_iterable(tokens), pa.string()).dictionary_encode()
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return _rows(offsets, encoded.indices.to_numpy(), encoded.dictionary.to_pylist(), vocabulary, pieces)


def _rows(
    offsets: np.ndarray,
    tokens: np.ndarray,
    names: list[str],
    vocabulary: Vocabulary,
    pieces: WordPieces | None,
    labels: Labels | None = None,
) -> Rows:
    lowered = [name.lower() for name in names]
    place = {word: row + 1 for row, word in enumerate(vocabulary.words)}
    letter = {character: row + 2 for row, character in enumerate(vocabulary.characters)}
    characters = np.zeros((len(names), LONGEST_WORD), dtype=np.int64)
    for row, name in enumerate(names):
        found = [letter.get(character, 1) for character in name[:LONGEST_WORD]]
        characters[row, : len(found)] = found
    return Rows(
        offsets,
        tokens.astype(np.int64),
        names,
        np.array([place.get(word, 0) for word in lowered], dtype=np.int64),
        characters,
        pieces.vectors(lowered) if pieces else np.zeros((len(names), 0), dtype=np.float32),
        labels,
    )


def training_order(lengths: np.ndarray, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """One epoch: every row once, in batches of like length, in random order.

    Args:
        lengths: Tokens of each row.
        size: Rows in a batch.
        random: Decides the order.

    Returns:
        The rows of each batch, longest first.
    """
    order = random.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), POOL * size):
        pool = order[start : start + POOL * size]
        pool = pool[np.argsort(-lengths[pool], kind="stable")]
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    return [batches[index] for index in random.permutation(len(batches))]


def reading_order(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    """Every row once, longest rows first."""
    order = np.argsort(-lengths, kind="stable")
    return [order[at : at + size] for at in range(0, len(order), size)]


def take(rows: Rows, chosen: np.ndarray, device: torch.device) -> Batch:
    """Lays chosen rows side by side.

    Args:
        rows: All rows.
        chosen: Indices of rows, longest first.
        device: Where the tensors go.
    """
    lengths = rows.lengths[chosen]
    tokens = padded(rows.tokens, rows.offsets, chosen)
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    distinct, places = np.unique(tokens, return_inverse=True)
    characters = rows.characters[distinct]
    longest = max(1, int((characters > 0).sum(axis=1).max(initial=0)))
    return Batch(
        chosen,
        torch.from_numpy(lengths.copy()),
        torch.from_numpy(np.where(inside, rows.words[tokens], 0)).to(device),
        torch.from_numpy(places.reshape(tokens.shape)).to(device),
        torch.from_numpy(characters[:, :longest].copy()).to(device),
        torch.from_numpy(rows.vectors[distinct]).to(device),
        [rows.names[word] for word in distinct.tolist()],
    )


def padded(values: np.ndarray, offsets: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Values of chosen rows, rows x longest; past a row's end stands any of its own values."""
    lengths = np.diff(offsets)[chosen]
    steps = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1)
    return values[offsets[chosen][:, None] + steps]


def read_batches(rows: Rows, size: int, device: torch.device) -> Iterator[Batch]:
    """Batches of all rows, longest first, for prediction."""
    for chosen in reading_order(rows.lengths, size):
        yield take(rows, chosen, device)
