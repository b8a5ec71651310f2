"""The local backend, with a real Envoy in front of real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic import envoy, local, local_process
from adsmu.canary_deploy.traffic.local import LocalTraffic
from adsmu.canary_deploy.traffic.replay import Counts, Replay
from adsmu.errors import BadInput, Refused

SERVE = (sys.executable, str(Path(__file__).with_name("standin_predictor.py")))
OLD, NEW = Release("sha256:" + "a" * 64, "quick"), Release("sha256:" + "b" * 64, "quick")
SLOW = Release("sha256:" + "c" * 64, "slow")
ROWS = pa.table(
    {
        "tokens": [["play", "jazz"], ["stop"], ["what", "time", "is", "it"]],
        "tags": [["O", "B-genre"], ["O"], ["O", "O", "O", "O"]],
        "intent": ["Play", "Stop", "AskTime"],
        "domain": ["audio", "audio", "clock"],
    }
)
UNLIKELY = 1e-6


def open_traffic(folder: Path) -> LocalTraffic:
    return LocalTraffic(folder, "nlu", str(folder / "events"), serve=SERVE)


@pytest.fixture
def traffic(tmp_path: Path) -> Iterator[LocalTraffic]:
    made = open_traffic(tmp_path)
    try:
        yield made
    finally:
        made.stop()
        assert not processes_of(tmp_path)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Whatever names the folder on its command line, started by whomever."""
    found = psutil.process_iter(["cmdline"])
    return [each for each in found if any(str(folder) in word for word in each.info["cmdline"] or [])]


def predictor_of(traffic: LocalTraffic, release: Release) -> psutil.Process:
    (found,) = local_process.find(("--digest", release.digest), ("--log", str(traffic.folder / "ahead")))
    return found


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def deploy(traffic: LocalTraffic, release: Release = NEW) -> None:
    traffic.deploy(release)
    until(lambda: not traffic.unready())


def kill(process: psutil.Process) -> None:
    process.kill()
    psutil.wait_procs([process], timeout=5)


def asked(traffic: LocalTraffic, requests: int) -> list[str]:
    """The digest that answered each of some requests; the status of an answer without one."""
    with httpx.Client(base_url=traffic.address, trust_env=False) as client:
        answers = [client.post("/v1/models/nlu:predict", json={"instances": ["x"]}) for _ in range(requests)]
    return [answer.headers.get("x-adsmu-model", str(answer.status_code)) for answer in answers]


def answered(traffic: LocalTraffic, *releases: Release) -> list[str]:
    logs = [traffic.folder / "ahead" / release.name / "answered" for release in releases]
    return [line for log in logs for line in log.read_text().splitlines()]


def load(traffic: LocalTraffic, **settings: float) -> Replay:
    return Replay(ROWS, traffic.address, "nlu", **{"rate": 120.0, "connections": 16, **settings})


def send(replay: Replay, requests: int) -> None:
    before = replay.counts.sent
    until(lambda: replay.counts.sent >= before + requests)


def assert_no_request_was_lost(counts: Counts) -> None:
    """But for answers that a kill broke off between head and body: nobody can take those back."""
    assert set(counts.faults) <= {"/v1/models/nlu:predict: ClientPayloadError"}
    assert counts.failed <= 16


# What each act does


def test_requests_follow_the_share(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    deploy(traffic)
    assert set(asked(traffic, 100)) == {OLD.digest}
    for share in (0.05, 0.5):
        traffic.set_share(share)
        assert traffic.share() == share
        got = asked(traffic, 400).count(NEW.digest)
        assert binomtest(got, 400, share).pvalue > UNLIKELY
    traffic.set_share(1)
    assert traffic.share() == 1
    assert set(asked(traffic, 100)) == {NEW.digest}


def test_the_split_does_not_follow_the_order_of_the_requests(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    deploy(traffic)
    traffic.set_share(0.5)
    every_second = asked(traffic, 400)[::2]  # a round robin would give all of them to one variant
    assert binomtest(every_second.count(NEW.digest), 200, 0.5).pvalue > UNLIKELY


def test_a_request_keeps_its_id_and_its_id_decides_who_answers(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    deploy(traffic)
    traffic.set_share(0.5)
    name = "6f2c61a4-7d5b-9c3e-9a1e-0123456789ab"
    headers = {"x-request-id": name, "x-forwarded-for": "203.0.113.7"}
    with httpx.Client(base_url=traffic.address, headers=headers, trust_env=False) as client:
        answers = [client.post("/v1/models/nlu:predict", json={}) for _ in range(20)]
    assert {answer.headers["x-request-id"] for answer in answers} == {name}
    assert len({answer.headers["x-adsmu-model"] for answer in answers}) == 1


def test_each_act_done_twice_is_as_if_done_once(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    traffic.start(OLD)
    old = predictor_of(traffic, OLD)
    deploy(traffic)
    new = predictor_of(traffic, NEW)
    traffic.set_share(0.25)
    traffic.deploy(NEW)
    assert (predictor_of(traffic, NEW), traffic.share()) == (new, 0.25)
    for _ in range(2):
        traffic.set_share(0)
    for _ in range(2):
        traffic.withdraw()
    assert (traffic.candidate(), traffic.share()) == (None, 0)
    assert not lives(new)
    deploy(traffic)
    traffic.set_share(1)
    for _ in range(2):
        traffic.promote()
    assert (traffic.folder / "endpoints.json").read_text().count("port_value") == 1
    traffic.start(OLD)  # a service that has a champion keeps it
    assert (traffic.champion(), traffic.candidate(), traffic.share()) == (NEW.digest, None, 0)
    assert not lives(old)
    assert (traffic.folder / "ahead" / OLD.name / "ended").exists()  # asked to end, not killed
    assert set(asked(traffic, 20)) == {NEW.digest}


def test_addresses_lead_past_the_split(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    assert traffic.addresses().candidate == ""
    deploy(traffic)
    addresses = traffic.addresses()
    for address, release in ((addresses.champion, OLD), (addresses.candidate, NEW)):
        answer = httpx.post(f"{address}/v1/models/nlu:predict", json={}, trust_env=False)
        assert answer.headers["x-adsmu-model"] == release.digest


def test_what_the_backend_does_not_take_is_refused_in_words(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    assert traffic.unready() == "there is no candidate"
    for act, words in (
        (lambda: traffic.set_share(0.5), "no candidate"),
        (lambda: traffic.deploy(OLD), "is the champion already"),
    ):
        with pytest.raises(Refused, match=words):
            act()
    deploy(traffic)
    traffic.set_share(0.5)
    for act, words in (
        (lambda: traffic.deploy(SLOW), "another candidate is there"),
        (lambda: traffic.set_share(1.5), "no share"),
        (lambda: traffic.set_share(float("nan")), "no share"),
        (traffic.promote, "50.00% of the requests, not all"),
        (traffic.withdraw, "still gets 50.00%"),
    ):
        with pytest.raises(Refused, match=words):
            act()
    assert (traffic.candidate(), traffic.share()) == (NEW.digest, 0.5)


def test_a_first_model_becomes_the_champion(traffic: LocalTraffic) -> None:
    traffic.start()
    assert (traffic.champion(), traffic.obstacles()) == (None, [])
    with pytest.raises(Refused):
        traffic.promote()
    deploy(traffic)
    assert asked(traffic, 1) == ["503"]
    with pytest.raises(Refused, match="all or nothing"):
        traffic.set_share(0.5)
    traffic.set_share(1)
    assert traffic.share() == 1
    traffic.promote()
    assert traffic.champion() == NEW.digest
    assert set(asked(traffic, 20)) == {NEW.digest}


def test_a_first_model_withdrawn_takes_the_service_away(traffic: LocalTraffic) -> None:
    traffic.start()
    deploy(traffic)
    traffic.set_share(1)
    traffic.set_share(0)
    traffic.withdraw()
    assert traffic.candidate() is None
    assert not processes_of(traffic.folder)


# Nothing is lost


def test_a_rollout_under_load_loses_no_request(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    with load(traffic) as replay:
        for rolled_back in (True, False):
            deploy(traffic)
            for share in (0.05, 0.25, 0.5, 1.0):
                traffic.set_share(share)
                send(replay, 40)
            if rolled_back:
                traffic.set_share(0)
                traffic.withdraw()
        traffic.promote()
        send(replay, 40)
        counts = replay.stop()
    assert (counts.failed, counts.faults) == (0, Counter())
    assert counts.sent == counts.models.total() == counts.labelled
    names = answered(traffic, OLD, NEW)
    assert len(names) == len(set(names)) == counts.sent


def test_what_is_under_way_is_answered_before_a_variant_is_taken_away(traffic: LocalTraffic) -> None:
    traffic.start(SLOW)
    with load(traffic, rate=60.0, connections=64) as replay:
        deploy(traffic)
        traffic.set_share(1)
        traffic.promote()
        counts = replay.stop()
    assert counts.failed == 0
    assert counts.models[SLOW.digest] > 0
    with load(traffic, rate=60.0, connections=64) as replay:
        deploy(traffic, SLOW)
        traffic.set_share(1)
        send(replay, 20)
        traffic.set_share(0)
        traffic.withdraw()
        counts = replay.stop()
    assert counts.failed == 0
    assert counts.models[SLOW.digest] > 0


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_candidate_that_dies_loses_no_request(traffic: LocalTraffic, share: float) -> None:
    traffic.start(OLD)
    deploy(traffic)
    with load(traffic) as replay:
        traffic.set_share(share)
        send(replay, 60)
        kill(predictor_of(traffic, NEW))
        assert "its process has ended" in traffic.unready()
        before = replay.counts.models[NEW.digest]
        send(replay, 80)
        assert replay.counts.models[NEW.digest] <= before + 16  # answers that were on their way
        assert traffic.obstacles() == []
        deploy(traffic)
        assert traffic.share() == share
        until(lambda: replay.counts.models[NEW.digest] > before + 16)
        counts = replay.stop()
    assert_no_request_was_lost(counts)


def test_a_candidate_that_hangs_loses_no_request(
    traffic: LocalTraffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envoy, "TRY_SECONDS", 1)
    traffic.start(OLD)
    deploy(traffic)
    candidate = predictor_of(traffic, NEW)
    with load(traffic, connections=120) as replay:
        traffic.set_share(0.5)
        send(replay, 40)
        candidate.suspend()
        try:
            send(replay, 200)
        finally:
            candidate.resume()
        counts = replay.stop()
    assert counts.failed == 0, counts.faults


def test_a_champion_that_dies_is_reported_and_the_candidate_answers(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    deploy(traffic)
    with load(traffic) as replay:
        traffic.set_share(0.05)
        send(replay, 40)
        kill(predictor_of(traffic, OLD))
        send(replay, 100)
        (obstacle,) = traffic.obstacles()
        assert obstacle == f"the champion is sick: {traffic.sick()}"
        assert "its process has ended" in traffic.sick()
        traffic.start()
        assert (traffic.obstacles(), traffic.sick()) == ([], "")
        counts = replay.stop()
    assert_no_request_was_lost(counts)


# What dies is found


def test_a_candidate_that_does_not_get_ready_gives_its_reason(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    traffic.deploy(Release(NEW.digest, "altered"))
    until(lambda: "not the model that was evaluated" in traffic.unready())
    traffic.withdraw()
    traffic.deploy(Release(NEW.digest, "never-ready"))
    until(lambda: "answers 503" in traffic.unready())


def test_a_champion_that_does_not_start_is_refused_with_its_reason(traffic: LocalTraffic) -> None:
    with pytest.raises(Refused, match="not the model that was evaluated"):
        traffic.start(Release(OLD.digest, "altered"))


def test_envoy_that_died_is_reported_and_started_again_where_it_was(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    deploy(traffic)
    traffic.set_share(0.25)
    address = traffic.address
    (front,) = local_process.find(("--config-path", str(traffic.folder / "envoy.json")))
    kill(front)
    assert traffic.obstacles() == ["Envoy does not run; start the service"]
    traffic.start()
    assert (traffic.obstacles(), traffic.share(), traffic.address) == ([], 0.25, address)
    assert len(asked(traffic, 10)) == 10


def test_the_port_of_another_service_is_refused(traffic: LocalTraffic) -> None:
    traffic.start()
    port = int(traffic.address.rpartition(":")[2])
    second = LocalTraffic(traffic.folder / "second", "nlu", str(traffic.folder), port=port, serve=SERVE)
    with pytest.raises(Refused, match="Envoy does not start"):
        second.start()
    assert asked(traffic, 1) == ["503"]


def test_a_service_folder_that_was_altered_is_refused(tmp_path: Path) -> None:
    open_traffic(tmp_path)
    file = tmp_path / "traffic.json"
    for altered in ("{", "[]", '{"format": 2}', json.dumps({"format": 1, "port": 1, "champion": "me"})):
        file.write_text(altered)
        with pytest.raises(BadInput, match=r"traffic\.json"):
            open_traffic(tmp_path)


def test_a_stranger_that_names_the_folder_is_left_alone(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    named = [str(traffic.folder / "ahead"), OLD.digest, "--log", str(traffic.folder / "envoy.json")]
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)", *named]
    with subprocess.Popen(sleeps) as stranger:
        try:
            traffic.stop()
            assert stranger.poll() is None
        finally:
            stranger.kill()


# A controller that was killed


def test_a_killed_controller_is_replaced_by_one_that_finds_everything(traffic: LocalTraffic) -> None:
    script = (
        "import os, sys\n"
        "from adsmu.canary_deploy.release import Release\n"
        "from adsmu.canary_deploy.traffic.local import LocalTraffic\n"
        "folder, old, new, *serve = sys.argv[1:]\n"
        "service = LocalTraffic(folder, 'nlu', folder + '/events', serve=serve)\n"
        "service.start(Release(old, 'quick'))\n"
        "service.deploy(Release(new, 'quick'))\n"
        "service.set_share(0.25)\n"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )
    command = [sys.executable, "-c", script, str(traffic.folder), OLD.digest, NEW.digest, *SERVE]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    found = {each.pid for each in processes_of(traffic.folder)}
    assert len(found) == 3
    after = open_traffic(traffic.folder)
    assert (after.champion(), after.candidate(), after.share()) == (OLD.digest, NEW.digest, 0.25)
    after.start()
    assert {each.pid for each in processes_of(traffic.folder)} == found
    until(lambda: not after.unready())
    assert NEW.digest in asked(after, 100)
    assert os.getsid(found.pop()) != os.getsid(0)


class Killed(BaseException):
    """As if the controller had ended here."""


ACTS: list[tuple[str, Callable[[LocalTraffic], None]]] = [
    ("deploy", lambda traffic: traffic.deploy(NEW)),
    ("set_share up", lambda traffic: traffic.set_share(0.25)),
    ("set_share down", lambda traffic: traffic.set_share(0)),
    ("withdraw", lambda traffic: traffic.withdraw()),
    ("deploy again", lambda traffic: traffic.deploy(NEW)),
    ("set_share to all", lambda traffic: traffic.set_share(1)),
    ("promote", lambda traffic: traffic.promote()),
]


def test_an_act_cut_off_at_any_of_its_effects_can_be_done_again(
    traffic: LocalTraffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = -1  # effects until the controller is killed; never, while negative

    def counted(effect: Callable[..., object]) -> Callable[..., object]:
        def act(*args: object, **settings: object) -> object:
            nonlocal left
            left -= 1
            if left == -1:
                raise Killed
            return effect(*args, **settings)

        return act

    traffic.start(OLD)
    for module, name in (
        (local, "write_json"),
        (envoy, "write_json"),
        (local_process, "start"),
        (local_process, "stop"),
    ):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    kills = 0
    for _, act in ACTS:
        for effects in range(20):
            controller = open_traffic(traffic.folder)  # another one each time
            left = effects
            try:
                act(controller)
            except Killed:
                kills += 1
                continue
            finally:
                left = -1
            break
        assert left == -1
        after = open_traffic(traffic.folder)
        variants = [after.champion(), after.candidate()]
        assert len(processes_of(traffic.folder)) == 1 + sum(each is not None for each in variants)
    assert kills >= 12
    assert (traffic.champion(), traffic.candidate(), traffic.share()) == (NEW.digest, None, 0)
    until(lambda: not traffic.obstacles())
    assert set(asked(traffic, 10)) == {NEW.digest}


def test_a_candidate_deployed_anew_is_not_the_process_that_was_being_taken_away(
    traffic: LocalTraffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    traffic.start(OLD)
    deploy(traffic)
    before = predictor_of(traffic, NEW)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(local_process, "stop", killed)
        traffic.withdraw()
    after = open_traffic(traffic.folder)
    assert (after.candidate(), lives(before)) == (None, True)
    deploy(after)
    assert not lives(before)
    assert predictor_of(after, NEW) != before


# The replay


def test_a_replay_counts_what_fails(traffic: LocalTraffic) -> None:
    traffic.start()
    with load(traffic) as replay:
        send(replay, 10)
        counts = replay.stop()
    assert counts.sent == counts.failed == counts.faults["/v1/models/nlu:predict: 503"]
    traffic.stop()
    with load(traffic) as replay:
        send(replay, 10)
        counts = replay.stop()
    assert counts.sent == counts.failed
    assert counts.labelled == counts.unlabelled == 0


def test_a_replay_tells_each_requests_own_label(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    with load(traffic, label_delay=0.3) as replay:
        send(replay, 30)
        counts = replay.stop()
    lines = (traffic.folder / "ahead" / OLD.name / "labels").read_text().splitlines()
    labels = {each["request_id"]: each["label"] for each in map(json.loads, lines)}
    assert len(labels) == len(lines) == counts.labelled == counts.sent
    assert set(labels) == set(answered(traffic, OLD))
    rows = [{key: row[key] for key in ("domain", "intent", "tags")} for row in ROWS.to_pylist()]
    assert all(label in rows for label in labels.values())
    told = [labels[name]["intent"] for name in sorted(labels, key=lambda name: int(name.split("-")[1]))]
    assert all(set(told[at : at + 3]) == {"Play", "Stop", "AskTime"} for at in range(0, 30, 3))


def test_a_replay_keeps_to_its_rate(traffic: LocalTraffic) -> None:
    traffic.start(OLD)
    begin = time.monotonic()
    with load(traffic, rate=40.0) as replay:
        time.sleep(1)
        counts = replay.stop()
    assert 10 <= counts.sent <= 40 * (time.monotonic() - begin) + 1


def test_rows_that_cannot_be_replayed_are_refused() -> None:
    with pytest.raises(BadInput, match="column intent"):
        Replay(ROWS.drop_columns("intent"), "http://127.0.0.1:1", "nlu")
    with pytest.raises(BadInput, match="there are none"):
        Replay(ROWS.slice(0, 0), "http://127.0.0.1:1", "nlu")
