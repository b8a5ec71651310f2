#!/usr/bin/env python3
"""Lays out the root file system of an image of this checkout for tests on a cluster: `.ci/image.py FOLDER`.

It is made of this machine's own Python and the locked packages of `images`, so that no container engine
and no base image is needed. torch is left out: its CUDA build is too large to load into nodes, so what
trains with it does not run there.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
TRAINERS = ("tests/pipelines/template_trainer.py", "tests/unit/serve/word_trainer.py")
NOT_RUN = ("test", "tests", "idlelib", "tkinter", "site-packages", "__pycache__")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # without them object storage cannot be opened


def lay(root: Path) -> None:
    """Lays it out.

    Args:
        root: A folder that is not there yet.
    """
    python, version = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = root / "opt" / "site"
    copy(python / "lib" / version, root / "usr" / "local" / "lib" / version, NOT_RUN)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
    lock = HERE / "images" / "requirements.lock"
    subprocess.run([*pip, "--target", site, "--requirement", lock], check=True)  # noqa: S603 - words of ours
    copy(HERE / "components", site / "adsmu", NOT_RUN)
    copy(HERE / "pipelines", site / "adsmu" / "pipelines", NOT_RUN)
    program = root / "usr" / "local" / "bin" / "python3"
    program.parent.mkdir(parents=True)
    shutil.copy2((python / "bin" / version).resolve(), program)
    program.with_name("python").symlink_to("python3")
    for trainer in TRAINERS:
        shutil.copy2(HERE / trainer, site)
    for library in linked([program, *root.rglob("*.so*")], root):
        kept(library, root)
    if CERTIFICATES.exists():
        kept(CERTIFICATES, root)
    (root / "tmp").mkdir(mode=0o1777)


def copy(source: Path, target: Path, without: tuple[str, ...]) -> None:
    """Copies a folder, links followed.

    Args:
        source: The folder.
        target: Where to.
        without: Patterns of names that are left out.
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*without), ignore_dangling_symlinks=True)


def linked(files: list[Path], root: Path) -> set[Path]:
    """The machine's libraries that programs and libraries want, the loader among them.

    Args:
        files: Programs and libraries.
        root: What lies in it is there already.
    """
    words = ["ldd", *map(str, files)]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout  # noqa: S603 - found here
    found = {Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE)}
    return {path for path in found if root not in path.parents}


def kept(file: Path, root: Path) -> None:
    """Copies a file of the machine to where it lies there."""
    target = root / file.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)


if __name__ == "__main__":
    lay(Path(sys.argv[1]))
