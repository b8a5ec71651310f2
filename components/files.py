"""Files that are whole or absent, and the digests that name their content."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` to write to; it takes the name `path` only if the block ends well.

    Works for a file or, when the block makes a directory at the temporary path, for a folder. On any error
    the temporary is removed and what stood at `path` before still stands.

    Args:
        path: Where the result is to stand. Its parent is made when missing.

    Yields:
        The temporary path; nothing exists there yet.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    temporary = holder / path.name
    try:
        yield temporary
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write_json(value: Any, path: str | Path) -> None:
    """Writes `value` as readable JSON, whole or not at all; NaN is refused.

    Args:
        value: Anything `json` takes.
        path: The file to write.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Reads a JSON file.

    Args:
        path: The file.

    Returns:
        The value it holds.

    Raises:
        BadInput: It is missing, not UTF-8 or not JSON; the row is named.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path) from error
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", file=path) from error
    except json.JSONDecodeError as error:
        raise BadInput(f"not JSON: {error.msg}", file=path, row=error.lineno) from error


def digest(path: str | Path) -> str:
    """SHA-256 of a file, or of a folder's sorted relative names and their files' digests.

    Args:
        path: A file or a folder.

    Returns:
        `sha256:` and 64 hexadecimal digits.
    """
    path = Path(path)
    if path.is_file():
        with path.open("rb") as content:
            return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
    return f"sha256:{total.hexdigest()}"


def refuse_existing(path: str | Path) -> Path:
    """Returns `path` unless something stands there already.

    Args:
        path: A folder that is about to be made.

    Raises:
        BadInput: It exists and is not an empty folder.
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise BadInput("already exists; name a new folder or remove it first", file=path)
    return path
