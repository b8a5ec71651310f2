"""The `adsmu card` commands: make a report card, sign it, verify it, show it; make an evaluation set."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adsmu.data.parquet import read_parquet
from adsmu.errors import EXIT_EXHAUSTED, BadInput
from adsmu.files import digest
from adsmu.sign_off.admission import card_refusals
from adsmu.sign_off.card import conditions
from adsmu.sign_off.evaluation_set import write_evaluation_set
from adsmu.sign_off.records import read_signed
from adsmu.sign_off.run import SCORER, TRAINER, card_files, sign_files
from adsmu.sign_off.signature import KEY_FILE, public_key
from adsmu.sign_off.versions import version_place
from adsmu.store import open_store, upload
from adsmu.strategy import read_strategy
from adsmu.submit_command import AsJson
from adsmu.terminal import printable
from adsmu.train.model import read_model

app = typer.Typer(
    name="card",
    help="The report card of an update: evaluation-set, make, sign, verify, show.",
    no_args_is_help=True,
)
_console = Console()

Card = Annotated[Path, typer.Argument(help="The folder of a card.")]


@app.command(name="evaluation-set")
def evaluation_set(
    rows: Annotated[Path, typer.Argument(help="Parquet: id, what a model reads, what is right, weight.")],
    output: Annotated[Path, typer.Option(help="The folder to make.")],
    pairs: Annotated[Path | None, typer.Option(help="Behavioural tests, JSON Lines.")] = None,
    previous: Annotated[
        Path | None, typer.Option(help="The version before; all that stands in it is taken over.")
    ] = None,
    strategy: Annotated[
        Path | None, typer.Option(help="The strategy.yaml that names this version; with --store.")
    ] = None,
    store: Annotated[str, typer.Option(help="Put it here, where updates look for the version.")] = "",
) -> None:
    """Make an evaluation set, or a new version of one; its id follows from its content."""
    if bool(strategy) != bool(store):
        raise BadInput("goes with --store: a strategy names the version", file="--strategy")
    place = version_place(read_strategy(strategy)) if strategy else ""
    if place and open_store(store).names(place):
        raise BadInput("stands there already; name another version", file=f"{store}/{place}")
    made = write_evaluation_set(read_parquet(rows), pairs, output, previous)
    if place:
        upload(output, open_store(store), place)
    _tell(f"{made.id}: {len(made.rows):,} rows, {len(made.pairs):,} pairs")


@app.command()
def make(
    model: Annotated[Path, typer.Argument(help="The candidate's folder.")],
    champion: Annotated[Path, typer.Option(help="The folder of the model in production.")],
    evaluation_set: Annotated[Path, typer.Option(help="The folder of an evaluation set.")],
    output: Annotated[Path, typer.Option(help="The folder to make.")],
    strategy: Annotated[Path | None, typer.Option(help="strategy.yaml: cohorts, confidence, signer.")] = None,
    evaluation: Annotated[Path | None, typer.Option(help="evaluation.json of this candidate.")] = None,
    retraining: Annotated[
        Path | None, typer.Option(help="How retrainings vary, as `adsmu lineage repeat` writes it.")
    ] = None,
    margin: Annotated[
        float, typer.Option(help="How much worse on all rows: points as a share; of a loss a share of it.")
    ] = 0.02,
    scorer: Annotated[str, typer.Option(help="package.module:Scorer.")] = SCORER,
    trainer: Annotated[str, typer.Option(help="package.module:Trainer.")] = TRAINER,
    as_json: AsJson = False,
) -> None:
    """Compare a candidate with the champion, and write the card: exit 3 if a condition is unmet."""
    card = card_files(
        model,
        champion,
        evaluation_set,
        output,
        strategy=strategy,
        evaluation=evaluation,
        retraining=retraining,
        margin=margin,
        scorer=scorer,
        trainer=trainer,
    )
    if as_json:
        _console.print_json(json.dumps(card, ensure_ascii=False))
    else:
        _show(card)
        _tell(f"card  {output / 'card.html'}")
    if not all(condition.met for condition in conditions(card)):
        raise typer.Exit(EXIT_EXHAUSTED)


@app.command()
def sign(
    card: Card,
    key: Annotated[
        Path | None, typer.Option(help="File of the private key, PEM.", show_default=f"what {KEY_FILE} names")
    ] = None,
    by: Annotated[str, typer.Option(help="The person who decides; without it the policy does.")] = "",
    decision: Annotated[str, typer.Option(help="A person's: approve or refuse.")] = "",
    reason: Annotated[str, typer.Option(help="A person's.")] = "",
    store: Annotated[str, typer.Option(help="Publish it here, where canary-deploy looks for it.")] = "",
) -> None:
    """Sign a card, as a person or by policy: exit 3 for a refusal."""
    signature = sign_files(card, key=key, by=by, decision=decision, reason=reason, store=store)
    _tell(f"{signature['decision']}, by {signature['by']}: {signature['reason']}")
    if signature["decision"] != "approve":
        raise typer.Exit(EXIT_EXHAUSTED)


@app.command()
def verify(
    card: Card,
    key: Annotated[Path, typer.Option(help="File of the public key, PEM.")],
    model: Annotated[Path | None, typer.Option(help="The model that it must be of.")] = None,
    evaluation: Annotated[Path | None, typer.Option(help="The evaluation.json that it must be of.")] = None,
    strategy: Annotated[Path | None, typer.Option(help="The strategy.yaml that it must be of.")] = None,
) -> None:
    """Say whether a card was approved and is of these files: exit 3 and the reasons if not."""
    expected: dict[str, Any] = {}
    if model:
        expected |= {"model": digest(model), "data": read_model(model)["data"]}
    if evaluation:
        expected["evaluation"] = digest(evaluation)
    if strategy:
        expected["strategy"] = read_strategy(strategy).digest
    reasons = card_refusals(read_signed(card), public_key(key), expected)
    for reason in reasons:
        _tell(f"refused: {reason}")
    if reasons:
        raise typer.Exit(EXIT_EXHAUSTED)
    _tell("approved")


@app.command()
def show(card: Card) -> None:
    """Print what a card says, and who signed it; the signature is not checked."""
    signed = read_signed(card)
    _show(signed.card)
    if signed.signature is None:
        _tell("not signed")
    else:
        _tell("; ".join(f"{name} {signed.signature.get(name)}" for name in ("decision", "by", "reason")))


def _show(card: dict[str, Any]) -> None:
    table = Table("", "what a policy needs to sign", box=box.SIMPLE_HEAD, pad_edge=False)
    for condition in conditions(card):
        table.add_row("met" if condition.met else "not met", Text(printable(condition.text)))
    _console.print(table)


def _tell(line: str) -> None:
    _console.print(Text(printable(line)), soft_wrap=True)
