"""The groups that evidence counts requests in: each common stratum by itself, rare ones together."""

import itertools
import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.canary_deploy.plan import OTHER
from adsmu.canary_deploy.release import registered_stratifier, stratifier_of
from adsmu.canary_deploy.schedule import Schedule
from adsmu.store import Store
from adsmu.stratify.assign import INTENT, Stratifier
from adsmu.stratify.shapes import NO_SLOT

Groups = list[dict[str, Any]]
"""Of each group its `name` and the `strata` in it; the last is `other`."""


def grouped(stratifier: Stratifier, rows: pa.Table, plan: dict[str, Any]) -> Groups:
    """Groups strata until each group is common enough: a proof of each rare one would take too many requests.

    A common stratum is a group by itself. Rare ones of the new use case are taken together by their slots in
    order, then all that are left of the new use case; what is rare even then is `other`.

    Args:
        stratifier: Which stratum a request is of.
        rows: Utterances as they come in production, as far as one knows.
        plan: Its key `rare` is read.
    """
    rare = float(plan.get("rare", Schedule.rare))
    counts = np.bincount(stratifier.assign(rows["tokens"].to_pylist()), minlength=len(stratifier.names))
    shapes = dict(zip(stratifier.names, stratifier.shapes, strict=True))
    left = {name: int(count) for name, count in zip(stratifier.names, counts, strict=True) if name != OTHER}
    groups: Groups = []
    for key in (lambda name: name, lambda name: _trail(name, shapes[name]), _use_case):
        together: dict[str, list[str]] = {}
        for name in left:
            if (of := key(name)) is not None:
                together.setdefault(of, []).append(name)
        for of, names in together.items():
            if sum(left[name] for name in names) >= max(rare * len(rows), 1):
                groups.append({"name": shapes.get(of, of), "strata": names})
                left = {name: count for name, count in left.items() if name not in names}
    return [*_distinct(groups), {"name": OTHER, "strata": [*left, OTHER]}]


def _trail(name: str, shape: str) -> str | None:
    """The slots of a shape in order, the same again and again once; None for existing use cases."""
    if name.startswith(INTENT):
        return None
    slots = re.findall(r"\{[^{}]+\}", shape)
    return f"any: {' '.join(slot for slot, _ in itertools.groupby(slots)) or NO_SLOT}"


def _use_case(name: str) -> str | None:
    return None if name.startswith(INTENT) else "any of the new use case"


def _distinct(groups: Groups) -> Groups:
    """Strata of different intents may have one shape: their ids tell them apart."""
    names = Counter(group["name"] for group in groups)
    names.update(("", OTHER))
    return [
        group | ({"name": f"{group['name']} ({group['strata'][0]})"} if names[group["name"]] > 1 else {})
        for group in groups
    ]


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
        value = registered_stratifier(store, candidate)
        self._stratifier = Stratifier.from_json(value, stratifier_of(candidate))
        place = {stratum: number for number, group in enumerate(groups) for stratum in group["strata"]}
        self._group = np.array([place.get(each, len(groups) - 1) for each in self._stratifier.names])

    def __call__(self, rows: list[list[str]]) -> np.ndarray:
        """The index of each row's group."""
        return self._group[self._stratifier.assign(rows)]
