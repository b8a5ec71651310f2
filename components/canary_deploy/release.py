"""A release: a model and the stratifier of its requests, kept in object storage, never changed."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.store import AlreadyThere, Store, upload


@dataclass(frozen=True)
class Release:
    """A model that can be served.

    Attributes:
        digest: Of the model folder, `sha256:` and 64 digits.
        uri: The release's folder: `model/` and `stratifier.json`; a path or a place in object storage.
    """

    digest: str
    uri: str

    @property
    def name(self) -> str:
        """A name for objects of this release: the same model has the same, another model another.

        >>> Release("sha256:" + "0123456789abcdef" * 4, "models/x").name
        'm-0123456789'
        """
        return f"m-{self.digest.removeprefix('sha256:')[:10]}"


def release_of(store: Store, model: str) -> Release:
    """The release of a model in a store, whether it is there yet or not.

    Args:
        store: The store.
        model: The model's digest.
    """
    return Release(model, f"{store.uri.rstrip('/')}/{_folder(model)}")


def stratifier_of(model: str) -> str:
    """The name of the stratifier that was registered with a model.

    Args:
        model: The model's digest.
    """
    return f"{_folder(model)}/stratifier.json"


def registered_stratifier(store: Store, model: str) -> Any:
    """The stratifier that was registered with a model, as JSON; None if there is none yet.

    Args:
        store: The store.
        model: The model's digest.

    Raises:
        BadInput: It is damaged.
        StoreUnavailable: The storage does not answer.
    """
    name = stratifier_of(model)
    content = store.read(name)
    try:
        return None if content is None else json.loads(content)
    except ValueError as error:
        raise BadInput("not JSON", file=f"{store.uri}/{name}") from error


def register(store: Store, model: str | Path, stratifier: dict[str, Any]) -> Release:
    """Puts a model where predictors take it from. Done again, it finishes what was left half done.

    Args:
        store: Where to.
        model: Model folder.
        stratifier: Which stratum a request is of.

    Raises:
        BadInput: The folder is empty.
        StoreUnavailable: The storage does not answer.
    """
    of_model = digest(model)
    release = release_of(store, of_model)
    if not any(each.is_file() for each in Path(model).rglob("*")):
        raise BadInput("an empty folder", file=model)
    upload(model, store, f"{_folder(of_model)}/model")
    text = json.dumps(stratifier, ensure_ascii=False).encode()
    with contextlib.suppress(AlreadyThere):  # then requests go on being grouped as they were
        store.create(stratifier_of(of_model), text)
    return release


def champions(store: Store, service: str) -> list[dict[str, Any]]:
    """The models that a service was given, in order: the last is the one in production.

    Args:
        store: The store.
        service: The service's name.
    """
    return [json.loads(store.read(name) or b"{}") for name in store.names(f"champions/{service}")]


def crown(store: Store, service: str, model: str, rollout: str, time: float) -> None:
    """Names a model the champion, unless it is. Written last, when it already answers all requests.

    Args:
        store: The store.
        service: The service's name.
        model: The model's digest.
        rollout: The rollout that promoted it; empty: it was there from the start.
        time: In Unix seconds.

    Raises:
        AlreadyThere: Another was named meanwhile.
    """
    before = champions(store, service)
    if before and before[-1]["model"] == model:
        return
    value = {"model": model, "rollout": rollout, "time": time}
    store.create(f"champions/{service}/{len(before):06d}.json", json.dumps(value).encode())


def _folder(model: str) -> str:
    return f"models/{model.removeprefix('sha256:')}"
