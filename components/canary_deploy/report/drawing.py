"""Where the lines of a rollout's report go. Texts stand beside the drawings, so that they keep their size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 40, WIDTH - 8, 18, HEIGHT - 22

SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between two marks on an axis of time."""

Line = Sequence[float | None]
"""A figure at each look; None: there was none."""


@dataclass(frozen=True)
class Scale:
    """An axis from the bottom of a panel to its top.

    Attributes:
        low: The value at the bottom.
        high: That at the top; what lies beyond is drawn at the edge.
    """

    low: float
    high: float

    def y(self, value: float) -> float:
        """How far down a value is drawn.

        >>> Scale(0, 1).y(0.5), Scale(0, 1).y(7)
        (93.0, 18.0)
        """
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(BOTTOM - part * (BOTTOM - TOP), 1)


def steps(line: Line, scale: Scale) -> str:
    """The path of a figure that holds from one look to the next; points that change nothing are left out.

    Args:
        line: The figure.
        scale: Its axis.

    >>> steps([None, 0.0, 0.0, 1.0], Scale(0, 1))
    'M118.0 168.0H274.0V18.0H352.0'
    """
    path, at = "", None
    for number, value in enumerate(line):
        y = None if value is None else scale.y(value)
        if y != at:
            x = across(number, len(line))
            path += f"H{x}" if at is not None else ""
            path += "" if y is None else f"V{y}" if at is not None else f"M{x} {y}"
            at = y
    return path if at is None else f"{path}H{across(len(line), len(line))}"


def area(line: Line, scale: Scale) -> str:
    """The path round everything below a line.

    >>> area([0.0, 1.0], Scale(0, 1))
    'M40.0 168.0H196.0V18.0H352.0V168H40.0Z'
    """
    path = steps(line, scale)
    return f"{path}V{BOTTOM}H{path[1:].split()[0]}Z" if path else ""


def across(number: int, looks: int) -> float:
    """Where a look begins, from the left."""
    return round(LEFT + (RIGHT - LEFT) * number / max(looks, 1), 1)


def frame(shares: Sequence[float], ticks: Sequence[tuple[str, float]], scale: Scale) -> dict[str, Any]:
    """What all panels of a report have in common.

    Args:
        shares: The canary's share at each look.
        ticks: Label and value of each mark on the axis upward.
        scale: That axis.

    Returns:
        The edges, the marks upward, and where the share changed.
    """
    changes = [0, *(n for n in range(1, len(shares)) if shares[n] != shares[n - 1])]
    placed: list[dict[str, Any]] = []
    for number in changes:
        x = across(number, len(shares))
        before = max((each["x"] for each in placed if each["label"]), default=-99.0)
        label = f"{100 * shares[number]:g} %" if x - before >= 38 and x < RIGHT - 30 else ""
        placed.append({"x": x, "label": label, "edge": number > 0})
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "top": TOP,
        "bottom": BOTTOM,
        "ticks": [(label, scale.y(value)) for label, value in ticks if scale.low <= value <= scale.high],
        "shares": placed,
        "looks": len(shares),
    }


@dataclass(frozen=True)
class Ramp:
    """The ramp over time, in percent of the drawing's width and height.

    Attributes:
        path: The share, as seen to hold.
        area: What is below it.
        looks: Paths of dots: looks that decided to hold, and looks that could not be read.
        marks: What else happened: `x`, `y`, `kind`, `share`; `label` says how wide a page must be to show the
            share beside it: `any`, `wide` or none; `high` that another mark is in the label's way.
        phases: Of each `name`, `left` edge, `width`, and `label` as with marks.
        ticks: Text and place of the marks of time.
        shares: Text and place of the marks upward.
    """

    path: str
    area: str
    looks: tuple[str, str]
    marks: list[dict[str, Any]]
    phases: list[dict[str, Any]]
    ticks: list[tuple[str, float]]
    shares: list[tuple[str, float]]


def ramp(
    began: float,
    ended: float,
    shares: list[tuple[float, float]],
    events: list[dict[str, Any]],
    phases: list[tuple[str, float]],
) -> Ramp:
    """Places a rollout on an axis of time.

    Args:
        began: When, in Unix seconds.
        ended: When, or now.
        shares: Since when which share was seen to hold, in order.
        events: `time`, `share` and `kind` of what else is to be shown, in order.
        phases: Since when which phase, in order.

    >>> ramp(0, 10, [(0, 0.0), (5, 1.0)], [], [("ramp", 0)]).path
    'M0.0 100.0H50.0V0.0H100'
    """
    length = max(ended - began, 1e-9)
    top = next(
        each for each in (0.1, 0.25, 0.5, 1.0) if each >= max(share for _, share in shares) or each == 1
    )

    def x(time: float) -> float:
        return round(100 * min(max((time - began) / length, 0.0), 1.0), 2)

    def y(share: float) -> float:
        return round(100 - 100 * min(share, top) / top, 2)

    path = "".join(
        f"H{x(time)}V{y(share)}" if number else f"M{x(time)} {y(share)}"
        for number, (time, share) in enumerate(shares)
    )
    dots = {"hold": "", "unreadable": ""}
    marks: list[dict[str, Any]] = []
    any_page, wide_page = -99.0, -99.0
    for event in events:
        here = {"x": x(event["time"]), "y": y(event["share"]), **event, "label": ""}
        if event["kind"] in dots:
            dots[event["kind"]] += f"M{here['x']} {here['y']}h0"
            continue
        if event["kind"] == "share" and here["x"] - any_page >= 15:
            here["label"], any_page, wide_page = "any", here["x"], here["x"]
        elif event["kind"] == "share" and here["x"] - wide_page >= 5:
            here["label"], wide_page = "wide", here["x"]
        marks.append(here)
    signs = [each for each in marks if each["kind"] != "share"]
    for mark in marks:
        mark["high"] = any(-1 < each["x"] - mark["x"] < 6 and each["y"] == mark["y"] for each in signs)
    edges = [*(x(time) for _, time in phases), 100.0]
    span = next((each for each in SPANS if length / each <= 6), 86400 * max(1, round(length / 86400 / 5)))
    return Ramp(
        f"{path}H100",
        f"{path}H100V100H0Z",
        (dots["hold"], dots["unreadable"]),
        marks,
        [
            _phase(name, left, round(right - left, 2))
            for (name, _), left, right in zip(phases, edges[:-1], edges[1:], strict=True)
            if right > left
        ],
        [(elapsed(n * span), x(began + n * span)) for n in range(int(length // span) + 1)],
        [(f"{100 * top * part / 4:g} %", 100 - 25.0 * part) for part in range(5 if path.count("V") else 1)],
    )


def _phase(name: str, left: float, width: float) -> dict[str, Any]:
    """A phase, with its name where there is room: a drawing is 6.5 pixels to a percent wide or more, or 3."""
    needed = 8 + 8 * len(name)
    label = "any" if 3 * width >= needed else "wide" if 6.5 * width >= needed else ""
    return {"name": name, "left": left, "width": width, "label": label}


def elapsed(seconds: float) -> str:
    """A time since the beginning, as a clock shows it.

    >>> elapsed(75), elapsed(3675), elapsed(90_000)
    ('1:15', '1:01:15', '1 d 1:00:00')
    """
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    clock = f"{hours}:{rest // 60:02}" if hours or days else f"{rest // 60}"
    return f"{days} d {clock}:{rest % 60:02}" if days else f"{clock}:{rest % 60:02}"
