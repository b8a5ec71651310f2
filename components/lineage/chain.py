"""Walks from a model to its parent, and on, to the root."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.lineage.change import Change, change_of
from adsmu.lineage.kept import data_name, model_folder, record_of
from adsmu.store import Store
from adsmu.train.model import KEYS, MODEL, read_model

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Link:
    """A model in a chain.

    Attributes:
        digest: Of the model folder.
        model: Content of its `model.json`.
        record: What was kept of how it came about; None: nothing.
        change: What differs from its parent; None: it is the root.
        missing: What is not in the store that is needed to make it again.
    """

    digest: str
    model: dict[str, Any]
    record: dict[str, Any] | None
    change: Change | None
    missing: tuple[str, ...]


def lineage(model: str | Path, store: Store) -> list[Link]:
    """The models that a model comes from.

    Args:
        model: A model folder, or the digest of a model in the store.
        store: Where its ancestors stand.

    Returns:
        The model first, its root last.

    Raises:
        BadInput: A model is missing or damaged.
        StoreUnavailable: The storage does not answer.
    """
    if DIGEST.fullmatch(str(model)):
        names, models = [str(model)], [_stored(store, str(model))]
    else:
        names, models = [digest(model)], [read_model(model)]
    while (parent := models[-1]["parent"]) is not None:
        if parent in names:
            raise BadInput("is its own ancestor", file=store.uri, column=parent)
        models.append(_stored(store, parent))
        names.append(parent)
    links, kept = [], {*store.names("data")}
    for index, (name, said) in enumerate(zip(names, models, strict=True)):
        parts = {f"data {table}": data_name(wanted) for table, wanted in said["data"].items()}
        links.append(
            Link(
                digest=name,
                model=said,
                record=record_of(store, name),
                change=change_of(models[index + 1], said) if index + 1 < len(models) else None,
                missing=tuple(what for what, where in parts.items() if where not in kept),
            )
        )
    return links


def _stored(store: Store, model: str) -> dict[str, Any]:
    """`model.json` of a model in the store."""
    if not isinstance(model, str) or not DIGEST.fullmatch(model):
        raise BadInput(f"{model!r} is not the digest of a model", file=store.uri)
    place = f"{model_folder(model)}/{MODEL}"
    file = f"{store.uri}/{place}"
    content = store.read(place)
    if content is None:
        raise BadInput("no such model in the store", file=file)
    try:
        said = json.loads(content)
    except ValueError as error:
        raise BadInput("not JSON", file=file) from error
    if not isinstance(said, dict) or (lacks := [key for key in KEYS if key not in said]):
        raise BadInput("incomplete", file=file, column=lacks[0] if isinstance(said, dict) else None)
    return said
