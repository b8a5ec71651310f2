"""The `adsmu strategy` commands: check one, compare two."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adsmu.strategy import canonical, read_strategy
from adsmu.strategy.difference import difference
from adsmu.submit_command import AsJson
from adsmu.terminal import printable

app = typer.Typer(
    name="strategy", help="When a model is updated, as a file: check, diff.", no_args_is_help=True
)
_console = Console()


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A strategy.yaml.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it as one JSON object, every default spelled out.")
    ] = False,
) -> None:
    """Say what a strategy says and which digest names it: exit 2 when it breaks a rule."""
    strategy = read_strategy(file)
    if as_json:
        _console.print_json(json.dumps({"digest": strategy.digest, **canonical(strategy)}))
        return
    alerting = [name for name, signal in strategy.signals.items() if signal.alert]
    for name, text in (
        ("strategy", strategy.name),
        ("digest", strategy.digest),
        ("signals", f"{len(strategy.signals)}; of them alert {', '.join(sorted(alerting)) or 'none'}"),
        ("triggers", ", ".join(f"{name} ({each.kind})" for name, each in strategy.triggers.items())),
        ("combined", json.dumps(strategy.combine)),
        ("dataset", strategy.dataset.form),
        ("promotion", f"{strategy.promotion.by}, signed by {strategy.promotion.sign_off}"),
    ):
        _console.print(Text(f"{name:<10}{printable(text)}"), soft_wrap=True)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="A strategy.yaml.")],
    after: Annotated[Path, typer.Argument(help="Another.")],
    as_json: AsJson = False,
) -> None:
    """Show what two strategies say differently, the defaults spelled out."""
    changes = difference(read_strategy(before), read_strategy(after))
    if as_json:
        _console.print_json(json.dumps([change._asdict() for change in changes]))
    elif not changes:
        _console.print("they say the same")
    else:
        table = Table("key", "before", "after", box=box.SIMPLE_HEAD, pad_edge=False)
        for change in changes:
            table.add_row(
                *(Text(printable(text)) for text in (change.key, _shown(change.before), _shown(change.after)))
            )
        _console.print(table)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
