"""A column that comes in another unit than before: an affine change that a known conversion undoes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adsmu.monitor.figures import Figure, figure
from adsmu.profile.columns import Numeric
from adsmu.profile.profiles import Profile
from adsmu.strategy import Signal

SHARES = np.arange(0.005, 1, 0.01)
"""Where two distributions are compared: the middles of hundredths."""

FAR = 1.5
"""How far a column must have moved, in standard deviations of the reference, to be looked at: less is
drift."""

ALIKE = 2.0
"""How far apart, as a factor, the widths of both may be once the change is undone."""

FACTORS = {
    "a share to percent": 100.0,
    "units to thousandths": 1_000.0,
    "units to millionths": 1_000_000.0,
    "hours to minutes, or minutes to seconds": 60.0,
    "hours to seconds": 3_600.0,
    "days to hours": 24.0,
}
"""Conversions that multiply; each is tried backward too. Small factors (miles to kilometres, metres to feet)
are left out: seasons move columns as far. What lies outside the contract's range is found all the same."""

CONVERSIONS: dict[str, tuple[float, float]] = {
    "degrees Celsius to Fahrenheit": (1.8, 32.0),
    "degrees Fahrenheit to Celsius": (1 / 1.8, -32 / 1.8),
    "degrees Celsius to kelvin": (1.0, 273.15),
    "kelvin to degrees Celsius": (1.0, -273.15),
    **{name: (factor, 0.0) for name, factor in FACTORS.items()},
    **{f"{name}, backward": (1 / factor, 0.0) for name, factor in FACTORS.items()},
}
"""By name: what the value is multiplied by, and what is added then."""


@dataclass(frozen=True)
class UnitChange:
    """A conversion that explains how a column moved.

    Attributes:
        name: The conversion.
        undone: Part of the distance to the reference that undoing it takes away.
    """

    name: str
    undone: float


def unit_change(reference: ArrayLike, current: ArrayLike) -> UnitChange | None:
    """Finds the conversion that brings a column back to its reference.

    Distances are W1, the mean distance between quantiles of the same share (Vallender 1974, "Calculation of
    the Wasserstein distance between probability distributions on the line"), in standard deviations of the
    reference. How much of the distance a conversion explains is the part that undoing it takes away, if it
    leaves the column about as wide as the reference is; of a column that is not `FAR` there is nothing to
    explain.

    Args:
        reference: Quantiles of the reference at `SHARES`.
        current: Quantiles of the window at the same shares.

    Returns:
        The conversion that takes the largest part away; None: none explains it. On two years of weather by
        the month no season takes three quarters away, and degrees in the wrong unit always do.

    >>> celsius = np.linspace(-5, 15, 100)
    >>> found = unit_change(celsius, 1.8 * (celsius + 2) + 32)
    >>> found.name, round(found.undone, 2)
    ('degrees Celsius to Fahrenheit', 0.95)
    >>> unit_change(celsius, celsius + 5) is None
    True
    """
    before, now = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    spread = before.std()
    if not spread > 0 or not np.isfinite(now).all():
        return None
    far = np.abs(now - before).mean() / spread
    if far < FAR:
        return None
    left = {
        name: np.abs((now - add) / times - before).mean() / spread
        for name, (times, add) in CONVERSIONS.items()
        if 1 / ALIKE <= now.std() / (times * spread) <= ALIKE
    }
    best = min(left, key=left.__getitem__, default="")
    return UnitChange(best, float(1 - left[best] / far)) if best and left[best] < far else None


def units(
    name: str, signal: Signal, current: Profile, references: Sequence[Profile], watched: Sequence[str]
) -> list[Figure]:
    """Looks for columns that came in another unit than in any of the references.

    Args:
        name: The signal's name.
        signal: A signal of a change of unit.
        current: The window's profile.
        references: Profiles of healthy times; that of the window before is the best, its season is alike.
        watched: The columns that are looked at.

    Returns:
        A figure for each column that a conversion explains.
    """
    found = []
    for column in signal.columns or watched:
        now = current.columns.get(column)
        befores = [each.columns.get(column) for each in references]
        if not isinstance(now, Numeric) or not now.weight:
            continue
        changes = [
            unit_change(before.distribution.quantiles(SHARES), now.distribution.quantiles(SHARES))
            for before in befores
            if isinstance(before, Numeric) and before.weight
        ]
        best = max((each for each in changes if each), key=lambda each: each.undone, default=None)
        if best is None:
            continue
        found.append(
            figure(
                name,
                signal,
                column=column,
                value=best.undone,
                rows=round(now.effective_rows),
                beyond=best.undone > signal.threshold,
                text=f"{column}: looks as if its unit changed: undoing {best.name} takes away"
                f" {100 * best.undone:.0f} % of the distance to what is usual",
                blocks=True,
            )
        )
    return found
