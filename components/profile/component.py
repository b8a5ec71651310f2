"""The Kubeflow interface of profile."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from adsmu.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def profile(
    observations: Input[Dataset],
    profile: Output[Artifact],
    labels: Input[Dataset] = None,
    like: Input[Artifact] = None,
    projections: dict = {},  # noqa: B006 (kfp copies it)
    strategy: str = "",
    seed: int = 0,
) -> NamedTuple("Outputs", rows=int):
    """Profiles observations: what is known of each column in a few kilobytes, mergeable, without the rows.

    Args:
        observations: What production saw, Parquet.
        profile: The profile, one file.
        labels: Labels that came late: id, label, label_time.
        like: A profile that this one is to be compared or merged with; its random features are taken over.
        projections: By name, import path of a function f(table) -> array; its values become a numeric column.
        strategy: Digest of the strategy; stands in the profile.
        seed: Of random features, where like does not give it.

    Returns:
        rows: Of the observations.
    """
    from collections import namedtuple

    from adsmu.profile.run import profile_files

    made = profile_files(
        observations.path,
        profile.path,
        labels=labels.path if labels else None,
        like=like.path if like else None,
        projections=projections,
        strategy=strategy or None,
        seed=seed,
    )
    return namedtuple("Outputs", ["rows"])(made.rows)
