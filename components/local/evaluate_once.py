"""`adsmu evaluate`: a corpus is stratified and a model measured on it once, without a pipeline."""

from pathlib import Path
from typing import Any

from adsmu.data.corpus import read_corpus_folder
from adsmu.files import read_json, refuse_existing, written_whole
from adsmu.stratified_evaluate.evaluate import evaluate_files
from adsmu.stratify.strata import stratify_files
from adsmu.synthesize.rows import synthesize_files


def evaluate_once(
    model: Path,
    corpus: Path,
    output: Path,
    *,
    champion: Path | None,
    evaluation_rows: int,
    target: float,
    margin: float,
    rule: str,
    trainer: str,
    seed: int,
) -> dict[str, Any]:
    """Measures a model on a corpus, and beside it a champion where one is given.

    Args:
        model: Model folder.
        corpus: Corpus folder.
        output: Folder to make: evaluation.json, predictions.parquet, report.html, data and strata.
        champion: The model to compare with, or None.
        evaluation_rows: Development rows written for each stratum.
        target: Frame accuracy that strata and their mean must clear.
        margin: How much lower existing use cases may be.
        rule: Stratifier rule.
        trainer: Import path of the trainer that made the models.
        seed: Makes the development rows reproducible.

    Returns:
        The evaluation.

    Raises:
        BadInput: An input breaks a rule, or `output` exists.
    """
    parts = read_corpus_folder(corpus)
    with written_whole(refuse_existing(output)) as made:
        made.mkdir()
        rows, data, strata = made / "rows.parquet", made / "data.parquet", made / "strata.parquet"
        stratify_files(
            parts.user, parts.test, rows, strata, rule=rule, min_rows=1, max_strata=200, encoder="", seed=seed
        )
        synthesize_files(
            rows,
            strata,
            parts.existing,
            parts.catalog,
            data,
            evaluation=None,
            round=0,
            rows_per_stratum=evaluation_rows,
            allocation="equal",
            selection="random",
            generator="fill",
            seed=seed,
        )
        rows.unlink()

        def measure(folder: Path, measured: Path, **against: Any) -> None:
            folder.mkdir(exist_ok=True)
            evaluate_files(
                measured,
                data,
                strata,
                parts.existing,
                evaluation=folder / "evaluation.json",
                predictions=folder / "predictions.parquet",
                report=folder / "report.html",
                max_rounds=1,
                target=target,
                margin=margin,
                confidence=0.95,
                patience=2,
                churn_floor=None,
                trainer=trainer,
                **against,
            )

        if champion is None:
            measure(made, model, champion_predictions=None, previous=None, round=0)
        else:
            measure(made / "champion", champion, champion_predictions=None, previous=None, round=0)
            measure(
                made,
                model,
                champion_predictions=made / "champion" / "predictions.parquet",
                previous=made / "champion" / "evaluation.json",
                round=1,
            )
    return read_json(output / "evaluation.json")
