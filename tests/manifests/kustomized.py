"""Kustomizations as kubectl builds them, each once."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

MANIFESTS = Path(__file__).parents[2] / "manifests"
KUSTOMIZATIONS = sorted(
    path.parent.relative_to(MANIFESTS).as_posix()
    for path in MANIFESTS.rglob("kustomization.yaml")
    if yaml.safe_load(path.read_text())["kind"] == "Kustomization"
)
OVERLAYS = [each for each in KUSTOMIZATIONS if each.startswith("overlays/")]


@functools.cache
def built(folder: str) -> str:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not here")
    command = ["kubectl", "kustomize", str(MANIFESTS / folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def objects(folder: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(built(folder)))


def of_kind(folder: str, kind: str) -> list[dict[str, Any]]:
    return [each for each in objects(folder) if each["kind"] == kind]
