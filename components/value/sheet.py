"""What retraining more or less often costs a week, and from when on it pays: a sheet of costs, compared."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.yaml_files import read_yaml


@dataclass(frozen=True)
class Cadence:
    """A way of retraining that was tried or is thought of.

    Attributes:
        name: What it is called.
        per_week: Retrainings a week.
        cost: Of one retraining, in the sheet's currency.
        points: What it reaches: the metric in points (accuracy in percent).
    """

    name: str
    per_week: float
    cost: float
    points: float

    @property
    def week(self) -> float:
        """What it costs a week."""
        return self.per_week * self.cost


@dataclass(frozen=True)
class Prices:
    """What the study of cadences needs to know.

    Attributes:
        retraining: What one retraining costs.
        loss: What one unit of loss costs in one window.
        weekly: Windows in a week.
    """

    retraining: float
    loss: float
    weekly: int


@dataclass(frozen=True)
class Sheet:
    """A sheet of costs.

    Attributes:
        currency: How money is written.
        cadences: What is compared; the first is what the others are compared with.
        point_week: What one point is worth for a week; None: not known.
        prices: For the study of cadences on losses; None: there is none.
    """

    currency: str
    cadences: tuple[Cadence, ...]
    point_week: float | None
    prices: Prices | None


@dataclass(frozen=True)
class Change:
    """A cadence beside the first of its sheet.

    Attributes:
        cadence: The cadence.
        costs_more: What it costs more a week; negative: less.
        share: The same as a share of what the first costs; None where that costs nothing.
        points: By how many points it is better.
        pays_from: What a point must be worth a week for it to pay; None: it pays at any worth or at none.
        gain: What it gains a week: the worth of its points less what it costs more; None: not known.
    """

    cadence: Cadence
    costs_more: float
    share: float | None
    points: float
    pays_from: float | None
    gain: float | None

    @property
    def words(self) -> str:
        """Whether it pays, in words."""
        if self.points > 0:
            return "pays at any worth" if self.costs_more <= 0 else f"pays from {self.pays_from:,.2f} a point"
        if self.points == 0:
            return (
                "pays" if self.costs_more < 0 else "costs the same" if not self.costs_more else "does not pay"
            )
        return "pays at no worth" if self.costs_more >= 0 else f"pays up to {self.pays_from:,.2f} a point"


def compare(sheet: Sheet) -> list[Change]:
    """Compares each cadence of a sheet with its first.

    Args:
        sheet: The sheet.

    Returns:
        One change a cadence but the first, in their order.

    Seven retrainings a week at $200 each, against two at the same accuracy:

    >>> daily, twice = Cadence("daily", 7, 200, 85), Cadence("twice", 2, 200, 85)
    >>> (change,) = compare(Sheet("$", (daily, twice), None, None))
    >>> change.costs_more, round(100 * change.share, 2), change.words
    (-1000, -71.43, 'pays')

    And one a week that reaches 65 points, against two that reach 85:

    >>> (change,) = compare(Sheet("$", (Cadence("once", 1, 200, 65), twice), 12, None))
    >>> change.costs_more, change.pays_from, change.gain
    (200, 10.0, 40)
    """
    first, changes = sheet.cadences[0], []
    for each in sheet.cadences[1:]:
        more, points = each.week - first.week, each.points - first.points
        changes.append(
            Change(
                cadence=each,
                costs_more=more,
                share=more / first.week if first.week else None,
                points=points,
                pays_from=more / points if points and more / points > 0 else None,
                gain=None if sheet.point_week is None else sheet.point_week * points - more,
            )
        )
    return changes


def read_sheet(path: str | Path) -> Sheet:
    """Reads a sheet of costs; `examples/costs.yaml` shows each key.

    Args:
        path: A YAML file.

    Raises:
        BadInput: It is missing, no YAML, or breaks a rule; the key is named.
    """
    value = _mapping(read_yaml(path), path, "", ("currency", "cadences", "point_week", "study"))
    currency = value.get("currency", "$")
    if not isinstance(currency, str):
        raise BadInput("must be text", file=path, column="currency")
    cadences = value.get("cadences", {})
    if not isinstance(cadences, dict) or len(cadences) == 1:
        raise BadInput("must be a mapping of two cadences or more", file=path, column="cadences")
    if not cadences and "study" not in value:
        raise BadInput("holds neither cadences nor a study", file=path)
    worth = _number(value, "point_week", path, "point_week") if "point_week" in value else None
    return Sheet(
        currency,
        tuple(_cadence(name, given, path) for name, given in cadences.items()),
        worth,
        _prices(value["study"], path) if "study" in value else None,
    )


def _cadence(name: str, given: Any, path: str | Path) -> Cadence:
    place = f"cadences.{name}"
    keys = ("per_week", "cost", "points")
    value = _mapping(given, path, place, keys)
    return Cadence(name, *(_number(value, key, path, f"{place}.{key}") for key in keys))


def _prices(given: Any, path: str | Path) -> Prices:
    value = _mapping(given, path, "study", ("retraining", "loss", "weekly"))
    retraining, loss, weekly = (
        _number(value, key, path, f"study.{key}") for key in ("retraining", "loss", "weekly")
    )
    if not loss:
        raise BadInput("must be above 0", file=path, column="study.loss")
    if weekly < 1 or weekly != int(weekly):
        raise BadInput("must be a whole number of windows, 1 or more", file=path, column="study.weekly")
    return Prices(retraining, loss, int(weekly))


def _mapping(value: Any, path: str | Path, place: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput("must be a mapping", file=path, column=place or None)
    if unknown := sorted(set(value) - set(known)):
        raise BadInput(f"unknown; there are {', '.join(known)}", file=path, column=unknown[0])
    return value


def _number(value: dict[str, Any], key: str, path: str | Path, place: str) -> float:
    given = value.get(key)
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or given < 0:
        raise BadInput(f"must be a number of 0 or more, not {given!r}", file=path, column=place)
    return given
