"""The demo corpus: an invented smart speaker that learns to tell stories."""

import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from adsmu.data.corpus import write_corpus
from adsmu.data.grammar import expand
from adsmu.data.schema import utterances

VALUES_PER_SLOT = 300
CATALOG_SHARE = 0.9  # of a slot's values; the rest is what the world says and the catalog does not know
EXISTING_ROWS = {"train": 170, "dev": 25, "test": 80}  # for each intent
USER_ROWS, TEST_ROWS = 3.5, 7  # for each stratum; user rows follow Zipf's law, test rows do not

_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Grammar:
    """What `demo.yaml` says, expanded.

    Attributes:
        values: The values of each slot.
        existing: The sentence shapes of each known (domain, intent).
        domain: The domain of the new use case.
        intent: Its intent.
        shapes: Its sentence shapes, the most frequent first.
        conflicts: Those of them that other shapes contradict.
    """

    values: dict[str, list[str]]
    existing: dict[tuple[str, str], list[str]]
    domain: str
    intent: str
    shapes: list[str]
    conflicts: list[str]


def read_grammar(dice: random.Random) -> Grammar:
    """Reads the grammar that comes with the package.

    Args:
        dice: Draws the values of slots that have very many, and the order of the new shapes.

    Returns:
        The grammar.
    """
    source = yaml.safe_load(files("adsmu.data").joinpath("demo.yaml").read_text(encoding="utf-8"))
    words = {name: listed.split() for name, listed in source["words"].items()}
    values = {}
    for slot, patterns in source["values"].items():
        most = VALUES_PER_SLOT // len(patterns)
        expanded = [expand(pattern, words) for pattern in patterns]
        values[slot] = sorted({v for every in expanded for v in dice.sample(every, min(most, len(every)))})
    update = source["update"]
    conflicts = [shape for pattern in update["conflicts"] for shape in expand(pattern)]
    shapes = list(
        dict.fromkeys([shape for pattern in update["shapes"] for shape in expand(pattern)] + conflicts)
    )
    dice.shuffle(shapes)
    existing = {
        (domain, intent): [shape for pattern in patterns for shape in expand(pattern)]
        for domain, intents in source["existing"].items()
        for intent, patterns in intents.items()
    }
    return Grammar(values, existing, update["domain"], update["intent"], shapes, conflicts)


def fill(shape: str, values: Mapping[str, Sequence[str]], dice: random.Random) -> tuple[list[str], list[str]]:
    """Fills the slots of a sentence shape.

    Args:
        shape: Words and `{slot}`s.
        values: The values of each slot.
        dice: Draws the values.

    Returns:
        Tokens and BIO tags.

    >>> fill("play {song} now", {"song": ["red moon"]}, random.Random(0))
    (['play', 'red', 'moon', 'now'], ['O', 'B-song', 'I-song', 'O'])
    """
    tokens, tags = [], []
    for word in shape.split():
        slot = _SLOT.fullmatch(word)
        said = dice.choice(values[slot[1]]).split() if slot else [word]
        tokens += said
        tags += [f"B-{slot[1]}", *[f"I-{slot[1]}"] * (len(said) - 1)] if slot else ["O"]
    return tokens, tags


def write_demo(output: str | Path, seed: int = 0) -> dict[str, Any]:
    """Writes the demo corpus.

    The intents that the speaker knows have equal shares. Of the new use case every shape has at least one
    user row, and the number falls with the rank of the shape as Zipf's law says; test rows are spread evenly,
    and their values come from the whole grammar while the user and the catalog know `CATALOG_SHARE` of it.
    No text stands twice.

    Args:
        output: The folder to make.
        seed: Makes the corpus reproducible.

    Returns:
        What was done, as `corpus.json` holds it.

    Raises:
        BadInput: Something stands at `output`.
    """
    dice = random.Random(seed)  # noqa: S311 - no secret
    grammar = read_grammar(dice)
    catalog = {
        slot: sorted(dice.sample(values, math.ceil(CATALOG_SHARE * len(values))))
        if len(values) > 80
        else values
        for slot, values in grammar.values.items()
    }
    said: set[str] = set()

    def rows(
        shape_counts: Mapping[str, int], values: Mapping[str, Sequence[str]], **columns: Any
    ) -> list[dict[str, Any]]:
        made = []
        for shape, count in shape_counts.items():
            for _ in range(count):
                for _ in range(20):  # a shape without open slots can be said in a few ways only
                    tokens, tags = fill(shape, values, dice)
                    if (text := " ".join(tokens)) not in said:
                        said.add(text)
                        made.append({"tokens": tokens, "tags": tags, **columns})
                        break
        return made

    existing = []
    for (domain, intent), shapes in grammar.existing.items():
        for split, count in EXISTING_ROWS.items():
            drawn = Counter(dice.choices(shapes, k=count))
            existing += rows(
                drawn, grammar.values, domain=domain, intent=intent, source="existing", split=split
            )
    new = {"domain": grammar.domain, "intent": grammar.intent, "source": "user"}
    harmonic = sum(1 / rank for rank in range(1, len(grammar.shapes) + 1))
    beyond_first = (USER_ROWS - 1) * len(grammar.shapes) / harmonic
    wanted = {shape: 1 + round(beyond_first / rank) for rank, shape in enumerate(grammar.shapes, 1)}
    user = rows(wanted, catalog, **new)
    test = rows(dict.fromkeys(grammar.shapes, TEST_ROWS), grammar.values, **new, split="test")
    dice.shuffle(existing)

    parts = {"existing": existing, "user": user, "test": test}
    for name, part in parts.items():
        for number, row in enumerate(part, 1):
            row["id"] = f"{name}-{number:05}"
    slots = {slot for shape in grammar.shapes for slot in _SLOT.findall(shape)}
    facts = {
        "made_by": "demo",
        "seed": seed,
        "domain": grammar.domain,
        "intent": grammar.intent,
        "shapes": len(grammar.shapes),
        "conflicts": grammar.conflicts,
    }
    return write_corpus(
        output,
        **{name: utterances(part) for name, part in parts.items()},
        catalog={slot: catalog[slot] for slot in slots},
        facts=facts,
    )
