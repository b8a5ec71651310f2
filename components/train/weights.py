"""What each row weighs in the loss, and how two models' weights are joined."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn

from adsmu.data.schema import SOURCES
from adsmu.train.settings import Settings
from adsmu.train.vocabulary import codes


def row_weights(rows: pa.Table, settings: Settings) -> np.ndarray:
    """The product of a row's own weight, its source's and, where asked for, its intent's and its stratum's.

    Args:
        rows: Utterance table.
        settings: Weights of the sources; whether intents and strata are balanced.

    Returns:
        float64, one a row.
    """
    own = rows["weight"].to_numpy().astype(np.float64)
    by_source = np.array([getattr(settings, f"weight_{source}") for source in SOURCES])
    weights = own * by_source[codes(rows["source"], list(SOURCES))]
    if settings.class_weights == "balanced":
        weights = balanced(weights, codes(rows["intent"], pc.unique(rows["intent"]).to_pylist()))
    if settings.stratum_weights == "balanced":
        strata = pc.unique(rows["stratum_id"].drop_null()).to_pylist()
        weights = balanced(weights, codes(rows["stratum_id"], strata))
    return weights


def balanced(weights: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Scales weights so that every group weighs the same in sum, and all groups together as much as before.

    Args:
        weights: One number a row.
        group: The group of each row, counted from 0; -1 is of no group and stays as it is.

    Returns:
        The new weights.

    >>> balanced(np.array([1.0, 1.0, 1.0, 1.0]), np.array([0, 0, 0, 1])).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    member = group >= 0
    if not member.any():
        return weights
    sums = np.bincount(group[member], weights=weights[member])
    filled = sums > 0
    factor = np.where(filled, sums.sum() / (filled.sum() * np.where(filled, sums, 1.0)), 0.0)
    return np.where(member, weights * factor[group], weights)


@torch.no_grad()
def copy_shared(base: dict[str, Tensor], network: nn.Module) -> None:
    """Gives a network the weights of a smaller one, whose names stand first in its own lists.

    Args:
        base: Weights of the smaller network, or some of them, by name.
        network: Gets them, in the leading rows and columns of each weight; the rest stays as it is.
    """
    values = network.state_dict(keep_vars=True)
    for name, smaller in base.items():
        values[name][_leading(smaller)] = smaller.to(values[name].device)


@torch.no_grad()
def interpolate(base: dict[str, Tensor], candidate: nn.Module, alpha: float) -> None:
    """Moves a candidate towards its base: (1 - alpha) candidate + alpha base, where both have a weight.

    Fewer answers of the base model flip from right to wrong, at no cost in prediction: backward-congruent
    weight interpolation (Schumann et al. 2023, arXiv 2301.10546).

    Args:
        base: Weights of the base model, by name; the candidate was trained from it.
        candidate: Changed in place.
        alpha: Share of the base, from 0 to 1.
    """
    for name, value in candidate.state_dict(keep_vars=True).items():
        shared = value[_leading(base[name])]
        value[_leading(base[name])] = torch.lerp(shared, base[name].to(value.device), alpha)


def _leading(smaller: Tensor) -> tuple[slice, ...]:
    return tuple(slice(0, size) for size in smaller.shape)
