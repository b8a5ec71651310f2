"""What guides show runs, or fits, as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from adsmu.canary_deploy.schedule import read_plan
from adsmu.canary_deploy.traffic.serving import Serving
from adsmu.data.demo import write_demo
from adsmu.data.schema import read_utterances
from adsmu.errors import BadInput
from adsmu.files import read_json
from adsmu.stratified_evaluate.correctness import mark
from adsmu.stratify.strata import stratify_files
from adsmu.submit.package import package, read_parameters
from adsmu.train.model import load_model
from adsmu.train.run import train_files

ROOT = Path(__file__).parents[2]
GUIDES = ("own-model", "from-an-empty-cluster", "gitops")


def block(language, guide="own-model"):
    text = (ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the guide's file, which can be imported."""
    (tmp_path / "house.py").write_text(block("python"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("house", None)


def test_the_trainer_and_the_rule_of_the_guide_do_what_they_are_for(folder):
    write_demo("corpus")
    stratify_files(
        "corpus/user.parquet", "corpus/test.parquet", "data.parquet", "strata.parquet", rule="house:by_slots"
    )
    data = read_utterances("data.parquet")
    assert 1 < len(set(data["stratum_id"].to_pylist()) - {None}) < len(data) / 2
    how = {"mode": "full", "trainer": "house:HouseTrainer"}
    train_files("corpus/existing.parquet", "data.parquet", None, "model", settings={"smoothing": 0.5}, **how)
    existing = read_utterances("corpus/existing.parquet")
    model = load_model("model", how["trainer"])
    right = mark(existing, model.predict(existing["tokens"].to_pylist()))
    assert right["intent"].mean() > 0.9
    with pytest.raises(BadInput, match="smoothing"):
        train_files("corpus/existing.parquet", None, None, "other", settings={"smoothness": 1}, **how)


@pytest.mark.slow
def test_the_commands_of_the_guide_run(folder):
    for command in block("sh").replace("\\\n", " ").splitlines():
        words = shlex.split(command)
        more = dict(word.split("=", 1) for word in words if re.match(r"[A-Z]+=", word))
        words = [word for word in words if not re.match(r"[A-Z]+=", word)]
        program = Path(sys.executable).with_name(words[0])
        done = subprocess.run([program, *words[1:]], env=os.environ | more, check=False, capture_output=True)
        assert done.returncode in (0, 3), done.stderr
    assert (folder / "run" / "report.html").exists()
    assert ", short" in " ".join(each["shape"] for each in read_json("run/evaluation.json")["strata"])


def test_the_parameters_of_the_cluster_guide_fit_the_pipeline(tmp_path):
    (tmp_path / "update.yaml").write_text(block("yaml", "from-an-empty-cluster"))
    update = package((ROOT / "pipelines" / "update" / "pipeline.yaml").read_text())
    given = read_parameters(update, [], tmp_path / "update.yaml")
    read_plan(given["plan"])
    assert Serving.from_json(
        {"service": given["service"], "image": "adsmu:1", "events": given["store"]} | given["serving"]
    )


@pytest.mark.parametrize("guide", GUIDES)
def test_what_a_guide_names_is_there(guide):
    text = (ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/])(?:manifests|tests|docs|images)/[\w./-]*\w", text)
    named += [f"docs/{each}" for each in re.findall(r"\]\(([\w./-]+)", text)]
    for each in named:
        assert (ROOT / each).exists(), each


def test_the_python_of_the_cluster_guide_is_python():
    text = (ROOT / "docs" / "from-an-empty-cluster.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 2
    for each in blocks:
        compile(each, "guide", "exec")
        exec("\n".join(line for line in each.splitlines() if re.match(r"from|import", line)), {})
