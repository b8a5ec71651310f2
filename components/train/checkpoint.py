"""The state of a training between two epochs, as safetensors and JSON, in a folder or in object storage."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from adsmu.errors import BadInput
from adsmu.store import AlreadyThere, Store


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


@dataclass(frozen=True)
class Checkpoint:
    """Where the state of one training is kept: an object an epoch, of which the newest counts.

    Attributes:
        store: The folder or bucket.
        training: What stands for this very training: the name of a folder in it.
    """

    store: Store
    training: str

    def save(self, state: State) -> None:
        """Stores a state, then takes those before it away: a kill at any moment leaves a whole one.

        Raises:
            StoreUnavailable: The storage does not answer.
        """
        tensors = {
            f"{group}/{name}": tensor.detach().cpu().contiguous()
            for group in TENSORS
            for name, tensor in getattr(state, group).items()
        }
        numbers = json.dumps({name: getattr(state, name) for name in NUMBERS})
        before, name = self._names(), f"{self.training}/{state.epoch:06d}.safetensors"
        with suppress(AlreadyThere):  # an equal training is under way elsewhere: so is its state
            self.store.create(name, save(tensors, metadata={"state": numbers}))
        self._remove(each for each in before if each < name)

    def read(self, device: torch.device) -> State | None:
        """The newest state, its tensors on a device; None before there is one.

        Raises:
            BadInput: It is damaged.
            StoreUnavailable: The storage does not answer.
        """
        names = self._names()
        if not names:
            return None
        content = self.store.read(names[-1]) or b""
        try:
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            numbers = json.loads(header["__metadata__"]["state"])
            state = State(**{name: numbers[name] for name in NUMBERS})
            for key, tensor in load(content).items():
                group, _, name = key.partition("/")
                getattr(state, group)[name] = tensor.to(device)
        except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            file = f"{self.store.uri}/{names[-1]}"
            raise BadInput("a damaged checkpoint; remove it to train from the start", file=file) from error
        return state

    def remove(self) -> None:
        """Takes everything of this training away: it has ended.

        Raises:
            StoreUnavailable: The storage does not answer.
        """
        self._remove(self._names())

    def _names(self) -> list[str]:
        return self.store.names(self.training)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            self.store.remove(name)


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
