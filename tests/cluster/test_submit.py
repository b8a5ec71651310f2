"""The update pipeline submitted to a real Kubeflow Pipelines server; skipped where there is none.

| variable | what |
| --- | --- |
| KFP_HOST | URL of the API server |
| ADSMU_IMAGE | an image with this package, and with `template_trainer.py` of the pipelines' tests beside it |
| ADSMU_STORE | `s3://bucket/prefix`, which pods know as `minio://`; with AWS_ENDPOINT_URL and credentials |
"""

import importlib.util
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from adsmu.files import digest, read_json
from adsmu.store import open_store, upload

PARAMETERS = {
    "rows_per_stratum": 4,
    "evaluation_rows": 40,
    "target": 0.6,
    "margin": 0.2,
    "allocation": "equal",
    "mode": "full",
    "trainer": "template_trainer:TemplateTrainer",
    "max_rounds": 3,
    "cpu": "100m",
    "memory": "256Mi",
}
NEEDED = ("KFP_HOST", "ADSMU_IMAGE", "ADSMU_STORE")


def _of_the_pipelines_tests():
    path = Path(__file__).parents[1] / "pipelines" / "conftest.py"
    spec = importlib.util.spec_from_file_location("inputs_of_updates", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


inputs = _of_the_pipelines_tests().inputs


@pytest.fixture(scope="module")
def server():
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no Kubeflow Pipelines server: {', '.join(missing)} not set")
    return os.environ["KFP_HOST"]


@pytest.fixture(scope="module")
def parameters(server, inputs, tmp_path_factory):
    """Writes the inputs to the object storage; gives a file of parameters for each champion."""
    place = f"{os.environ['ADSMU_STORE']}/{uuid.uuid4().hex[:8]}"
    store = open_store(place)
    upload(inputs.corpus.existing.parent, store, "corpus")
    upload(inputs.champion, store, "champion")
    upload(inputs.knowing_champion, store, "knowing")
    place = place.replace("s3://", "minio://")
    corpus = {name: f"{place}/corpus/{name}.parquet" for name in ("existing", "user", "test")}
    given = PARAMETERS | corpus | {"catalog": f"{place}/corpus/catalog.json", "champion": f"{place}/champion"}
    folder = tmp_path_factory.mktemp("parameters")

    def written(**changes):
        file = folder / f"{uuid.uuid4().hex}.json"
        file.write_text(json.dumps(given | changes))
        return file

    written.knowing = f"{place}/knowing"
    return written


def adsmu(server, command, *words):
    """Calls the command; gives its exit code, what it printed as JSON, and what it complained about."""
    done = subprocess.run(
        [sys.executable, "-c", "from adsmu.cli import main; main()", command, "--host", server]
        + [str(word) for word in words],
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr


@pytest.mark.slow
def test_an_update_of_two_rounds_is_submitted_watched_and_fetched(server, parameters, tmp_path):
    file = parameters(settings={"needed": 8})
    code, told, errors = adsmu(server, "submit", "--params-file", file, "--wait", "--json")
    assert code == 0, errors
    assert (told["state"], told["verdict"]) == ("SUCCEEDED", "pass")
    code, summary, errors = adsmu(server, "fetch", told["run"], "--output", tmp_path / "run", "--json")
    assert code == 0, errors
    assert [entry["round"] for entry in summary["rounds"]] == [1, 2]
    assert digest(tmp_path / "run" / "model") == summary["model_digest"]
    assert read_json(tmp_path / "run" / "summary.json") == summary
    assert "<html" in (tmp_path / "run" / "report.html").read_text()
    _, listed, _ = adsmu(server, "runs", "--json")
    (row,) = [each for each in listed if each["run"] == told["run"]]
    assert (row["state"], row["verdict"], row["rounds"]) == ("SUCCEEDED", "pass", 2)
    assert row["mean"] == summary["candidate"]["mean"]

    again = adsmu(server, "submit", "--params-file", file, "--json")[1]
    assert not again["uploaded"]
    code, told, errors = adsmu(server, "watch", again["run"], "--json")
    assert (code, told["verdict"]) == (0, "pass"), errors
    code, cached, errors = adsmu(server, "fetch", again["run"], "--output", tmp_path / "again", "--json")
    assert code == 0, errors
    assert cached["model_digest"] == summary["model_digest"]


@pytest.mark.slow
def test_rounds_that_are_used_up_end_with_three(server, parameters, tmp_path):
    file = parameters(settings={"needed": 1000}, max_rounds=1)
    code, told, errors = adsmu(server, "submit", "--params-file", file, "--wait", "--json")
    assert (code, told["verdict"]) == (3, "exhausted"), errors


@pytest.mark.slow
def test_a_champion_that_passes_needs_no_round_and_is_not_fetched(server, parameters, tmp_path):
    file = parameters(settings={"needed": 1}, champion=parameters.knowing)
    code, told, errors = adsmu(server, "submit", "--params-file", file, "--wait", "--json")
    assert (code, told["verdict"], told["outcome"]) == (0, "pass", None), errors
    code, summary, errors = adsmu(server, "fetch", told["run"], "--output", tmp_path / "run", "--json")
    assert (code, summary["rounds"], summary["candidate"]) == (0, [], None), errors
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.slow
def test_a_step_that_refuses_its_input_ends_with_one_and_its_own_words(server, parameters):
    file = parameters(rule="nowhere:rule")
    code, told, errors = adsmu(server, "submit", "--params-file", file, "--wait", "--json")
    assert (code, told) == (1, None)
    assert "stratify failed: " in errors
    assert "nowhere" in errors


def test_a_run_that_is_not_there_is_refused_in_one_line(server):
    code, _, errors = adsmu(server, "watch", str(uuid.uuid4()), "--json")
    assert code == 2
    assert "there is none of this id" in errors
    assert len(errors.strip().splitlines()) == 1
