"""What all pages of the project share: how templates are read, the style, the script that sorts tables."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

SHARED = Path(__file__).parent / "stratified_evaluate"
"""Where the style of all pages is, and the script."""

DASH = "\N{EN DASH}"


def environment(folder: Path, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """How templates are read: everything that comes from data is escaped, and nothing may be undefined.

    Args:
        folder: Where the templates are.
        filters: What templates may call, by name.
    """
    made = Environment(
        loader=FileSystemLoader([folder, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= filters
    return made


def sorting_script() -> tuple[Markup, str]:
    """The script that sorts tables, and its hash for the page's policy, which lets no other script run."""
    script = (SHARED / "sort.js").read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(script), f"sha256-{hashed}"  # noqa: S704 - the package's own file


def day(time: str | None) -> str:
    """The day of a time in ISO 8601, and the hour where that is not midnight; a dash where there is none.

    >>> day("2012-01-01T00:00:00+00:00"), day("2012-01-01T06:30:00+00:00")
    ('2012-01-01', '2012-01-01 06:30')
    """
    if time is None:
        return DASH
    at = datetime.fromisoformat(time)
    return f"{at:%Y-%m-%d}" if at.hour == at.minute == 0 else f"{at:%Y-%m-%d %H:%M}"
