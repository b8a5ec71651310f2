"""Does choosing the rows of each training step beat taking them at random? Equal steps, paired by seed.

    python -m benchmarks.monitoring.batches

A small network learns intents of CLINC150 and images of Fashion-MNIST, with the labels as they are and with a
tenth of them altered. A step learns from 32 rows: the next ones of a shuffle, or those chosen of the next
320, by the loss alone or by the part of it that can be reduced. The other model that this needs has learnt
from the other half of the same rows, so that no way has more labels. A step that chooses looks at ten times
as many rows, which no figure here charges it for. What it found is why no trainer here chooses so.
"""

import argparse
import datetime
import json
import logging
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from adsmu.curate.vectors import vectors
from adsmu.strategy import Columns
from benchmarks.monitoring.curation import corpus
from benchmarks.monitoring.new_class import images
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.summaries import mean

SEEDS = 10
INTENTS = 50
BATCH, LARGE = 32, 320
STEPS, EVERY = 600, 30
HIDDEN = 128
NEARLY = 0.95
ALTERED = (0.0, 0.1)
WAYS = ("random", "highest loss", "reducible loss")
log = logging.getLogger(__name__)

Parts = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Rows and classes to learn from, then to test on."""


def intents() -> Parts:
    """Vectors of the texts of some intents."""
    texts, labels, held_texts, held_labels = corpus()
    table = pa.table({"text": texts + held_texts})
    space = vectors(table, Columns(features=("text",), text=("text",)))
    names = np.random.default_rng(0).choice(np.unique(labels), INTENTS, replace=False)
    rows, held = np.isin(labels, names), np.isin(held_labels, names)
    train, test = space[: len(texts)][rows], space[len(texts) :][held]
    return _parts(train, labels[rows], test, held_labels[held])


def fashion() -> Parts:
    """The images as they are."""
    train, labels, test, truth = images()
    return _parts(train / 255, labels, test / 255, truth)


def _parts(train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray) -> Parts:
    names = np.unique(labels)
    classes = [torch.as_tensor(np.searchsorted(names, of)) for of in (labels, truth)]
    scale = train.std()
    x, z = (torch.as_tensor(of / scale, dtype=torch.float32) for of in (train, test))
    return x, classes[0], z, classes[1]


def altered(labels: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    """Gives a share of rows another class."""
    rng = np.random.default_rng(seed)
    classes = int(labels.max()) + 1
    moved = (labels.numpy() + rng.integers(1, classes, len(labels))) % classes
    return torch.as_tensor(np.where(rng.random(len(labels)) < share, moved, labels.numpy()))


class Learner:
    """A network of one hidden layer, trained step by step."""

    def __init__(self, rows: torch.Tensor, labels: torch.Tensor, classes: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.rows, self.labels = rows, labels
        self.order = np.random.default_rng(seed)
        self.queue = np.zeros(0, np.int64)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(rows.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, classes)
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)

    def next(self, count: int) -> np.ndarray:
        """The next rows of a shuffle that begins again when it is through."""
        while len(self.queue) < count:
            self.queue = np.append(self.queue, self.order.permutation(len(self.rows)))
        taken, self.queue = np.split(self.queue, [count])
        return taken

    def losses(self, places: np.ndarray) -> np.ndarray:
        """The loss of rows."""
        with torch.no_grad():
            told = self.network(self.rows[places])
            return torch.nn.functional.cross_entropy(told, self.labels[places], reduction="none").numpy()

    def step(self, places: np.ndarray) -> None:
        """Learns from rows once."""
        self.optimizer.zero_grad()
        told = self.network(self.rows[places])
        torch.nn.functional.cross_entropy(told, self.labels[places]).backward()
        self.optimizer.step()


def irreducible(rows: torch.Tensor, labels: torch.Tensor, classes: int, seed: int) -> np.ndarray:
    """The loss of each row under a network that learnt from the other half."""
    found = np.zeros(len(rows))
    halves = np.array_split(np.random.default_rng(seed).permutation(len(rows)), 2)
    for own, other in (halves, halves[::-1]):
        learner = Learner(rows[other], labels[other], classes, seed)
        for _ in range(STEPS):
            learner.step(learner.next(BATCH))
        learner.rows, learner.labels = rows, labels
        found[own] = learner.losses(own)
    return found


def select_batch(loss: np.ndarray, size: int, irreducible: np.ndarray | None = None) -> np.ndarray:
    """Places of the rows whose loss a step can still reduce most.

    A row's loss under the model as it is, less its loss under a model that has not learnt from it: what that
    model does not get right either is noise, an altered label or a row like no other, and a step on it
    teaches nothing. Without the second loss the rows of the highest loss are chosen, altered labels first.

    Source: Mindermann et al. 2022, "Prioritized training on points that are learnable, worth learning, and
    not yet learnt", equation 3; the highest loss alone: Loshchilov and Hutter 2015, "Online batch selection
    for faster training of neural networks".
    """
    left = loss if irreducible is None else loss - irreducible
    return np.argsort(-left, kind="stable")[:size]


def curve(way: str, parts: Parts, other: np.ndarray, seed: int) -> list[float]:
    """Accuracy on the test rows after every `EVERY` steps."""
    rows, labels, test, truth = parts
    learner = Learner(rows, labels, int(truth.max()) + 1, seed)
    found = []
    for number in range(1, STEPS + 1):
        places = learner.next(BATCH if way == "random" else LARGE)
        if way != "random":
            known = other[places] if way == "reducible loss" else None
            places = places[select_batch(learner.losses(places), BATCH, known)]
        learner.step(places)
        if number % EVERY == 0:
            with torch.no_grad():
                found.append(float((learner.network(test).argmax(dim=1) == truth).float().mean()))
    return found


def steps_to(curves: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """The steps after which each curve first has an accuracy; one more than all where it never has."""
    reached = curves >= accuracy[:, None]
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), curves.shape[1])
    return (first + 1) * EVERY


def measure(parts: Parts, share: float, seeds: int) -> dict[str, Any]:
    """All ways on one data set, paired by seed.

    Args:
        parts: The data set.
        share: Of labels that are altered.
        seeds: How many.

    Returns:
        By way the accuracy at the end; of each that chooses, how much higher its accuracy is along the curve
        and at the end, and how many steps it takes, as a part of random's, to `NEARLY` what random reaches.
    """
    rows, labels, test, truth = parts
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        given = rows, altered(labels, share, seed), test, truth
        other = irreducible(*given[:2], int(truth.max()) + 1, seed)
        for way in WAYS:
            found[way].append(curve(way, given, other, seed))
    curves = {way: np.array(of) for way, of in found.items()}
    base = curves["random"]
    goal = base[:, -1]
    result: dict[str, Any] = {
        "classes": int(truth.max()) + 1,
        "rows": len(rows),
        "accuracy": {way: round(float(of[:, -1].mean()), 4) for way, of in curves.items()},
    }
    for way in WAYS[1:]:
        ratio = steps_to(curves[way], NEARLY * goal) / steps_to(base, NEARLY * goal)
        result[way] = {
            "gain along the curve": mean((curves[way] - base).mean(axis=1)),
            "gain at the end": mean(curves[way][:, -1] - goal),
            "steps to nearly there, as a part": mean(ratio),
        }
    return result


DATA_SETS = {"clinc150": intents, "fashion_mnist": fashion}


def main() -> None:
    """Measures, and merges the record, a key for each data set."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--only", choices=list(DATA_SETS), help="a data set; none named: both")
    given = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    for name in [given.only] if given.only else DATA_SETS:
        parts = DATA_SETS[name]()
        found: dict[str, Any] = {}
        for share in ALTERED:
            found[f"{share:.0%} of labels altered"] = measure(parts, share, given.seeds)
            log.info("%s, %.0f %% altered: %s", name, 100 * share, json.dumps(list(found.values())[-1]))
        merge({f"batch_selection_{name}": found | stamp(name, given.seeds)})


def stamp(name: str, seeds: int) -> dict[str, Any]:
    """How the figures of a data set were measured."""
    return {
        "date": f"{datetime.date.today()}",
        "seeds": seeds,
        "steps": STEPS,
        "batch": BATCH,
        "larger_batch": LARGE,
        "command": f"python -m benchmarks.monitoring.batches --only {name} --seeds {seeds}",
    }


if __name__ == "__main__":
    main()
