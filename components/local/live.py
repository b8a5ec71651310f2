"""The live view of a run: its rounds as they finish, its strata by verdict, the step at work."""

import time
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from adsmu.canary_deploy.places import in_folder
from adsmu.local.folder import RunFolder

COLUMNS = ("round", "added", "mean", "at least", "existing", "flips", "pass", "undecided", "fail", "give up")
_STYLES = {
    "pass": "green",
    "refine": "yellow",
    "exhausted": "red",
    "promoted": "green",
    "rolled_back": "red",
    "inconclusive": "yellow",
    "skipped": "dim",
}


def watch(folder: RunFolder, console: Console) -> Live:
    """A view that redraws itself from the run's folder; use it as a context manager around the run.

    Args:
        folder: The run's folder.
        console: Where to draw.

    Returns:
        The view.
    """
    start = time.monotonic()

    def draw() -> Group:
        evaluations = folder.evaluations()
        step = folder.current_step() or "champion"
        status = Text(f"{step}{_rollout(folder)} · {time.monotonic() - start:.0f} s", style="dim")
        return Group(rounds_table(evaluations[-1]), status) if evaluations else Group(status)

    return Live(get_renderable=draw, console=console, refresh_per_second=2, transient=True)


def _rollout(folder: RunFolder) -> str:
    """Where the rollout stands, in few words."""
    value, _ = in_folder(folder.service)[0].read()
    if value is None or "phase" not in value:
        return ""
    return f" · {value['phase'].replace('_', ' ')} {value['share']:.0%}, look {value['looks']}"


def outcome_line(outcome: dict[str, Any]) -> Text:
    """The outcome of a rollout and its reasons in words.

    Args:
        outcome: The content of an `outcome.json`.

    Returns:
        Lines for the terminal.
    """
    lines = Text.assemble(("rollout ", "bold"), (outcome["outcome"], f"bold {_STYLES[outcome['outcome']]}"))
    for reason in outcome["reasons"]:
        lines.append(f"\n  {reason}")
    return lines


def rounds_table(evaluation: dict[str, Any]) -> Table:
    """The rounds up to an evaluation, one line each.

    Args:
        evaluation: The content of an `evaluation.json`.

    Returns:
        A table for the terminal.
    """
    measured = {"test": "real held-out rows", "dev": "development rows"}[evaluation["gate"]["measured_on"]]
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=f"round 0 is the champion; mean over strata on {measured}",
        caption_justify="left",
    )
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for entry in evaluation["rounds"]:
        table.add_row(
            str(entry["round"]),
            str(entry["added"]),
            f"{entry['mean']:.3f}",
            f"{entry['mean_low']:.3f}",
            f"{entry['existing']:.3f}",
            "-" if entry["flips"] is None else f"{entry['flips']:.3f}",
            *(str(entry[name]) for name in ("passed", "undecided", "failed", "given_up")),
        )
    return table


def verdict_line(evaluation: dict[str, Any]) -> Text:
    """The verdict and its reasons in words.

    Args:
        evaluation: The content of an `evaluation.json`.

    Returns:
        Lines for the terminal.
    """
    verdict = evaluation["verdict"]
    lines = Text.assemble(("verdict ", "bold"), (verdict, f"bold {_STYLES[verdict]}"))
    for reason in evaluation["reasons"]:
        lines.append(f"\n  {reason}")
    return lines
