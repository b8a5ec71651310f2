"""The Kubeflow interface of stratify."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def stratify(
    user: Input[Dataset],
    test: Input[Dataset],
    utterances: Output[Dataset],
    strata: Output[Dataset],
    rule: str = "exact",
    min_rows: int = 1,
    max_strata: int = 200,
    encoder: str = "",
    seed: int = 0,
):
    """Groups the user's utterances by data shape and splits every group.

    Args:
        user: Utterance table of the new use case, as the user handed it over.
        test: Held-out utterances of the new use case; may have no rows. They join strata, they form none.
        utterances: The rows of both tables with split and stratum_id.
        strata: Strata table, one row a stratum.
        rule: exact, fuzzy, model, or the import path of a rule.
        min_rows: Strata with fewer user rows are merged with their fuzzy twins, or set aside.
        max_strata: The largest strata that are kept; the others are set aside.
        encoder: Folder with a sentence encoder for the rule model; empty: the built-in one.
        seed: Makes the split reproducible.
    """
    from adsmu.stratify.strata import stratify_files

    stratify_files(
        user.path,
        test.path,
        utterances.path,
        strata.path,
        rule=rule,
        min_rows=min_rows,
        max_strata=max_strata,
        encoder=encoder,
        seed=seed,
    )
