"""`adsmu canary`: what a person sees and says of a rollout, and whether its decisions can be recomputed."""

import dataclasses
import hashlib
import json
import re
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adsmu import canary_command
from adsmu.canary_deploy import places
from adsmu.canary_deploy.deploy import deploy
from adsmu.canary_deploy.records import FileRecord
from adsmu.errors import BadInput, StepFailed
from adsmu.store.evidence import to_bytes

sys.path.insert(0, str(Path(__file__).parent / "canary_deploy"))

from simulated import World, ports

UNDER_WAY = {
    "rollout": "0123456789abcdef",
    "candidate": "sha256:" + "a" * 64,
    "ended": False,
    "phase": "ramp",
    "share": 0.05,
    "looks": 3,
    "asks": "ramp",
    "outcome": "",
    "reasons": ["requests to the canary at this share: 69 of 100"],
}


def canary(*arguments):
    """Runs the command; what it refuses is raised, as the entry point catches it."""
    done = CliRunner().invoke(canary_command.app, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def service(tmp_path):
    """The folder of a service whose rollout waits for approval of the ramp."""
    FileRecord(tmp_path / "rollout.json").write(UNDER_WAY, "")
    lease = {"holder": "host-7", "seconds": 15, "renewed": 1_795_000_000.0, "transitions": 1}
    FileRecord(tmp_path / "lease.json").write(lease, "")
    return tmp_path


def record(service):
    return FileRecord(service / "rollout.json").read()[0]


def change(service, **values):
    at = FileRecord(service / "rollout.json")
    value, version = at.read()
    at.write(value | values, version)


def test_status_says_where_it_stands_what_it_waits_for_and_who_is_at_work(service):
    said = " ".join(canary("status", service).stdout.split())
    for words in (
        "phase ramp",
        "share 5 %",
        "looks 3",
        "because requests to the canary at this share: 69 of 100",
        "waits for approval of the ramp",
        "at work host-7",
        "2026-11-18 11:06:40 UTC",
        "so it is over",
    ):
        assert words in said


def test_status_as_json_is_one_object(service):
    found = json.loads(canary("status", service, "--json").stdout)
    assert found["asks"] == "ramp" and found["lease"]["holder"] == "host-7"


def test_status_of_what_has_ended_names_the_outcome(service):
    change(service, ended=True, outcome="rolled_back", phase="ended", asks="")
    FileRecord(service / "lease.json").path.unlink()
    said = " ".join(canary("status", service).stdout.split())
    assert "phase ended" in said and "outcome rolled back" in said and "at work no process" in said


def test_a_terminal_is_not_told_what_to_do_by_a_stratums_name(service):
    change(service, reasons=["wrong in \x1b[2Jsleep [bold red]x[/]"])
    said = canary("status", service).stdout
    assert "\x1b[2J" not in said and "[bold red]x[/]" in said


@pytest.mark.parametrize("command", [["status"], ["approve"], ["abort", "--reason", "x"]])
def test_without_a_rollout_there_is_nothing_to_say(tmp_path, command):
    gate = ["ramp"] if command == ["approve"] else []
    for folder, words in ((tmp_path, "no rollout has begun here"), (tmp_path / "none", "no such folder")):
        with pytest.raises(BadInput, match=words):
            canary(command[0], folder, *gate, *command[1:])
    assert list(tmp_path.iterdir()) == []


def test_approval_is_written_with_the_name(service):
    assert "approved by ann" in canary("approve", service, "ramp", "--by", "ann").stdout
    assert record(service) == UNDER_WAY | {"approved": {"ramp": "ann"}}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"asks": ""}, "does not ask for approval of the ramp: it asks for nothing at present"),
        ({"asks": "promotion"}, "does not ask for approval of the ramp: it asks for the promotion"),
        ({"approved": {"ramp": "bob"}}, "the ramp is approved already, by bob"),
        ({"ended": True}, "decided already: ended"),
        ({"outcome": "rolled_back"}, "decided already: rolled back"),
    ],
)
def test_approval_is_refused_in_words_where_it_means_nothing(service, state, words):
    change(service, **state)
    before = record(service)
    with pytest.raises(BadInput, match=words):
        canary("approve", service, "ramp", "--by", "ann")
    assert record(service) == before


def test_there_are_two_gates(service):
    with pytest.raises(BadInput, match="'ship' is not one of ramp, promotion"):
        canary("approve", service, "ship", "--by", "ann")


@pytest.mark.parametrize("text", ["", " ", "x" * 501, "\x1b[31m"])
def test_what_a_person_says_is_printable_text(service, text):
    for command in (["approve", service, "ramp", "--by", text or " "], ["abort", service, "--reason", text]):
        with pytest.raises(BadInput, match="must be printable text of 1 to 500 characters"):
            canary(*command)
    assert record(service) == UNDER_WAY


def test_an_abort_is_written_with_its_reason_and_not_overwritten(service):
    canary("abort", service, "--reason", "complaints from\n users")
    assert record(service)["abort"] == "complaints from users"
    with pytest.raises(BadInput, match="to be aborted already: complaints from users"):
        canary("abort", service, "--reason", "another")


def test_nothing_is_aborted_once_it_is_decided(service):
    change(service, outcome="promoted")
    with pytest.raises(BadInput, match="decided already: promoted"):
        canary("abort", service, "--reason", "too late")
    assert "abort" not in record(service)


class Contested(FileRecord):
    """A record that somebody else changes just before each of the first writes."""

    def __init__(self, path, changes):
        super().__init__(path)
        self.changes = changes

    def write(self, value, version):
        if self.changes:
            current, at = self.read()
            super().write(current | self.changes.pop(0), at)
        return super().write(value, version)


def contested(monkeypatch, service, changes):
    at = Contested(service / "rollout.json", changes)
    monkeypatch.setattr(places, "in_folder", lambda folder: (at, FileRecord(service / "lease.json")))


def test_approval_and_a_rollout_that_writes_at_the_same_time_lose_neither(monkeypatch, service):
    contested(monkeypatch, service, [{"looks": 4}, {"looks": 5}])
    canary("approve", service, "ramp", "--by", "ann")
    assert record(service) == UNDER_WAY | {"looks": 5, "approved": {"ramp": "ann"}}


def test_an_approval_that_comes_too_late_is_refused(monkeypatch, service):
    contested(monkeypatch, service, [{"outcome": "rolled_back"}])
    with pytest.raises(BadInput, match="decided already: rolled back"):
        canary("approve", service, "ramp", "--by", "ann")
    assert "approved" not in record(service)


def test_what_was_said_of_one_rollout_never_reaches_the_next(monkeypatch, service):
    for command in (["approve", service, "ramp", "--by", "ann"], ["abort", service, "--reason", "bad"]):
        change(service, rollout="first")
        contested(monkeypatch, service, [{"rollout": "second"}])
        with pytest.raises(BadInput, match="the rollout first is over; second has begun"):
            canary(*command)
        monkeypatch.undo()
    assert not {"approved", "abort"} & set(record(service))


def test_a_record_that_never_rests_is_given_up(monkeypatch, service):
    contested(monkeypatch, service, [{"looks": number} for number in range(99)])
    monkeypatch.setattr(canary_command.time, "sleep", lambda seconds: None)
    with pytest.raises(StepFailed, match="nothing was written"):
        canary("abort", service, "--reason", "bad")
    assert "abort" not in record(service)


def test_two_people_and_a_rollout_at_once_lose_nothing(service):
    stop = threading.Event()
    counted = []

    def count():
        at = FileRecord(service / "rollout.json")
        while not stop.is_set():
            value, version = at.read()
            try:
                at.write(value | {"looks": value["looks"] + 1}, version)
                counted.append(1)
            except canary_command.Conflict:
                pass
            stop.wait(0.002)

    def told(order):
        canary_command._order(str(service), "", order)

    people = [
        threading.Thread(target=told, args=[lambda value: value | {"approved": {"ramp": "ann"}}]),
        threading.Thread(target=told, args=[lambda value: value | {"abort": "bad"}]),
    ]
    rollout = threading.Thread(target=count)
    for each in (rollout, *people):
        each.start()
    for each in people:
        each.join()
    stop.set()
    rollout.join()
    found = record(service)
    assert found["approved"] == {"ramp": "ann"} and found["abort"] == "bad"
    assert found["looks"] == 3 + len(counted)


@pytest.fixture(scope="module")
def rolled_out(tmp_path_factory):
    """A rollout that asked for both approvals and got them from the command; its folder."""
    world = World(tmp_path_factory.mktemp("service"), rate=60)
    shown = []

    def say(gate):
        def act(world):
            shown.append(" ".join(canary("status", world.folder).stdout.split()))
            canary("approve", world.folder, gate, "--by", "ann")

        return act

    world.events |= {50.0: say("ramp"), 400.0: say("promotion")}
    touched = ports(world)
    touched = dataclasses.replace(touched, record=FileRecord(world.folder / "rollout.json"))
    plan = {"steps": [0.25, 1.0], "min_requests": 60, "approvals": ["ramp", "promotion"]}
    result = deploy(world.request(**plan), touched)
    return world, result, shown


def test_a_rollout_goes_on_when_the_command_approves(rolled_out):
    world, result, shown = rolled_out
    assert result["outcome"] == "promoted"
    assert "waits for approval of the ramp" in shown[0] and "share 0 %" in shown[0]
    assert "waits for approval of the promotion" in shown[1]
    assert "phase ended" in " ".join(canary("status", world.folder).stdout.split())
    with pytest.raises(BadInput, match="decided already: promoted"):
        canary("abort", world.folder, "--reason", "too late")


def test_a_rollout_that_the_command_aborts_goes_back(tmp_path):
    world = World(tmp_path, rate=60)
    world.events[30.0] = lambda world: canary("abort", world.folder, "--reason", "complaints from users")
    touched = dataclasses.replace(ports(world), record=FileRecord(tmp_path / "rollout.json"))
    result = deploy(world.request(), touched)
    assert (result["outcome"], result["reasons"]) == ("rolled_back", ["complaints from users"])


def copied(evidence, folder):
    folder.mkdir()
    for file in sorted(Path(evidence).iterdir()):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def rechained(folder, number, alter):
    """Changes an entry, and all digests behind it, so that only recomputing can find it."""
    previous = ""
    for at, file in enumerate(sorted(folder.iterdir())):
        entry = json.loads(file.read_bytes())
        if at == number:
            alter(entry)
        text = to_bytes(entry | {"previous": previous})
        file.write_bytes(text)
        previous = f"sha256:{hashlib.sha256(text).hexdigest()}"


def first_look(folder):
    kinds = [json.loads(file.read_bytes())["kind"] for file in sorted(folder.iterdir())]
    return kinds.index("look")


def test_a_replay_recomputes_every_decision(rolled_out):
    done = canary("replay", rolled_out[1]["evidence"])
    assert done.exit_code == 0
    assert re.fullmatch(r"\d+ decisions in \d+ entries, all follow from the evidence", done.stdout.strip())


def test_a_replay_finds_counts_that_were_changed_with_all_digests_made_right(rolled_out, tmp_path):
    folder = copied(rolled_out[1]["evidence"], tmp_path / "changed")
    number = first_look(folder)

    def alter(entry):
        entry["look"]["canary"]["errors"] = entry["look"]["canary"]["requests"]

    rechained(folder, number, alter)
    done = canary("replay", folder, "--report", tmp_path / "report.html")
    assert done.exit_code == 1
    assert f"entry {number}: says" in done.stdout and "do not follow from the evidence" in done.stdout
    assert "do not follow from the evidence" in (tmp_path / "report.html").read_text()


def test_a_replay_names_the_entry_that_is_damaged(rolled_out, tmp_path):
    for name, damage, words in (
        ("cut", lambda text: text[:40], "damaged or cut short"),
        ("changed", lambda text: text.replace(b'"action":"', b'"action": "'), "does not follow the entry"),
    ):
        folder = copied(rolled_out[1]["evidence"], tmp_path / name)
        file = sorted(folder.iterdir())[first_look(folder)]
        file.write_bytes(damage(file.read_bytes()))
        with pytest.raises(BadInput, match=words):
            canary("replay", folder, "--report", tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "alter",
    [
        lambda entry: entry.update(decision=7),
        lambda entry: entry["decision"].update(action="sing"),
        lambda entry: entry["decision"]["figures"].update(bar=float("nan")),
        lambda entry: entry.pop("look"),
        lambda entry: entry.update(kind="song"),
    ],
)
def test_a_replay_refuses_entries_that_are_not_of_the_stated_form(rolled_out, tmp_path, alter):
    folder = copied(rolled_out[1]["evidence"], tmp_path / "changed")
    entries = sorted(folder.iterdir())
    file = entries[first_look(folder)]
    entry = json.loads(file.read_bytes())
    alter(entry)
    file.write_text(json.dumps(entry))
    for later in entries[entries.index(file) + 1 :]:
        later.unlink()
    with pytest.raises(BadInput):
        canary("replay", folder)


def test_a_replay_of_nothing_makes_nothing(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        canary("replay", tmp_path / "rollouts")
    with pytest.raises(BadInput, match="there is no evidence"):
        canary("replay", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_replay_writes_the_page(rolled_out, tmp_path):
    page = tmp_path / "pages" / "rollout.html"
    canary("replay", rolled_out[1]["evidence"], "--report", page)
    assert "Promoted" in page.read_text() and "approved" in page.read_text()
