"""The Kubeflow interface of synthesize."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def synthesize(
    utterances: Input[Dataset],
    strata: Input[Dataset],
    existing: Input[Dataset],
    catalog: Input[Artifact],
    data: Output[Dataset],
    evaluation: Input[Artifact] = None,
    round: int = 1,
    rows_per_stratum: int = 8,
    allocation: str = "equal",
    selection: str = "balanced",
    generator: str = "recombine",
    seed: int = 0,
):
    """Writes training rows for strata by filling their shapes from a catalog.

    Args:
        utterances: The new use case's rows so far, with stratum_id.
        strata: Strata table.
        existing: Utterance table of the existing data; values are harvested from its training rows.
        catalog: JSON object, slot name to a list of values.
        data: `utterances` with the new rows behind them.
        evaluation: The last evaluation; allocation by failures reads it.
        round: 0 writes development rows, with values that training never sees; from 1 on, training rows.
        rows_per_stratum: The budget of this round, divided by the number of strata.
        allocation: equal, natural, failing, failure_rate, or the import path of an allocation.
        selection: balanced, submodular or random: which rows of the pool are taken.
        generator: fill (the shapes of the strata), recombine (new shapes beside them), or the import path of
            a generator.
        seed: Makes the rows reproducible.
    """
    from adsmu.synthesize.rows import synthesize_files

    synthesize_files(
        utterances.path,
        strata.path,
        existing.path,
        catalog.path,
        data.path,
        evaluation=evaluation.path if evaluation else None,
        round=round,
        rows_per_stratum=rows_per_stratum,
        allocation=allocation,
        selection=selection,
        generator=generator,
        seed=seed,
    )
