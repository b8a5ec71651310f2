"""Who signed a card: Ed25519 (RFC 8032) over a statement that names the card's digest.

A private key is read from the file that an environment variable names, or that a Secret mounts; it is never a
parameter, and is written nowhere.
"""

import base64
import binascii
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from adsmu.errors import BadInput

FORMAT = 1
KEY_FILE = "ADSMU_CARD_KEY"
"""The environment variable that names the file of the private key."""

MOUNTED = Path("/etc/adsmu/card/card.key")
"""Where a pipeline mounts the Secret that holds the private key."""

PREFIX = b"adsmu report card, format 1\n"
"""Stands before what is signed, so that a signature of anything else is none of a card."""

DECISIONS = ("approve", "refuse")
SIGNERS = ("person", "policy")
LONGEST = 500
"""Characters of a name or a reason."""

KEYS = ("format", "card", "decision", "kind", "by", "reason", "time", "key")


def key_file() -> Path | None:
    """The file of the private key: the one that the environment names, else a mounted one; None: neither."""
    if named := os.environ.get(KEY_FILE):
        return Path(named)
    return MOUNTED if MOUNTED.exists() else None


def private_key(path: str | Path | None = None) -> Ed25519PrivateKey:
    """Reads the key to sign with.

    Args:
        path: A PEM file; None: `key_file`.

    Raises:
        BadInput: No file is named, or it holds no Ed25519 key.
    """
    where = path or key_file()
    if where is None:
        raise BadInput(f"no key to sign with: name its file by --key or by {KEY_FILE}", file="key")
    content = _content(where)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadInput("not a private key in PEM without a password", file=where) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput("not an Ed25519 key", file=where)
    return key


def public_key(path: str | Path) -> Ed25519PublicKey:
    """Reads the key that signatures are checked with.

    Args:
        path: A PEM file, such as a ConfigMap mounts; or the key itself, which is no secret.

    Raises:
        BadInput: It is missing, or holds no public Ed25519 key.
    """
    itself = str(path).startswith("-----BEGIN")
    named = "public key" if itself else path
    try:
        key = load_pem_public_key(str(path).encode() if itself else _content(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput("not a public key in PEM", file=named) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput("not an Ed25519 key", file=named)
    return key


def sign(
    card: bytes, key: Ed25519PrivateKey, *, decision: str, kind: str, by: str, reason: str
) -> dict[str, Any]:
    """Signs a decision on a card.

    Args:
        card: The bytes of `card.json`.
        key: The signer's.
        decision: approve or refuse.
        kind: person or policy.
        by: Who.
        reason: Why, in words.

    Returns:
        The content of `card.sig.json`.

    Raises:
        BadInput: The decision, the kind or a text is not what it must be.
    """
    for name, value, known in (("decision", decision, DECISIONS), ("kind", kind, SIGNERS)):
        if value not in known:
            raise BadInput(f"must be one of {', '.join(known)}, not {value!r}", file=name)
    for name, text in (("by", by), ("reason", reason)):
        if not text.strip() or len(text) > LONGEST or not text.isprintable():
            raise BadInput(f"must be printable text of 1 to {LONGEST} characters", file=name)
    statement = {
        "format": FORMAT,
        "card": _digest(card),
        "decision": decision,
        "kind": kind,
        "by": by,
        "reason": reason,
        "time": round(time.time(), 3),
        "key": fingerprint(key.public_key()),
    }
    return statement | {"signature": base64.b64encode(key.sign(_bytes(statement))).decode()}


def faults(card: bytes, signature: Any, key: Ed25519PublicKey) -> list[str]:
    """Why a signature does not approve a card.

    Args:
        card: The bytes of `card.json`.
        signature: The content of `card.sig.json`.
        key: The key that may sign.

    Returns:
        One sentence a reason; empty: the card was approved, by the owner of this key, and is unchanged.
    """
    if not isinstance(signature, dict) or set(signature) != {*KEYS, "signature"}:
        return ["the card is not signed: its signature is missing or of another form"]
    if signature["format"] != FORMAT:
        return [f"the signature is not of format {FORMAT}"]
    statement = {name: signature[name] for name in KEYS}
    try:
        key.verify(base64.b64decode(signature["signature"], validate=True), _bytes(statement))
    except (InvalidSignature, binascii.Error, ValueError, TypeError):
        other = signature["key"] != fingerprint(key)
        return ["the card was signed with another key" if other else "the signature was altered"]
    if statement["card"] != _digest(card):
        return ["the card was altered after it was signed"]
    if statement["decision"] != "approve":
        return [f"{statement['by']} refused it: {statement['reason']}"]
    return []


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of a public key, by which people tell it."""
    return _digest(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _bytes(statement: dict[str, Any]) -> bytes:
    return PREFIX + json.dumps(statement, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path) from error
    except OSError as error:
        raise BadInput(f"not readable: {(error.strerror or 'fault').lower()}", file=path) from error
