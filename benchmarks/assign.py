"""The stratum told from a request's words: agreement with the labels of held-out rows, and what it costs.

Beside the stratifier that is shipped stand the two simpler ones that it was chosen over: carriers alone (of
both use cases; of those that fit, the one with most words, then most rows), and the nearest carrier by the
cosine of inverse-document-frequency weights.
"""

import re
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.feature_extraction.text import TfidfVectorizer

from adsmu.data.columns import flatten
from adsmu.data.corpus import Corpus
from adsmu.data.demo import write_demo
from adsmu.data.prepare import prepare
from adsmu.data.schema import read_utterances
from adsmu.stratify.assign import INTENT, OTHER, Stratifier, build_stratifier, fold
from adsmu.stratify.shapes import exact, marks
from adsmu.stratify.strata import stratify
from benchmarks.measure import command_line, record
from benchmarks.stratify import generate

CORPORA = {
    "snips": (Path("../shared/data/snips/snips.jsonl.gz"), "AddToPlaylist", "exact"),
    "hwu": (Path("../shared/data/hwu/hwu.jsonl.gz"), "calendar_set", "fuzzy"),
}
CARRIERS, STRATA, REQUESTS = 10_000, 200, 2_000
BAR_MS = 0.3

Told = Callable[[Sequence[Sequence[str]]], list[str]]


def carriers_alone(rows: pa.Table, names: list[str]) -> Told:
    """The stratifier that asks of each carrier whether the text fits it.

    Args:
        rows: Rows to learn from.
        names: The stratum of each.

    Returns:
        A function from texts to strata.
    """
    found = exact(marks(flatten(rows)))
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for shape, name in zip(found.of_row.tolist(), names, strict=True):
        seen[found.texts[shape]][name] += 1
    known = []
    for text, strata in seen.items():
        words = [None if word[0] == "{" else word for word in text.split()]
        pattern = "".join("(?:[^ ]+ )+" if word is None else f"{re.escape(word)} " for word in words)
        literal = {word for word in words if word}
        (name, count) = strata.most_common(1)[0]
        known.append((-len(words) + words.count(None), -count, literal, re.compile(pattern), name))
    known.sort(key=lambda each: each[:2])

    def tell(texts: Sequence[Sequence[str]]) -> list[str]:
        told = []
        for text in texts:
            words = fold(text)
            spelt, present = "".join(f"{word} " for word in words), set(words)
            fits = (name for *_, need, pattern, name in known if need <= present and pattern.fullmatch(spelt))
            told.append(next(fits, OTHER))
        return told

    return tell


def nearest_carrier(rows: pa.Table, names: list[str]) -> Told:
    """The stratifier that takes the carrier with the most similar words.

    Args:
        rows: Rows to learn from.
        names: The stratum of each.

    Returns:
        A function from texts to strata.
    """
    found = exact(marks(flatten(rows)))
    of_shape = [Counter[str]() for _ in found.texts]
    for shape, name in zip(found.of_row.tolist(), names, strict=True):
        of_shape[shape][name] += 1
    spelt = [" ".join(word for word in text.split() if word[0] != "{") for text in found.texts]
    vectors = TfidfVectorizer(binary=True, token_pattern=r"\S+")  # noqa: S106
    table = vectors.fit_transform(spelt)

    def tell(texts: Sequence[Sequence[str]]) -> list[str]:
        similar = vectors.transform([" ".join(fold(text)) for text in texts]) @ table.T
        best = np.asarray(similar.argmax(axis=1)).ravel()
        highest = similar.max(axis=1).toarray().ravel()
        return [
            of_shape[place].most_common(1)[0][0] if height >= 0.4 else OTHER
            for place, height in zip(best.tolist(), highest.tolist(), strict=True)
        ]

    return tell


def ceiling(rows: pa.Table, truth: np.ndarray) -> float | None:
    """The share that could be told rightly if the places of slots were known, but not their names.

    Args:
        rows: Rows.
        truth: The stratum of each.

    Returns:
        The share; None of no rows.
    """
    if not len(rows):
        return None
    found = exact(marks(flatten(rows)))
    bare = [" ".join("{}" if word[0] == "{" else word for word in text.split()) for text in found.texts]
    strata: dict[str, Counter[str]] = defaultdict(Counter)
    for shape, name in zip(found.of_row.tolist(), truth.tolist(), strict=True):
        strata[bare[shape]][name] += 1
    return round(sum(max(counts.values()) for counts in strata.values()) / len(rows), 3)


def measured(corpus: Corpus, rule: str) -> dict[str, Any]:
    """Agreement on the held-out rows of a corpus.

    Args:
        corpus: Its folder.
        rule: The rule of its strata.

    Returns:
        By design: the share of rows of the new use case told their own stratum (rows of unseen shapes apart),
        told the right use case, and told `other`; the share of unseen shapes told `other`; and the share of
        existing rows told their own intent, and `other`.
    """
    existing = read_utterances(corpus.existing)
    data, strata = stratify(read_utterances(corpus.user), read_utterances(corpus.test), rule=rule)
    shapes = dict(zip(strata["stratum_id"].to_pylist(), strata["shape"].to_pylist(), strict=True))
    learnt = data.filter(pc.and_(pc.not_equal(data["split"], "test"), pc.is_valid(data["stratum_id"])))
    known = existing.filter(pc.not_equal(existing["split"], "test"))
    names = learnt["stratum_id"].to_pylist() + [INTENT + intent for intent in known["intent"].to_pylist()]
    both = pa.concat_tables([learnt, known])
    shipped = Stratifier.from_json(build_stratifier(data, existing, shapes))
    designs: dict[str, Told] = {
        "shipped": lambda texts: [shipped.names[place] for place in shipped.assign(texts)],
        "carriers alone": carriers_alone(both, names),
        "nearest carrier": nearest_carrier(both, names),
    }
    new = data.filter(pc.equal(data["split"], "test"))
    old = existing.filter(pc.equal(existing["split"], "test"))
    truth = np.array([name or "" for name in new["stratum_id"].to_pylist()])
    seen = truth != ""
    intents = np.array([INTENT + intent for intent in old["intent"].to_pylist()])
    figures: dict[str, Any] = {
        "new_ceiling": ceiling(new.filter(pa.array(seen)), truth[seen]),
        "rows_new": int(seen.sum()),
        "rows_unseen": int((~seen).sum()),
        "rows_old": len(old),
    }
    for name, tell in designs.items():
        told, told_old = np.array(tell(new["tokens"].to_pylist())), np.array(tell(old["tokens"].to_pylist()))
        ours = np.array([each in shapes for each in told], dtype=bool)
        shares = {
            "new_agree": told[seen] == truth[seen],
            "new_use_case": ours[seen] | (told[seen] == OTHER),
            "new_other": told[seen] == OTHER,
            "unseen_other": told[~seen] == OTHER,
            "old_agree": told_old == intents,
            "old_other": told_old == OTHER,
        }
        figures[name] = {
            key: round(float(share.mean()), 3) if len(share) else None for key, share in shares.items()
        }
    return figures


def timed() -> dict[str, Any]:
    """Milliseconds a request at many carriers, asked one by one and in batches of 64.

    Returns:
        Medians, and the 99th percentile of the requests that are asked one by one.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows")
        generate(path, 6 * CARRIERS, 3 * CARRIERS)
        rows = read_utterances(path)
    found = exact(marks(flatten(rows)))
    strata = pa.array([f"stratum {shape % STRATA}" for shape in found.of_row.tolist()])
    rows = rows.set_column(rows.column_names.index("stratum_id"), "stratum_id", strata)
    shapes = {f"stratum {number}": str(number) for number in range(STRATA)}
    value = build_stratifier(rows, rows.slice(0, 0), shapes)
    stratifier = Stratifier.from_json(value)
    texts = rows["tokens"].slice(0, REQUESTS).to_pylist()
    alone = []
    for text in texts:
        begin = time.perf_counter()
        stratifier.assign([text])
        alone.append((time.perf_counter() - begin) * 1e3)
    batches = []
    for begins in range(0, REQUESTS, 64):
        batch = texts[begins : begins + 64]
        begin = time.perf_counter()
        stratifier.assign(batch)
        batches.append((time.perf_counter() - begin) * 1e3 / len(batch))
    return {
        "carriers": len(value["carriers"]),
        "strata": STRATA,
        "alone_ms": round(statistics.median(alone), 4),
        "alone_p99_ms": round(float(np.quantile(alone, 0.99)), 4),
        "in_batches_ms": round(statistics.median(batches), 4),
    }


def run() -> dict[str, Any]:
    """Measures; see `benchmarks.measure.record` for the form.

    Returns:
        The record.
    """
    figures: dict[str, Any] = {"time": timed()}
    with tempfile.TemporaryDirectory() as folder:
        write_demo(Path(folder, "demo"))
        figures["demo"] = measured(Corpus(Path(folder, "demo")), "exact")
        for name, (data, intent, rule) in CORPORA.items():
            if data.exists():
                prepare(data, intent, Path(folder, name))
                figures[name] = measured(Corpus(Path(folder, name)), rule)
    return record(
        "the stratum told from a request's words, held-out rows",
        "python -m benchmarks.assign",
        figures,
        f"at most {BAR_MS} ms a request at {CARRIERS:,} carriers",
        figures["time"]["alone_ms"] <= BAR_MS,
    )


if __name__ == "__main__":
    command_line(run, __doc__)
