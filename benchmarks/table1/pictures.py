"""The table as bars, and the error by round."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from adsmu.files import written_whole
from benchmarks.table1.compare import Runs, differences, interval, pairs

BASE = "equal"
CURVES = {"adsmu": "C0", "adsmu_paper": "C1", "placebo": "C7", "manual": "C3"}
LINES = {"equal": "C2", "recipe": "C4"}


def draw_arms(runs: Runs, labels: Mapping[str, str], file: Path) -> None:
    """Draws each arm's frame accuracy less that of equal allocation, with intervals over use cases.

    Args:
        runs: All runs.
        labels: What to call an arm.
        file: The PNG to write.
    """
    found = []
    for arm in runs.arms - {BASE, "champion", "reseeded"}:
        values = differences(pairs(runs, arm, BASE, "frame"))
        if values:
            mean, low, high = interval(values) if len(values) > 1 else (values[0],) * 3
            found.append((mean, low, high, labels[arm]))
    if not found:
        return
    found.sort()
    figure = Figure(figsize=(9, 1 + 0.32 * len(found)), layout="constrained")
    axes = figure.subplots()
    places = range(len(found))
    means = [mean for mean, *_ in found]
    bounds = [[mean - low for mean, low, *_ in found], [high - mean for mean, _, high, _ in found]]
    axes.barh(places, means, xerr=bounds, color=["C0" if "ADSMU" in name else "0.7" for *_, name in found])
    axes.set_yticks(places, [name for *_, name in found])
    axes.axvline(0, color="0.2", linewidth=0.8)
    figure.supxlabel(
        f"frame accuracy, mean over strata, less that of: {labels.get(BASE, BASE)}", size="medium"
    )
    _save(figure, file)


def draw_rounds(results: Sequence[Mapping[str, Any]], labels: Mapping[str, str], file: Path) -> None:
    """Draws the error on real test rows by round, the mean over use cases; never that on synthetic rows.

    Args:
        results: What the files of runs hold.
        labels: What to call an arm.
        file: The PNG to write.
    """
    errors: dict[str, dict[tuple[str, str], list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    needed = {arm for arm in (*CURVES, *LINES) if any(run["arm"] == arm for run in results)}
    cells: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for run in results:
        cells[run["corpus"], run["use_case"], run["seed"]].add(run["arm"])
    for run in results:
        # Only cells that have every curve: else curves would differ by their use cases.
        if run["arm"] in needed and needed <= cells[run["corpus"], run["use_case"], run["seed"]]:
            points = [1 - entry["frame"] for entry in run["rounds"]]
            points += points[-1:] * (run["setting"]["rounds"] - len(points))  # ended early
            errors[run["arm"]][run["corpus"], run["use_case"]].append(points)
    if not errors:
        return
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for arm, color in CURVES.items():
        if arm in errors:
            curve = _means(list(errors[arm].values()))
            axes.plot(range(1, len(curve) + 1), curve, marker="o", color=color, label=labels[arm])
    for arm, color in LINES.items():
        if arm in errors:
            last = _means(list(errors[arm].values()))[-1]
            axes.axhline(last, color=color, linestyle="--", linewidth=1, label=labels[arm])
    shown = next(iter(errors.values()))
    axes.set_title(f"{sum(map(len, shown.values()))} cells of {len(shown)} use cases", fontsize="small")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("round (the same data added in each)")
    axes.set_ylabel("frame error on real test rows")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize="small")
    _save(figure, file)


def _means(cases: list[list[list[float]]]) -> list[float]:
    """By round, over use cases, of the means over seeds."""
    by_case = [[statistics.fmean(values) for values in zip(*seeds, strict=True)] for seeds in cases]
    return [statistics.fmean(values) for values in zip(*by_case, strict=True)]


def _save(figure: Figure, file: Path) -> None:
    with written_whole(file) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": None})
