"""What a test found."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

UNKNOWN = "unknown"
"""The result of a test whose labels were not to be had."""


@dataclass(frozen=True)
class Outcome:
    """What a test found.

    Attributes:
        result: One of the results that `diagnose.LIKELIHOOD` knows for the test.
        figure: What it was read from.
        low: Lower bound.
        high: Upper bound.
        rows: Rows of the window that it rests on.
        where: Column, cohort or rule that it points to.
        places: Rows of the window that it points to.
    """

    result: str
    figure: float
    low: float
    high: float
    rows: int
    where: dict[str, Any] = field(default_factory=dict)
    places: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
