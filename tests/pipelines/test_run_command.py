"""`adsmu run` as a user or a script meets it."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commands import adsmu, command, options

from adsmu.files import digest, read_json
from adsmu.local.folder import RunFolder

SUMMARY = {
    "verdict", "rounds", "champion", "candidate", "model_digest", "report", "outcome", "rollout_report",
    "card", "signed",
}  # fmt: skip
ROUND = {
    "round", "added", "strata", "passed", "failed", "undecided", "given_up",
    "mean", "mean_low", "existing", "flips", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def resumed(inputs, tmp_path_factory):
    """A run of two rounds that is killed after its first one, and the same command again."""
    output = tmp_path_factory.mktemp("resumed") / "run"
    given = [*options(inputs, output, needed=8), "--json"]
    killed = subprocess.Popen(command(*given), start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while len(RunFolder(output).evaluations()) < 2:
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (output / "summary.json").exists()
    return output, adsmu(*given)


def test_a_killed_run_goes_on_behind_the_last_step_that_finished(resumed):
    output, done = resumed
    assert done.returncode == 0, done.stderr
    log = (output / "pipeline.log").read_text()
    for task in ("stratify", "synthesize", "stratified-evaluate"):  # before the first round
        assert log.count(f"{task}'") > 0
        assert (
            len([line for line in log.splitlines() if "Executing task" in line and f"'{task}'" in line]) == 1
        )
    evaluations = [
        line for line in log.splitlines() if "finished with" in line and "'stratified-evaluate-2'" in line
    ]
    assert len(evaluations) == 2


def test_the_summary_holds_what_scripts_read(resumed):
    output, done = resumed
    summary = json.loads(done.stdout)
    assert summary == read_json(output / "summary.json")
    assert set(summary) == SUMMARY
    assert [entry["round"] for entry in summary["rounds"]] == [1, 2]
    assert all(set(entry) == ROUND and entry["seconds"] > 0 for entry in summary["rounds"])
    assert summary["verdict"] == "pass"
    assert summary["candidate"]["mean"] > summary["champion"]["mean"]
    assert Path(summary["report"]).read_text().startswith("<!doctype html>")


def test_the_model_of_the_last_round_lies_in_the_folder(resumed):
    output, done = resumed
    assert digest(output / "model") == json.loads(done.stdout)["model_digest"]


def test_a_finished_run_is_not_run_again(inputs, resumed):
    output, _ = resumed
    again = adsmu(*options(inputs, output, needed=8))
    assert (again.returncode, again.stdout) == (2, "")
    assert "finished" in again.stderr


def test_a_run_with_other_parameters_is_refused_the_folder(inputs, resumed):
    output, _ = resumed
    other = adsmu(*options(inputs, output, needed=9))
    assert other.returncode == 2
    assert "parameters" in other.stderr


def test_the_model_can_be_measured_again_beside_the_champion(inputs, resumed, tmp_path):
    output, _ = resumed
    done = adsmu(
        "evaluate", "--model", output / "model", "--champion", inputs.champion,
        "--corpus", inputs.corpus.path, "--output", tmp_path / "measured",
        "--evaluation-rows", 40, "--target", 0.6, "--margin", 0.2, "--trainer", inputs.trainer, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    measured, before = json.loads(done.stdout), read_json(output / "evaluation.json")
    assert measured["splits"]["test"] == before["splits"]["test"]
    assert measured["existing"] == before["existing"]


def test_a_report_is_made_again_from_the_evaluation_alone(resumed, tmp_path):
    output, _ = resumed
    done = adsmu("report", output, "--output", tmp_path / "again.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.html").read_text() == (output / "report.html").read_text()


def test_rounds_that_are_used_up_end_with_exit_code_3(inputs, tmp_path):
    done = adsmu(*options(inputs, tmp_path / "run", needed=1000), "--max-rounds", 1, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert read_json(tmp_path / "run" / "summary.json")["verdict"] == "exhausted"


def test_a_champion_that_passes_has_no_candidate_beside_it(inputs, tmp_path):
    done = adsmu(*options(inputs, tmp_path / "run", needed=1, champion=inputs.knowing_champion))
    assert done.returncode == 0, done.stderr
    assert "verdict pass" in done.stdout
    summary = read_json(tmp_path / "run" / "summary.json")
    assert (summary["rounds"], summary["candidate"]) == ([], None)
    assert summary["champion"]["mean"] > 0.9


def test_a_step_that_fails_ends_with_exit_code_1_and_where_its_words_are(inputs, tmp_path):
    done = adsmu(*options(inputs, tmp_path / "run", needed=1), "--setting", "needed=text")
    assert done.returncode == 1
    assert "train" in done.stderr and "pipeline.log" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_champion_of_another_label_set_is_refused(inputs, tmp_path):
    done = adsmu(*options(inputs, tmp_path / "run", needed=1, champion=inputs.foreign_champion))
    assert done.returncode == 2, done.stderr
    assert "model.json" in done.stderr and "knows none of the intents" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_rule_may_stand_in_the_folder_the_command_is_called_from(inputs, tmp_path):
    (tmp_path / "mine.py").write_text(
        "def by_length(table):\n    return [f'{len(t)} words' for t in table['tokens']]\n"
    )
    given = options(inputs, Path("run"), needed=1, champion=inputs.knowing_champion)
    done = adsmu(*given, "--rule", "mine:by_length", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shapes = {stratum["shape"] for stratum in read_json(tmp_path / "run" / "evaluation.json")["strata"]}
    assert "7 words" in shapes
