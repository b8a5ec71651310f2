"""`adsmu run` to its very end: a real service, real requests, and a rollout that can be replayed."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from commands import adsmu, card_key, command, options

from adsmu.canary_deploy.places import in_folder
from adsmu.canary_deploy.progress import replay
from adsmu.canary_deploy.release import champions
from adsmu.data.schema import read_utterances
from adsmu.files import digest, read_json
from adsmu.lineage.chain import lineage
from adsmu.lineage.kept import data_name, keep
from adsmu.lineage.rebuild import rebuild
from adsmu.sign_off.evaluation_set import read_evaluation_set, write_evaluation_set
from adsmu.sign_off.records import last_card, read_signed
from adsmu.sign_off.versions import place_of
from adsmu.store import download, open_store, upload
from adsmu.store.evidence import EvidenceLog
from adsmu.strategy import read_strategy

PLAN = {
    "steps": "[0.25,1.0]", "look_seconds": 2, "settle_seconds": 1.5, "label_seconds": 0.5, "min_requests": 20,
    "min_labels": 5, "margin": 0.3, "floor": 0.6, "rare": 0.2, "max_seconds": 200,
}  # fmt: skip


STRATEGY = """
name: speaker
evaluation_set: {version: "2"}
cohorts: {intents: {column: intent}}
"""


def rolled_out(inputs, output):
    """Options of a run whose card must be signed, and names an evaluation set of the store."""
    store, (private, public) = output.parent / "store", card_key(output.parent)
    strategy = output.parent / "strategy.yaml"
    strategy.write_text(STRATEGY)
    rows = read_utterances(inputs.corpus.user).slice(0, 5)
    made = write_evaluation_set(
        rows.set_column(0, "id", pa.array([f"edge {n}" for n in range(5)])), None, output.parent / "set"
    )
    upload(output.parent / "set", open_store(store), "evaluation-sets/speaker/2")
    assert len(made.rows) == 5
    plan = PLAN | {
        "card_key": json.dumps(public),
        "card_strategy": json.dumps(read_strategy(strategy).digest),
    }
    given = [each for each in options(inputs, output, needed=4) if each != "--no-rollout"]
    given += ["--rollout", "--store", store, "--card-key", private, "--strategy", strategy]
    return given + [part for key, value in plan.items() for part in ("--plan", f"{key}={value}")]


@dataclass(frozen=True)
class Killed:
    """A run in `output` that was killed, what its store held then, and how the same command went after it."""

    output: Path
    held: list[str]
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def killed(inputs, tmp_path_factory):
    """A run that is killed while half of the requests go to the candidate, and the same command again."""
    output = tmp_path_factory.mktemp("rollout") / "run"
    given = rolled_out(inputs, output)
    running = subprocess.Popen(command(*given), start_new_session=True, stdout=subprocess.DEVNULL)
    record, deadline = in_folder(output / "service")[0], time.monotonic() + 900
    while (record.read()[0] or {}).get("phase") not in ("ramp", "bake"):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    held = open_store(output.parent / "store").names()
    return Killed(output, held, adsmu(*given))


def test_a_rollout_killed_on_its_way_is_carried_on_to_a_promotion(killed):
    output, done = killed.output, killed.done
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
    output = killed.output
    crowned = [each["model"] for each in champions(open_store(output.parent / "store"), "service")]
    assert crowned == [digest(path) for path in (read_run(output), output / "model")]


def test_the_card_was_signed_by_policy_before_the_rollout_and_bound_to_the_strategy(killed):
    output, done = killed.output, killed.done
    card = read_signed(output / "card")
    assert (card.signature["decision"], card.signature["kind"]) == ("approve", "policy")
    assert f"card    {output / 'card' / 'card.html'} (approve)" in done.stdout
    assert card.card["digests"]["model"] == digest(output / "model")
    assert card.card["digests"]["strategy"] == read_strategy(output.parent / "strategy.yaml").digest
    assert {each["kind"] for each in card.card["comparisons"]} == {"all", "stratum", "cohort"}
    assert card.card["rows"] == 3 * 12 + 3 * 10 + 5  # held out of the new and the existing, and the version's
    assert card.card["forgetting"]["transfer"] == 0
    published = last_card(open_store(output.parent / "store"), digest(output / "model"))
    assert published.content == card.content


def test_what_the_candidate_comes_from_is_kept_before_the_rollout_whoever_ends_that(killed):
    model = digest(killed.output / "model")
    learnt = read_json(killed.output / "model" / "model.json")["data"]
    wanted = {f"lineage/{model[7:]}.json", f"lineage/{model[7:]}-card.json", *map(data_name, learnt.values())}
    assert wanted <= set(killed.held)


def test_what_both_models_were_compared_on_is_the_next_version_of_the_evaluation_set(killed, tmp_path):
    store, card = open_store(killed.output.parent / "store"), read_signed(killed.output / "card").card
    made = read_evaluation_set(download(store, place_of(card["digests"]["evaluation_set"]), tmp_path / "set"))
    assert (len(made.rows), made.previous) == (
        card["rows"],
        read_evaluation_set(killed.output.parent / "set").id,
    )


def test_what_was_promoted_is_followed_to_its_root_and_made_again(killed, inputs, tmp_path):
    output = killed.output
    store = open_store(output.parent / "store")
    links = lineage(digest(output / "model"), store)
    assert [link.digest for link in links] == [digest(output / "model"), digest(inputs.champion)]
    assert links[0].missing == ()
    assert links[0].record["because"]["card"] == digest(output / "card" / "card.json")
    assert json.loads(store.read(f"lineage/{digest(output / 'model')[7:]}-card.json"))["signature"]
    missing = [(link.digest, link.missing) for link in links if link.missing]
    assert missing == [(digest(inputs.champion), ("data existing",))]  # nobody handed that table in
    keep(store, inputs.champion, [inputs.champion.with_suffix(".parquet")])
    made = rebuild(digest(output / "model"), store, tmp_path / "again", (inputs.trainer,))
    assert made == [link.digest for link in links[::-1]]


def read_run(output):
    return read_json(output / "run.json")["champion"]["path"]


def test_nothing_is_left_running(killed):
    output = killed.output
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(output) not in found


def test_the_page_of_the_rollout_lies_beside_the_report(killed):
    output = killed.output
    assert "promoted" in (output / "rollout.html").read_text()
