"""Two arms compared: paired by cell, averaged over seeds within a use case, with intervals over use cases."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scipy import stats

UseCase = tuple[str, str]
"""Corpus and intent."""


@dataclass(frozen=True)
class Runs:
    """The figures of every run.

    Attributes:
        of: For each arm, for each use case, for each seed: the figures.
    """

    of: Mapping[str, Mapping[UseCase, Mapping[int, Mapping[str, Any]]]]

    @property
    def arms(self) -> set[str]:
        """The arms that have a run."""
        return set(self.of)

    def only(self, wanted: Callable[[UseCase], bool]) -> "Runs":
        """The runs of some use cases."""
        kept = {arm: {u: seeds for u, seeds in cases.items() if wanted(u)} for arm, cases in self.of.items()}
        return Runs({arm: cases for arm, cases in kept.items() if cases})

    def cells(self, arms: Iterable[str]) -> set[tuple[UseCase, int]]:
        """The cells that have all of some arms; none when an arm has no run."""
        found = [
            {(case, seed) for case, seeds in self.of.get(arm, {}).items() for seed in seeds} for arm in arms
        ]
        return set.intersection(*found) if found else set()

    def use_cases(self, arms: Iterable[str]) -> set[UseCase]:
        """The use cases that any of some arms has a run of."""
        return {case for arm in arms for case in self.of.get(arm, {})}

    def within(self, cells: set[tuple[UseCase, int]]) -> "Runs":
        """The runs in some cells, of the arms that have all of these."""
        kept = {
            arm: {
                case: {seed: figures for seed, figures in seeds.items() if (case, seed) in cells}
                for case, seeds in cases.items()
            }
            for arm, cases in self.of.items()
            if cells <= self.cells([arm])
        }
        return Runs({arm: {c: seeds for c, seeds in cases.items() if seeds} for arm, cases in kept.items()})


def gather(results: Iterable[Mapping[str, Any]]) -> Runs:
    """Puts results in order.

    Args:
        results: What the files of runs hold.

    Returns:
        Their figures, with the cost in builds and seconds among them.
    """
    of: dict[str, dict[UseCase, dict[int, Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
    for run in results:
        cost = {"builds": run["cost"]["builds"], "seconds": run["cost"]["seconds"]}
        cost["utterance_epochs"] = run["cost"]["utterance_epochs"]
        of[run["arm"]][run["corpus"], run["use_case"]][run["seed"]] = run["figures"] | cost
    return Runs({arm: {case: dict(seeds) for case, seeds in cases.items()} for arm, cases in of.items()})


def pairs(runs: Runs, arm: str, base: str, figure: str) -> dict[UseCase, list[tuple[float, float]]]:
    """The figure of two arms in every cell that both have, by use case; cells without it are left out.

    Args:
        runs: All runs.
        arm: One arm.
        base: The other.
        figure: A figure's name.
    """
    found = {}
    for case, seeds in runs.of.get(arm, {}).items():
        others = runs.of.get(base, {}).get(case, {})
        both = [(seeds[s].get(figure), others[s].get(figure)) for s in sorted(seeds.keys() & others.keys())]
        known = [(one, other) for one, other in both if one is not None and other is not None]
        if known:
            found[case] = known
    return found


def differences(paired: Mapping[UseCase, list[tuple[float, float]]]) -> list[float]:
    """The mean difference of each use case.

    >>> differences({("a", "x"): [(0.5, 0.25), (0.75, 0.25)]})
    [0.375]
    """
    return [statistics.fmean(one - other for one, other in cells) for cells in paired.values()]


def accuracy_changes(paired: Mapping[UseCase, list[tuple[float, float]]]) -> list[float]:
    """For each use case the change of the mean over seeds, relative to the base's.

    A use case whose base is at 0 has none.

    >>> accuracy_changes({("a", "x"): [(0.6, 0.4), (0.6, 0.6)]})
    [0.2]
    """
    means = _means(paired)
    return [round((one - other) / other, 12) for one, other in means if other > 0]


def error_changes(paired: Mapping[UseCase, list[tuple[float, float]]]) -> list[float]:
    """The same of the error, 1 less the figure: below 0 is better.

    >>> error_changes({("a", "x"): [(0.6, 0.4), (0.6, 0.6)]})
    [-0.2]
    """
    means = _means(paired)
    return [round((other - one) / (1 - other), 12) for one, other in means if other < 1]


def _means(paired: Mapping[UseCase, list[tuple[float, float]]]) -> list[tuple[float, float]]:
    return [
        (statistics.fmean(one for one, _ in cells), statistics.fmean(other for _, other in cells))
        for cells in paired.values()
    ]


def interval(values: list[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """The mean over use cases, with Student's interval: use cases are the sample, seeds of one are not.

    Args:
        values: One number a use case, at least two.
        confidence: Two-sided.

    Returns:
        The mean and its bounds.

    >>> [round(figure, 3) for figure in interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    mean = statistics.fmean(values)
    spread = statistics.stdev(values) / math.sqrt(len(values))
    width = float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1)) * spread
    return mean, mean - width, mean + width


@dataclass(frozen=True)
class Comparison:
    """A comparison that the summary names.

    Attributes:
        arm: One arm.
        base: What it is compared with.
        figure: The figure.
        kind: What is taken of a use case: `differences`, `accuracy_changes` or `error_changes`.
        less_is_better: Whether a use case is won below 0.
    """

    arm: str
    base: str
    figure: str = "frame"
    kind: Callable[[Mapping[UseCase, list[tuple[float, float]]]], list[float]] = differences
    less_is_better: bool = False


COMPARISONS = {
    "adsmu_vs_naive_relative": Comparison("adsmu", "naive", kind=accuracy_changes),
    "adsmu_vs_equal": Comparison("adsmu", "equal"),
    "loop_vs_one_build": Comparison("adsmu", "recipe"),
    "unseen_shapes_vs_equal": Comparison("adsmu", "equal", "unseen_shapes"),
    "existing_vs_equal": Comparison("adsmu", "equal", "existing"),
    "flips_minus_churn": Comparison("adsmu", "reseeded", "negative_flips", less_is_better=True),
    "placebo_vs_equal": Comparison("placebo", "equal"),
    "adsmu_vs_naive_error": Comparison("adsmu", "naive", kind=error_changes, less_is_better=True),
    "adsmu_vs_seeds_natural": Comparison("adsmu", "seeds_natural"),
    "adsmu_vs_equal_twice": Comparison("adsmu", "equal_twice"),
    "adsmu_vs_placebo_of_itself": Comparison("adsmu", "placebo_shipped"),
    "recipe_vs_equal": Comparison("recipe", "equal"),
    "loop_vs_one_build_unseen_shapes": Comparison("adsmu", "recipe", "unseen_shapes"),
    "loop_vs_one_build_unseen_values": Comparison("adsmu", "recipe", "unseen_values"),
    "paper_loop_vs_equal": Comparison("adsmu_paper", "equal"),
    "recipe_vs_equal_existing": Comparison("recipe", "equal", "existing"),
    "loop_vs_one_build_flips": Comparison("adsmu", "recipe", "negative_flips", less_is_better=True),
    "new_shapes": Comparison("recipe", "recipe_known_shapes"),
    "new_shapes_on_unseen_shapes": Comparison("recipe", "recipe_known_shapes", "unseen_shapes"),
    "asking_vs_not": Comparison("asked_by_requests", "adsmu"),
    "asking_vs_random": Comparison("asked_by_requests", "asked_at_random"),
    "asking_vs_random_unseen_shapes": Comparison("asked_by_requests", "asked_at_random", "unseen_shapes"),
    "setting_bad_values_aside": Comparison("bad_values", "bad_values_kept"),
    "half_the_budget": Comparison("recipe_half", "recipe"),
    "three_quarters_of_the_budget": Comparison("recipe_three_quarters", "recipe"),
    "ceiling_vs_naive_relative": Comparison("real", "naive", kind=accuracy_changes),
    "ceiling_vs_equal": Comparison("real", "equal"),
    "ceiling_vs_equal_unseen_shapes": Comparison("real", "equal", "unseen_shapes"),
}
"""The first seven are the ones that the bars name."""
NAMED = ("adsmu", "naive", "equal", "recipe", "reseeded", "placebo")  # the arms of these seven


def compare(runs: Runs, comparison: Comparison) -> dict[str, Any] | None:
    """Works out a comparison.

    Args:
        runs: All runs.
        comparison: Which.

    Returns:
        `mean`, `low` and `high` over use cases, `wins` (use cases with the better value, ties are none), `n`
        use cases; None with fewer than two, which give no interval.
    """
    values = comparison.kind(pairs(runs, comparison.arm, comparison.base, comparison.figure))
    if len(values) < 2:
        return None
    mean, low, high = interval(values)
    wins = sum(value < 0 if comparison.less_is_better else value > 0 for value in values)
    return {"mean": mean, "low": low, "high": high, "wins": wins, "n": len(values)}
