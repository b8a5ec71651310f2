"""The groups that evidence counts requests in: each common stratum by itself, the rare ones together."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.canary_deploy.plan import OTHER
from adsmu.canary_deploy.release import stratifier_of
from adsmu.canary_deploy.schedule import Schedule
from adsmu.errors import BadInput
from adsmu.store import Store
from adsmu.stratify.assign import Stratifier

Groups = list[dict[str, Any]]
"""Of each group its `name` and the `strata` in it; the last is `other`."""


def grouped(stratifier: Stratifier, rows: pa.Table, plan: dict[str, Any]) -> Groups:
    """Sets rare strata apart: a proof for each of them would need more requests than ever come.

    Args:
        stratifier: Which stratum a request is of.
        rows: Utterances as they come in production, as far as one knows.
        plan: Its key `rare` is read.
    """
    rare = float(plan.get("rare", Schedule.rare))
    counts = np.bincount(stratifier.assign(rows["tokens"].to_pylist()), minlength=len(stratifier.names))
    common = counts >= max(rare * len(rows), 1)
    kept = [
        (name, shape)
        for name, shape, often in zip(stratifier.names, stratifier.shapes, common, strict=True)
        if often and name != OTHER
    ]
    shapes = [shape for _, shape in kept]
    groups = [
        {
            "name": shape if shapes.count(shape) == 1 and shape != OTHER else f"{shape} ({name})",
            "strata": [name],
        }
        for name, shape in kept
    ]
    names = {name for name, _ in kept}
    return [*groups, {"name": OTHER, "strata": [name for name in stratifier.names if name not in names]}]


class Grouping:
    """Which group a request is of, by the stratifier that was registered with the candidate.

    Args:
        store: Where the release is.
        candidate: The model's digest.
        groups: The groups.

    Raises:
        BadInput: There is no stratifier, or it is damaged.
        StoreUnavailable: The storage does not answer.
    """

    def __init__(self, store: Store, candidate: str, groups: Groups) -> None:
        name = stratifier_of(candidate)
        try:
            value = json.loads(store.read(name) or b"")
        except ValueError as error:
            raise BadInput("not JSON", file=f"{store.uri}/{name}") from error
        self._stratifier = Stratifier.from_json(value, name)
        place = {stratum: number for number, group in enumerate(groups) for stratum in group["strata"]}
        self._group = np.array([place.get(each, len(groups) - 1) for each in self._stratifier.names])

    def __call__(self, rows: list[list[str]]) -> np.ndarray:
        """The index of each row's group."""
        return self._group[self._stratifier.assign(rows)]
