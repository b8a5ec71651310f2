"""Object storage: a folder on one machine, a bucket on a cluster.

What is stored is created once and never changed. That one rule is enough for all that must not be lost or
doubled: evidence, event logs, models, and the list of champions, whose last entry is the one that counts.
Only what is of use for a while, as the state of a training under way, is taken away again.
Credentials come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`),
never from a parameter.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, from_url

from adsmu.errors import BadInput, StoreUnavailable

SCHEMES = ("s3", "minio", "gs")
"""What a place in object storage begins with; anything else is a folder."""


class AlreadyThere(Exception):
    """Something stands under that name already; it was left as it is."""


@dataclass(frozen=True)
class Store:
    """A place that holds immutable objects under names such as `looks/000001.json`.

    Attributes:
        uri: Where it is.
    """

    uri: str
    _at: Any = field(repr=False, compare=False)

    def create(self, name: str, content: bytes) -> None:
        """Stores an object, whole or not at all.

        Args:
            name: Where, below the store's own place.
            content: What.

        Raises:
            AlreadyThere: There is an object of this name.
            StoreUnavailable: The storage does not answer.
        """
        try:
            obstore.put(self._at, name, content, mode="create")
        except AlreadyExistsError as error:
            raise AlreadyThere(f"{self.uri}/{name}") from error
        except (BaseError, OSError) as error:
            raise _unavailable(self.uri, error) from error

    def read(self, name: str) -> bytes | None:
        """An object's content; None if there is none of this name.

        Raises:
            StoreUnavailable: The storage does not answer.
        """
        try:
            return bytes(obstore.get(self._at, name).bytes())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unavailable(self.uri, error) from error

    def remove(self, name: str) -> None:
        """Takes an object away that was of use for a while only; one that is not there is left so.

        Raises:
            StoreUnavailable: The storage does not answer.
        """
        with suppress(FileNotFoundError):
            try:
                obstore.delete(self._at, name)
            except BaseError as error:
                raise _unavailable(self.uri, error) from error

    def names(self, prefix: str = "", after: str = "") -> list[str]:
        """The names of objects, sorted.

        Args:
            prefix: A folder; only what is below it.
            after: Only names behind this one, in sorted order.

        Raises:
            StoreUnavailable: The storage does not answer.
        """
        try:
            found = obstore.list(self._at, prefix or None, offset=after or None)
            names = sorted(str(each["path"]) for part in found for each in part)
        except FileNotFoundError:
            return []
        except (BaseError, OSError) as error:
            raise _unavailable(self.uri, error) from error
        return [name for name in names if name > after]

    def folders(self, prefix: str) -> list[str]:
        """The folders directly below a name, sorted.

        Raises:
            StoreUnavailable: The storage does not answer.
        """
        try:
            return sorted(obstore.list_with_delimiter(self._at, prefix)["common_prefixes"])
        except FileNotFoundError:
            return []
        except (BaseError, OSError) as error:
            raise _unavailable(self.uri, error) from error

    def below(self, prefix: str) -> "Store":
        """The store of everything below a folder of this one."""
        return open_store(f"{self.uri.rstrip('/')}/{prefix}")


def open_store(uri: str | Path) -> Store:
    """Opens a store; nothing is read or written yet.

    Args:
        uri: A folder, or `s3://bucket/prefix`, `minio://bucket/prefix` or `gs://bucket/prefix`.

    Raises:
        BadInput: The URI has another form, or there can be no such folder.

    >>> import tempfile
    >>> store = open_store(tempfile.mkdtemp()).below("looks")
    >>> store.create("1.json", b"{}")
    >>> store.names(), store.read("1.json"), store.read("2.json")
    (['1.json'], b'{}', None)
    """
    text = str(uri).removeprefix("file://")
    scheme, separator, _ = text.partition("://")
    if not separator:
        try:
            return Store(text, LocalStore(Path(text).absolute(), automatic_cleanup=True, mkdir=True))
        except OSError as error:
            raise BadInput(f"no folder can be here: {error}", file=text) from error
    if scheme not in SCHEMES or not urlsplit(text).netloc:
        raise BadInput(f"must be a folder or {', '.join(f'{each}://bucket' for each in SCHEMES)}", file=text)
    where = text.replace("minio://", "s3://", 1)
    options: dict[str, Any] = {}
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "") if scheme != "gs" else ""
    if endpoint:
        # MinIO closes a connection behind a write that it refused: the next write on it would be lost.
        client = {"pool_max_idle_per_host": "0", "allow_http": endpoint.startswith("http://")}
        options["client_options"] = client
    retries: Any = {"max_retries": 2, "retry_timeout": _seconds(10)}
    return Store(text, from_url(where, retry_config=retries, **options))


def upload(folder: str | Path, store: Store, prefix: str) -> None:
    """Stores a folder's files; those that are there already are left.

    Args:
        folder: A local folder.
        store: Where to.
        prefix: Below which name.

    Raises:
        StoreUnavailable: The storage does not answer.
    """
    folder = Path(folder)
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        try:
            store.create(f"{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes())
        except AlreadyThere:
            continue


def download(store: Store, prefix: str, folder: str | Path) -> Path:
    """Brings everything below a name into a new local folder.

    Args:
        store: Where from.
        prefix: Below which name.
        folder: A local folder to make.

    Returns:
        The folder.

    Raises:
        BadInput: There is nothing of this name, or a name leads out of the folder.
        StoreUnavailable: The storage does not answer.
    """
    folder = Path(folder).absolute()
    for name in _some(store, prefix):
        target = (folder / name.removeprefix(f"{prefix}/")).absolute()
        if ".." in target.parts or not target.is_relative_to(folder):
            raise BadInput("a name that leads out of its folder", file=f"{store.uri}/{name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.read(name) or b"")
    return folder


def brought(place: str | Path, folder: str | Path) -> Path:
    """A single file, brought into a local folder if it stands in object storage.

    Args:
        place: A path, or a URI as `open_store` takes them.
        folder: A local folder that is there.

    Returns:
        A path; whether a local file is there is not asked.

    Raises:
        BadInput: There is no such object, or the URI has another form.
        StoreUnavailable: The storage does not answer.
    """
    text = str(place).removeprefix("file://")
    if "://" not in text:
        return Path(text)
    parent, _, name = text.rpartition("/")
    content = open_store(parent).read(name)
    if content is None:
        raise BadInput("no such object", file=text)
    path = Path(folder) / name
    path.write_bytes(content)
    return path


def _some(store: Store, prefix: str) -> Iterator[str]:
    names = store.names(prefix)
    if not names:
        raise BadInput("there is nothing", file=f"{store.uri}/{prefix}")
    yield from names


def _unavailable(uri: str, error: Exception) -> StoreUnavailable:
    what = (
        "refused the credentials"
        if isinstance(error, PermissionDeniedError | UnauthenticatedError)
        else "does not answer"
    )
    return StoreUnavailable(f"{uri}: the storage {what}: {str(error).splitlines()[0]}")


def _seconds(count: int) -> Any:
    from datetime import timedelta

    return timedelta(seconds=count)
