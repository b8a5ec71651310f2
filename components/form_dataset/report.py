"""The page of a dataset: how it differs from the last one; it needs no network and no scripts."""

from pathlib import Path
from typing import Any

from adsmu.pages import DASH, environment

FOLDER = Path(__file__).parent


def render_report(dataset: dict[str, Any], difference: dict[str, Any], name: str) -> str:
    """Writes the page.

    Args:
        dataset: The content of `dataset.json`.
        difference: The content of `difference.json`.
        name: The strategy's name.

    Returns:
        HTML. Everything that comes from data is escaped.
    """
    templates = environment(FOLDER, {"number": number, "distance": distance, "share": share, "day": day})
    columns = sorted(difference["columns"], key=lambda each: (not each["moved"], -(each["l1"] or 0.0)))
    most = max((max(each["before"] or 0, each["after"]) for each in difference["labels"]), default=1.0)
    return templates.get_template("difference.html.j2").render(
        d=dataset,
        x=difference,
        name=name,
        columns=columns,
        moved=[each["column"] for each in columns if each["moved"]],
        most=most,
    )


def number(value: float | None) -> str:
    """A number with four digits that count; a dash where there is none.

    >>> number(1234.5), number(0.01234)
    ('1,234', '0.01234')
    """
    if value is None:
        return DASH
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def distance(value: float | None) -> str:
    """A distance with three decimals; a dash where there is none.

    >>> distance(0.12345)
    '0.123'
    """
    return DASH if value is None else f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def share(value: float | None) -> str:
    """A share in percent; a dash where there is none.

    >>> share(0.125)
    '12.5'
    """
    return DASH if value is None else f"{100 * value:.1f}"


def day(text: str | None) -> str:
    """A point of time to the minute.

    >>> day("2026-11-21T06:30:00+00:00")
    '2026-11-21 06:30'
    """
    return DASH if text is None else text[:16].replace("T", " ")
