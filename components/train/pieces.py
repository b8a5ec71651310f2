"""Static word vectors from the word-piece table of a transformer: one vector a word, no forward pass."""

import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category, normalize

import numpy as np
from safetensors import SafetensorError, safe_open

from adsmu.errors import BadInput

TABLES = ("embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight")
UNKNOWN = "[UNK]"
PARTS = re.compile(r"[^\W_]+|[^\w\s]|_")


@dataclass(frozen=True)
class WordPieces:
    """A word-piece vocabulary and a vector for each piece.

    Attributes:
        pieces: `##` before a piece that continues a word.
        table: float32, pieces x numbers.
    """

    pieces: list[str]
    table: np.ndarray

    def codes(self, words: list[str]) -> list[list[int]]:
        """The places of each word's pieces in `pieces`; every word has one at least."""
        places = {piece: index for index, piece in enumerate(self.pieces)}
        return [[places[piece] for piece in word_pieces(word, places)] for word in words]

    def vectors(self, words: list[str]) -> np.ndarray:
        """The mean of the vectors of each word's pieces, scaled to standard deviation 1 over the table.

        Args:
            words: Words, lower-cased as the vocabulary is.

        Returns:
            float32, words x numbers.
        """
        split = self.codes(words)
        counts = np.array([len(found) for found in split], dtype=np.int64)
        flat = np.array([index for found in split for index in found], dtype=np.int64)
        if not len(flat):
            return np.zeros((0, self.table.shape[1]), dtype=np.float32)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        sums = np.add.reduceat(self.table[flat], starts, axis=0)
        return (sums / counts[:, None] / self.table.std()).astype(np.float32)


def word_pieces(word: str, pieces: Container[str]) -> list[str]:
    """Splits a word as uncased BERT does (Devlin et al. 2019).

    Letters lose case and accents, punctuation stands alone, and each part is cut into the longest pieces
    known, from the left.

    Args:
        word: One word without spaces.
        pieces: The known pieces; `##` before one that continues a word.

    Returns:
        Its pieces; the unknown piece for a part that has none.

    >>> word_pieces("Playing", {"play", "##ing", "##i"})
    ['play', '##ing']
    >>> word_pieces("été's", {"ete", "'", "s"})
    ['ete', "'", 's']
    >>> word_pieces("pq", {"p"})
    ['[UNK]']
    """
    found: list[str] = []
    plain = "".join(letter for letter in normalize("NFD", word.lower()) if category(letter) != "Mn")
    for part in PARTS.findall(plain):
        found += _longest_pieces(part, pieces)
    return found or [UNKNOWN]


def _longest_pieces(part: str, pieces: Container[str]) -> list[str]:
    found: list[str] = []
    start = 0
    while start < len(part):
        prefix = "##" if start else ""
        ends = range(len(part), start, -1)
        end = next((end for end in ends if prefix + part[start:end] in pieces), None)
        if end is None:
            return [UNKNOWN]
        found.append(prefix + part[start:end])
        start = end
    return found


def read_pieces(file: Path) -> list[str]:
    """Reads word pieces, one a line.

    Args:
        file: `vocab.txt`.

    Raises:
        BadInput: It is missing or not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError as error:
        raise BadInput("no such file", file=file) from error
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", file=file) from error


def read_word_pieces(folder: str | Path) -> WordPieces:
    """Reads the word-piece table of a BERT-like encoder.

    Args:
        folder: Holds `vocab.txt` and `model.safetensors`.

    Returns:
        The pieces and their vectors.

    Raises:
        BadInput: A file is missing or damaged, or the two do not fit.
    """
    folder = Path(folder)
    names, weights = folder / "vocab.txt", folder / "model.safetensors"
    pieces = read_pieces(names)
    if not weights.is_file():
        raise BadInput("no such file", file=weights)
    try:
        with safe_open(weights, framework="numpy") as tensors:
            name = next((name for name in TABLES if name in tensors.keys()), None)  # noqa: SIM118
            if name is None:
                raise BadInput(f"holds none of {', '.join(TABLES)}", file=weights)
            table = tensors.get_tensor(name).astype(np.float32)
    except SafetensorError as error:
        raise BadInput(f"not readable: {error}", file=weights) from error
    if table.ndim != 2 or len(table) != len(pieces) or UNKNOWN not in pieces:
        raise BadInput(f"{len(pieces)} pieces with {UNKNOWN} do not fit weights {table.shape}", file=names)
    return WordPieces(pieces, table)
