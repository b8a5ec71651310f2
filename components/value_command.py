"""The `adsmu value` command: what retraining more or less often costs, and what it is worth."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adsmu.submit_command import AsJson
from adsmu.terminal import printable
from adsmu.value.report import MINUS, money, share
from adsmu.value.study import value_files

_console = Console()


def value(
    costs: Annotated[Path, typer.Argument(help="A sheet of costs, YAML.")],
    output: Annotated[Path, typer.Option(help="The folder to make: value.json and value.html.")],
    losses: Annotated[
        Path | None,
        typer.Option(help="Parquet or CSV: trained, tested, loss: each model in each window since."),
    ] = None,
    history: Annotated[
        int, typer.Option(help="Windows known beforehand.", show_default="a fifth of them")
    ] = 0,
    memory: Annotated[
        int, typer.Option(help="Windows that a training learns from.", show_default="all before")
    ] = 0,
    late: Annotated[int, typer.Option(help="Windows that labels are waited for.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Say what retraining more or less often costs, what it is worth, and when it should have been done."""
    found = value_files(costs, output, losses=losses, history=history, memory=memory, late=late)
    if as_json:
        _console.print_json(json.dumps(found, ensure_ascii=False))
        return
    currency = found["currency"]
    if found["changes"]:
        table = Table("cadence", "a week", "change", "points", "", box=box.SIMPLE_HEAD, pad_edge=False)
        for change in found["changes"]:
            more, points = (
                money(change["costs_more"], currency, sign=True),
                f"{change['points']:+g}".replace("-", MINUS),
            )
            cells = (change["name"], more, share(change["share"]), points, change["words"])
            table.add_row(*(Text(printable(text)) for text in cells))
        _console.print(table)
    if found["ways"]:
        table = Table("way", "retrainings", "costs", "above the best", box=box.SIMPLE_HEAD, pad_edge=False)
        for way in sorted(found["ways"], key=lambda way: float(way["cost"])):
            often, cost = str(len(way["played"]["retrained"])), money(way["cost"], currency)
            shown = (way["name"], often, cost, share(way["regret"]))
            table.add_row(*(Text(printable(text)) for text in shown))
        _console.print(table)
    _console.print(Text(f"page  {output / 'value.html'}"), soft_wrap=True)
