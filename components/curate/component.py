"""The Kubeflow interface of curate."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def curate(
    observations: Input[Dataset],
    strategy: Input[Artifact],
    chosen: Output[Dataset],
    curation: Output[Artifact],
    way: str,
    budget: int,
    labels: Input[Dataset] = None,
    earlier: Input[Dataset] = None,
    by: str = "",
    shares: dict = {},  # noqa: B006 - kfp reads the default, nothing writes it
    flags: list = ["down"],  # noqa: B006 - the same
    seed: int = 0,
) -> NamedTuple("Outputs", rows=int):
    """Chooses rows of production that people are to label, the most useful first.

    Args:
        observations: Observations: labelled rows to learn from, unlabelled ones to choose among.
        strategy: strategy.yaml; it says which columns count.
        chosen: The rows' ids, scores and weights, the first of them first.
        curation: curation.json: what they were chosen by.
        way: stratified, feedback, errors, uncertainty, predicted_loss, different, representative or impact.
        budget: Rows at most.
        labels: Labels that came late, Parquet.
        earlier: What was chosen before, a file or a folder of them: none of it is chosen again.
        by: Of stratified: the column.
        shares: Of stratified: value to proportion, summing to 1; empty: evenly.
        flags: Of feedback: what a complaint says.
        seed: Of what is random.

    Returns:
        rows: How many were chosen.
    """
    from collections import namedtuple

    from adsmu.curate.curate import curate_files

    made = curate_files(
        observations.path,
        strategy.path,
        chosen=chosen.path,
        curation=curation.path,
        way=way,
        budget=budget,
        by=by,
        shares=shares or None,
        flags=tuple(flags),
        labels=labels.path if labels else None,
        earlier=earlier.path if earlier else None,
        seed=seed,
    )
    return namedtuple("Outputs", ["rows"])(made["chosen"])
