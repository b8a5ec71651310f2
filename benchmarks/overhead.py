"""What `adsmu run` costs beyond its steps' work: the same three rounds by the engine and by plain calls."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from adsmu.data.corpus import Corpus
from adsmu.data.demo import write_demo
from adsmu.data.prepare import prepare
from adsmu.files import digest
from adsmu.local.engine import run_pipeline, train_champion
from adsmu.local.folder import Parameters, RunFolder, open_run
from adsmu.local.summary import conclude
from adsmu.stratified_evaluate.evaluate import evaluate_files
from adsmu.stratify.strata import stratify_files
from adsmu.synthesize.rows import synthesize_files
from adsmu.train.run import train_files
from benchmarks.measure import peak_memory_of, record

ROUNDS = 3
BAR_SHARE = 0.1
PARAMETERS = Parameters(max_rounds=ROUNDS, target=1.0)  # a target that is never reached: all rounds are run


def by_engine(corpus: Path, folder: Path) -> str:
    """`adsmu run` without its command line.

    Args:
        corpus: Corpus folder.
        folder: The run's folder.

    Returns:
        The digest of the last round's model.
    """
    run, parts = open_run(corpus, folder, None, PARAMETERS)
    run_pipeline(run, parts, train_champion(run, parts, PARAMETERS), PARAMETERS)
    return str(conclude(run)["model_digest"])


def by_hand(corpus: Path, folder: Path) -> str:
    """The same steps, called one after the other in one process.

    Args:
        corpus: Corpus folder.
        folder: Where files go.

    Returns:
        The digest of the last round's model.
    """
    folder.mkdir()
    parts, run, given = Corpus(corpus), RunFolder(folder), PARAMETERS
    champion = train_champion(run, parts, given)
    rows, strata = folder / "rows", folder / "strata"
    stratify_files(parts.user, parts.test, rows, strata, rule=given.rule, seed=given.seed)
    model, last, data = champion, None, rows
    for round in range(ROUNDS + 1):
        made = folder / str(round)
        synthesize_files(
            data,
            strata,
            parts.existing,
            parts.catalog,
            made / "data",
            evaluation=last,
            round=round,
            rows_per_stratum=given.rows_per_stratum if round else given.evaluation_rows,
            allocation=given.allocation if round else "equal",
            selection=given.selection,
            seed=given.seed,
        )
        data = made / "data"
        if round:
            model = made / "model"
            train_files(
                parts.existing,
                data,
                champion,
                model,
                mode=given.mode,
                checkpoints=folder / "checkpoints",
                seed=given.seed,
            )
        evaluate_files(
            model,
            data,
            strata,
            parts.existing,
            evaluation=made / "evaluation",
            predictions=made / "predictions",
            report=made / "report",
            champion_predictions=folder / "0" / "predictions" if round else None,
            previous=last,
            round=round,
            max_rounds=ROUNDS,
            target=given.target,
            margin=given.margin,
            confidence=0.95,
            patience=2,
            churn_floor=None,
            trainer=given.trainer,
        )
        last = made / "evaluation"
    return digest(model)


def run(data: Path, intent: str) -> dict[str, Any]:
    """Measures the demo corpus, and a real one where it is there.

    Args:
        data: A labelled corpus.
        intent: The intent of it that plays the new use case.

    Returns:
        The record.

    Raises:
        RuntimeError: Engine and plain calls did not end with the same model.
    """
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        corpora = {"demo": Path(place, "demo")}
        write_demo(corpora["demo"])
        if data.exists():
            corpora[data.name.partition(".")[0]] = Path(place, "real")
            prepare(data, intent, Path(place, "real"))
        for name, corpus in corpora.items():
            engine, _, model = peak_memory_of(by_engine, corpus, Path(place, f"{name}-engine"))
            hand, _, same = peak_memory_of(by_hand, corpus, Path(place, f"{name}-hand"))
            if model != same:
                raise RuntimeError("engine and plain calls made different models")
            figures[name] = {
                "run_seconds": engine,
                "steps_seconds": hand,
                "overhead_share": engine / hand - 1,
            }
    return record(
        "adsmu run over the sum of its steps' own work, three rounds, champion's training included",
        "python -m benchmarks.overhead",
        figures,
        f"overhead_share at most {BAR_SHARE}",
        all(figure["overhead_share"] <= BAR_SHARE for figure in figures.values()),
    )


def main() -> None:
    """Prints the record as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=Path("../shared/data/snips/snips.jsonl.gz"))
    options.add_argument("--intent", default="AddToPlaylist")
    options.add_argument("--output", type=Path)
    given = options.parse_args()
    text = json.dumps(run(given.data, given.intent), indent=2)
    if given.output:
        given.output.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)  # noqa: T201


if __name__ == "__main__":
    main()
