"""The `adsmu lineage` commands: where a model comes from, making it again, what to train next."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from adsmu.data.schema import read_utterances, write_utterances
from adsmu.errors import EXIT_EXHAUSTED, BadInput
from adsmu.lineage.chain import lineage
from adsmu.lineage.kept import keep as keep_model
from adsmu.lineage.learnt import learnt_tables, with_learnt
from adsmu.lineage.order import order as in_order
from adsmu.lineage.order import queued_again, read_needs
from adsmu.lineage.rebuild import fetch
from adsmu.lineage.rebuild import rebuild as rebuild_model
from adsmu.lineage.repeat import repeat_files
from adsmu.lineage.start import next_start
from adsmu.store import open_store
from adsmu.strategy import read_strategy
from adsmu.terminal import printable

app = typer.Typer(
    name="lineage",
    help="Where a model comes from: keep, show, start, rebuild, repeat, order.",
    no_args_is_help=True,
)
_console = Console()

TRAINER = "adsmu.train.two_stage:TwoStageTrainer"
Model = Annotated[str, typer.Argument(help="A model folder, or the digest of a model in the store.")]
StoreAt = Annotated[str, typer.Option("--store", help="A folder, or a bucket as URI.")]


@app.command()
def keep(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    store: StoreAt,
    data: Annotated[list[Path], typer.Option(help="A table that it was trained on; repeatable.")],
) -> None:
    """Keep a model and the tables it learnt from, so that it can be made again."""
    _tell(f"kept     {keep_model(open_store(store), model, data)}")


@app.command()
def show(
    model: Model,
    store: StoreAt,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Walk from a model to its root."""
    links = lineage(model, open_store(store))
    if as_json:
        value = [
            {
                "digest": link.digest,
                **{key: link.model[key] for key in ("parent", "trainer", "mode", "settings", "seed", "data")},
                "record": link.record,
                "change": link.change.words if link.change else None,
                "missing": list(link.missing),
            }
            for link in links
        ]
        _console.print_json(json.dumps(value, ensure_ascii=False))
        return
    for number, link in enumerate(links):
        _tell(f"{'model' if not number else 'parent':<9}{link.digest}")
        _tell(f"{'':<9}mode {link.model['mode']}, seed {link.model['seed']}, by {link.model['trainer']}")
        for name, table in link.model["data"].items():
            _tell(f"{'':<9}{name}: {table}{', not in the store' if f'data {name}' in link.missing else ''}")
        for name, cause in (link.record or {}).get("because", {}).items():
            _tell(f"{'':<9}{name}: {cause}")
        _tell(f"{'':<9}{link.change.words if link.change else 'the root'}")


@app.command()
def start(
    service: Annotated[str, typer.Argument(help="The service whose last promoted model is gone on from.")],
    store: StoreAt,
    output: Annotated[Path, typer.Option(help="The model folder to make: the base of the next training.")],
    strategy: Annotated[
        Path | None, typer.Option(help="strategy.yaml; its calibrate_every counts. None: never from scratch.")
    ] = None,
    existing: Annotated[
        Path | None, typer.Option(help="Existing rows of before the first promotion; with --joined.")
    ] = None,
    joined: Annotated[
        Path | None, typer.Option(help="The table to write: those, and all that was learnt since.")
    ] = None,
) -> None:
    """Fetch what the next training begins with, and say whether it goes on or begins from scratch."""
    if bool(existing) != bool(joined):
        raise BadInput("goes with --joined: what was learnt is put behind these rows", file="--existing")
    every = read_strategy(strategy).calibrate_every if strategy else 0
    at = open_store(store)
    found = next_start(at, service, every)
    if found.base:
        fetch(found.base, at, output)
    _tell(f"mode     {found.mode}")
    _tell(f"base     {output if found.base else 'none'}")
    if existing and joined:
        learnt = learnt_tables(at, found.base) if found.base else {}
        write_utterances(rows := with_learnt(read_utterances(existing), learnt), joined)
        _tell(f"existing {joined}, {len(rows):,} rows")
    _tell(f"reason   {found.reason}")


@app.command()
def rebuild(
    model: Model,
    store: StoreAt,
    output: Annotated[Path, typer.Option(help="The model folder to make.")],
    trainer: Annotated[
        list[str] | None, typer.Option(help="package.module:Trainer that may be imported; repeatable.")
    ] = None,
) -> None:
    """Train a model and all it comes from again; exit 2 unless each digest comes out equal."""
    for number, made in enumerate(
        rebuild_model(model, open_store(store), output, (*(trainer or ()), TRAINER))
    ):
        _tell(f"generation {number}: {made}, equal")
    _tell(f"model    {output}")


@app.command()
def repeat(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    existing: Annotated[Path, typer.Option(help="As the model was trained with.")],
    held_out: Annotated[Path, typer.Option(help="Utterance table; its rows of split test are measured.")],
    output: Annotated[Path, typer.Option(help="The JSON to write.")],
    data: Annotated[Path | None, typer.Option(help="As the model was trained with.")] = None,
    base: Annotated[Path | None, typer.Option(help="As the model was trained with.")] = None,
    seeds: Annotated[int, typer.Option(help="How many trainings.")] = 5,
    limit: Annotated[
        float, typer.Option(help="The largest standard deviation of frame accuracy, as a share.")
    ] = 0.02,
    trainer: Annotated[str, typer.Option(help="package.module:Trainer.")] = TRAINER,
) -> None:
    """Train a model again with other seeds: exit 3 if they lie too far apart to run unattended."""
    with tempfile.TemporaryDirectory() as scratch:
        found = repeat_files(
            model,
            existing,
            data,
            base,
            held_out,
            output,
            seeds=seeds,
            limit=limit,
            trainer=trainer,
            scratch=scratch,
        )
    _tell(f"standard deviation {found.deviation:.4f}, at most {found.high:.4f}; the limit is {limit:g}")
    if not found.repeatable:
        raise typer.Exit(EXIT_EXHAUSTED)


@app.command()
def order(
    strategies: Annotated[list[Path], typer.Argument(help="The strategy.yaml of each model.")],
    updated: Annotated[
        list[str] | None, typer.Option(help="A model that was updated; only what is built on it. Repeatable.")
    ] = None,
) -> None:
    """Print the models in the order they are trained in, a line each."""
    needs = read_needs(strategies)
    for name in queued_again(needs, updated) if updated else in_order(needs):
        _tell(name)


def _tell(line: str) -> None:
    _console.print(Text(printable(line)), soft_wrap=True)
