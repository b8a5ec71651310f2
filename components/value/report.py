"""The page of `adsmu value`: it needs neither a network nor JavaScript."""

import io
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from adsmu.pages import environment

FOLDER = Path(__file__).parent
MINUS = "\N{MINUS SIGN}"
INK, ACCENT, BAD = "#57606a", "#0b5c9e", "#a63a00"


def render_value(found: dict[str, Any]) -> str:
    """Writes the page.

    Args:
        found: The content of a `value.json`.

    Returns:
        HTML. Everything that comes from data is escaped.
    """
    templates = environment(FOLDER, {"money": money, "share": share})
    ways = sorted(found["ways"], key=lambda way: float(way["cost"]))
    return templates.get_template("value.html.j2").render(
        v=found,
        ways=ways,
        ages=found["freshness"],
        pictures={
            "freshness": Markup(_freshness(found["freshness"])) if found["freshness"] else "",  # noqa: S704
            "ways": Markup(_when(ways, found["history"], found["windows"])) if ways else "",  # noqa: S704
        },
    )


def money(amount: float, currency: str, sign: bool = False) -> str:
    """An amount of money.

    >>> money(1400, "$"), money(200, "$", sign=True)
    ('$1,400', '+$200')
    """
    before = MINUS if amount < 0 else "+" if sign and amount > 0 else ""
    digits = 0 if amount == round(amount) or abs(amount) >= 1000 else 2
    return f"{before}{currency}{abs(amount):,.{digits}f}"


def share(value: float | None) -> str:
    """A change in percent with its sign; a dash where there is none.

    >>> share(0.0525)
    '+5.25 %'
    """
    return "\N{EN DASH}" if value is None else f"{100 * value:+.2f} %".replace("-", MINUS)


def _freshness(ages: list[dict[str, Any]]) -> str:
    """Loss above that of the newest model, by age."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    places = range(len(ages))
    axes.axhline(0, color=INK, linewidth=1)
    known = [(at, age["low"], age["high"]) for at, age in enumerate(ages) if age["low"] is not None]
    axes.vlines(*zip(*known, strict=True), color=ACCENT)
    axes.plot(places, [age["difference"] for age in ages], "o-", color=ACCENT, linewidth=1)
    axes.set_xticks(list(places), [str(age["windows"]) for age in ages])
    axes.set_xlabel("age of the model, windows")
    axes.set_ylabel("loss above the newest")
    return _svg(figure)


def _when(ways: list[dict[str, Any]], history: int, windows: int) -> str:
    """When each way retrained."""
    figure = Figure(figsize=(9.6, 0.6 + 0.32 * len(ways)), layout="constrained")
    axes = figure.subplots()
    for row, way in enumerate(reversed(ways)):
        colour = BAD if way["name"] == "best in hindsight" else ACCENT
        retrained = way["played"]["retrained"]
        axes.hlines(row, history - 1, windows, color=INK, linewidth=0.5)
        axes.plot(retrained, [row] * len(retrained), "|", color=colour, markersize=10)
    axes.set_yticks(range(len(ways)), [way["name"] for way in reversed(ways)])
    axes.set_xlim(history - 1, windows)
    axes.set_xlabel("window; a stroke is a retraining")
    return _svg(figure)


def _svg(figure: Figure) -> str:
    """A drawing as an element of a page: transparent, its text as text, the same for the same figures."""
    for axes in figure.axes:
        axes.tick_params(colors=INK)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(INK)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
    FigureCanvasSVG(figure)
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    return text[text.index("<svg") :]
