"""The page of a strategy that was played: what it was worth, then window by window; no scripts."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from adsmu.pages import day, environment

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 900, 300
LEFT, RIGHT, TOP, BOTTOM = 104, WIDTH - 48, 20, HEIGHT - 34
ARMS = {"followed": "following it", "always": "retraining after every window", "never": "never retraining"}
ACTIONS = {
    "update": ("↻", "refine", "update"),
    "do_not_update": ("·", "undecided", "do not update"),
    "ask": ("?", "give_up", "ask a person"),
    "blocked": ("✕", "fail", "blocked"),
}


def render_report(watched: dict[str, Any]) -> str:
    """Writes the page.

    Args:
        watched: The content of a `watch.json`.

    Returns:
        HTML. Everything that comes from data is escaped.
    """
    classes = watched["classes"]
    templates = environment(FOLDER, {"loss": partial(loss, classes=classes), "day": day, "words": words})
    return templates.get_template("watch.html.j2").render(
        w=watched,
        headline=headline(watched),
        arms=ARMS,
        actions=ACTIONS,
        counts={
            name: sum(each["decision"]["action"] == name for each in watched["windows"]) for name in ACTIONS
        },
        chart=chart(watched["windows"], classes),
    )


def headline(watched: dict[str, Any]) -> tuple[str, str]:
    """What following was worth, in words, and how it is marked.

    >>> sure, unsure = {"mean": 2.0, "low": 1.0, "high": 3.0}, {"mean": 0.1, "low": -1.0, "high": 1.2}
    >>> headline({"worth": {"less": {"never": sure, "always": unsure}}})[0]
    'Following it lost less than never retraining, and neither surely more nor less than always retraining'
    """
    told = {}
    for arm in ("never", "always"):
        found = watched["worth"]["less"][arm]
        if found["low"] is not None and found["low"] > 0:
            told[arm] = "less than"
        elif found["high"] is not None and found["high"] < 0:
            told[arm] = "more than"
        else:
            told[arm] = "neither surely more nor less than"
    said = set(told.values())
    mark = "fail" if "more than" in said else "pass" if "less than" in said else "undecided"
    text = f"Following it lost {told['never']} never retraining, and {told['always']} always retraining"
    return text, mark


def loss(value: float | None, classes: bool) -> str:
    """A loss: of classes in percent, else four digits; a dash where there is none.

    >>> loss(0.0512, True), loss(61.9876, False)
    ('5.1 %', '61.99')
    """
    if value is None:
        return "\N{EN DASH}"
    return (f"{100 * value:.1f} %" if classes else f"{value:.4g}").replace("-", "\N{MINUS SIGN}")


def words(name: str) -> str:
    """A name of the program's as words."""
    return name.replace("_", " ")


def chart(windows: Sequence[dict[str, Any]], classes: bool) -> dict[str, Any]:
    """Places the loss of each arm in each window on a drawing of `WIDTH` by `HEIGHT`.

    Args:
        windows: Those of a `watch.json`.
        classes: Whether losses are shares.

    Returns:
        Grid lines, days, updates that were promoted, and by arm the points of its line.
    """
    highest = max(
        (value for each in windows for value in each["loss"].values() if value is not None), default=0
    )
    top = highest or 1.0
    step = (RIGHT - LEFT) / max(len(windows) - 1, 1)
    across = [round(LEFT + step * place, 1) for place in range(len(windows))]

    def down(value: float) -> float:
        return round(BOTTOM - value / top * (BOTTOM - TOP), 1)

    long = len(windows) > 1 and windows[0]["from"][:4] != windows[-1]["from"][:4]
    cut = slice(7) if long else slice(5, 10)
    shown = range(0, len(windows), max(len(windows) // 6, 1))
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "top": TOP,
        "bottom": BOTTOM,
        "ticks": [(loss(part * top, classes), down(part * top)) for part in (0, 0.5, 1)],
        "days": [(across[place], windows[place]["from"][cut]) for place in shown],
        "updates": [
            x
            for x, each in zip(across, windows, strict=True)
            if each["update"] and each["update"]["promoted"]
        ],
        "lines": {
            arm: [
                (x, down(each["loss"][arm]))
                for x, each in zip(across, windows, strict=True)
                if each["loss"][arm] is not None
            ]
            for arm in ARMS
        },
    }
