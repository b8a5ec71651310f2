"""The page of a window: what was found, ranked, and what it rests on; it needs no network and no scripts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adsmu.pages import day, environment
from adsmu.strategy import LEVELS

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 560, 190
LEFT, RIGHT, TOP, BOTTOM = 56, WIDTH - 20, 12, HEIGHT - 26
Point = tuple[float, float]
SHARES = ("accuracy", "estimated_accuracy")
DRIFTS = {"psi": "PSI", "w1": "W1", "l_infinity": "L∞", "l1": "L1", "mmd": "MMD²", "ks": "KS", "kl": "KL"}
"""Signals of drift that the page knows a short name of; others are shown by their own."""


def render_report(findings: dict[str, Any], name: str) -> str:
    """Writes the page of a window.

    Args:
        findings: The content of a `findings.json`.
        name: The strategy's name.

    Returns:
        HTML. Everything that comes from data is escaped.
    """
    templates = environment(FOLDER, {"day": day, "number": number})
    figures = findings["figures"]
    measured = [each for each in figures if each["level"] in ("outcome", "performance", "estimate")]
    return templates.get_template("monitor.html.j2").render(
        f=findings,
        name=name,
        headline=headline(findings),
        found=by_column(findings["findings"]),
        levels={level: sum(each["level"] == level for each in findings["findings"]) for level in LEVELS},
        overall=[each for each in measured if each["cohort"] is None],
        cohorts=worst_first([each for each in measured if each["cohort"] is not None]),
        longest={name: longest(measured, name) for name in {each["signal"] for each in measured}},
        drifts=[
            (compared["name"], *drift_table(figures, compared["name"]))
            for compared in findings["reference"]["compared"]
        ],
        charts={name: chart(steps) for name, steps in findings["series"].items() if steps},
        share=lambda figure: figure["signal"] in SHARES,
    )


def by_column(findings: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Findings in order, the drifts of one column together: its first, and the others.

    >>> drift = {"level": "drift", "column": "x", "kind": None}
    >>> [len(others) for _, others in by_column([drift, drift | {"column": "y"}, drift])]
    [1, 0]
    """
    found: dict[Any, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    for place, each in enumerate(findings):
        key = (each["column"], each["kind"] == "temporary") if each["level"] == "drift" else place
        if key in found:
            found[key][1].append(each)
        else:
            found[key] = each, []
    return list(found.values())


def headline(findings: dict[str, Any]) -> tuple[str, str]:
    """The page's first line, and the class that colours it.

    >>> headline({"blocked": False, "alerts": [], "findings": [{"kind": None}]})
    ('1 finding, none that calls a person', 'undecided')
    """
    alerts, count = len(findings["alerts"]), len(findings["findings"])
    if findings["blocked"]:
        return "Blocked: these rows are not to be learnt from", "fail"
    if alerts:
        return f"{alerts} alert{'s' if alerts > 1 else ''}", "fail"
    if count:
        return f"{count} finding{'s' if count > 1 else ''}, none that calls a person", "undecided"
    return "Nothing was found", "pass"


def worst_first(figures: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures of cohorts, signal by signal: what is beyond its threshold, then low shares and high errors."""
    return sorted(
        figures,
        key=lambda each: (
            not each["beyond"],
            each["signal"],
            each["value"] if each["signal"] in SHARES else -each["value"],
        ),
    )


def longest(figures: Sequence[dict[str, Any]], signal: str) -> float:
    """What the width of a bar stands for: 1 of shares, else more than the highest figure or threshold."""
    if signal in SHARES:
        return 1.0
    of = [each for each in figures if each["signal"] == signal]
    return max([abs(each[name]) for each in of for name in ("value", "threshold")], default=1.0) * 1.25 or 1.0


def drift_table(
    figures: Sequence[dict[str, Any]], reference: str
) -> tuple[list[tuple[str, str]], list[dict[str, Any]]]:
    """The drift figures of one reference: the signals, and a row for each column, the largest first."""
    of = [each for each in figures if each["level"] == "drift" and each["reference"] == reference]
    signals = list(dict.fromkeys(each["signal"] for each in of))
    rows: dict[str, dict[str, Any]] = {}
    for each in of:
        row = rows.setdefault(each["column"], {"column": each["column"], "rows": each["rows"], "of": {}})
        row["of"][each["signal"]] = each
    most = sorted(
        rows.values(),
        key=lambda row: -max(each["value"] / (each["threshold"] or 1) for each in row["of"].values()),
    )
    return [(name, DRIFTS.get(name, name)) for name in signals], most


def chart(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Places a series and its predicted range on a drawing of `WIDTH` by `HEIGHT`.

    Args:
        steps: Time, value, low and high of each step.

    Returns:
        Size and edges; marks of both axes; the polygons of the range; the line's pieces; the points, and
        those that lie outside.
    """
    known = [each[name] for each in steps for name in ("value", "low", "high") if each[name] is not None]
    top = max([*known, 0.0]) or 1.0
    bottom = min([*known, 0.0])
    width = (RIGHT - LEFT) / max(len(steps) - 1, 1)

    def place(index: int, value: float) -> Point:
        down = BOTTOM - (value - bottom) / (top - bottom) * (BOTTOM - TOP)
        return round(LEFT + width * index, 1), round(down, 1)

    points: list[Point] = []
    outside: list[Point] = []
    bands: list[list[Point]] = []
    lines: list[list[Point]] = []
    band: list[int] = []
    line: list[Point] = []
    for index, each in enumerate([*steps, None]):
        if each is None or each["low"] is None:
            if band:
                upper = [place(i, steps[i]["high"]) for i in band]
                bands.append(upper + [place(i, steps[i]["low"]) for i in reversed(band)])
            band = []
        else:
            band.append(index)
        if each is None or each["value"] is None:
            lines, line = [*lines, line] if line else lines, []
            continue
        point = place(index, each["value"])
        line.append(point)
        beyond = each["low"] is not None and not each["low"] <= each["value"] <= each["high"]
        (outside if beyond else points).append(point)
    every = max(1, -(-len(steps) // 6))
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "bottom": BOTTOM,
        "ticks": [(number(value), place(0, value)[1]) for value in (bottom, (bottom + top) / 2, top)],
        "days": [(place(i, bottom)[0], day(steps[i]["time"])[5:]) for i in range(0, len(steps), every)],
        "bands": bands,
        "lines": lines,
        "points": points,
        "outside": outside,
        "ranged": bool(bands),
    }


def number(value: float | None, share: bool = False) -> str:
    """A number in few digits, a share in percent; a dash where there is none.

    >>> number(0.03149), number(12345.6), number(0.91234, True)
    ('0.031', '12,346', '91.2 %')
    """
    if value is None:
        return "\N{EN DASH}"
    if share:
        return f"{100 * value:.1f} %"
    if value == 0:
        return "0"
    text = f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"
    return text.replace("-", "\N{MINUS SIGN}")
