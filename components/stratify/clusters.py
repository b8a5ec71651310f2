"""The rule `model`: strata as clusters of delexicalised sentences."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse
from sklearn.cluster import AgglomerativeClustering
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from adsmu.errors import BadInput
from adsmu.stratify.shapes import Marks, Shapes, exact, named

FURTHEST = 0.5  # the mean cosine distance up to which two clusters are joined
FURTHEST_ENCODED = 0.25  # the same between vectors of an encoder, which lie closer together
MOST_SHAPES = 4000  # that are clustered; their distances are held in memory

Embed = Callable[[list[str], list[str]], tuple[sparse.csr_matrix, sparse.csr_matrix]]


def clusters(
    user: Marks,
    intents: pa.ChunkedArray,
    forming: np.ndarray,
    test: Marks,
    test_intents: pa.ChunkedArray,
    encoder: str,
) -> tuple[Shapes, Shapes]:
    """Groups sentences that are worded alike, whatever their slots hold.

    Slots are replaced by their names first, so a title asked for cannot bring two sentences together. The
    exact shapes of each intent are embedded and joined bottom-up by average linkage (scikit-learn's
    `AgglomerativeClustering`) until the mean cosine distance of the nearest two clusters exceeds `FURTHEST`.
    Of more than `MOST_SHAPES` shapes the most frequent are clustered. Any other shape, and one that only
    held-out rows have, joins the cluster of the nearest shape unless that is further than `FURTHEST`. A
    cluster is called after its most frequent shape.

    Args:
        user: Marks of the user's rows.
        intents: Their intents.
        forming: bool, the user rows that strata are formed of.
        test: Marks of the held-out rows.
        test_intents: Their intents.
        encoder: Folder of a sentence encoder in Hugging Face layout; empty: TF-IDF of words and letters.

    Returns:
        The shapes of the user's and of the held-out rows, `like ...`; a row that is like none has its exact
        shape.

    Raises:
        BadInput: The encoder cannot be used.
    """
    embed, furthest = (_encoded(encoder), FURTHEST_ENCODED) if encoder else (_weighted, FURTHEST)
    of_user, of_test = exact(user), exact(test)
    rows = pd.concat(
        [
            pd.DataFrame({"intent": intent.to_pylist(), "shape": np.array(of.texts, object)[of.of_row]})
            for intent, of in ((intents, of_user), (test_intents, of_test))
        ],
        ignore_index=True,
    )
    forms = np.concatenate([forming, np.zeros(len(of_test.of_row), dtype=bool)])
    names: dict[tuple[str, str], str] = {}
    for intent, of_intent in rows.groupby("intent", sort=True):
        counts = of_intent["shape"][forms[of_intent.index]].value_counts()
        counts = counts.sort_index().sort_values(ascending=False, kind="stable")
        known = counts.index[:MOST_SHAPES].tolist()
        others = sorted(set(of_intent["shape"]) - set(known))
        if known:
            found = _cluster(known, others, embed, furthest)
            names.update({(str(intent), shape): name for shape, name in found.items()})
    called = [names.get(key, key[1]) for key in rows[["intent", "shape"]].itertuples(index=False, name=None)]
    return named(called[: len(forming)]), named(called[len(forming) :])


def _cluster(known: list[str], others: list[str], embed: Embed, furthest: float) -> dict[str, str]:
    """The cluster name of each shape; `known` are in order of frequency."""
    vectors, more = embed(known, others)
    near = vectors @ vectors.T
    distance = np.clip(1 - (near.toarray() if sparse.issparse(near) else near), 0, 2)
    np.fill_diagonal(distance, 0)
    labels = np.zeros(1, np.int64)
    if len(known) > 1:
        labels = AgglomerativeClustering(
            n_clusters=None, metric="precomputed", linkage="average", distance_threshold=furthest
        ).fit_predict(distance)
    first = dict(zip(reversed(labels), reversed(known), strict=True))  # the most frequent last, so it stays
    found = {shape: f"like {first[label]}" for shape, label in zip(known, labels, strict=True)}
    if others:
        near = more @ vectors.T
        near = near.toarray() if sparse.issparse(near) else near
        for shape, best, alike in zip(others, near.argmax(axis=1), near.max(axis=1), strict=True):
            if 1 - alike <= furthest:
                found[shape] = found[known[best]]
    return found


def _weighted(known: list[str], others: list[str]) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """TF-IDF vectors of unit length: words and word pairs, and the letters of words, with equal weight."""
    parts = []
    for settings in (
        {"token_pattern": r"\S+", "ngram_range": (1, 2)},
        {"analyzer": "char_wb", "ngram_range": (3, 5)},
    ):
        model = TfidfVectorizer(sublinear_tf=True, lowercase=False, **settings).fit(known)
        parts.append((model.transform(known), model.transform(others or [""])))
    ours, theirs = (normalize(sparse.hstack(side, format="csr")) for side in zip(*parts, strict=True))
    return ours, theirs


def _encoded(folder: str) -> Embed:
    """An embedding by a sentence encoder: the mean of its last layer over the words, of unit length."""
    if not (Path(folder) / "config.json").is_file():
        raise BadInput("is no folder with the config.json of an encoder", file=folder)
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise BadInput("needs the extra adsmu[encoder]", file="encoder") from error
    import torch

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"not a readable encoder: {str(error).splitlines()[0]}", file=folder) from error

    @torch.no_grad()
    def vectors(shapes: list[str]) -> np.ndarray:
        parts = [np.empty((0, network.config.hidden_size), np.float32)]
        for begin in range(0, len(shapes), 64):
            sentences = [shape.translate(_IN_WORDS) for shape in shapes[begin : begin + 64]]
            batch = tokenizer(sentences, padding=True, truncation=True, return_tensors="pt")
            mask = batch["attention_mask"][..., None]
            last = network(**batch).last_hidden_state
            parts.append(((last * mask).sum(1) / mask.sum(1)).numpy())
        return normalize(np.concatenate(parts)) if shapes else parts[0]

    return lambda known, others: (vectors(known), vectors(others))


_IN_WORDS = str.maketrans({"{": None, "}": None, "_": " ", ".": " "})
