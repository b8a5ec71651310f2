"""What can be measured of a window, how much it matters, and from where on it tells something."""

from dataclasses import dataclass

LEVELS = ("outcome", "performance", "estimate", "quality", "drift", "system")
"""From what matters most to what matters least; findings are ranked in this order."""

ALERTING = ("outcome", "performance", "quality")
"""Levels that alert unless a strategy says otherwise: drift alone harms nobody, so it is recorded and opens
an analysis, and no one is called for it."""


@dataclass(frozen=True)
class Measure:
    """A figure of a window.

    Attributes:
        level: Its place in `LEVELS`.
        threshold: The default threshold; None: there is none that would fit all, a strategy must give one.
        lower_is_worse: Whether values below the threshold are the bad ones.
        task: `classification` or `regression` when it has a meaning for that one only.
        debug: For people who look at data; it never alerts and never opens an analysis.
    """

    level: str
    threshold: float | None
    lower_is_worse: bool = False
    task: str = ""
    debug: bool = False


MEASURES: dict[str, Measure] = {
    "outcome": Measure("outcome", None, lower_is_worse=True),  # the mean of a column that the business counts
    "accuracy": Measure("performance", 0.9, lower_is_worse=True, task="classification"),
    "mean_absolute_error": Measure("performance", None, task="regression"),
    "estimated_accuracy": Measure("estimate", 0.9, lower_is_worse=True, task="classification"),
    "schema": Measure("quality", 0.0),  # columns that are missing or of another type
    "missing": Measure("quality", 0.05),  # share of missing values above that of the reference
    "out_of_range": Measure("quality", 0.01),  # share of values outside the contract's range
    "new_category": Measure("quality", 0.01),  # share of values that the reference never held
    "volume": Measure("quality", 0.5),  # relative change of rows against what was predicted
    "staleness": Measure("quality", 1.0),  # age of the newest row, in windows
    "unit_change": Measure("quality", 0.7),  # part of the distance that undoing a change of unit takes away
    "dropped": Measure("quality", 0.1),  # share of hours (or days) without any row, above what is usual
    "psi": Measure("drift", 0.25),  # excess over its mean without shift
    "w1": Measure("drift", 0.5),  # in standard deviations of the reference
    "l_infinity": Measure("drift", 0.1),
    "l1": Measure("drift", 0.2),
    "mmd": Measure("drift", 0.002),  # of embeddings, squared: new classes in a third of the rows or more
    "seconds": Measure("system", None),  # to answer a request
    "errors": Measure("system", 0.05),  # share of requests that failed
    "cpu": Measure("system", 0.9),  # of a pod's limit, the highest seen
    "memory": Measure("system", 0.9),
    "ks": Measure("drift", 0.1, debug=True),
    "kl": Measure("drift", 0.1, debug=True),
}
"""By name. Of two normal distributions of one width, d standard deviations apart, PSI is d² and W1 is d:
thresholds of .25 and .5 tell the same shift."""

P_VALUES = ("p", "p_value", "pvalue", "p-value", "alpha", "significance")
"""Keys and names by which a threshold on a p-value is asked for, and refused."""

P_VALUE_RULE = (
    "a threshold on a p-value is not taken: with rows enough any shift is significant; name a measure of its "
    "size, such as psi or w1"
)
