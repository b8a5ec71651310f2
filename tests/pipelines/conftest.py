"""A small corpus, two champions, and a trainer that is fast: what runs of the update pipeline start from."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsmu.data.corpus import Corpus, write_corpus
from adsmu.data.schema import SCHEMA
from adsmu.train.run import train_files

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for what tests share
TRAINER = "template_trainer:TemplateTrainer"
OLD = ["play {song}", "stop the {room} speaker", "what is the weather in {city}"]
NEW = ["add {song} to my {list}", "put {song} on the list {list}", "i want {song} in {list}"]
FIRST = ("amber", "cobalt", "ivory", "olive", "scarlet", "violet")
SECOND = ("anchor", "bridge", "candle", "desert", "ember", "forest", "garden", "harbor", "island", "jungle")
NAMES = [f"{first} {second}" for first in FIRST for second in SECOND]


def rows(templates: list[str], number: int, *, source: str, split: str | None, start: int = 0) -> pa.Table:
    """`number` rows of each template, the values in turn."""
    made: list[dict[str, Any]] = []
    for place, template in enumerate(templates):
        domain, intent = ("lists", "AddToList") if template in NEW else ("home", f"Old{place}")
        for count in range(number):
            tokens, tags = [], []
            for slot_place, word in enumerate(template.split()):
                slot = word.strip("{}") if word.startswith("{") else None
                value = (
                    NAMES[(start + count * 3 + slot_place * 7 + place) % len(NAMES)].split()
                    if slot
                    else [word]
                )
                tokens += value
                tags += [f"B-{slot}"] + [f"I-{slot}"] * (len(value) - 1) if slot else ["O"]
            made.append(
                {
                    "id": f"{source}-{split}-{place}-{count}-{start}",
                    "tokens": tokens,
                    "tags": tags,
                    "intent": intent,
                    "domain": domain,
                    "source": source,
                    "split": split,
                    "stratum_id": None,
                    "round": None,
                    "weight": 1.0,
                }
            )
    return pa.Table.from_pylist(made, schema=SCHEMA)


def existing_rows(templates: list[str]) -> pa.Table:
    splits = (("train", 12, 0), ("dev", 4, 37), ("test", 10, 50))
    return pa.concat_tables([rows(templates, n, source="existing", split=s, start=at) for s, n, at in splits])


@dataclass(frozen=True)
class Inputs:
    """What a run is given."""

    corpus: Corpus
    champion: Path
    knowing_champion: Path
    foreign_champion: Path
    trainer: str = TRAINER


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_corpus(
        folder / "corpus",
        existing=existing_rows(OLD),
        user=rows(NEW, 12, source="user", split=None, start=1),
        test=rows(NEW, 12, source="user", split="test", start=41),
        catalog={"song": NAMES, "list": NAMES},
        facts={},
    )
    corpus = Corpus(folder / "corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])))
        for name, templates in (("champion", OLD), ("knowing", OLD + NEW), ("foreign", NEW)):
            pq.write_table(existing_rows(templates), folder / f"{name}.parquet")
            train_files(folder / f"{name}.parquet", None, None, folder / name, mode="full", trainer=TRAINER)
        yield Inputs(corpus, *(folder / name for name in ("champion", "knowing", "foreign")))
        sys.modules.pop("template_trainer", None)
