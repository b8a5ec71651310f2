"""Losses that look at strata, on top of the product's trainer: the rivals of a loop over data.

The trainer weighs rows by numbers that are fixed before a training. Group DRO moves weights at every step, so
it takes the place of the network's loss while a training runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from adsmu.data.schema import read_utterances
from adsmu.stratified_evaluate.correctness import mark
from adsmu.train.model import load_model
from adsmu.train.network import TwoStage
from benchmarks.table1.bench import PLAIN, Bench
from benchmarks.table1.cell import TRAINER

STEP = 0.001  # of the group weights; the published 0.01 did worse by far on a use case that was tuned on
STRENGTHS = ((1e-4, 0.5), (1e-5, 0.3))  # penalty of squared weights, dropout; development rows choose
SHORT_EPOCHS = 3  # of the training that finds what is hard
HARD_WEIGHT = 4.0  # of a row that it got wrong


def tilt(q: Tensor, shares: Tensor, rows: Tensor, losses: Tensor) -> Tensor:
    """One step of group DRO's weights.

    Source: Sagawa et al. 2020, "Distributionally robust neural networks for group shifts", algorithm 1: q_g
    grows by exp(step x loss of the group), then all are divided by their sum. A batch here holds rows of many
    groups as they come, so a group's loss is estimated by the sum over its rows, divided by as many rows as
    the batch is expected to have of it: unbiased, and 0 for a group that is not in the batch.

    Args:
        q: Weights of the groups, which sum to 1.
        shares: The groups' shares of all rows.
        rows: The group of each row of a batch.
        losses: The loss of each.

    Returns:
        The new weights.

    >>> half = torch.tensor([0.5, 0.5])
    >>> q = tilt(half, half, torch.tensor([0, 0, 1]), torch.tensor([0.0, 2.0, 9.0]))
    >>> bool(q[1] > q[0]), round(float(q.sum()), 6)
    (True, 1.0)
    """
    sums = torch.zeros_like(q).index_add_(0, rows, losses)
    logits = q.log() + STEP * sums / (shares * len(rows))
    return torch.softmax(logits, 0)


@contextmanager
def group_dro(groups: np.ndarray, penalty: float) -> Iterator[None]:
    """Trainings inside weigh rows by group DRO, with an L2 penalty.

    The weights start with the groups' shares of the rows, which is the plain loss: starting with equal
    weights, a hundred strata would leave next to nothing for the existing use cases.

    Args:
        groups: The group of each training row, in the order that the trainer is given them.
        penalty: Of the squared weights.
    """
    shares = torch.from_numpy(np.bincount(groups) / len(groups)).float()
    state = {"q": shares.clone()}
    of_row = torch.from_numpy(groups)
    plain = TwoStage.loss

    def loss(network: TwoStage, batch: Any, *labels: Tensor) -> Tensor:
        each = plain(network, batch, *labels)
        rows = of_row[torch.from_numpy(batch.rows)]
        state["q"] = tilt(state["q"], shares, rows, each.detach().float().cpu())
        weights = (state["q"] / shares)[rows].to(each.device)
        # Not the embeddings: the penalty would be all that most words' weights ever see.
        parts = (value for name, value in network.named_parameters() if not name.startswith("features."))
        squares = torch.stack([value.square().sum() for value in parts]).sum()
        # The trainer takes a mean of what is returned, so a penalty on each row is one penalty a step.
        return weights * each + penalty * squares

    TwoStage.loss = loss  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        TwoStage.loss = plain  # type: ignore[method-assign]


def train_group_dro(bench: Bench, data: pa.Table) -> None:
    """Group DRO over strata and existing intents; development rows choose how strongly it is regularised."""
    groups = _groups(pa.concat_tables([_learnt(read_utterances(bench.shared.cell.existing)), _learnt(data)]))
    tried = {}
    for penalty, dropout in STRENGTHS:
        with group_dro(groups, penalty):
            model, made = bench.train(data, "full", **PLAIN, dropout=dropout)
        tried[made["dev_frame"]] = model, penalty, dropout
    model, penalty, dropout = tried[max(tried)]
    bench.notes |= {"penalty": penalty, "dropout": dropout, "dev_frames": sorted(tried)}
    bench.note(model, data)


def train_twice(bench: Bench, data: pa.Table) -> None:
    """Just train twice: a short training finds the hard rows, a full one gives them more weight.

    Source: Liu et al. 2021, "Just train twice: improving group robustness without training group
    information". Only the weights of rows of the new use case are raised: the table's own column says how
    much a row weighs.
    """
    scout, _ = bench.train(data, "full", **PLAIN, epochs=SHORT_EPOCHS)
    learnt = pc.equal(data["split"], "train").to_numpy()
    rows = data.filter(pa.array(learnt))
    right = mark(rows, load_model(scout, TRAINER).predict(rows["tokens"].to_pylist()))["frame"]
    bench.cost.utterances_scored += len(rows)
    bench.notes["hard_rows"] = int((~right).sum())
    weight = np.ones(len(data), dtype=np.float32)
    weight[learnt] = np.where(right, 1.0, HARD_WEIGHT)
    model, _ = bench.train(
        data.set_column(data.column_names.index("weight"), "weight", pa.array(weight)), "full", **PLAIN
    )
    bench.note(model, data)


def _learnt(table: pa.Table) -> pa.Table:
    return table.filter(pc.equal(table["split"], "train"))


def _groups(rows: pa.Table) -> np.ndarray:
    """Strata of the new use case; existing rows by intent."""
    names = pc.coalesce(rows["stratum_id"], rows["intent"]).combine_chunks().dictionary_encode()
    return names.indices.to_numpy().astype(np.int64)
