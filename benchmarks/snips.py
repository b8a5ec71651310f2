"""SNIPS, its published split: intent, slots and whole sentences of the default model with static vectors.

`python -m benchmarks.snips --vectors FOLDER --seeds 3` trains with the shipped defaults but for `vectors`.
Slot F1 is over exact spans, as seqeval counts them (micro average); a sentence is right when its intent and
all its tags are. Some of the published test rows stand verbatim in the training rows, so the same models are
also measured on the rest.
"""

import argparse
import gzip
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from adsmu.data.columns import flatten, spans
from adsmu.data.schema import SCHEMA, write_utterances
from adsmu.files import digest
from adsmu.train.model import load_model
from adsmu.train.protocol import Predictions
from adsmu.train.run import train_files
from benchmarks.measure import record

TRAINER = "adsmu.train.two_stage:TwoStageTrainer"
DATA = Path("../shared/data/snips/snips.jsonl.gz")
BARS = {"intent": 98.0, "slot_f1": 92.0, "sentence": 84.0}


def read_snips(path: Path) -> pa.Table:
    """The corpus as an utterance table, with the split that it was published with."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    common = {"source": "existing", "stratum_id": None, "round": None, "weight": 1.0}
    return pa.Table.from_pylist([{**row, **common} for row in rows], SCHEMA)


def measure(rows: pa.Table, predicted: Predictions) -> dict[str, float]:
    """Percentages of right intents, of right sentences, and the F1 of exact slot spans.

    Args:
        rows: Labelled rows.
        predicted: A prediction for each of them.
    """
    guessed = rows.set_column(rows.column_names.index("tags"), "tags", [predicted.tags])
    true, found = (_span_set(table) for table in (rows, guessed))
    intent = [a == b for a, b in zip(rows["intent"].to_pylist(), predicted.intent, strict=True)]
    tags = [a == b for a, b in zip(rows["tags"].to_pylist(), predicted.tags, strict=True)]
    return {
        "intent": 100 * statistics.mean(intent),
        "slot_f1": 200 * len(true & found) / (len(true) + len(found)),
        "sentence": 100 * statistics.mean(a and b for a, b in zip(intent, tags, strict=True)),
    }


def _span_set(rows: pa.Table) -> set[tuple[Any, ...]]:
    found = spans(flatten(rows))
    names = found.names[found.slot]
    return set(zip(found.start.tolist(), found.end.tolist(), names.tolist(), strict=True))


def summary(values: list[float]) -> dict[str, Any]:
    """Mean, values and, from two seeds on, the 95 % interval of the mean (Student's t over seeds)."""
    result: dict[str, Any] = {"mean": statistics.mean(values), "seeds": values}
    if len(values) > 1:
        spread = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
        result |= {"low": result["mean"] - spread, "high": result["mean"] + spread}
    return result


def figures_of(data: Path, vectors: Path | None, seeds: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Trains and measures one model a seed.

    Args:
        data: `snips.jsonl.gz`.
        vectors: Folder of an encoder whose word-piece table gives static vectors, or None.
        seeds: How many models.
        settings: What differs from the shipped defaults.
    """
    table = read_snips(data)
    test = table.filter(pc.equal(table["split"], "test"))
    tokens = test["tokens"].to_pylist()
    learnt = {" ".join(row) for row in table.filter(pc.equal(table["split"], "train"))["tokens"].to_pylist()}
    unseen = [index for index, row in enumerate(tokens) if " ".join(row) not in learnt]
    settings = settings | ({"vectors": str(vectors)} if vectors else {})
    published, without, seconds, speed = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_utterances(table, folder / "snips.parquet")
        for seed in range(seeds):
            figures = train_files(
                folder / "snips.parquet",
                None,
                None,
                folder / "model",
                mode="full",
                settings=settings,
                seed=seed,
            )
            predictor = load_model(folder / "model", TRAINER)
            began = time.perf_counter()
            predicted = predictor.predict(tokens)
            speed.append(len(tokens) / (time.perf_counter() - began))
            seconds.append(figures["seconds"])
            published.append(measure(test, predicted))
            rest = Predictions(*([column[i] for i in unseen] for column in vars(predicted).values()))
            without.append(measure(test.take(unseen), rest))
            logging.getLogger(__name__).info("seed %d: %s", seed, published[-1])
    return {
        "published_split": {key: summary([one[key] for one in published]) for key in BARS},
        "without_test_rows_seen_in_training": {key: summary([one[key] for one in without]) for key in BARS},
        "rows": {"test": len(tokens), "test_not_seen_in_training": len(unseen)},
        "settings": {key: value for key, value in settings.items() if key != "vectors"},
        "vectors": digest(vectors / "model.safetensors") if vectors else None,
        "data": digest(data),
        "training_seconds": seconds,
        "predicted_per_second": speed,
    }


def run(
    data: Path = DATA, vectors: Path | None = None, seeds: int = 3, settings: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Measures the trainer on SNIPS.

    Args:
        data: `snips.jsonl.gz`.
        vectors: Folder of an encoder whose word-piece table gives static vectors, or None.
        seeds: How many models.
        settings: What differs from the shipped defaults.

    Returns:
        The record.
    """
    figures = figures_of(data, vectors, seeds, settings or {})
    means = {key: figures["published_split"][key]["mean"] for key in BARS}
    command = "python -m benchmarks.snips" + (" --vectors FOLDER" if vectors else "") + f" --seeds {seeds}"
    return record(
        "SNIPS, published split, two-stage BiLSTM, static word-piece vectors where given",
        command + (f" --settings '{json.dumps(settings)}'" if settings else ""),
        figures,
        ", ".join(f"{key} >= {bar}" for key, bar in BARS.items()),
        all(means[key] >= bar for key, bar in BARS.items()),
    )


def main() -> None:
    """Runs the benchmark and prints its record; progress goes to standard error."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=DATA)
    options.add_argument("--vectors", type=Path, help="encoder folder: model.safetensors and vocab.txt")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--settings", type=json.loads, help="JSON: other than the defaults")
    chosen = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    result = run(chosen.data, chosen.vectors, chosen.seeds, chosen.settings)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
