"""Whether a card lets a model be rolled out: signed, unchanged, and of these very files."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adsmu.errors import BadInput
from adsmu.sign_off.records import SignedCard
from adsmu.sign_off.signature import faults


def card_refusals(signed: SignedCard | None, key: Ed25519PublicKey, expected: dict[str, Any]) -> list[str]:
    """Why a model may not be rolled out on its card.

    Args:
        signed: The card; None: there is none.
        key: The key that may sign.
        expected: What the card must be of, by the keys of its digests; what is left out may be anything.

    Returns:
        One sentence a reason; empty: it is admitted.
    """
    if signed is None:
        return ["a signed report card is demanded, and there is none of this model"]
    if reasons := faults(signed.content, signed.signature, key):
        return reasons
    try:
        digests = signed.card["digests"]
    except BadInput as error:
        return [f"the report card cannot be read: {error}"]
    return [
        f"the report card is of the {name.replace('_', ' ')} {digests[name]}, not of {given}"
        for name, given in expected.items()
        if digests[name] != given
    ]
