"""The `adsmu watch` command: a run on a cluster until it ends, or a strategy played window by window."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from adsmu.errors import EXIT_EXHAUSTED, EXIT_PASS, BadInput
from adsmu.submit_command import AsJson, Host, Namespace, Quiet, follow
from adsmu.terminal import printable

_console = Console()


def watch(
    run: Annotated[str, typer.Argument(help="Of a run on a cluster: its id, as submit prints it.")] = "",
    strategy: Annotated[
        Path | None, typer.Option(help="A strategy.yaml to play on what production saw.")
    ] = None,
    observations: Annotated[
        Path | None, typer.Option(help="What production saw: a Parquet file, or a folder of them.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Labelled observations from before, which the first model learns from.",
            show_default="the first window",
        ),
    ] = None,
    window: Annotated[
        str, typer.Option(help="month, week or a number of rows.", show_default="the strategy's")
    ] = "",
    model: Annotated[
        str,
        typer.Option(
            help="package.module:function that trains, as adsmu.local.learners:train does.",
            show_default="trees, or for text a logistic regression",
        ),
    ] = "",
    output: Annotated[Path, typer.Option(help="The folder to make.")] = Path("runs/watch"),
    seed: Annotated[int, typer.Option(min=0, help="Makes the result reproducible.")] = 0,
    host: Host = "",
    namespace: Namespace = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Watch a run on a cluster until it ends, or play a strategy on what production saw.

    Of a run: rounds, strata and pods; exit 0 for pass, 3 for exhausted, 1 for fault. Of a strategy: what is
    found, decided and gained in each window, as a page; exit 3 when the last decision waits for a person.
    """
    if bool(run) == bool(strategy):
        raise BadInput("name a run of a cluster, or --strategy and --observations", file="adsmu watch")
    if strategy is None:
        follow(run, host, namespace, as_json, quiet)
        return
    if observations is None:
        raise BadInput("is missing: what production saw", file="--observations")
    from adsmu.files import refuse_existing, write_json, written_whole
    from adsmu.local.play import Played, play
    from adsmu.local.watch_report import render_report
    from adsmu.local.worth import summarise
    from adsmu.strategy import read_strategy

    def told(each: Played) -> None:
        if not (as_json or quiet):
            found = f"{each.window.begin:%Y-%m-%d}  {each.decision['action']:<14}{each.decision['reason']}"
            _console.print(Text(printable(found)), no_wrap=True, overflow="ellipsis")

    refuse_existing(output)
    played = play(
        strategy,
        observations,
        output,
        reference=reference,
        window=window,
        model=model,
        seed=seed,
        told=told,
    )
    summary = summarise(played, read_strategy(strategy))
    write_json(summary, output / "watch.json")
    with written_whole(output / "watch.html") as page:
        page.write_text(render_report(summary), encoding="utf-8")
    if as_json:
        _console.print_json(json.dumps(summary, ensure_ascii=False), indent=2)
    elif not quiet:
        _console.print(f"report  {output / 'watch.html'}", highlight=False, soft_wrap=True)
    waits = played[-1].decision["action"] in ("ask", "blocked")
    raise typer.Exit(EXIT_EXHAUSTED if waits else EXIT_PASS)
