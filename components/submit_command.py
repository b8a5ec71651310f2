"""The commands for a run on a cluster: `adsmu submit`, `watch`, `fetch` and `runs`."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adsmu.errors import EXIT_EXHAUSTED, EXIT_PASS, StepFailed
from adsmu.terminal import printable

if TYPE_CHECKING:
    from adsmu.submit.server import Server

app = typer.Typer()
_console = Console()

Host = Annotated[
    str,
    typer.Option(
        envvar=["KF_PIPELINES_ENDPOINT", "KFP_ENDPOINT"],
        help="URL of the Kubeflow Pipelines API server; kubectl://NAMESPACE: kubectl forwards a port to it.",
    ),
]
Namespace = Annotated[
    str, typer.Option(envvar="KFP_NAMESPACE", help="Your namespace, on a server with users.")
]
Run = Annotated[str, typer.Argument(help="The run's id, as submit prints it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@app.command()
def submit(
    host: Host = "",
    namespace: Namespace = "",
    param: Annotated[
        list[str] | None, typer.Option(help="A parameter of the pipeline, NAME=VALUE; repeatable.")
    ] = None,
    params_file: Annotated[
        Path | None, typer.Option(help="A JSON or YAML file with parameters; --param goes before it.")
    ] = None,
    package: Annotated[
        Path | None,
        typer.Option(help="Another compiled pipeline than the update.", show_default="the update pipeline"),
    ] = None,
    name: Annotated[str, typer.Option(help="What the run is called.", show_default="pipeline and time")] = "",
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Whether steps may be taken from the cache.")
    ] = True,
    wait: Annotated[
        bool, typer.Option("--wait", help="Watch the run; the exit code is its verdict.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Start a run on a cluster; a version of the pipeline that the server has is not uploaded again."""
    from adsmu.pipelines.update.pipeline import tied
    from adsmu.submit import package as packages
    from adsmu.submit import start

    given = packages.read_package(package) if package else packages.package(tied().text())
    parameters = packages.read_parameters(given, param or [], params_file)
    given = given if cache else packages.without_cache(given)
    with _connected(host, namespace) as server:
        version, new = start.upload(server, given)
        run = start.start(server, version, parameters, name or start.run_name(given))
        if as_json and not wait:
            _print_json({"run": run, "link": server.link(run), "version": given.version, "uploaded": new})
        elif not (quiet or as_json):
            _tell(f"version {given.version}{', uploaded' if new else ', on the server already'}")
            _tell(f"run     {run}")
            _tell(f"link    {server.link(run)}")
        if wait:
            _until_end(server, run, as_json, quiet)


def follow(run: str, host: str, namespace: str, as_json: bool, quiet: bool) -> None:
    """Shows rounds, strata and pods of a run until it ends: exit 0 for pass, 3 for exhausted, 1 for fault.

    Args:
        run: The run's id.
        host: URL of the server.
        namespace: The user's, on a server with users.
        as_json: Whether to print one JSON object and nothing else.
        quiet: Whether to print nothing but errors.
    """
    with _connected(host, namespace) as server:
        _until_end(server, run, as_json, quiet)


@app.command()
def fetch(
    run: Run,
    output: Annotated[Path, typer.Option(help="The folder to make.")],
    host: Host = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Bring report, evaluation, summary and model of a run to a folder; AWS_* say where and who."""
    from adsmu.submit.pods import read_pods
    from adsmu.submit.results import fetch as bring

    with _connected(host, namespace) as server:
        summary = bring(read_pods(server, run), output)
    if as_json:
        _print_json(summary)
    elif not quiet:
        _tell(f"verdict {summary['verdict']}")
        _tell(f"report  {summary['report']}")


@app.command()
def runs(
    host: Host = "",
    namespace: Namespace = "",
    count: Annotated[int, typer.Option(min=1, max=100, help="How many runs, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs with verdict, rounds and mean over strata."""
    from adsmu.submit.listing import rows

    with _connected(host, namespace) as server:
        found = rows(server, count)
    if as_json:
        _print_json([asdict(row) | {"began": row.began.isoformat()} for row in found])
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for head in ("run", "name", "began (UTC)", "state", "verdict", "rounds", "mean"):
        right = head in ("rounds", "mean")
        table.add_column(head, justify="right" if right else "left", no_wrap=head == "run", overflow="fold")
    for row in found:
        table.add_row(
            row.run,
            Text(printable(row.name)),
            f"{row.began:%Y-%m-%d %H:%M}",
            row.state.lower(),
            row.verdict or "-",
            "-" if row.rounds is None else str(row.rounds),
            "-" if row.mean is None else f"{row.mean:.3f}",
        )
    _console.print(table)


@contextlib.contextmanager
def _connected(host: str, namespace: str) -> Iterator["Server"]:
    from adsmu.submit.forward import reachable
    from adsmu.submit.server import connect

    with reachable(host) as url:
        yield connect(url, namespace)


def _until_end(server: "Server", run: str, as_json: bool, quiet: bool) -> None:
    """Watches a run and ends the command with the exit code of its verdict."""
    from adsmu.local.live import outcome_line, rounds_table, verdict_line
    from adsmu.submit import results, watching

    sight = watching.watch(server, run, Console(quiet=quiet or as_json, file=sys.stdout))
    if sight.state != "SUCCEEDED":
        raise StepFailed(f"the run {run} {sight.state.lower()}: {watching.failure(server, run, sight.pods)}")
    verdict = results.verdict(sight.pods)
    rollout = results.outcome(sight.pods)
    if as_json:
        _print_json(
            {"run": run, "state": sight.state, "verdict": verdict, "outcome": rollout and rollout["outcome"]}
        )
    elif not quiet:
        if sight.evaluation:
            _console.print(rounds_table(sight.evaluation))
            _console.print(verdict_line(sight.evaluation), highlight=False)
        if rollout:
            _console.print(outcome_line(rollout), highlight=False)
        _tell(f"run     {run} succeeded")
    failed = rollout is not None and rollout["outcome"] in ("rolled_back", "inconclusive")
    raise typer.Exit(EXIT_EXHAUSTED if failed or verdict == "exhausted" else EXIT_PASS)


def _print_json(value: Any) -> None:
    _console.print_json(json.dumps(value, ensure_ascii=False), indent=2)


def _tell(line: str) -> None:
    _console.print(printable(line), highlight=False, markup=False, soft_wrap=True)
