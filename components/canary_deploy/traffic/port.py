"""What a traffic backend is. The rollout knows nothing else of where models run."""

from dataclasses import dataclass
from typing import Protocol

from adsmu.canary_deploy.release import Release


@dataclass(frozen=True)
class Addresses:
    """Where each variant is reached past the split, as base URLs; empty for one that is not there.

    Attributes:
        candidate: Of the candidate.
        champion: Of the champion.
    """

    candidate: str
    champion: str


class Traffic(Protocol):
    """A service in which a champion answers and a candidate gets a share of the requests.

    Every act sets, none adds: done twice it is as if done once. No act is believed: the rollout reads the
    share back, and waits until the requests counted at the variants follow it. Where there is no champion, a
    candidate may get all requests from the start, and `withdraw` takes the service away.
    """

    finest: float
    """The smallest part of a share that the backend keeps; every share is a multiple of it."""

    def obstacles(self) -> list[str]:
        """What stands in a rollout's way, a sentence each: a missing right, a version, a sick champion."""
        ...

    def sick(self) -> str:
        """Why the champion does not answer; empty while it does, or where there is none."""
        ...

    def champion(self) -> str | None:
        """Digest of the model in production, as the live object says; None where there is none yet."""
        ...

    def candidate(self) -> str | None:
        """Digest of the model that stands beside the champion; None where there is none."""
        ...

    def deploy(self, release: Release) -> None:
        """Starts a candidate that gets no requests yet, with capacity of its own. Does not wait for it.

        Raises:
            Refused: The backend does not take it.
        """
        ...

    def unready(self) -> str:
        """Why the candidate cannot take requests; empty once it can."""
        ...

    def share(self) -> float:
        """The candidate's share of the requests, as the live object says; 0 without a candidate."""
        ...

    def set_share(self, share: float) -> None:
        """Gives the candidate a share of the requests.

        Raises:
            Refused: There is no candidate, or the backend does not take it.
        """
        ...

    def addresses(self) -> Addresses:
        """Where each variant is reached past the split."""
        ...

    def promote(self) -> None:
        """Makes the candidate the champion and takes the old one away. Called at a share of 1 only.

        Raises:
            Refused: The candidate has not all requests, or the backend does not take it.
        """
        ...

    def withdraw(self) -> None:
        """Takes the candidate away. Called at a share of 0 only; without a candidate it does nothing.

        Raises:
            Refused: The candidate still gets requests.
        """
        ...
