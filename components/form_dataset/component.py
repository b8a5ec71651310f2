"""The Kubeflow interface of form-dataset."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def form_dataset(
    observations: Input[Dataset],
    strategy: Input[Artifact],
    dataset: Output[Dataset],
    difference: Output[HTML],
    metrics: Output[Metrics],
    history: Input[Dataset] = None,
    labels: Input[Dataset] = None,
    decision: Input[Artifact] = None,
    previous: Input[Dataset] = None,
    until: str = "",
) -> NamedTuple("Outputs", id=str, rows=int):
    """Forms what an update learns from, named by its content, and says how it differs from the last dataset.

    Args:
        observations: Observations, Parquet.
        strategy: strategy.yaml.
        dataset: The folder: rows.parquet, dataset.json, difference.json, difference.html.
        difference: The page of what the last dataset had not, or no longer has.
        metrics: Rows, effective rows, and how many columns moved.
        history: Older observations; of an id in both, the row of observations counts.
        labels: Labels that came late, Parquet.
        decision: decision.json that opened the update; none: the strategy's own form.
        previous: The folder of the last dataset; none, or an empty one: this is the first.
        until: The end of the newest window, ISO 8601; empty: the second after the newest row.

    Returns:
        id: The digest of rows.parquet.
        rows: How many.
    """
    import shutil
    from collections import namedtuple
    from pathlib import Path

    from adsmu.files import read_json, write_json
    from adsmu.form_dataset.form import DATASET, DIFFERENCE, PAGE, form_dataset_files

    last = previous.path if previous and (Path(previous.path) / DATASET).exists() else None
    made = form_dataset_files(
        [*([history.path] if history else []), observations.path],
        strategy.path,
        dataset.path,
        labels=labels.path if labels else None,
        decision=decision.path if decision else None,
        previous=last,
        until=until,
    )
    shutil.copyfile(Path(dataset.path) / PAGE, difference.path)
    moved = sum(each["moved"] for each in read_json(Path(dataset.path) / DIFFERENCE)["columns"])
    figures = {
        "rows": float(made["rows"]),
        "effective_rows": made["weights"]["effective_rows"],
        "columns_moved": float(moved),
    }
    for name, value in figures.items():
        metrics.log_metric(name, value)
    write_json(figures, metrics.path)  # a cache takes an artifact without a file for a lost one
    return namedtuple("Outputs", ["id", "rows"])(made["id"], made["rows"])
