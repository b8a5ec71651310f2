"""The update pipeline submitted to a real Kubeflow Pipelines server; skipped where there is none."""

import uuid

import pytest
from cluster_runs import adsmu

from adsmu.files import digest, read_json


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
