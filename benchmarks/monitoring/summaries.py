"""Shares and means with their intervals, as they stand in the record."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adsmu.local.worth import mean_interval
from adsmu.stratified_evaluate.intervals import clopper_pearson

CONFIDENCE = 0.95


def rate(right: Sequence[bool]) -> dict[str, Any]:
    """A share with its exact interval of 95 %.

    >>> rate([True, True, False, True])
    {'rate': 0.75, 'low': 0.1941, 'high': 0.9937, 'rows': 4}
    """
    low, high = clopper_pearson(sum(right), len(right), CONFIDENCE)
    return {
        "rate": round(float(np.mean(right)), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "rows": len(right),
    }


def mean(values: Sequence[float] | np.ndarray) -> dict[str, float | None]:
    """A mean over seeds or streams with Student's interval of 95 %; none below two values.

    >>> mean([1.0, 2.0, 3.0])
    {'mean': 2.0, 'low': -0.4841, 'high': 4.4841}
    """
    found = mean_interval(np.asarray(values, float), CONFIDENCE)
    return {name: None if value is None else round(value, 4) for name, value in found.items()}
