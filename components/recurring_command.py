"""The `adsmu recurring` commands: recurring runs as Git declares them, against what the server holds."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adsmu.errors import EXIT_FAULT
from adsmu.recurring.declared import read_declared
from adsmu.recurring.difference import Difference
from adsmu.submit_command import AsJson, Host, Namespace
from adsmu.terminal import printable

if TYPE_CHECKING:
    from adsmu.recurring.server import Server

app = typer.Typer(
    name="recurring", help="Recurring runs from Git: plan, apply, status.", no_args_is_help=True
)
_console = Console()

File = Annotated[Path, typer.Argument(help="The file that declares them.")]


@app.command()
def plan(file: File, host: Host = "", namespace: Namespace = "", as_json: AsJson = False) -> None:
    """Show what apply would do, and change nothing: exit 1 when something must be put right first."""
    from adsmu.recurring.reconcile import difference

    declared = read_declared(file)
    with _connected(host, namespace) as server:
        found = difference(declared, server)[0]
    if as_json:
        _console.print_json(json.dumps(_as_json(found)))
    else:
        _show(found)
    if found.refusals:
        raise typer.Exit(EXIT_FAULT)


@app.command()
def apply(
    file: File,
    host: Host = "",
    namespace: Namespace = "",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for runs under way to end.")] = 600,
) -> None:
    """Bring the server to hold what the file declares; a run under way is never cut short."""
    from adsmu.recurring.reconcile import difference, reconcile

    declared = read_declared(file)
    with _connected(host, namespace) as server:
        _show(difference(declared, server)[0])
        reconcile(declared, server, wait=wait, tell=_tell)


@app.command()
def status(file: File, host: Host = "", namespace: Namespace = "", as_json: AsJson = False) -> None:
    """Say how each recurring run stands: exit 1 when the server does not hold what the file declares."""
    from adsmu.recurring.reconcile import difference

    declared = read_declared(file)
    with _connected(host, namespace) as server:
        found = difference(declared, server)[0]
        rows = _standing(found, server)
    if as_json:
        _console.print_json(json.dumps({"recurring": rows, "refusals": found.refusals}))
    else:
        heads = {"name": "name", "enabled": "enabled", "declared": "as declared", "last": "last run"}
        table = Table(*heads.values(), box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(printable(str(row[key]))) for key in heads))
        _console.print(table)
        for line in found.refusals:
            _tell(line)
    if not found.settled:
        raise typer.Exit(EXIT_FAULT)


@contextlib.contextmanager
def _connected(host: str, namespace: str) -> Iterator["Server"]:
    from adsmu.recurring.server import Server
    from adsmu.submit.forward import reachable
    from adsmu.submit.server import connect

    with reachable(host) as url:
        yield Server(connect(url, namespace))


def _standing(found: Difference, server: "Server") -> list[dict[str, Any]]:
    rows = []
    for change in found.changes:
        last = server.last(change.found) if change.found else None
        rows.append(
            {
                "name": change.name,
                "enabled": bool(change.found and change.found.held.enabled),
                "declared": "yes" if change.act == "keep" else f"no: {change.act}",
                "last": f"{last[0]}, {last[1]:%Y-%m-%d %H:%M:%S} UTC" if last else "none",
            }
        )
    return rows


def _as_json(found: Difference) -> dict[str, Any]:
    changes = [{"act": c.act, "name": c.name, "why": list(c.why)} for c in found.changes]
    return {"changes": changes, "refusals": list(found.refusals)}


def _show(found: Difference) -> None:
    for change in found.changes:
        why = f"  {'; '.join(change.why)}" if change.why else ""
        _tell(f"{change.act:<8}{change.name}{why}")
    for line in found.refusals:
        _tell(f"refused {line}")
    if found.settled:
        _tell("the server holds what the file declares")


def _tell(line: str) -> None:
    _console.print(printable(line), highlight=False, markup=False, soft_wrap=True)
