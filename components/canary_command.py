"""The `adsmu canary` commands: see where a rollout stands, say yes or no to it, recompute its decisions."""

import contextlib
import getpass
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adsmu.canary_deploy import places
from adsmu.canary_deploy.records import Record
from adsmu.canary_deploy.schedule import GATES
from adsmu.errors import EXIT_FAULT, BadInput, Conflict, Refused, StepFailed, StoreUnavailable
from adsmu.terminal import printable

app = typer.Typer(
    name="canary", help="See and steer a rollout; recompute its decisions.", no_args_is_help=True
)
_console = Console()

ATTEMPTS = 20
"""How often a record that others write is tried again."""

LONGEST = 500
"""Characters of what a person says."""

Service = Annotated[
    str, typer.Argument(help="The folder of a local service; with --namespace, a service's name.")
]
Namespace = Annotated[str, typer.Option(help="The Kubernetes namespace of the service.")]


@app.command()
def status(
    service: Service,
    namespace: Namespace = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say where a rollout stands, what it waits for, and which process is at work on it."""
    with _reachable():
        record, lease = _records(service, namespace)
        value = _rollout(record.read()[0], service)
        held, _ = lease.read()
    if as_json:
        _console.print_json(json.dumps(value | {"lease": held}, ensure_ascii=False))
        return
    table = Table(box=box.SIMPLE_HEAD, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _standing(value, held or {}):
        table.add_row(name, Text(printable(text)))
    _console.print(table)


@app.command()
def approve(
    service: Service,
    gate: Annotated[str, typer.Argument(help=f"What is approved: {' or '.join(GATES)}.")],
    by: Annotated[str, typer.Option(help="Who approves; else the name of this login.")] = "",
    namespace: Namespace = "",
) -> None:
    """Let a rollout that asks for it go on."""
    if gate not in GATES:
        raise BadInput(f"{gate!r} is not one of {', '.join(GATES)}", file="GATE")
    name = _said(by or _login(), "--by")

    def order(value: dict[str, Any]) -> dict[str, Any]:
        approved = value.get("approved") or {}
        if who := approved.get(gate):
            raise BadInput(f"the {gate} is approved already, by {who}", file=service)
        if value.get("asks") != gate:
            asks = (
                f"it asks for the {value['asks']}" if value.get("asks") else "it asks for nothing at present"
            )
            raise BadInput(f"the rollout does not ask for approval of the {gate}: {asks}", file=service)
        return value | {"approved": approved | {gate: name}}

    rollout = _order(service, namespace, order)
    _tell(f"{gate} of the rollout {rollout} approved by {name}; it goes on at its next step")


@app.command()
def abort(
    service: Service,
    reason: Annotated[str, typer.Option(help="Why; it stands in the evidence.")],
    namespace: Namespace = "",
) -> None:
    """Send a rollout back to the champion."""
    why = _said(reason, "--reason")

    def order(value: dict[str, Any]) -> dict[str, Any]:
        if before := value.get("abort"):
            raise BadInput(f"the rollout is to be aborted already: {before}", file=service)
        return value | {"abort": why}

    rollout = _order(service, namespace, order)
    _tell(f"the rollout {rollout} is told to go back to the champion, at its next step")


@app.command()
def replay(
    evidence: Annotated[str, typer.Argument(help="The folder or URI of a rollout: …/rollouts/SERVICE/ID.")],
    report: Annotated[Path | None, typer.Option(help="A page about the rollout to write.")] = None,
) -> None:
    """Recompute every decision of a rollout: exit 0 when all follow, 1 when one does not, 2 for damage."""
    from adsmu.canary_deploy.report.page import write_report
    from adsmu.canary_deploy.report.story import gather
    from adsmu.store import open_store
    from adsmu.store.evidence import EvidenceLog

    if "://" not in evidence and not Path(evidence).is_dir():
        raise BadInput("no such folder", file=evidence)
    try:
        entries = EvidenceLog(open_store(evidence)).read()
    except StoreUnavailable as error:
        raise BadInput(f"cannot be read: {error}", file=evidence) from error
    if not entries:
        raise BadInput("there is no evidence of a rollout", file=evidence)
    story = gather(entries)
    for line in story.differences:
        _tell(line)
    if report is not None:
        write_report(entries, report)
        _tell(f"report  {report}")
    decisions = sum("decision" in entry for entry in entries)
    wrong = len(story.differences)
    _tell(
        f"{decisions} decisions in {len(entries)} entries, "
        + (f"{wrong} that do not follow from the evidence" if wrong else "all follow from the evidence")
    )
    if wrong:
        raise typer.Exit(EXIT_FAULT)


def _records(service: str, namespace: str) -> tuple[Record, Record]:
    if namespace:
        return places.in_namespace(service, namespace)
    if not Path(service).is_dir():
        raise BadInput("no such folder; a service in a cluster needs --namespace", file=service)
    return places.in_folder(service)


def _rollout(value: dict[str, Any] | None, service: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.get("rollout"):
        raise BadInput("no rollout has begun here", file=service)
    return value


def _order(service: str, namespace: str, order: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    """Writes what a person says into the record of a rollout that is under way.

    Returns:
        The rollout's id. What was said of one rollout never reaches the one after it.
    """
    meant = None
    with _reachable():
        record, _ = _records(service, namespace)
        for attempt in range(ATTEMPTS):
            found, version = record.read()
            value = _rollout(found, service)
            if meant not in (None, value["rollout"]):
                raise BadInput(f"the rollout {meant} is over; {value['rollout']} has begun", file=service)
            meant = value["rollout"]
            if value.get("ended") or value.get("outcome"):
                outcome = str(value.get("outcome") or "ended").replace("_", " ")
                raise BadInput(f"the rollout {meant} is decided already: {outcome}", file=service)
            try:
                record.write(order(value), version)
            except Conflict:
                time.sleep(0.01 * attempt)
            else:
                return str(meant)
    raise StepFailed("somebody else keeps changing the record; nothing was written")


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise StepFailed(str(error)) from error


def _standing(value: dict[str, Any], lease: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "rollout", str(value["rollout"])
    yield "candidate", str(value.get("candidate", ""))
    phase = "ended" if value.get("ended") else str(value.get("phase", "not begun"))
    since = (
        f", since {datetime.fromtimestamp(value['since'], UTC):%Y-%m-%d %H:%M:%S} UTC"
        if "since" in value
        else ""
    )
    yield "phase", phase + since
    if "share" in value:
        yield "share", f"{100 * float(value['share']):g} %"
        yield "looks", str(value.get("looks", 0))
    if value.get("outcome"):
        yield "outcome", str(value["outcome"]).replace("_", " ")
    for number, reason in enumerate(value.get("reasons") or ()):
        yield ("" if number else "because"), str(reason)
    if value.get("waiting"):
        yield "held up", str(value["waiting"])
    if value.get("asks"):
        yield "waits for", f"approval of the {value['asks']}"
    for gate, who in (value.get("approved") or {}).items():
        yield "approved", f"{gate}, by {who}"
    if value.get("abort"):
        yield "abort", str(value["abort"])
    if lease.get("holder"):
        renewed = datetime.fromtimestamp(float(lease["renewed"]), UTC)
        ago = time.time() - renewed.timestamp()
        over = ", so it is over" if ago > float(lease["seconds"]) else ""
        yield "at work", str(lease["holder"])
        yield "", f"lease renewed {renewed:%Y-%m-%d %H:%M:%S} UTC, {max(ago, 0):.0f} s ago{over}"
    else:
        yield "at work", "no process"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise BadInput("this login has no name: say who approves", file="--by") from error


def _said(text: str, option: str) -> str:
    text = " ".join(text.split())
    if not text or len(text) > LONGEST or not text.isprintable():
        raise BadInput(f"must be printable text of 1 to {LONGEST} characters", file=option)
    return text


def _tell(line: str) -> None:
    _console.print(printable(line), highlight=False, markup=False, soft_wrap=True)
