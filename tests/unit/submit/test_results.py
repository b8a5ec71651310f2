import base64
import gzip
import json
from dataclasses import replace

import pytest
from stored import Stored

from adsmu.errors import BadInput
from adsmu.files import digest, read_json
from adsmu.submit.pods import pods_of
from adsmu.submit.results import fetch, last_evaluation, outcome, round_seconds, verdict
from adsmu.submit.server import connect
from adsmu.submit.watching import failure


@pytest.fixture
def stored(tmp_path):
    return Stored(tmp_path / "store")


def test_pods_know_their_task_and_round(stored):
    assert [pod.round for pod in stored.steps("stratified-evaluate")] == [0, 1, 2]
    assert [pod.round for pod in stored.steps("train")] == [1, 2]
    assert [pod.round for pod in stored.steps("finish")] == [2]
    assert {pod.phase for pod in stored.pods} == {"Succeeded"}
    assert any(pod.driver and pod.task == "train" for pod in stored.pods)


def test_nodes_that_the_engine_packed_are_read_the_same(stored):
    nodes = json.dumps(stored.workflow["status"]["nodes"]).encode()
    packed = stored.workflow | {
        "status": {"compressedNodes": base64.b64encode(gzip.compress(nodes)).decode()}
    }
    assert pods_of(packed) == stored.pods


def test_the_last_evaluation_and_its_verdict_are_found(stored):
    uri, evaluation = last_evaluation(stored.pods)
    assert (uri, evaluation["round"]) == (str(stored.evaluations[2]), 2)
    assert verdict(stored.pods) == "pass"
    assert outcome(stored.pods)["outcome"] == "skipped"


def test_what_came_from_the_cache_is_found_where_it_was_read(stored):
    ran = [
        pod for pod in stored.pods if pod.task in ("finish", "canary-deploy", "canary-finalise") or pod.driver
    ]
    assert last_evaluation(ran)[1]["round"] == 2


def test_before_the_first_evaluation_there_is_no_verdict(stored, tmp_path):
    early = [pod for pod in stored.pods if pod.task in ("stratify", "importer")]
    assert (last_evaluation(early), verdict(early)) == (None, "")
    with pytest.raises(BadInput, match="there is no evaluation"):
        fetch(early, tmp_path / "run")


def test_a_run_is_fetched_whole(stored, tmp_path):
    output = tmp_path / "run"
    summary = fetch(stored.pods, output)
    names = ["evaluation.json", "model", "outcome.json", "predictions.parquet", "report.html", "rollout.html"]
    assert sorted(path.name for path in output.iterdir()) == [*names, "summary.json"]
    assert read_json(output / "summary.json") == summary
    assert [entry["round"] for entry in summary["rounds"]] == [1, 2]
    assert digest(output / "model") == summary["model_digest"] == digest(stored.models[1])
    assert (output / "report.html").read_text() == "<html>round 2</html>"
    with pytest.raises(BadInput, match="already exists"):
        fetch(stored.pods, output)


def test_a_round_lasts_from_one_evaluation_to_the_next(stored):
    assert round_seconds(stored.pods) == [96.0, 68.0, 50.0]
    assert round_seconds([]) == []


def test_a_model_that_is_not_the_one_evaluated_is_not_fetched(stored, tmp_path):
    (stored.models[1] / "model.json").write_text("changed")
    with pytest.raises(BadInput, match="no model of this run has the digest"):
        fetch(stored.pods, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_champion_that_passed_is_not_fetched(tmp_path):
    stored = Stored(tmp_path / "store")
    first = [pod for pod in stored.pods if pod.round == 0 and pod.task not in ("canary-deploy",)]
    assert fetch(first, tmp_path / "run")["candidate"] is None
    assert not (tmp_path / "run" / "model").exists()


def test_an_artifact_that_was_cleared_away_is_named(stored, tmp_path):
    stored.evaluations[2].with_name("report").unlink()
    with pytest.raises(BadInput, match=r"report: is not there any more"):
        fetch(stored.pods, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_no_evaluation_is_refused(stored):
    stored.evaluations[2].write_text('{"format": 7}')
    with pytest.raises(BadInput, match="not an evaluation of format 1"):
        last_evaluation(stored.pods)


def test_a_failed_step_is_told_in_its_own_words(stored, kfp_api):
    (train, *_) = stored.steps("train")
    server = connect(kfp_api.url)
    lost = replace(train, phase="Failed", message="Error (exit code 1)")
    assert failure(server, "run", [lost]) == "train in round 1 failed: Error (exit code 1)"
    assert failure(server, "run", [replace(lost, driver=True)]).startswith(
        "the driver of train in round 1 failed"
    )
    kfp_api.logs[train.name] = (
        "Traceback:\n  line\nadsmu.errors.BadInput: rows.parquet, row 3: a rule\nexit\n"
    )
    assert failure(server, "run", [lost]) == "train in round 1 failed: rows.parquet, row 3: a rule"
    assert train.name.startswith("update-x-system-container-impl-")


def test_an_answer_that_there_is_no_log_is_not_taken_for_the_log(stored, kfp_api):
    (train, *_) = stored.steps("train")
    lost = replace(train, phase="Failed", message="Error (exit code 1)")
    kfp_api.logs[train.name] = '{"error_message":"BadRequestError: Failed to read logs: NotFound"}'
    assert failure(connect(kfp_api.url), "run", [lost]) == "train in round 1 failed: Error (exit code 1)"
