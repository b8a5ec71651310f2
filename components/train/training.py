"""The training loop, to be read from top to bottom."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from adsmu.train.batches import Rows, padded, read_batches, take, training_order
from adsmu.train.checkpoint import State, moments_of, read_state, restore_moments, save_state
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
    seed: int,
    checkpoint: Path | None,
) -> dict[str, float]:
    """Trains a network in place; it ends with the weights of the best development score.

    Each step's loss is the weighted mean over its rows. In a distributed training every process takes its share
    of the same steps, so that the steps, and but for rounding and dropout the weights, are those of one process.

    Args:
        network: The network, on the device to train on.
        rows: Rows to learn from, with labels.
        weights: float, one a row: its weight in the loss.
        development: Rows to score each epoch by; may have none.
        settings: How to train.
        epochs: Passes over the rows.
        seed: Decides order and dropout.
        checkpoint: File to save the state to after each epoch and to resume from, or None.

    Returns:
        Figures: loss, epochs, development scores, utterances per second, seconds.
    """
    device = next(network.parameters()).device
    process, processes = this_process()
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    names = {value: name for name, value in trained.items()}
    optimizer = torch.optim.Adam(_groups(trained, settings))
    rates = [group["lr"] for group in optimizer.param_groups]
    steps = epochs * -(-len(rows.lengths) // settings.batch_size)
    average_from = int(steps * (1 - settings.average_last))

    state = read_state(checkpoint) if checkpoint and checkpoint.exists() else State()
    if state.epoch:
        log.info("resumed after epoch %d of %d", state.epoch, epochs)
        network.load_state_dict({name: value.to(device) for name, value in state.weights.items()})
        restore_moments(optimizer, names, state.moments)
        state.total = {name: value.to(device) for name, value in state.total.items()}

    began = time.perf_counter()
    seen = 0
    while state.epoch < epochs and not _stalled(state, settings, average_from):
        epoch_began = time.perf_counter()
        torch.manual_seed(int(np.random.SeedSequence([seed, state.epoch, process]).generate_state(1)[0]))
        order = training_order(rows.lengths, settings.batch_size, np.random.default_rng([seed, state.epoch]))
        network.train()
        summed = torch.zeros((), device=device)
        for chosen in order:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * (1 - (1 - LAST_RATE) * state.step / steps)
            optimizer.zero_grad()
            loss = _share_of_loss(network, rows, weights, chosen, process, processes, device)
            if loss is not None:
                loss.backward()
                summed += loss.detach()
            if processes > 1:
                _add_gradients(list(trained.values()))
            torch.nn.utils.clip_grad_norm_(trained.values(), settings.clip)
            optimizer.step()
            state.step += 1
            if settings.average_last and state.step > average_from:
                _add_weights(state, trained)
        state.epoch += 1
        seen += len(rows.lengths)
        if processes > 1:
            dist.all_reduce(summed)

        current = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if state.averaged:
            mean = {name: total / state.averaged for name, total in state.total.items()}
            network.load_state_dict(current | mean)
        scores = score(network, development)
        ranked = scores.get("dev_frame", 0.0)
        if ranked >= state.best_score:
            state.best_score, state.best_epoch = ranked, state.epoch
            state.best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        network.load_state_dict(current)

        loss_mean = float(summed) / len(order)
        state.history.append({"loss": loss_mean, **scores})
        log.info(
            "epoch %d of %d: loss %.4f, development frame %.4f, %.0f utterances/s",
            state.epoch,
            epochs,
            loss_mean,
            ranked,
            len(rows.lengths) / (time.perf_counter() - epoch_began),
        )
        if checkpoint and process == 0:
            state.weights, state.moments = current, moments_of(optimizer, names)
            save_state(state, checkpoint)

    network.load_state_dict({name: value.to(device) for name, value in state.best.items()})
    seconds = time.perf_counter() - began
    return {
        **state.history[state.best_epoch - 1],
        "epochs": float(state.epoch),
        "best_epoch": float(state.best_epoch),
        "seconds": seconds,
        "utterances_per_second": seen / seconds,
    }


def _groups(trained: dict[str, torch.nn.Parameter], settings: Settings) -> list[dict]:
    pretrained = [value for name, value in trained.items() if name.startswith("features.transformer")]
    others = [value for name, value in trained.items() if not name.startswith("features.transformer")]
    groups = [{"params": others, "lr": settings.learning_rate}]
    return groups + ([{"params": pretrained, "lr": settings.encoder_learning_rate}] if pretrained else [])


def _stalled(state: State, settings: Settings, average_from: int) -> bool:
    """No better score for `patience` epochs; a mean of weights that has begun gets as many to show itself."""
    last_change = state.best_epoch
    if state.averaged:
        before = state.epoch * average_from // max(state.step, 1)
        last_change = max(last_change, before)
    return state.epoch - last_change >= settings.patience


def _share_of_loss(
    network: TwoStage,
    rows: Rows,
    weights: np.ndarray,
    chosen: np.ndarray,
    process: int,
    processes: int,
    device: torch.device,
) -> Tensor | None:
    """This process's part of the weighted mean loss of a step; the parts of all processes sum to it."""
    total = float(weights[chosen].sum())
    chosen = chosen[process::processes]
    if not len(chosen) or total == 0:
        return None
    assert rows.labels is not None
    batch = take(rows, chosen, device)
    tags = torch.from_numpy(padded(rows.labels.tags, rows.offsets, chosen)).to(device)
    domain = torch.from_numpy(rows.labels.domain[chosen]).to(device)
    intent = torch.from_numpy(rows.labels.intent[chosen]).to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        losses = network.loss(batch, domain, intent, tags)
    return (losses * torch.from_numpy(weights[chosen] / total).to(device, losses.dtype)).sum()


def _add_gradients(parameters: list[torch.nn.Parameter]) -> None:
    flat = torch.cat(
        [(p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1) for p in parameters]
    )
    dist.all_reduce(flat)
    for parameter, gradient in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = gradient.view_as(parameter)


@torch.no_grad()
def _add_weights(state: State, trained: dict[str, torch.nn.Parameter]) -> None:
    for name, value in trained.items():
        if name in state.total:
            state.total[name] += value
        else:
            state.total[name] = value.detach().clone()
    state.averaged += 1


def predict(network: TwoStage, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the best domain and intent of each row, and of the best tag of each position."""
    device = next(network.parameters()).device
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
    assert rows.labels is not None
    domain, intent, tags = predict(network, rows)
    wrong = np.add.reduceat((tags != rows.labels.tags).astype(np.int64), rows.offsets[:-1])
    right = {
        "domain": domain == rows.labels.domain,
        "intent": intent == rows.labels.intent,
        "slots": wrong == 0,
    }
    right["frame"] = right["domain"] & right["intent"] & right["slots"]
    return {f"dev_{name}": float(value.mean()) for name, value in right.items()}
