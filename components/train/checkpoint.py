"""The state of a training between two epochs, as safetensors and JSON: whole on disk or absent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from adsmu.errors import BadInput
from adsmu.files import written_whole


@dataclass
class State:
    """Where a training stands. The randomness of an epoch follows from the seed and the epoch's number.

    Attributes:
        epoch: Epochs done.
        step: Steps done.
        weights: The network's, by name.
        moments: Adam's two moments and step counts, by name of the weight.
        mean: Mean of the weights over the steps averaged so far, by name.
        averaged: Steps in that mean.
        best: The weights of the best development score, by name.
        best_score: That score, -1 before any.
        best_epoch: The last epoch with that score.
        improved_epoch: The first epoch with that score.
        history: Loss and development score of each epoch.
    """

    epoch: int = 0
    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    moments: dict[str, Tensor] = field(default_factory=dict)
    mean: dict[str, Tensor] = field(default_factory=dict)
    averaged: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: float = -1.0
    best_epoch: int = 0
    improved_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


TENSORS = ("weights", "moments", "mean", "best")
NUMBERS = ("epoch", "step", "averaged", "best_score", "best_epoch", "improved_epoch", "history")


def save_state(state: State, path: Path) -> None:
    """Writes a state; a kill at any moment leaves the one before it.

    Args:
        state: What to write.
        path: The file.
    """
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group in TENSORS
        for name, tensor in getattr(state, group).items()
    }
    numbers = json.dumps({name: getattr(state, name) for name in NUMBERS})
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata={"state": numbers})


def read_state(path: Path, device: torch.device) -> State:
    """Reads a state.

    Args:
        path: A file that `save_state` wrote.
        device: Where its tensors go.

    Returns:
        The state.

    Raises:
        BadInput: The file is damaged.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            numbers = json.loads(file.metadata()["state"])
            state = State(**{name: numbers[name] for name in NUMBERS})
            for key in file.keys():  # noqa: SIM118 - the file is no dict
                group, _, name = key.partition("/")
                getattr(state, group)[name] = file.get_tensor(key)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput("a damaged checkpoint; remove it to train from the start", file=path) from error
    return state


def moments_of(optimizer: torch.optim.Optimizer, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adam's moments and step counts as named tensors.

    Args:
        optimizer: A `torch.optim.Adam`.
        trained: Its parameters by name.
    """
    return {
        f"{name}/{kind}": moment
        for name, value in trained.items()
        for kind, moment in optimizer.state[value].items()
    }


def restore_moments(
    optimizer: torch.optim.Optimizer, trained: Mapping[str, Tensor], saved: dict[str, Tensor]
) -> None:
    """Gives an optimizer the moments that `moments_of` took from another.

    Args:
        optimizer: A new `torch.optim.Adam` over the same parameters.
        trained: The parameters by name.
        saved: The moments.
    """
    for key, moment in saved.items():
        name, _, kind = key.rpartition("/")
        # Adam counts steps on the CPU, wherever the weights are.
        optimizer.state[trained[name]][kind] = moment.cpu() if kind == "step" else moment
