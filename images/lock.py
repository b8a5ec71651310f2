"""Writes the lock files of the images: every distribution with its version and hashes.

    uv tool run --from 'uv>=0.9' python images/lock.py      (or any Python, with uv on the path)

`requirements.lock` holds what both images have; `torch-cuda.lock` holds torch and the CUDA libraries that its
build on the default index asks for. They are apart because a CPU build of torch, from an index of its own,
has other hashes and asks for no such libraries. Hashes only: who builds says where the files come from.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EXTRAS = ("encoder", "serve")
PYTHON = "3.11"
PLATFORM = "x86_64-manylinux_2_28"
OF_TORCH = re.compile(r"torch|triton|cuda-.*|nvidia-.*")


def compiled(pyproject: Path) -> list[str]:
    """The blocks of a lock file, one a distribution: a line with its version, then its hashes."""
    command = ["uv", "pip", "compile", str(pyproject), "--generate-hashes", "--quiet"]
    command += ["--python-version", PYTHON, "--python-platform", PLATFORM]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    for extra in EXTRAS:
        command += ["--extra", extra]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - fixed words
    return [block.strip() + "\n" for block in re.split(r"\n(?=\S)", text) if block.strip()]


def split(blocks: list[str]) -> dict[str, list[str]]:
    """The blocks of each lock file."""
    locks: dict[str, list[str]] = {"requirements.lock": [], "torch-cuda.lock": []}
    for block in blocks:
        name = re.split(r"[ =]", block, maxsplit=1)[0]
        locks["torch-cuda.lock" if OF_TORCH.fullmatch(name) else "requirements.lock"].append(block)
    return locks


def main() -> None:
    """Writes both files; says nothing when all is well."""
    for name, blocks in split(compiled(HERE.parent / "pyproject.toml")).items():
        head = f"# Python {PYTHON}, {PLATFORM}; written by images/lock.py\n"
        (HERE / name).write_text(head + "".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
