"""Models that learn from what other models answer: in which order they are trained, and again when."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from adsmu.errors import BadInput
from adsmu.strategy import read_strategy

Needs = Mapping[str, tuple[str, ...]]
"""By model, the models that it is built on."""


def read_needs(strategies: Iterable[str | Path]) -> Needs:
    """Reads which model is built on which.

    Args:
        strategies: The `strategy.yaml` of each model; a model goes by the name of its strategy.

    Raises:
        BadInput: A file is no strategy, two have one name, a model needs one that is not there, or models
            need each other.
    """
    needs: dict[str, tuple[str, ...]] = {}
    for path in strategies:
        strategy = read_strategy(path)
        if strategy.name in needs:
            raise BadInput(f"{strategy.name!r} stands in another strategy", file=path, column="name")
        needs[strategy.name] = strategy.needs
    for name, given in needs.items():
        if unknown := [each for each in given if each not in needs]:
            raise BadInput(f"needs {unknown[0]!r}, and there is no such model", file=name, column="needs")
    try:
        order(needs)
    except CycleError as error:
        raise BadInput(f"need each other: {' → '.join(error.args[1])}", file="needs") from error
    return needs


def order(needs: Needs) -> list[str]:
    """All models, each behind what it is built on; of equals the first by name first.

    Raises:
        CycleError: Models need each other.

    >>> order({"intents": ("embedding",), "embedding": (), "ranking": ("intents", "embedding")})
    ['embedding', 'intents', 'ranking']
    """
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    found: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found += ready
        sorter.done(*ready)
    return found


def queued_again(needs: Needs, updated: Iterable[str]) -> list[str]:
    """The models to train again because what they are built on was updated, in order.

    Args:
        needs: Which model is built on which.
        updated: The models that were; they are not in the answer unless another of them lies below.

    Raises:
        BadInput: There is no such model.

    >>> queued_again({"intents": ("embedding",), "embedding": (), "other": ()}, ["embedding"])
    ['intents']
    """
    given = list(updated)
    if unknown := [name for name in given if name not in needs]:
        raise BadInput(f"no such model; there are {', '.join(sorted(needs))}", file=unknown[0])
    stale: set[str] = set()
    for name in order(needs):
        if any(below in stale or below in given for below in needs[name]):
            stale.add(name)
    return [name for name in order(needs) if name in stale]
