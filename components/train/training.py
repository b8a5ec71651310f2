"""The training loop, to be read from top to bottom."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from adsmu.train.batches import Rows, padded, read_batches, take, training_order
from adsmu.train.checkpoint import Checkpoint, State, moments_of, restore_moments
from adsmu.train.network import TwoStage
from adsmu.train.settings import Settings

LAST_RATE = 0.3
READ_SIZE = 256
log = logging.getLogger(__name__)


@contextmanager
def reproducible() -> Iterator[None]:
    """Deterministic kernels, and a random state of its own; the caller's comes back."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.use_deterministic_algorithms(before)


def this_process() -> tuple[int, int]:
    """The number of this process among those of a distributed training, and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def fit(
    network: TwoStage,
    rows: Rows,
    weights: np.ndarray,
    development: Rows,
    settings: Settings,
    epochs: int,
    learning_rate: float,
    seed: int,
    checkpoint: Checkpoint | None,
) -> dict[str, float]:
    """Trains a network in place; it ends with the weights of the best development score.

    Each step's loss is the weighted mean over its rows. In a distributed training every process takes its
    share of the same steps: but for rounding and dropout, they are those of one process.

    Args:
        network: The network, on the device to train on.
        rows: Rows to learn from, with labels.
        weights: float, one a row: its weight in the loss.
        development: Rows to score each epoch by; may have none.
        settings: How to train.
        epochs: Passes over the rows.
        learning_rate: Adam's step size at the start, of all weights but those of a transformer.
        seed: Decides order and dropout.
        checkpoint: Where the state is saved after each epoch and resumed from, or None.

    Returns:
        Figures: loss, epochs, development scores, utterances per second, seconds.
    """
    process, processes = this_process()
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    optimizer = torch.optim.Adam(_groups(trained, learning_rate, settings.encoder_learning_rate))
    steps = epochs * -(-len(rows.lengths) // settings.batch_size)
    average_from = round(steps * (1 - settings.average_last))
    state = _begin(network, trained, optimizer, checkpoint)
    began, first = time.perf_counter(), state.epoch

    while state.epoch < min(epochs, state.improved_epoch + settings.patience):
        epoch_began = time.perf_counter()
        # The randomness of an epoch follows from the seed and its number: a resumed training meets the same.
        torch.manual_seed(int(np.random.SeedSequence([seed, state.epoch, process]).generate_state(1)[0]))
        order = training_order(rows.lengths, settings.batch_size, np.random.default_rng([seed, state.epoch]))
        summed = torch.zeros((), device=weights_device(network))
        network.train()
        for chosen in order:
            for group in optimizer.param_groups:
                group["lr"] = group["first_lr"] * (1 - (1 - LAST_RATE) * state.step / steps)
            optimizer.zero_grad()
            loss = _share_of_loss(network, rows, weights, chosen)
            loss.backward()
            if processes > 1:
                _add_gradients(list(trained.values()))
            torch.nn.utils.clip_grad_norm_(trained.values(), settings.clip)
            optimizer.step()
            summed += loss.detach()
            state.step += 1
            if state.step > average_from:
                _add_weights(state, trained)
        if processes > 1:
            dist.all_reduce(summed)
        state.epoch += 1

        scores = _keep_if_best(network, state, development)
        state.history.append({"loss": float(summed) / len(order), **scores})
        speed = len(rows.lengths) / (time.perf_counter() - epoch_began)
        log.info(
            "epoch %d of %d: %s, %.0f utterances/s", state.epoch, epochs, _text(state.history[-1]), speed
        )
        if checkpoint and process == 0:
            state.weights = network.state_dict()
            state.moments = moments_of(optimizer, trained)
            checkpoint.save(state)

    network.load_state_dict(state.best)
    seconds = time.perf_counter() - began
    return {
        **state.history[state.best_epoch - 1],
        "epochs": float(state.epoch),
        "best_epoch": float(state.best_epoch),
        "seconds": seconds,
        "utterances_per_second": len(rows.lengths) * (state.epoch - first) / seconds,
    }


def weights_device(network: TwoStage) -> torch.device:
    """Where a network's weights are."""
    return next(network.parameters()).device


def _begin(
    network: TwoStage,
    trained: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    checkpoint: Checkpoint | None,
) -> State:
    device = weights_device(network)
    state = checkpoint.read(device) if checkpoint else None
    _agree(state.epoch if state else 0, device)
    if state is None:
        return State()
    network.load_state_dict(state.weights)
    restore_moments(optimizer, trained, state.moments)
    log.info("resumed after epoch %d", state.epoch)
    return state


def _agree(epoch: int, device: torch.device) -> None:
    """Fails a distributed training whose processes would go on from different epochs."""
    if dist.is_initialized():
        least, most = (torch.tensor(sign * epoch, device=device) for sign in (1, -1))
        for each in (least, most):
            dist.all_reduce(each, dist.ReduceOp.MIN)
        if least != -most:
            raise RuntimeError(f"the processes found states of epoch {int(least)} to {-int(most)}")


def _keep_if_best(network: TwoStage, state: State, development: Rows) -> dict[str, float]:
    """Scores the mean of the weights, or the weights before there is one; keeps the best, of equals the last.

    Without development rows the last epoch's are kept.
    """
    current = {name: value.clone() for name, value in network.state_dict().items()}
    if state.averaged:
        network.load_state_dict(current | state.mean)
    scores = score(network, development)
    if dist.is_initialized():  # rounding may differ between devices: what the first one says holds for all
        shared = torch.tensor(list(scores.values()), device=weights_device(network), dtype=torch.float64)
        dist.broadcast(shared, 0)
        scores = dict(zip(scores, shared.tolist(), strict=True))
    reached = scores.get("dev_frame", 0.0)
    if reached > state.best_score or not scores:
        state.improved_epoch = state.epoch
    if reached >= state.best_score:
        state.best_score, state.best_epoch = reached, state.epoch
        state.best = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(current)
    return scores


def _text(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


def _groups(
    trained: dict[str, torch.nn.Parameter], new_rate: float, pretrained_rate: float
) -> list[dict[str, Any]]:
    """Adam's groups: the weights that came with a transformer learn more slowly than new ones."""
    pretrained = {name for name in trained if name.startswith("features.transformer.")}
    chosen = [
        ([value for name, value in trained.items() if name not in pretrained], new_rate),
        ([trained[name] for name in trained if name in pretrained], pretrained_rate),
    ]
    return [{"params": values, "lr": rate, "first_lr": rate} for values, rate in chosen if values]


def _share_of_loss(network: TwoStage, rows: Rows, weights: np.ndarray, chosen: np.ndarray) -> Tensor:
    """This process's part of the weighted mean loss of a step; the parts of all processes sum to it."""
    device = weights_device(network)
    process, processes = this_process()
    total = max(float(weights[chosen].sum()), 1e-9)
    chosen = chosen[process::processes]
    if not len(chosen):
        return sum((value.sum() for value in network.parameters()), torch.zeros((), device=device)) * 0.0
    batch = take(rows, chosen, device)
    labels = rows.known_labels()
    tags = torch.from_numpy(padded(labels.tags, rows.offsets, chosen)).to(device)
    domain = torch.from_numpy(labels.domain[chosen]).to(device)
    intent = torch.from_numpy(labels.intent[chosen]).to(device)
    shares = torch.from_numpy(weights[chosen] / total).to(device, torch.float32)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        return (network.loss(batch, domain, intent, tags) * shares).sum()


def _add_gradients(parameters: list[torch.nn.Parameter]) -> None:
    flat = torch.cat(
        [(p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1) for p in parameters]
    )
    dist.all_reduce(flat)
    for parameter, gradient in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = gradient.view_as(parameter)


@torch.no_grad()
def _add_weights(state: State, trained: dict[str, torch.nn.Parameter]) -> None:
    state.averaged += 1
    for name, value in trained.items():
        # A running mean, not a sum: what does not change is to stay as it is, bit by bit.
        state.mean.setdefault(name, value.clone()).lerp_(value, 1 / state.averaged)


def predict(network: TwoStage, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the best domain and intent of each row, and of the best tag of each position."""
    device = weights_device(network)
    network.eval()
    domain = np.zeros(len(rows.lengths), dtype=np.int64)
    intent = np.zeros(len(rows.lengths), dtype=np.int64)
    tags = np.zeros(len(rows.tokens), dtype=np.int64)
    for batch in read_batches(rows, READ_SIZE, device):
        domains, intents, found = (part.cpu().numpy() for part in network.predict(batch))
        domain[batch.rows], intent[batch.rows] = domains, intents
        steps = np.arange(found.shape[1])
        inside = steps < rows.lengths[batch.rows][:, None]
        tags[(rows.offsets[batch.rows][:, None] + steps)[inside]] = found[inside]
    return domain, intent, tags


def score(network: TwoStage, rows: Rows) -> dict[str, float]:
    """Shares of development rows with the right domain, intent, slots (all tags), and all three (frame)."""
    if not len(rows.lengths):
        return {}
    labels = rows.known_labels()
    domain, intent, tags = predict(network, rows)
    wrong = np.add.reduceat((tags != labels.tags).astype(np.int64), rows.offsets[:-1])
    right = {
        "domain": domain == labels.domain,
        "intent": intent == labels.intent,
        "slots": wrong == 0,
    }
    right["frame"] = right["domain"] & right["intent"] & right["slots"]
    return {f"dev_{name}": float(value.mean()) for name, value in right.items()}
