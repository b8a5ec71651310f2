"""Signed cards in the store: a model's last one counts; none is ever changed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import read_json
from adsmu.sign_off.card import CARD, SIGNATURE, checked_card
from adsmu.store import Store


@dataclass(frozen=True)
class SignedCard:
    """A card with what is said to be its signature; neither is checked yet.

    Attributes:
        content: The bytes of `card.json`.
        signature: The content of `card.sig.json`; None: there is none.
        place: Where it was found.
    """

    content: bytes
    signature: Any
    place: str

    @property
    def card(self) -> dict[str, Any]:
        """The card.

        Raises:
            BadInput: It is none.
        """
        try:
            return checked_card(json.loads(self.content), self.place)
        except ValueError as error:
            raise BadInput("not JSON", file=self.place) from error

    def as_json(self) -> dict[str, Any]:
        """As it stands in a store."""
        return {"card": self.content.decode(), "signature": self.signature}


def read_signed(folder: str | Path) -> SignedCard:
    """Reads a card and its signature.

    Args:
        folder: Where `card.json` stands, and perhaps `card.sig.json`.

    Raises:
        BadInput: There is no card, or a file is not JSON.
    """
    folder = Path(folder)
    if not (folder / CARD).is_file():
        raise BadInput("no such file", file=folder / CARD)
    signature = read_json(folder / SIGNATURE) if (folder / SIGNATURE).exists() else None
    return SignedCard((folder / CARD).read_bytes(), signature, str(folder / CARD))


def publish(store: Store, signed: SignedCard) -> str:
    """Puts a signed card where canary-deploy looks for it.

    Args:
        store: The store.
        signed: The card.

    Returns:
        The name below which it stands.

    Raises:
        BadInput: The card is none, or is not signed.
        AlreadyThere: Another was published at the same time.
        StoreUnavailable: The storage does not answer.
    """
    if signed.signature is None:
        raise BadInput("is not signed", file=signed.place)
    prefix = _prefix(str(signed.card["digests"]["model"]))
    name = f"{prefix}/{len(store.names(prefix)):06d}.json"
    store.create(name, json.dumps(signed.as_json(), ensure_ascii=False).encode())
    return name


def last_card(store: Store, model: str) -> SignedCard | None:
    """The last card that was published of a model; None: there is none.

    Args:
        store: The store.
        model: The model's digest.

    Raises:
        BadInput: It is damaged.
        StoreUnavailable: The storage does not answer.
    """
    names = store.names(_prefix(model))
    if not names:
        return None
    place = f"{store.uri}/{names[-1]}"
    try:
        value = json.loads(store.read(names[-1]) or b"")
        return SignedCard(value["card"].encode(), value["signature"], place)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput("not a signed card", file=place) from error


def _prefix(model: str) -> str:
    return f"cards/{model.removeprefix('sha256:')}"
