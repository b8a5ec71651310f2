"""Corpora of any size, and a champion that knows only the old use case, in the object storage."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adsmu.data.schema import SCHEMA
from adsmu.store import open_store, upload
from adsmu.train.run import train_files

TRAINER = "template_trainer:TemplateTrainer"
"""Learns in no time, so that what is measured is the cluster's work; it must lie in the image."""

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "pipelines"))

PART = 2**17
WORDS = 32


def rows(shapes: int, begin: int, end: int, source: str, split: str | None) -> pa.Table:
    """Utterances by number: number n is of shape n modulo `shapes`, and its slot has a value of its own.

    Args:
        shapes: How many shapes.
        begin: The first number.
        end: The number behind the last.
        source: Of the rows.
        split: Of the rows; None: not split yet.

    Returns:
        An utterance table.
    """
    numbers, size = range(begin, end), end - begin
    intent, domain = ("Go", "move") if source == "user" else ("Stay", "rest")
    columns: dict[str, Any] = {
        "id": [f"{source}-{number}" for number in numbers],
        "tokens": [
            [intent.lower(), f"way{n % shapes}", f"north{n // shapes % WORDS}", f"hill{n // shapes // WORDS}"]
            for n in numbers
        ],
        "tags": [["O", "O", "B-place", "I-place"]] * size,
        "intent": [intent] * size,
        "domain": [domain] * size,
        "source": [source] * size,
        "split": [split] * size,
        "stratum_id": [None] * size,
        "round": [None] * size,
        "weight": [1.0] * size,
    }
    return pa.table(columns, SCHEMA)


def stored(place: str, shapes: int, user: int, test: int = 1) -> dict[str, Any]:
    """Puts a corpus and a champion into the object storage.

    Args:
        place: Where: `s3://bucket/prefix`, which runs know as `minio://`.
        shapes: Shapes of the new use case.
        user: User rows of each shape.
        test: Held-out rows of each shape.

    Returns:
        Parameters of the update pipeline.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        splits = [("train", 0, 20), ("dev", 20, 25), ("test", 25, 40)]
        known = [rows(5, begin, end, "existing", split) for split, begin, end in splits]
        pq.write_table(pa.concat_tables(known), folder / "existing.parquet")
        with pq.ParquetWriter(folder / "user.parquet", SCHEMA) as file:
            for begin in range(0, shapes * user, PART):
                end = min(begin + PART, shapes * user)
                file.write_table(rows(shapes, begin, end, "user", None))
        held_out = rows(shapes, shapes * user, shapes * (user + test), "user", "test")
        pq.write_table(held_out, folder / "test.parquet")
        places = [f"north{i} hill{j}" for i in range(WORDS) for j in range(4)]
        (folder / "catalog.json").write_text(json.dumps({"place": places}))
        train_files(
            folder / "existing.parquet", None, None, folder / "champion", mode="full", trainer=TRAINER
        )
        upload(folder, open_store(place), "corpus")
    at = f"{place}/corpus".replace("s3://", "minio://")
    given: dict[str, Any] = {name: f"{at}/{name}.parquet" for name in ("existing", "user", "test")}
    given |= {"catalog": f"{at}/catalog.json", "champion": f"{at}/champion", "trainer": TRAINER}
    return given | {
        "mode": "full",
        "early_mode": "full",
        "allocation": "equal",
        "cpu": "100m",
        "memory": "256Mi",
    }
