"""What is measured of a window, and how far beyond its threshold it lies."""

from dataclasses import dataclass, field, replace
from typing import Any

from adsmu.monitor.conditions import Condition
from adsmu.strategy import Signal


@dataclass(frozen=True)
class Figure:
    """A figure of a window: of all its rows, a column, a cohort.

    Attributes:
        signal: The strategy's name for what is measured.
        level: Its place in `adsmu.strategy.LEVELS`.
        value: What was measured.
        threshold: What it is held against.
        rows: The rows that it is of.
        beyond: Whether it lies beyond the threshold, by its interval where it has one.
        text: What it says, in words.
        column: The column; None: of no one column.
        cohort: The cohort; None: of all rows.
        low: Lower bound of the value.
        high: Upper bound.
        alerts: Whether a person is to be called when it is found.
        blocks: Whether the window's rows are not to be learnt from when it is found.
        kind: Of drift: one of `adsmu.monitor.kind.KINDS`, or None.
        conditions: Which rows are behind it.
        times: When these rows are from, ISO 8601; None: the window.
        reference: The reference that a drift is measured from; None: not of a drift.
    """

    signal: str
    level: str
    value: float
    threshold: float
    rows: int
    beyond: bool
    text: str
    column: str | None = None
    cohort: str | None = None
    low: float | None = None
    high: float | None = None
    alerts: bool = False
    blocks: bool = False
    kind: str | None = None
    conditions: tuple[Condition, ...] = field(default_factory=tuple)
    times: tuple[str, str] | None = None
    reference: str | None = None

    @property
    def key(self) -> tuple[str, str | None, str | None, str | None]:
        """What the same figure of another window has in common with it."""
        return self.signal, self.column, self.cohort, self.reference

    @property
    def severity(self) -> float:
        """How far beyond, in thresholds: what ranks the figures of one level.

        The bound that is nearer to the threshold counts, so that few rows do not rank first.
        """
        bounds = [each for each in (self.value, self.low, self.high) if each is not None]
        distance = min(abs(each - self.threshold) for each in bounds)
        return distance / abs(self.threshold) if self.threshold else distance


def figure(name: str, signal: Signal, **of: Any) -> Figure:
    """A figure of a signal, with what the signal says of it.

    Args:
        name: The signal's name.
        signal: The signal.
        **of: The other attributes; `beyond` is taken for False where there are too few rows, and
            `alerts` and `threshold` are the signal's unless they are given.
    """
    taken: dict[str, Any] = {"threshold": signal.threshold, "alerts": signal.alert} | of
    made = Figure(signal=name, level=signal.level, **taken)
    if made.rows >= signal.minimum_rows:
        return made
    text = f"{made.text}; {made.rows:,} rows are too few to judge, {signal.minimum_rows:,} are needed"
    return replace(made, beyond=False, text=text)
