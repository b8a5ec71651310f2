"""Users' own parts, named by import path: `package.module:attribute`."""

from importlib import import_module
from typing import Any

from adsmu.errors import BadInput


def load(path: str, what: str) -> Any:
    """Imports what an import path names.

    Args:
        path: `package.module:attribute`.
        what: The setting that holds the path, for the error's text.

    Returns:
        The attribute.

    Raises:
        BadInput: The path has another form, or names nothing that can be imported.

    >>> load("math:sqrt", "rule")(9)
    3.0
    """
    module, colon, attribute = path.partition(":")
    if not colon or not module or not attribute.isidentifier():
        raise BadInput(f"{path!r} is not of the form package.module:attribute", file=what)
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise BadInput(f"{path!r}: no module {error.name!r}", file=what) from error
    except AttributeError as error:
        raise BadInput(f"{path!r}: {module} has no {attribute!r}", file=what) from error
