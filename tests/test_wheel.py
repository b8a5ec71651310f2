"""The built wheel holds all of the package and works without the source tree."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        # By way of the source distribution: nothing that an earlier build left in the tree gets in.
        [sys.executable, "-m", "build", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_module_and_data_file_of_the_source_tree(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("adsmu/")}
    source = {
        f"adsmu/{prefix}{path.relative_to(ROOT / folder).as_posix()}"
        for folder, prefix in (("components", ""), ("pipelines", "pipelines/"))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == source


def test_the_command_runs_from_the_installed_wheel(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    # -I: a path that other tests set would let pip find the source tree and install nothing.
    subprocess.run([python, "-I", "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    # Dependencies come from the environment of the tests; its own adsmu does not: that is a .pth file there.
    environment = os.environ | {"PYTHONPATH": sysconfig.get_paths()["purelib"]}
    where = subprocess.run(
        [python, "-c", "import adsmu, sys; print(adsmu.__file__); assert 'kfp' not in sys.modules"],
        env=environment,
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert where.returncode == 0, where.stderr
    assert where.stdout.startswith(str(tmp_path / "venv"))
    made = subprocess.run(
        [tmp_path / "venv" / "bin" / "adsmu", "demo", "--output", tmp_path / "demo", "--quiet"],
        env=environment,
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert (tmp_path / "demo" / "corpus.json").exists()
