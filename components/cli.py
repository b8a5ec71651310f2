"""The `adsmu` command."""

import errno
import json
import logging
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from adsmu import (
    __version__,
    canary_command,
    lineage_command,
    recurring_command,
    sign_off_command,
    strategy_command,
    submit_command,
    value_command,
    watch_command,
)
from adsmu.errors import EXIT_BAD_INPUT, EXIT_EXHAUSTED, EXIT_FAULT, EXIT_PASS, BadInput, StepFailed

app = typer.Typer(
    name="adsmu",
    help="Automated model updates for Kubeflow, gated stratum by stratum.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(canary_command.app)
app.add_typer(submit_command.app)
app.add_typer(recurring_command.app)
app.add_typer(strategy_command.app)
app.add_typer(lineage_command.app)
app.add_typer(sign_off_command.app)
app.command()(value_command.value)
app.command()(watch_command.watch)
_console = Console()
_errors = Console(stderr=True)

Output = Annotated[Path, typer.Option(help="The folder to make.")]
Seed = Annotated[int, typer.Option(min=0, help="Makes the result reproducible.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def _version(asked: bool) -> None:
    if asked:
        _console.print(f"adsmu {__version__}")
        raise typer.Exit


@app.callback()
def _adsmu(
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


@app.command()
def demo(output: Output, seed: Seed = 0, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Write the demo corpus: a smart speaker that must learn a new use case."""
    from adsmu.data.demo import write_demo

    _tell_corpus(write_demo(output, seed=seed), output, as_json, quiet)


@app.command()
def prepare(
    data: Annotated[
        Path, typer.Option(help="A labelled corpus: JSONL, CoNLL, a seq.in/seq.out/label folder, Rasa YAML.")
    ],
    intent: Annotated[str, typer.Option(help="The intent that plays the new use case.")],
    output: Output,
    seed: Seed = 0,
    lower: Annotated[bool, typer.Option("--lower", help="Lower-case the tokens.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Cut a labelled corpus into a simulated update: existing data, user data, catalog, held-out test."""
    from adsmu.data.prepare import prepare as cut

    _tell_corpus(cut(data, intent, output, seed=seed, lower=lower), output, as_json, quiet)


def _tell_corpus(facts: dict[str, Any], output: Path, as_json: bool, quiet: bool) -> None:
    if as_json:
        _print_json(facts)
    elif not quiet:
        for name, value in facts.items():
            if isinstance(value, int | float | str):
                shown = (
                    f"{value:,}"
                    if isinstance(value, int)
                    else f"{value:.3f}"
                    if isinstance(value, float)
                    else value
                )
                _console.print(f"{name.replace('_', ' '):<44} {shown}", highlight=False)
        _console.print(f"corpus in {output}", highlight=False, soft_wrap=True)


@app.command()
def run(
    corpus: Annotated[Path, typer.Option(help="Corpus folder, as demo and prepare write it.")],
    output: Annotated[
        Path, typer.Option(help="The run's folder; an unfinished run there is resumed.")
    ] = Path("runs/update"),
    champion: Annotated[
        Path | None,
        typer.Option(help="The production model; none: one is trained on the existing data first."),
    ] = None,
    max_rounds: Annotated[int, typer.Option(help="The last round allowed.")] = 3,
    rows_per_stratum: Annotated[
        int, typer.Option(help="A round's budget, divided by the number of strata.")
    ] = 8,
    evaluation_rows: Annotated[int, typer.Option(help="Development rows written for each stratum.")] = 80,
    target: Annotated[
        float, typer.Option(help="Frame accuracy that strata and their mean must clear.")
    ] = 0.95,
    margin: Annotated[float, typer.Option(help="How much lower existing use cases may be.")] = 0.02,
    rule: Annotated[str, typer.Option(help="exact, fuzzy, model, or package.module:function.")] = "exact",
    min_rows: Annotated[int, typer.Option(help="Smaller strata are merged or set aside.")] = 1,
    max_strata: Annotated[int, typer.Option(help="The largest strata that are kept.")] = 200,
    allocation: Annotated[
        str, typer.Option(help="equal, natural, failing, failure_rate, or package.module:function.")
    ] = "failing",
    selection: Annotated[str, typer.Option(help="balanced, submodular or random.")] = "balanced",
    generator: Annotated[
        str, typer.Option(help="fill, recombine (adds new shapes), or package.module:function.")
    ] = "recombine",
    mode: Annotated[str, typer.Option(help="full, warm or finetune.")] = "warm",
    early_mode: Annotated[
        str, typer.Option(help="Of rounds before the last: scout, or as --mode.")
    ] = "scout",
    trainer: Annotated[
        str, typer.Option(help="package.module:Trainer.")
    ] = "adsmu.train.two_stage:TwoStageTrainer",
    setting: Annotated[
        list[str] | None, typer.Option(help="A setting of the trainer, NAME=VALUE; repeatable.")
    ] = None,
    rollout: Annotated[
        bool | None,
        typer.Option(
            "--rollout/--no-rollout",
            help="Roll a model that passes out to a service on this machine, on replayed held-out rows.",
            show_default="if adsmu[local,serve] is installed",
        ),
    ] = None,
    plan: Annotated[
        list[str] | None, typer.Option(help="A key of the rollout's plan, NAME=VALUE; repeatable.")
    ] = None,
    strategy: Annotated[
        Path | None,
        typer.Option(help="A strategy.yaml: cohorts, evaluation set and signer of the report card."),
    ] = None,
    card_key: Annotated[
        Path | None,
        typer.Option(
            envvar="ADSMU_CARD_KEY", help="File of the private key that a policy signs the report card with."
        ),
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            help="Where releases, cards and lineage are kept: a folder, or a bucket as URI.",
            show_default="in the run's folder",
        ),
    ] = "",
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run the update pipeline on this machine: exit 0 for pass, 3 for exhausted or a rollout that failed."""
    from adsmu.files import read_json
    from adsmu.local import engine, live
    from adsmu.local.folder import Parameters, nothing_left_of_a_refusal, open_run
    from adsmu.local.summary import conclude

    given = locals()
    parameters = Parameters(
        **{f.name: given[f.name] for f in fields(Parameters) if f.name != "settings"},
        settings=_pairs(setting or [], "--setting"),
    )
    wanted = engine.rollout_plan(rollout, _pairs(plan or [], "--plan"))
    text = engine.signing(strategy, card_key)
    kept = {"strategy": text, "store": store if "://" in store or not store else str(Path(store).absolute())}
    folder, parts = open_run(corpus, output, champion, parameters, wanted, **kept)
    view = live.watch(folder, Console(quiet=quiet or as_json, file=sys.stdout))
    with nothing_left_of_a_refusal(folder), view:
        model = champion.resolve() if champion else engine.train_champion(folder, parts, parameters)
        engine.run_pipeline(folder, parts, model, parameters, wanted, **kept)
        summary = conclude(folder)
    if as_json:
        _print_json(summary)
    elif not quiet:
        _show(folder.evaluations()[-1])
        if summary["outcome"]:
            _console.print(live.outcome_line(read_json(folder.rollout)), highlight=False)
        for name, path in (("report", "report"), ("card", "card"), ("rollout", "rollout_report")):
            if summary[path]:
                told = f" ({summary['signed'] or 'not signed'})" if name == "card" else ""
                _console.print(f"{name:<8}{summary[path]}{told}", highlight=False, soft_wrap=True)
    failed = summary["outcome"] in ("rolled_back", "inconclusive")
    raise typer.Exit(EXIT_EXHAUSTED if failed else _exit_code(summary["verdict"]))


@app.command()
def evaluate(
    model: Annotated[Path, typer.Option(help="Model folder.")],
    corpus: Annotated[Path, typer.Option(help="Corpus folder.")],
    output: Output,
    champion: Annotated[Path | None, typer.Option(help="The model to compare with.")] = None,
    evaluation_rows: Annotated[int, typer.Option(help="Development rows written for each stratum.")] = 80,
    target: Annotated[
        float, typer.Option(help="Frame accuracy that strata and their mean must clear.")
    ] = 0.95,
    margin: Annotated[float, typer.Option(help="How much lower existing use cases may be.")] = 0.02,
    rule: Annotated[str, typer.Option(help="exact, fuzzy, model, or package.module:function.")] = "exact",
    trainer: Annotated[
        str, typer.Option(help="package.module:Trainer.")
    ] = "adsmu.train.two_stage:TwoStageTrainer",
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model on a corpus, stratum by stratum, once: exit 0 for pass, 3 for not."""
    from adsmu.local.evaluate_once import evaluate_once

    evaluation = evaluate_once(
        model,
        corpus,
        output,
        champion=champion,
        evaluation_rows=evaluation_rows,
        target=target,
        margin=margin,
        rule=rule,
        trainer=trainer,
        seed=seed,
    )
    if as_json:
        _print_json(evaluation)
    elif not quiet:
        _show(evaluation)
        _console.print(f"report  {output / 'report.html'}", highlight=False, soft_wrap=True)
    raise typer.Exit(_exit_code(evaluation["verdict"]))


@app.command()
def report(
    evaluation: Annotated[Path, typer.Argument(help="An evaluation.json, or a run's folder.")],
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
) -> None:
    """Write the report of an evaluation as one self-contained page."""
    from adsmu.data.evaluation import read_evaluation
    from adsmu.files import written_whole
    from adsmu.stratified_evaluate.report import render_report

    page = render_report(
        read_evaluation(evaluation / "evaluation.json" if evaluation.is_dir() else evaluation)
    )
    with written_whole(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    _console.print(f"report  {output}", highlight=False, soft_wrap=True)


@app.command(name="compile")
def compile_(
    output: Annotated[
        Path, typer.Option(help="The source tree that holds components/ and pipelines/.")
    ] = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file is not current.")
    ] = False,
    manifests: Annotated[
        Path | None,
        typer.Option(help="Write only the update pipeline's Kubernetes objects, to this folder."),
    ] = None,
) -> None:
    """Compile every component and pipeline to the YAML that stands beside it."""
    from adsmu.pipelines import generate

    if manifests:
        for path in generate.generate_manifests(manifests):
            _console.print(str(path), highlight=False, soft_wrap=True)
    elif not check:
        for path in generate.generate(output):
            _console.print(str(path), highlight=False, soft_wrap=True)
    elif stale := generate.check(output):
        for path in stale:
            _errors.print(f"{path} is not current: run `adsmu compile`", highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_FAULT)


def _pairs(given: list[str], option: str) -> dict[str, Any]:
    """Reads NAME=VALUE pairs; a value that is JSON is taken as such, any other as text."""
    settings: dict[str, Any] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise BadInput(f"{item!r} is not of the form NAME=VALUE", file=option)
        try:
            settings[name] = json.loads(text)
        except json.JSONDecodeError:
            settings[name] = text
    return settings


def _show(evaluation: dict[str, Any]) -> None:
    from adsmu.local.live import rounds_table, verdict_line

    _console.print(rounds_table(evaluation))
    _console.print(verdict_line(evaluation), highlight=False)


def _print_json(value: Any) -> None:
    _console.print_json(json.dumps(value, ensure_ascii=False), indent=2)


def _exit_code(verdict: str) -> int:
    return EXIT_PASS if verdict == "pass" else EXIT_EXHAUSTED


def main() -> None:
    """Runs the command; a BadInput ends it with one line and exit code 2."""
    # A part of the user's own may stand in the folder the command is called from, as it may for the steps;
    # last on the path, where it hides no installed module.
    sys.path.append(os.getcwd())
    try:
        app()
    except BadInput as error:
        _end(str(error), EXIT_BAD_INPUT)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EDQUOT):
            raise
        _end(
            f"{error.filename or 'output'}: {(error.strerror or 'cannot be written').lower()}", EXIT_BAD_INPUT
        )
    except KeyboardInterrupt:
        _end("interrupted; the same command resumes an unfinished run", EXIT_FAULT)
    except StepFailed as error:
        _end(str(error), EXIT_FAULT)


def _end(line: str, code: int) -> None:
    _errors.print(f"adsmu: {line}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(code)
