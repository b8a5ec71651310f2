"""`adsmu run` to its very end: a real service, real requests, and a rollout that can be replayed."""

import os
import signal
import subprocess
import time

import pytest
from commands import adsmu, command, options

from adsmu.canary_deploy.places import in_folder
from adsmu.canary_deploy.progress import replay
from adsmu.canary_deploy.release import champions
from adsmu.files import digest, read_json
from adsmu.store import open_store
from adsmu.store.evidence import EvidenceLog

PLAN = {
    "steps": "[0.25,1.0]", "look_seconds": 2, "settle_seconds": 1.5, "label_seconds": 0.5, "min_requests": 20,
    "min_labels": 5, "margin": 0.3, "floor": 0.6, "rare": 0.2, "max_seconds": 200,
}  # fmt: skip


def rolled_out(inputs, output):
    given = [each for each in options(inputs, output, needed=4) if each != "--no-rollout"]
    return [
        *given,
        "--rollout",
        *(part for key, value in PLAN.items() for part in ("--plan", f"{key}={value}")),
    ]


@pytest.fixture(scope="module")
def killed(inputs, tmp_path_factory):
    """A run that is killed while half of the requests go to the candidate, and the same command again."""
    output = tmp_path_factory.mktemp("rollout") / "run"
    given = rolled_out(inputs, output)
    running = subprocess.Popen(command(*given), start_new_session=True, stdout=subprocess.DEVNULL)
    record, deadline = in_folder(output / "service")[0], time.monotonic() + 240
    while (record.read()[0] or {}).get("phase") not in ("ramp", "bake"):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    return output, adsmu(*given)


def test_a_rollout_killed_on_its_way_is_carried_on_to_a_promotion(killed):
    output, done = killed
    assert done.returncode == 0, done.stderr
    assert "promoted" in done.stdout
    outcome = read_json(output / "outcome.json")
    assert outcome["outcome"] == "promoted"
    assert outcome["model"]["digest"] == digest(output / "model")
    entries = EvidenceLog(open_store(outcome["evidence"])).read()
    assert replay(entries) == []
    assert [entry["kind"] for entry in entries].count("begin") == 1
    assert [entry["share"] for entry in entries if entry["kind"] == "share"][-1] == 1.0


def test_the_champion_is_the_model_that_was_promoted(killed):
    output, _ = killed
    crowned = [each["model"] for each in champions(open_store(output / "service" / "store"), "service")]
    assert crowned == [digest(path) for path in (read_run(output), output / "model")]


def read_run(output):
    return read_json(output / "run.json")["champion"]["path"]


def test_nothing_is_left_running(killed):
    output, _ = killed
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(output) not in found


def test_the_page_of_the_rollout_lies_beside_the_report(killed):
    output, _ = killed
    assert "promoted" in (output / "rollout.html").read_text()
