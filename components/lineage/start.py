"""Where the next training begins: at the champion's weights, or now and then from scratch."""

import json
from dataclasses import dataclass

from adsmu.errors import BadInput
from adsmu.lineage.chain import lineage
from adsmu.store import Store


@dataclass(frozen=True)
class Start:
    """What the next training is given.

    Attributes:
        base: Digest of the last promoted model, the parent of the next one; None: there is none.
        mode: warm, or full.
        reason: Why, in words.
    """

    base: str | None
    mode: str
    reason: str


def next_start(store: Store, service: str, calibrate_every: int = 0) -> Start:
    """Finds what a stateful training goes on from: the model that was promoted last.

    Weights that only ever go on from older ones can settle where a fresh training would not: every so often
    one from scratch calibrates them. It has the champion for a parent all the same.

    Args:
        store: The store of releases and champions.
        service: The service's name.
        calibrate_every: After so many trainings that went on from another, one from scratch; 0: never.

    Raises:
        BadInput: The number is below 0, or the champion or an ancestor is missing or damaged.
        StoreUnavailable: The storage does not answer.
    """
    if calibrate_every < 0:
        raise BadInput(f"must be 0 or more, not {calibrate_every}", file="calibrate_every")
    champion = last_champion(store, service)
    if champion is None:
        return Start(None, "full", "no model was promoted yet")
    if not calibrate_every:
        return Start(champion, "warm", f"goes on from the champion {champion}")
    stateful = 0
    for link in lineage(champion, store):
        if link.model["mode"] == "full":
            break
        stateful += 1
    if stateful >= calibrate_every:
        return Start(champion, "full", f"from scratch: {stateful} trainings in a row went on from another")
    return Start(
        champion,
        "warm",
        f"goes on from the champion {champion}: {stateful} of {calibrate_every} before one from scratch",
    )


def last_champion(store: Store, service: str) -> str | None:
    """The digest of the model that was put into production last; None: there is none.

    Args:
        store: The store.
        service: The service's name.

    Raises:
        BadInput: The entry is damaged.
    """
    names = store.names(f"champions/{service}")
    if not names:
        return None
    try:
        return str(json.loads(store.read(names[-1]) or b"")["model"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("not an entry of a champion", file=f"{store.uri}/{names[-1]}") from error
