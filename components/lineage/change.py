"""What an update changed: the data, the model, or both; and what became of the old weights."""

from dataclasses import dataclass
from typing import Any

LABELS = ("domains", "intents", "slots")


@dataclass(frozen=True)
class Change:
    """What makes a model differ from the one before it.

    Attributes:
        kind: data, model, data and model, seed, or none.
        changed: The keys of `model.json` that differ, and of `settings` those that do.
        new_labels: By kind, what it can answer and its parent could not.
        lost_labels: By kind, what its parent could answer and it cannot.
        keeps_weights: Whether it began with the weights of its parent; outputs for new labels are added to
            those that were there.
    """

    kind: str
    changed: tuple[str, ...]
    new_labels: dict[str, list[str]]
    lost_labels: dict[str, list[str]]
    keeps_weights: bool

    @property
    def words(self) -> str:
        """The change in a sentence.

        >>> Change("data", ("data.data",), {"intents": ["Stop"]}, {}, True).words
        'a data iteration: data.data; 1 new intent (Stop), the weights of all others are kept'
        """
        text = {"seed": "only another seed", "none": "nothing"}.get(self.kind, f"a {self.kind} iteration")
        text += f": {', '.join(self.changed)}" if self.kind not in ("seed", "none") else ""
        kept = "the weights of all others are kept" if self.keeps_weights else "all weights are new"
        for what, found in (("new", self.new_labels), ("lost", self.lost_labels)):
            for kind, names in found.items():
                counted = f"{len(names)} {what} {kind if len(names) > 1 else kind.removesuffix('s')}"
                text += f"; {counted} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        return f"{text}, {kept}"


def change_of(parent: dict[str, Any], model: dict[str, Any]) -> Change:
    """Compares a model with its parent.

    A data iteration learns from other rows, a model iteration is built or trained in another way (trainer,
    settings). The mode says where weights begin and is neither.

    Args:
        parent: Content of the parent's `model.json`.
        model: Content of the model's.

    Returns:
        The change.
    """
    changed: dict[str, list[str]] = {"data": [], "model": []}
    for table in sorted({*parent["data"], *model["data"]}):
        if parent["data"].get(table) != model["data"].get(table):
            changed["data"].append(f"data.{table}")
    if parent["trainer"] != model["trainer"]:
        changed["model"].append("trainer")
    for name in sorted({*parent["settings"], *model["settings"]}):
        if parent["settings"].get(name) != model["settings"].get(name):
            changed["model"].append(f"settings.{name}")
    kinds = [kind for kind, names in changed.items() if names]
    other_seed = "seed" if parent["seed"] != model["seed"] else "none"
    return Change(
        kind=" and ".join(kinds) or other_seed,
        changed=(*changed["data"], *changed["model"]),
        new_labels=_missing(model["labels"], parent["labels"]),
        lost_labels=_missing(parent["labels"], model["labels"]),
        keeps_weights=model["mode"] != "full",
    )


def _missing(labels: dict[str, list[str]], among: dict[str, list[str]]) -> dict[str, list[str]]:
    found = {kind: sorted({*labels[kind]} - {*among[kind]}) for kind in LABELS}
    return {kind: names for kind, names in found.items() if names}
