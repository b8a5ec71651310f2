"""What the store keeps of a model so that it can be told, and made, again."""

import contextlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.store import AlreadyThere, Store, upload
from adsmu.train.model import read_model

FORMAT = 1
LIBRARIES = ("adsmu", "numpy", "pyarrow", "torch")


def model_folder(model: str) -> str:
    """Where a model stands in a store; canary-deploy keeps its releases there too.

    >>> model_folder("sha256:0a1b")
    'models/0a1b/model'
    """
    return f"models/{_hex(model)}/model"


def data_name(table: str) -> str:
    """Where a table stands in a store."""
    return f"data/{_hex(table)}"


def keep(
    store: Store, model: str | Path, tables: Sequence[str | Path], because: dict[str, Any] | None = None
) -> str:
    """Keeps a model, the tables it learnt from, and how it came about. Done again, it changes nothing.

    Args:
        store: Where to.
        model: Model folder.
        tables: The files that it was trained on; those that it does not name are refused.
        because: Digests or ids of what led to it: decision, strategy, dataset.

    Returns:
        The model's digest.

    Raises:
        BadInput: The model is damaged, a table is not one that it learnt from, or one is missing.
        StoreUnavailable: The storage does not answer.
    """
    named = read_model(model)["data"]
    given = {digest(table): Path(table) for table in tables}
    for found, path in given.items():
        if found not in named.values():
            raise BadInput("not a table that the model learnt from", file=path)
    for name, wanted in named.items():
        if wanted not in given and store.read(data_name(wanted)) is None:
            raise BadInput(f"the table {wanted} is needed to make the model again", file=model, column=name)
    return _keep(store, model, given, because or {})


def keep_origin(
    store: Store,
    model: str | Path,
    parent: str | Path | None,
    tables: Sequence[str | Path],
    because: dict[str, Any],
    card: dict[str, Any] | None = None,
) -> None:
    """Keeps a model that is to be rolled out, its parent, and what is at hand of what they learnt from.

    What is not at hand is told by `adsmu.lineage.chain.lineage`. Done again, it changes nothing.

    Args:
        store: Where to.
        model: Model folder.
        parent: The model folder that it was trained from or compared with, or None.
        tables: Files; those that neither learnt from are left.
        because: Digests or ids of what led to it.
        card: The report card and its signature, as they are published; None: there is none.

    Raises:
        BadInput: A model is damaged.
        StoreUnavailable: The storage does not answer.
    """
    given = {digest(table): Path(table) for table in tables}
    for folder, why in ((parent, {}), (model, because)):
        if folder is None:
            continue
        learnt = read_model(folder)["data"].values()
        of_model = _keep(store, folder, {one: given[one] for one in learnt if one in given}, why)
    if card is not None:
        with contextlib.suppress(AlreadyThere):
            store.create(f"lineage/{_hex(of_model)}-card.json", json.dumps(card, ensure_ascii=False).encode())


def _keep(store: Store, model: str | Path, tables: dict[str, Path], because: dict[str, Any]) -> str:
    of_model = digest(model)
    for path in tables.values():
        keep_table(store, path)
    upload(model, store, model_folder(of_model))
    record = {
        "format": FORMAT,
        "model": of_model,
        "code": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "because": because,
    }
    with contextlib.suppress(AlreadyThere):
        store.create(f"lineage/{_hex(of_model)}.json", json.dumps(record, ensure_ascii=False).encode())
    return of_model


def stored_table(store: Store, table: str, folder: Path) -> Path:
    """Brings a table out of a store.

    Args:
        store: The store.
        table: Its digest.
        folder: Where the file is written.

    Raises:
        BadInput: It is missing, or was damaged.
        StoreUnavailable: The storage does not answer.
    """
    path = folder / f"{_hex(table)}.parquet"
    path.write_bytes(store.read(data_name(table)) or b"")
    if digest(path) != table:
        raise BadInput("is missing or was damaged", file=f"{store.uri}/{data_name(table)}")
    return path


def keep_table(store: Store, table: str | Path) -> str:
    """Keeps a table under its digest. Done again, it changes nothing.

    Args:
        store: Where to.
        table: The file.

    Returns:
        Its name in the store.

    Raises:
        StoreUnavailable: The storage does not answer.
    """
    name = data_name(digest(table))
    with contextlib.suppress(AlreadyThere):
        store.create(name, Path(table).read_bytes())
    return name


def record_of(store: Store, model: str) -> dict[str, Any] | None:
    """What was kept of how a model came about; None: nothing.

    Raises:
        BadInput: It is damaged.
    """
    name = f"lineage/{_hex(model)}.json"
    content = store.read(name)
    if content is None:
        return None
    try:
        record = json.loads(content)
    except ValueError as error:
        raise BadInput("not JSON", file=f"{store.uri}/{name}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadInput(f"not a record of format {FORMAT}", file=f"{store.uri}/{name}")
    return record


def card_of(store: Store, model: str) -> dict[str, Any] | None:
    """The report card that was kept with a model; None: there is none.

    Raises:
        BadInput: It is damaged.
    """
    name = f"lineage/{_hex(model)}-card.json"
    content = store.read(name)
    try:
        card = None if content is None else json.loads(json.loads(content)["card"])
        if card is not None and not isinstance(card["digests"]["evaluation_set"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("not a report card", file=f"{store.uri}/{name}") from error
    found: dict[str, Any] | None = card
    return found


def _hex(of: str) -> str:
    return of.removeprefix("sha256:")
