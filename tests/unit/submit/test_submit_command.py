import json
import sys
from itertools import count
from types import SimpleNamespace

import pytest
from stored import Stored

from adsmu import cli
from adsmu.submit import watching


@pytest.fixture
def adsmu(kfp_api, monkeypatch, capsys):
    """Calls the command against the fake server; gives exit code, output and errors."""
    monkeypatch.setattr(watching.time, "sleep", lambda seconds: None)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["adsmu", *map(str, words), "--host", kfp_api.url])
        monkeypatch.setattr(sys, "path", list(sys.path))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


def held(
    kfp_api, tmp_path, verdicts=("refine", "refine", "pass"), states=("RUNNING", "RUNNING", "SUCCEEDED")
):
    kfp_api.manifests["run"] = Stored(tmp_path / "store", verdicts).workflow
    kfp_api.states["run"] = list(states)


@pytest.mark.parametrize(("last", "code"), [("pass", 0), ("exhausted", 3)])
def test_the_exit_code_of_a_watched_run_is_its_verdict(adsmu, kfp_api, tmp_path, last, code):
    held(kfp_api, tmp_path, ("refine", "refine", last))
    ended, out, _ = adsmu("watch", "run", "--json")
    assert (ended, json.loads(out)["verdict"]) == (code, last)
    assert kfp_api.times("GET /apis/v2beta1/runs/run") == 3


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
def test_a_run_that_did_not_succeed_is_a_fault_whatever_was_measured(adsmu, kfp_api, tmp_path, state):
    held(kfp_api, tmp_path, states=[state])
    ended, out, errors = adsmu("watch", "run", "--json")
    assert (ended, out) == (1, "")
    assert f"the run run {state.lower()}" in errors


def test_watching_outlasts_a_server_that_is_away_for_a_while(adsmu, kfp_api, tmp_path):
    held(kfp_api, tmp_path)
    answer, away = kfp_api.answer, [503, 502, 503]

    def now_and_then(method, path, query, body):
        if (
            path.endswith("runs/run")
            and "v2beta1" in path
            and kfp_api.times("GET .*v2beta1/runs/run") > 1
            and away
        ):
            return away.pop(), {"error": "away"}
        return answer(method, path, query, body)

    kfp_api.answer = now_and_then
    assert adsmu("watch", "run", "--json")[0] == 0
    assert not away


def test_a_run_whose_image_nobody_gets_is_told_and_not_waited_for_longer(
    adsmu, kfp_api, tmp_path, monkeypatch
):
    held(kfp_api, tmp_path, states=["RUNNING"] * 9)
    told = "ImagePullBackOff: Back-off pulling image\n  ghcr.io/nobody:1"
    nodes = kfp_api.manifests["run"]["status"]["nodes"].values()
    next(node for node in nodes if node["type"] == "Pod").update(phase="Pending", message=told)
    clock = SimpleNamespace(monotonic=count(step=100).__next__, sleep=lambda seconds: None)
    monkeypatch.setattr(watching, "time", clock)
    ended, _, errors = adsmu("watch", "run", "--json")
    assert ended == 1
    assert "has no image: ImagePullBackOff: Back-off pulling image ghcr.io/nobody:1" in errors
    assert 3 <= kfp_api.times("GET /apis/v2beta1/runs/run") <= 5


def test_rounds_and_verdict_are_shown(adsmu, kfp_api, tmp_path):
    held(kfp_api, tmp_path)
    ended, out, _ = adsmu("watch", "run")
    assert ended == 0
    assert "verdict pass" in out
    assert "0.700" in out


def test_a_run_that_is_not_there_is_bad_input(adsmu):
    ended, _, errors = adsmu("watch", "nothing")
    assert ended == 2
    assert "nothing: there is none of this id" in errors


def test_a_run_is_submitted_with_what_differs_from_the_defaults(adsmu, kfp_api):
    places = [
        f"--param={name}=s3://bucket/{name}" for name in ("existing", "user", "test", "catalog", "champion")
    ]
    ended, out, _ = adsmu("submit", *places, "--param", "cpu=1", "--param", "seed=3", "--json")
    told = json.loads(out)
    assert (ended, told["uploaded"]) == (0, True)
    assert told["version"].startswith("update-")
    assert told["link"] == f"{kfp_api.url}/#/runs/details/{told['run']}"
    given = kfp_api.runs[0]["runtime_config"]["parameters"]
    assert (given["cpu"], given["seed"], len(given)) == ("1", 3, 7)
    assert not json.loads(adsmu("submit", *places, "--json")[1])["uploaded"]
    assert json.loads(adsmu("submit", *places, "--no-cache", "--json")[1])["uploaded"]


def test_nothing_is_asked_of_the_server_before_the_parameters_hold(adsmu, kfp_api):
    ended, _, errors = adsmu("submit", "--param", "seed=x")
    assert ended == 2
    assert "seed: must be a whole number" in errors
    assert not kfp_api.asked


def test_a_run_is_fetched_to_a_folder(adsmu, kfp_api, tmp_path):
    held(kfp_api, tmp_path)
    ended, out, _ = adsmu("fetch", "run", "--output", tmp_path / "run", "--json")
    assert (ended, json.loads(out)["verdict"]) == (0, "pass")
    assert (tmp_path / "run" / "model" / "model.json").exists()


def test_runs_are_listed_with_verdict_rounds_and_mean(adsmu, kfp_api, tmp_path):
    held(kfp_api, tmp_path)
    kfp_api.experiments.append({"display_name": "adsmu", "experiment_id": "e"})
    kfp_api.runs.extend(
        {"run_id": name, "display_name": name, "state": "SUCCEEDED", "created_at": "2026-01-02T03:04:05Z"}
        for name in ("run", "cleared")
    )
    ended, out, _ = adsmu("runs", "--json")
    first, second = json.loads(out)
    assert ended == 0
    assert (first["verdict"], first["rounds"], round(first["mean"], 3)) == ("pass", 2, 0.7)
    assert (second["verdict"], second["rounds"], second["mean"]) == (None, None, None)
