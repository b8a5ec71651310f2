"""The files that the images are built from."""

import re
import tomllib
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "images"
FILES = [IMAGES / kind / "Containerfile" for kind in ("cpu", "gpu")]
LOCKS = [IMAGES / "requirements.lock", IMAGES / "torch-cuda.lock"]


def locked(path):
    """Each distribution's version and hashes."""
    blocks = re.split(r"\n(?=[^\s#])", path.read_text())
    found = {}
    for block in blocks:
        head = re.search(r"^([A-Za-z0-9._-]+)==(\S+)", block, flags=re.MULTILINE)
        if head:
            found[head[1]] = (head[2], re.findall(r"--hash=(\S+)", block))
    return found


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_holds_versions_and_hashes_and_nothing_else(path):
    found = locked(path)
    assert found
    for name, (_, hashes) in found.items():
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), name
    lines = path.read_text().splitlines()[1:]
    assert all(
        re.fullmatch(r"[a-z0-9._-]+==\S+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines
    )


def test_the_locks_hold_what_the_project_depends_on():
    both = locked(LOCKS[0]) | locked(LOCKS[1])
    project = tomllib.loads((IMAGES.parent / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(w for e in ("encoder", "serve") for w in project["optional-dependencies"][e]),
    ]
    for requirement in wanted:
        name, pinned = re.match(r"([a-z0-9-]+)(?:\[\w+\])?(?:==(\S+))?", requirement).groups()
        assert name in both, name
        assert pinned in (None, both[name][0])
    assert not locked(LOCKS[0]).keys() & locked(LOCKS[1]).keys()


def test_without_the_cuda_lock_nothing_asks_for_cuda():
    assert not [name for name in locked(LOCKS[0]) if re.match(r"nvidia-|cuda-|triton|torch$", name)]
    assert "torch" in locked(LOCKS[1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_an_image_stands_on_a_digest_and_runs_as_nobody(path):
    lines = path.read_text().splitlines()
    assert re.search(r"^# python:3\.11-slim-\w+ ", path.read_text(), flags=re.MULTILINE)
    assert "@sha256:" in next(line for line in lines if line.startswith("ARG BASE="))
    assert {line.split()[1] for line in lines if line.startswith("FROM ")} == {"${BASE}"}
    last = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert not [line for line in last if line.startswith(("RUN ", "ADD "))]
    (user,) = [line.split()[1] for line in last if line.startswith("USER ")]
    assert all(int(part) > 0 for part in user.split(":"))
    assert "HOME=/tmp" in path.read_text()
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_an_image_installs_hashed_files_only(path):
    text = re.sub(r"\\\n\s*", "", path.read_text())
    installs = re.findall(r"pip [^;&\n]*install[^;&\n]*", text)
    assert len(installs) >= 2
    for each in installs:
        assert "--no-deps" in each
        assert "--require-hashes" in each or "--no-index /build/wheel/" in each
    assert "latest" not in text
