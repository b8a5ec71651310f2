"""A model measured on every stratum and on the existing use cases, from files to files."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.data.evaluation import read_evaluation
from adsmu.data.schema import read_utterances
from adsmu.data.strata import read_strata
from adsmu.errors import BadInput
from adsmu.files import digest, write_json, written_whole
from adsmu.stratified_evaluate.assess import assess
from adsmu.stratified_evaluate.correctness import mark
from adsmu.stratified_evaluate.examples import add_examples
from adsmu.stratified_evaluate.gate import Rule, next_round
from adsmu.stratified_evaluate.predictions import predictions_table, read_predictions
from adsmu.stratified_evaluate.report import render_report
from adsmu.stratified_evaluate.suspects import suspects
from adsmu.train.model import MODEL, load_model, read_model
from adsmu.train.protocol import Predictor


@dataclass(frozen=True)
class Evaluated:
    """What the step hands on.

    Attributes:
        verdict: pass, refine or exhausted.
        next_round: The number of the round that follows a `refine`.
        metrics: The round's few main figures by name.
    """

    verdict: str
    next_round: int
    metrics: dict[str, float]


def evaluate_files(
    model: str | Path,
    data: str | Path,
    strata: str | Path,
    existing: str | Path,
    *,
    evaluation: str | Path,
    predictions: str | Path,
    report: str | Path,
    champion_predictions: str | Path | None,
    previous: str | Path | None,
    round: int,
    max_rounds: int,
    target: float,
    margin: float,
    confidence: float,
    patience: int,
    churn_floor: float | None,
    trainer: str,
) -> Evaluated:
    """Measures a model and writes evaluation, predictions and report.

    Measured are the development and held-out rows of active strata, the held-out rows of no declared stratum,
    and the held-out rows of the existing data. The seconds of a round are those of this step alone: when the
    others began is not known here.

    Args:
        model: Model folder.
        data: Utterance table of the new use case.
        strata: Strata table.
        existing: Utterance table of the existing data.
        evaluation: The `evaluation.json` to write.
        predictions: The predictions to write, Parquet.
        report: The page to write.
        champion_predictions: The champion's predictions on the same rows; None: the model is the champion.
        previous: The evaluation before this one, or None.
        round: The round; 0 for the champion.
        max_rounds: The last round allowed.
        target: Frame accuracy to clear.
        margin: How much lower the accuracy on existing use cases may be.
        confidence: Of every interval, two-sided.
        patience: Rounds without improvement before a failing stratum is given up.
        churn_floor: Share of negative flips that a mere change of seed causes, or None.
        trainer: Import path of the trainer.

    Returns:
        The verdict and the main figures.

    Raises:
        BadInput: An input breaks a rule; nothing is written.
    """
    started = time.perf_counter()
    rule = Rule(target, margin, confidence, patience, max_rounds)
    if churn_floor is not None and not 0 <= churn_floor <= 1:
        raise BadInput(f"must be a share from 0 to 1, not {churn_floor}", file="churn_floor")
    before = _read_previous(previous, round)
    declared = read_strata(strata)
    rows = read_utterances(data)
    new = _measured(rows, declared, data)
    old = _held_out(existing)
    champion = read_predictions(champion_predictions) if champion_predictions else None
    predictor = load_model(model, trainer)
    card = read_model(model)
    _check_labels(card, old, model)

    predicted = predictor.predict(new["tokens"].to_pylist())
    marks = mark(new, predicted)
    marks_old = mark(old, predictor.predict(old["tokens"].to_pylist()))
    table = predictions_table(new, marks, old, marks_old, champion)
    added = pc.and_(pc.equal(rows["round"], round), pc.equal(rows["split"], "train"))
    result = assess(
        table,
        declared.filter(pc.equal(declared["status"], "active")),
        old["domain"],
        rule,
        round=round,
        mode=card["mode"],
        added=rows["stratum_id"].filter(added),
        previous=before,
        churn_floor=churn_floor,
    )
    result |= {
        "model": {"digest": digest(model)},
        "data": {"data": digest(data), "strata": digest(strata), "existing": digest(existing)},
    }
    add_examples(result["strata"], new, predicted, marks)
    result["suspects"] = suspects(*_synthetic(new, predicted.tags, rows.filter(added), predictor), confidence)
    result["rounds"][-1]["seconds"] = time.perf_counter() - started
    page = render_report(result)
    with written_whole(predictions) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    with written_whole(report) as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_json(result, evaluation)
    return Evaluated(result["verdict"], next_round(result), _metrics(result))


def _read_previous(path: str | Path | None, round: int) -> dict[str, Any] | None:
    if path is None:
        return None
    previous = read_evaluation(path)
    if not isinstance(before := previous["round"], int) or before >= round:
        raise BadInput(f"is {before}, not a round before {round}", file=path, column="round")
    return previous


def _measured(rows: pa.Table, strata: pa.Table, path: str | Path) -> pa.Table:
    """Development and held-out rows of active strata, and held-out rows of none."""
    stratum, declared = rows["stratum_id"], strata["stratum_id"].combine_chunks()
    unknown = pc.and_(pc.is_valid(stratum), pc.invert(pc.is_in(stratum, declared)))
    if pc.any(unknown).as_py():
        row = pc.index(unknown, True).as_py()
        raise BadInput(
            f"{stratum[row].as_py()!r} is not in the strata table",
            file=path,
            row=row + 1,
            column="stratum_id",
        )
    active = strata["stratum_id"].filter(pc.equal(strata["status"], "active")).combine_chunks()
    held_out = pc.equal(rows["split"], "test")
    of_active = pc.and_(pc.is_in(stratum, active), pc.or_(held_out, pc.equal(rows["split"], "dev")))
    return rows.filter(pc.or_(of_active, pc.and_(pc.is_null(stratum), held_out)))


def _synthetic(
    measured: pa.Table, tags: list[list[str]], added: pa.Table, predictor: Predictor
) -> tuple[pa.Table, list[list[str]]]:
    """Synthetic development rows, the rows added in this round, and the tags predicted for both."""
    development = np.flatnonzero(
        pc.and_(pc.equal(measured["source"], "synthetic"), pc.equal(measured["split"], "dev"))
    )
    parts = [table.select(["tokens", "tags", "split"]) for table in (measured.take(development), added)]
    told = predictor.predict(added["tokens"].to_pylist()).tags if len(added) else []
    return pa.concat_tables(parts), [tags[row] for row in development.tolist()] + told


def _held_out(path: str | Path) -> pa.Table:
    rows = read_utterances(path)
    rows = rows.filter(pc.equal(rows["split"], "test"))
    if not len(rows):
        raise BadInput(
            "no rows of split test, so what existing use cases lose cannot be seen", file=path, column="split"
        )
    return rows


def _check_labels(card: dict[str, Any], existing: pa.Table, model: str | Path) -> None:
    known = card["labels"]["intents"]
    if not set(known) & set(pc.unique(existing["intent"].cast(pa.string())).to_pylist()):
        raise BadInput(
            "knows none of the intents of the existing data", file=Path(model) / MODEL, column="labels"
        )


def _metrics(result: dict[str, Any]) -> dict[str, float]:
    last = result["rounds"][-1]
    names = ("mean", "mean_low", "dev_mean", "existing", "flips", "passed", "undecided", "failed", "given_up")
    return {name: float(last[name]) for name in names if last[name] is not None}
