"""What all runs say: `summary.json`, the table in Markdown, and the pictures."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import read_json, write_json, written_whole
from benchmarks.table1.compare import (
    COMPARISONS,
    NAMED,
    Runs,
    accuracy_changes,
    compare,
    differences,
    error_changes,
    gather,
    interval,
    pairs,
)
from benchmarks.table1.pictures import draw_arms, draw_rounds

NAMES = {
    "champion": "old model",
    "reseeded": "old model, another seed (churn floor)",
    "naive": "1 naive: natural frequency, no user rows",
    "naive_finetuned": "2 naive, fine-tuned",
    "submodular": "3 submodular",
    "submodular_finetuned": "4 submodular, fine-tuned",
    "adsmu_paper": "5 ADSMU as published: loop, from scratch",
    "adsmu_submodular": "6 ADSMU and submodular",
    "seeds_natural": "user rows and natural frequency",
    "equal": "equal over strata, one build",
    "equal_twice": "equal over strata, one build, twice the data",
    "recipe": "the product's recipe, one build",
    "adsmu": "ADSMU as shipped: the product's loop",
    "placebo": "placebo: the published loop, random strata",
    "placebo_shipped": "placebo: the product's loop, random strata",
    "group_dro": "group DRO",
    "train_twice": "just train twice",
    "between_epochs": "data added between the epochs of one build",
    "manual": "written-down policy of a manual modeler, three builds",
    "real": "ceiling: all real rows",
    "recipe_random_fill": "recipe without balanced fill",
    "recipe_from_scratch": "recipe without warm start",
    "recipe_known_shapes": "recipe without new shapes",
    "recipe_fast": "recipe, warm, the learning rate of a build from scratch",
    "recipe_interpolated": "recipe, a share of .15 of the old model's weights put back",
    "adsmu_without_scouts": "ADSMU as shipped, whole builds in place of scouts",
    "recipe_half": "recipe, half of the budget",
    "recipe_three_quarters": "recipe, three quarters of the budget",
    "asked_by_requests": "ADSMU, real rows of what it asks for in the last round",
    "asked_at_random": "ADSMU, as many real rows at random",
    "bad_values": "ADSMU, a tenth of the catalog wrong",
    "bad_values_kept": "ADSMU, a tenth of the catalog wrong, suspects kept",
    "recipe_unweighted": "recipe without weights on new rows",
    "recipe_unaveraged": "recipe without averaged weights",
}
SHOWN = (
    *("unseen_values", "unseen_shapes", "mean_of_three", "worst_decile", "strata_at_95"),
    *("existing", "negative_flips"),
)
LOOPS = (
    *("adsmu_without_scouts", "placebo_shipped", "asked_by_requests", "asked_at_random"),
    *("bad_values", "bad_values_kept"),
)
PARTS = ("frame", "unseen_shapes", "unseen_values", "existing", "negative_flips")


def summarise(output: Path) -> None:
    """Writes `summary.json`, `table.md`, `table.png` and `rounds.png` beside the runs.

    Args:
        output: The results' folder.

    Raises:
        BadInput: There are no runs, or they were made with different settings.
    """
    results = [read_json(path) for path in sorted((output / "runs").glob("*.json"))]
    if not results:
        raise BadInput("no runs: run the benchmark first", file=output / "runs")
    if any(run["setting"] != results[0]["setting"] for run in results):
        raise BadInput("holds runs of different settings", file=output / "runs")
    runs = gather(results)
    write_json(summary(results, runs), output / "summary.json")
    with written_whole(output / "table.md") as temporary:
        temporary.write_text(table(results, runs), encoding="utf-8")
    labels = {arm: NAMES.get(arm, arm) for arm in runs.arms}
    draw_arms(runs, labels, output / "table.png")
    draw_rounds(results, labels, output / "rounds.png")


def summary(results: Sequence[Mapping[str, Any]], runs: Runs) -> dict[str, Any]:
    """The figures that the bars are held against.

    Args:
        results: What the files of runs hold.
        runs: The same, in order.

    Returns:
        corpora, use_cases, seeds, arms, comparisons, loop_cost_builds, command; `missing` says why a
        comparison is not there; `apart` has the comparisons of tuned and of other use cases.
    """
    tuned = {(run["corpus"], run["use_case"]) for run in results if run["tuned"]}
    parts = {
        "tuned": runs.only(lambda case: case in tuned),
        "not_tuned": runs.only(lambda case: case not in tuned),
    }
    found = {name: compare(runs, comparison) for name, comparison in COMPARISONS.items()}
    loop = [seed["builds"] for seeds in runs.of.get("adsmu", {}).values() for seed in seeds.values()]
    absent = {
        name: f"{comparison.arm} and {comparison.base} meet in fewer than two use cases"
        for name, comparison in COMPARISONS.items()
        if found[name] is None
    }
    if not loop:
        absent["loop_cost_builds"] = "no run of adsmu"
    return {
        "corpora": sorted({run["corpus"] for run in results}),
        "use_cases": sorted({run["use_case"] for run in results}),
        "tuned_use_cases": sorted(case for _, case in tuned),
        "seeds": sorted({run["seed"] for run in results}),
        "arms": [arm for arm in NAMES if arm in runs.arms] + sorted(runs.arms - set(NAMES)),
        "comparisons": {name: value for name, value in found.items() if value is not None},
        "apart": {
            part: {
                name: value
                for name, comparison in COMPARISONS.items()
                if (value := compare(some, comparison)) is not None
            }
            for part, some in parts.items()
        },
        **({"loop_cost_builds": statistics.fmean(loop)} if loop else {}),
        "runs": len(results),
        "dates": sorted({run["made"]["date"] for run in results}),
        "setting": results[0]["setting"],
        "steps": sorted({run["made"]["steps"] for run in results}),
        "missing": absent,
        "command": "python -m benchmarks.table1 --corpus FILE --corpus FILE --vectors FOLDER"
        f" --seeds {1 + max(run['seed'] for run in results)} && python -m benchmarks.table1 summary",
    }


def table(results: Sequence[Mapping[str, Any]], runs: Runs) -> str:
    """Table 1 in Markdown, of all use cases and then of those that were not tuned on.

    Args:
        results: What the files of runs hold.
        runs: The same, in order.
    """
    tuned = {(run["corpus"], run["use_case"]) for run in results if run["tuned"]}
    named = runs.cells(NAMED) or runs.cells(runs.arms)
    cases = runs.use_cases(runs.arms)
    everywhere = runs.cells(arm for arm in runs.arms if runs.use_cases([arm]) == cases)
    shown = runs.within(named)
    parts = [("All use cases", shown)]
    if tuned and any(case not in tuned for case, _ in named):
        untuned = {cell for cell in named if cell[0] not in tuned}
        parts.append(("Use cases that nothing was tuned on", runs.within(untuned)))
    if everywhere and shown.arms != runs.within(everywhere).arms:
        parts.append(("All arms that have run on every use case", runs.within(everywhere)))
    lines = []
    for title, part in parts:
        cases = sorted({case for arm in part.of.values() for case in arm})
        listed = ", ".join(f"{use_case} ({corpus})" for corpus, use_case in cases)
        lines += [f"## {title}", "", f"{len(part.arms)} arms, {len(cases)} use cases: {listed}.", ""]
        lines += [*_rows(part), ""]
    recipes = [arm for arm in NAMES if arm.startswith("recipe_")]
    lines += changes(runs, "The recipe, part by part", "recipe", recipes)
    lines += changes(runs, "The loop, changed in one thing", "adsmu", LOOPS)
    lines += [
        "frame: domain, intent and slots all right, the mean over strata of real test rows, then over",
        "seeds, then over use cases. Changes are relative to naive, in the same cells; in brackets 95 %",
        "intervals over use cases (seeds of one use case are averaged first). overall: frame of all test",
        "rows, old and new. A build is one training from scratch on the whole budget; a look at a row counts",
        "as a third of a step of training on it. Seconds are those of a machine that had other work.",
    ]
    return "\n".join(lines) + "\n"


def _rows(runs: Runs) -> list[str]:
    head = [
        *("arm", "cells", "overall: accuracy, error", "new use case: accuracy", "new use case: error"),
        *(name.replace("_", " ") for name in ("frame", *SHOWN)),
        *("builds", "seconds"),
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    order = [arm for arm in NAMES if arm in runs.arms] + sorted(runs.arms - set(NAMES))
    for arm in order:
        cells = sum(len(seeds) for seeds in runs.of[arm].values())
        new, overall = pairs(runs, arm, "naive", "frame"), pairs(runs, arm, "naive", "overall")
        against = arm != "naive" and new
        changes = (
            [
                f"{_percent(accuracy_changes(overall))}, {_percent(error_changes(overall))}",
                _percent(accuracy_changes(new), True),
                _percent(error_changes(new), True),
            ]
            if against
            else ["", "", ""]
        )
        figures = [_mean(runs, arm, name) for name in ("frame", *SHOWN)]
        shown = ["-" if value is None else f"{value:.3f}" for value in figures]
        cost = [f"{_mean(runs, arm, 'builds') or 0:.2f}", f"{_mean(runs, arm, 'seconds') or 0:.0f}"]
        lines.append("| " + " | ".join([NAMES.get(arm, arm), str(cells), *changes, *shown, *cost]) + " |")
    return lines


def changes(runs: Runs, title: str, base: str, arms: Sequence[str]) -> list[str]:
    """What a change of an arm is worth: the changed arm less that arm, in the cells that both have.

    Args:
        runs: All runs.
        title: Of the part of the table.
        base: The arm.
        arms: Those that differ from it in one thing.

    Returns:
        Lines of Markdown; none where no such arm has run.
    """
    ran = [arm for arm in arms if pairs(runs, arm, base, "frame")]
    if not ran:
        return []
    lines = [f"## {title}", "", f"Less {NAMES[base]}, in percentage points, in the same cells.", ""]
    lines += ["| arm | cells | use cases | " + " | ".join(name.replace("_", " ") for name in PARTS) + " |"]
    lines += ["| --- | --- | --- |" + " --- |" * len(PARTS)]
    for arm in ran:
        cells = runs.cells([arm, base])
        found = [differences(pairs(runs, arm, base, figure)) for figure in PARTS]
        shown = [_percent(values, True).replace(" %", "") for values in found]
        counts = [str(len(cells)), str(len({case for case, _ in cells}))]
        lines.append("| " + " | ".join([NAMES[arm], *counts, *shown]) + " |")
    return [*lines, ""]


def _mean(runs: Runs, arm: str, figure: str) -> float | None:
    """Over use cases, of the means over seeds."""
    cases = [
        [seed[figure] for seed in seeds.values() if seed.get(figure) is not None]
        for seeds in runs.of[arm].values()
    ]
    means = [statistics.fmean(values) for values in cases if values]
    return statistics.fmean(means) if means else None


def _percent(values: list[float], bounds: bool = False) -> str:
    if not values:
        return "-"
    if len(values) < 2 or not bounds:
        return f"{100 * statistics.fmean(values):+.1f} %"
    mean, low, high = interval(values)
    return f"{100 * mean:+.1f} % ({100 * low:+.1f} to {100 * high:+.1f})"
