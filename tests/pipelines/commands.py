"""`adsmu` as a user calls it, on the small corpus."""

import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def command(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("adsmu")), *map(str, arguments)]


def adsmu(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, cwd=cwd)


def options(inputs, output: Path, *, needed: int, champion: Path | None = None) -> list[object]:
    return [
        "run", "--corpus", inputs.corpus.path, "--output", output, "--champion", champion or inputs.champion,
        "--rows-per-stratum", 4, "--evaluation-rows", 40, "--target", 0.6, "--margin", 0.2,
        "--allocation", "equal", "--generator", "fill", "--mode", "full", "--early-mode", "full",
        "--trainer", inputs.trainer, "--setting", f"needed={needed}", "--no-rollout",
    ]  # fmt: skip


def card_key(folder: Path) -> tuple[Path, str]:
    """The file of a private key, and the public one as PEM."""
    key, path = Ed25519PrivateKey.generate(), folder / "card.key"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return path, public.decode()
