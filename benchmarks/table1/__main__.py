"""The command of table 1: runs what is missing, or makes the summary."""

import argparse
import json
import logging
import sys
from pathlib import Path

from adsmu.data.formats import read_corpus
from adsmu.errors import EXIT_BAD_INPUT, BadInput
from benchmarks.table1.arms import ARMS
from benchmarks.table1.cell import Cell
from benchmarks.table1.setting import REPORTED, TUNED, Setting
from benchmarks.table1.summary import summarise
from benchmarks.table1.work import run

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Runs the command.

    Returns:
        0 when all went well, 1 when an arm failed, 2 for bad input.
    """
    options = _options().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        if options.what == "summary":
            summarise(options.output)
            return 0
        return _run(options)
    except BadInput as error:
        logging.getLogger(__name__).error("table1: %s", error)
        return EXIT_BAD_INPUT


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.table1", description=__doc__)
    options.add_argument("what", nargs="?", choices=("run", "summary"), default="run")
    options.add_argument(
        "--corpus", type=Path, action="append", default=[], help="a labelled corpus; repeatable"
    )
    options.add_argument(
        "--use-case",
        action="append",
        help=f"an intent; repeatable; default: those of {', '.join(TUNED + REPORTED)} that a corpus has",
    )
    options.add_argument("--seeds", type=int, default=5, help="how many, from 0 on (or from --first-seed)")
    options.add_argument("--first-seed", type=int, default=0)
    options.add_argument("--arms", nargs="+", default=["all"], help="names of arms, or all")
    options.add_argument("--processes", type=int, default=2, help="arms at a time")
    options.add_argument("--vectors", default="", help="encoder folder for static word-piece vectors")
    options.add_argument("--rows-per-round", type=int, default=Setting.rows_per_round, help="the budget")
    options.add_argument("--rounds", type=int, default=Setting.rounds)
    options.add_argument(
        "--existing", type=int, default=Setting.existing_train, help="existing rows, at most"
    )
    options.add_argument("--epochs", type=int, default=Setting.epochs, help="of a training from scratch")
    options.add_argument(
        "--network", type=json.loads, default={}, help="JSON: other than the trainer's defaults"
    )
    options.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options.add_argument(
        "--work", type=Path, default=Path("build/table1"), help="folder for what is no result"
    )
    return options


def _run(options: argparse.Namespace) -> int:
    if not options.corpus:
        raise BadInput("name at least one corpus", file="--corpus")
    arms = list(ARMS) if options.arms == ["all"] else options.arms
    if unknown := [arm for arm in arms if arm not in ARMS]:
        raise BadInput(f"no arm {unknown[0]!r}; there are {', '.join(ARMS)}", file="--arms")
    setting = Setting(
        existing_train=options.existing,
        rounds=options.rounds,
        rows_per_round=options.rows_per_round,
        epochs=options.epochs,
        vectors=options.vectors,
        network=options.network,
    )
    asked = options.use_case or TUNED + REPORTED
    found = []
    for corpus in options.corpus:
        intents = set(read_corpus(corpus)["intent"].to_pylist())
        found += [(corpus, intent) for intent in asked if intent in intents]
    if options.use_case and (lost := set(asked) - {intent for _, intent in found}):
        raise BadInput(f"no corpus has the intent {sorted(lost)[0]!r}", file="--use-case")
    if not found:
        raise BadInput("no corpus has a use case of the default list; name one", file="--use-case")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    cells = [
        Cell(corpus.resolve(), intent, seed, setting, options.work.resolve())
        for seed in seeds
        for corpus, intent in found
    ]
    return 1 if run(options.output, cells, arms, options.processes) else 0


if __name__ == "__main__":
    sys.exit(main())
