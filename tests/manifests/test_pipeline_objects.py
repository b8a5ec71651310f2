"""A compiled pipeline as Kubernetes objects: named by content, so that a revert brings a version back."""

import json
import re
import shutil
import subprocess

import pytest
from kfp import dsl

from adsmu.pipelines import generate, manifests, recursion
from adsmu.submit.package import package


def compiled(image="python:3.11", **defaults):
    @dsl.component(base_image=image, install_kfp_package=False)
    def add(n: int, y: int) -> int:
        return n + y

    def total(n: int = defaults.get("n", 1), y: int = 2, on: str = "yes") -> int:
        """Adds."""
        return add(n=n, y=y).output

    return recursion.compiled(dsl.pipeline(total))


def test_a_version_is_named_by_its_content_alone():
    one, other, again = compiled(), compiled(n=7), compiled()
    assert manifests.objects(one) == manifests.objects(again)
    assert manifests.version_name(one) != manifests.version_name(other)
    assert manifests.version_name(one) != manifests.version_name(compiled(image="python:3.12"))


def test_the_client_that_submits_uses_the_same_name():
    spec = compiled()
    assert package(spec.text()).version == manifests.version_name(spec)


def test_names_are_such_as_kubernetes_takes():
    for found in manifests.objects(compiled()):
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", found["metadata"]["name"])
        assert found["spec"]["displayName"] == found["metadata"]["name"]


def test_going_back_writes_the_earlier_files_again(tmp_path):
    def write(spec):
        for path, text in manifests.texts(spec, tmp_path).items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return {path: path.read_bytes() for path in tmp_path.rglob("*.json")}

    first = write(compiled())
    second = write(compiled(n=7))
    assert first.keys() == second.keys()
    assert first != second
    assert write(compiled()) == first


def test_the_command_writes_them_for_another_image(tmp_path):
    assert len(generate.generate_manifests(tmp_path / "new")) == 2
    assert generate.generate_manifests(tmp_path / "new") == []


def test_parameters_named_like_truth_values_survive_kustomize(tmp_path):
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not here")
    found = manifests.objects(compiled())[1]
    (tmp_path / "version.json").write_text(json.dumps(found))
    (tmp_path / "kustomization.yaml").write_text("resources: [version.json]\n")
    text = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout
    for name in ("n", "y", "on"):
        assert f'"{name}":' in text
        assert not re.search(rf"^\s*{name}:", text, flags=re.MULTILINE)
