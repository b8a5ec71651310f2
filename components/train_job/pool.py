"""What training asks of the cluster, and where: the parameter `pool`, validated."""

from dataclasses import dataclass, field
from typing import Any

from adsmu.errors import BadInput


@dataclass(frozen=True)
class Pool:
    """What each pod of a training asks for, and which nodes it may run on.

    Attributes:
        nodes: Nodes that train together; one: the step itself trains.
        gpus: Accelerators of each node, as text; empty: none.
        accelerator: Their resource name.
        selector: Labels that a node must have.
        tolerations: Taints that are put up with, as Kubernetes writes them.
    """

    nodes: int = 1
    gpus: str = ""
    accelerator: str = "nvidia.com/gpu"
    selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)


def read_pool(given: dict[str, Any]) -> Pool:
    """Checks a pool.

    Args:
        given: Values by name. A whole float stands for an integer: JSON of some engines knows no other.

    Raises:
        BadInput: An unknown name, or a value of another form.

    >>> read_pool({"nodes": 2.0, "gpus": "1"}).nodes
    2
    """
    if unknown := sorted(given.keys() - Pool.__dataclass_fields__.keys()):
        known = ", ".join(Pool.__dataclass_fields__)
        raise BadInput(f"no such key; known: {known}", file="pool", column=unknown[0])
    pool = Pool(**given)
    texts = isinstance(pool.selector, dict) and all(isinstance(each, str) for each in pool.selector.values())
    objects = isinstance(pool.tolerations, list) and all(isinstance(each, dict) for each in pool.tolerations)
    rules = {
        "nodes": (_whole(pool.nodes), "a whole number of at least 1"),
        "gpus": (isinstance(pool.gpus, str) and (pool.gpus or "1").isdecimal(), "a number as text, or empty"),
        "accelerator": (isinstance(pool.accelerator, str) and pool.accelerator, "the name of a resource"),
        "selector": (texts, "an object of labels, each with its text"),
        "tolerations": (objects, "a list of objects"),
    }
    for name, (kept, rule) in rules.items():
        if not kept:
            raise BadInput(f"{getattr(pool, name)!r} is not {rule}", file="pool", column=name)
    return Pool(int(pool.nodes), pool.gpus, pool.accelerator, pool.selector, pool.tolerations)


def _whole(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 1 and value == int(value)
    )
