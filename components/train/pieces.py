"""Static word vectors from the word-piece table of a transformer: one vector a word, no forward pass."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from adsmu.errors import BadInput

TABLES = ("embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight")
UNKNOWN = "[UNK]"


@dataclass(frozen=True)
class WordPieces:
    """A word-piece vocabulary and a vector for each piece.

    Attributes:
        pieces: `##` before a piece that continues a word.
        table: float32, pieces x numbers.
    """

    pieces: list[str]
    table: np.ndarray

    def vectors(self, words: list[str]) -> np.ndarray:
        """The mean of the vectors of each word's pieces, scaled to standard deviation 1 over the table.

        Args:
            words: Words, lower-cased as the vocabulary is.

        Returns:
            float32, words x numbers.
        """
        places = {piece: index for index, piece in enumerate(self.pieces)}
        split = [[places[piece] for piece in word_pieces(word, places)] for word in words]
        counts = np.array([len(found) for found in split], dtype=np.int64)
        flat = np.array([index for found in split for index in found], dtype=np.int64)
        if not len(flat):
            return np.zeros((len(words), self.table.shape[1]), dtype=np.float32)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        sums = np.add.reduceat(self.table[flat], starts, axis=0)
        return (sums / counts[:, None] / self.table.std()).astype(np.float32)


def word_pieces(word: str, pieces: dict[str, int]) -> list[str]:
    """Splits a word into the longest pieces known, from the left (Wu et al. 2016; Devlin et al. 2019).

    Args:
        word: One word without spaces.
        pieces: The known pieces.

    Returns:
        Its pieces, or the unknown piece where one part has none.

    >>> word_pieces("playing", {"[UNK]": 0, "play": 1, "##ing": 2, "##i": 3})
    ['play', '##ing']
    >>> word_pieces("pq", {"[UNK]": 0, "p": 1})
    ['[UNK]']
    """
    found: list[str] = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in pieces:
                found.append(prefix + word[start:end])
                start = end
                break
        else:
            return [UNKNOWN]
    return found or [UNKNOWN]


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
    for file in (names, weights):
        if not file.is_file():
            raise BadInput("no such file", file=file)
    try:
        pieces = names.read_text(encoding="utf-8").splitlines()
        with safe_open(weights, framework="numpy") as tensors:
            name = next((name for name in TABLES if name in tensors.keys()), None)  # noqa: SIM118
            if name is None:
                raise BadInput(f"holds none of {', '.join(TABLES)}", file=weights)
            table = tensors.get_tensor(name).astype(np.float32)
    except (SafetensorError, UnicodeDecodeError) as error:
        raise BadInput(f"not readable: {error}", file=folder) from error
    if table.ndim != 2 or len(table) != len(pieces) or UNKNOWN not in pieces:
        raise BadInput(f"{len(pieces)} pieces with {UNKNOWN} do not fit weights {table.shape}", file=names)
    return WordPieces(pieces, table)
