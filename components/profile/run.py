"""Observations profiled, from files to a file."""

from collections.abc import Mapping
from pathlib import Path

from adsmu.profile.file import read_profile, write_profile
from adsmu.profile.observations import read_batches
from adsmu.profile.profiles import Profile, profile_batches


def profile_files(
    observations: str | Path,
    output: str | Path,
    *,
    labels: str | Path | None = None,
    like: str | Path | None = None,
    projections: Mapping[str, str] | None = None,
    strategy: str | None = None,
    seed: int = 0,
) -> Profile:
    """Profiles a table of observations part by part.

    Args:
        observations: Parquet; see `adsmu.profile.observations`.
        output: The profile to write.
        labels: Labels that came late, Parquet.
        like: A profile that this one is to be compared with; needed where columns hold vectors.
        projections: By name, import path of a function `f(table) -> array`.
        strategy: Digest of the strategy.
        seed: Of random features, where `like` does not give it.

    Returns:
        The profile.

    Raises:
        BadInput: An input breaks a rule; nothing is written.
    """
    made = profile_batches(
        read_batches(observations, labels),
        like=read_profile(like) if like else None,
        projections=projections,
        strategy=strategy,
        seed=seed,
    )
    write_profile(made, output)
    return made
