"""A rollout from preflight to its end, and every fault that it has to survive.

After each of them: no model serves that was not proven, and the evidence replays byte for byte.
"""

import dataclasses
import json
import os
import signal

import numpy as np
import pytest
from simulated import STRATIFIER, WORDS, Fault, Killed, World, ports

from adsmu.canary_deploy import rollout as module
from adsmu.canary_deploy.deploy import deploy, finalise
from adsmu.canary_deploy.lease import LeaseLost
from adsmu.canary_deploy.observe import labelled_requests
from adsmu.canary_deploy.plan import Pairs
from adsmu.canary_deploy.progress import progress, replay
from adsmu.canary_deploy.records import FileRecord
from adsmu.canary_deploy.release import champions
from adsmu.canary_deploy.rollout import Rollout
from adsmu.errors import BadInput, Conflict, Refused, StepFailed
from adsmu.store.evidence import EvidenceLog, Overtaken

OLD = "sha256:" + "c" * 64
WORSE = {"champion": (0.9, 0.9, 0.9), "candidate": (0.9, 0.55, 0.9)}
SHORT = {"steps": [0.25, 1.0], "min_requests": 60}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def entries(world, result):
    return EvidenceLog(world.store.below(f"rollouts/nlu/{result['rollout']}")).read()


def ended(world, result, outcome):
    """The outcome, what serves, and the evidence agree."""
    assert result["outcome"] == outcome, result
    found = entries(world, result)
    assert replay(found) == []
    assert found[-1]["kind"] == "end"
    new = outcome == "promoted"
    assert world.live == {"champion": world.digest if new else OLD, "candidate": None, "share": 0.0}
    assert [each["model"] for each in champions(world.store, "nlu")] == ([world.digest] if new else [])
    return found


def test_a_good_candidate_is_promoted_step_by_step(world):
    result = deploy(world.request(), ports(world))
    found = ended(world, result, "promoted")
    shares = [entry["share"] for entry in found if entry["kind"] == "share"]
    assert shares == [0.05, 0.1, 0.25, 0.5, 1.0]


def test_a_candidate_worse_in_one_stratum_is_rolled_back(world):
    world.accuracy = WORSE
    result = deploy(world.request(), ports(world))
    ended(world, result, "rolled_back")
    assert result["reasons"] == ["the canary is worse: wrong in sleep"]


def test_the_same_call_again_gives_the_same_answer_and_moves_nothing(world):
    first = deploy(world.request(), ports(world))
    count = len(entries(world, first))
    assert deploy(world.request(), ports(world, holder="two")) == first
    assert len(entries(world, first)) == count


def test_a_second_run_with_other_content_is_refused_in_words(world):
    fault = Fault(at=20)
    with pytest.raises(Killed):
        deploy(world.request(), ports(world, fault))
    world.pass_time(60)
    result = deploy(world.request(margin=0.01), ports(world, holder="two"))
    assert result["outcome"] == "skipped"
    assert "is under way" in result["reasons"][0]


def test_a_model_in_production_is_not_rolled_out_again(world):
    world.live["champion"] = world.digest
    assert deploy(world.request(), ports(world))["reasons"] == ["this model is in production already"]


def test_an_obstacle_ends_it_before_anything_is_done(world):
    touched = ports(world)
    touched.traffic.obstacles = lambda: ["the right to patch httproutes is missing"]
    with pytest.raises(StepFailed, match="patch httproutes"):
        deploy(world.request(), touched)
    assert world.live["candidate"] is None
    assert FileRecord(world.folder / "state.json").read() == (None, "")


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("good", [True, False], ids=["good", "worse"])
@pytest.mark.parametrize("part", range(4))
def test_a_process_killed_at_any_write_is_carried_on_by_another(tmp_path, good, behind, part):
    killed = 0
    for at in range(1 + part, 60, 4):
        world = World(tmp_path / str(at), rate=60)
        world.accuracy = world.accuracy if good else WORSE
        with_fault = ports(world, Fault(at, behind))
        try:
            deploy(world.request(**SHORT), with_fault)
            break
        except Killed:
            killed += 1
        world.pass_time(5)
        result = deploy(world.request(**SHORT), ports(world, holder="two"))
        ended(world, result, "promoted" if good else "rolled_back")
    assert killed >= 6


def test_a_process_killed_again_and_again_gets_there(world):
    world.rate = 60
    for attempt in range(200):
        try:
            result = deploy(
                world.request(**SHORT), ports(world, Fault(at=4 + attempt % 3), f"holder {attempt}")
            )
            break
        except Killed:
            world.pass_time(3)
    ended(world, result, "promoted")


def test_storage_that_is_away_for_a_minute_moves_nothing(world):
    world.away = (40.0, 100.0)
    seen = []
    world.events[70.0] = lambda world: seen.append(world.live["share"])
    ended(world, deploy(world.request(max_unreadable=10), ports(world)), "promoted")
    assert seen == [0.1]


def test_storage_that_stays_away_takes_the_requests_from_the_candidate(world):
    world.away = (40.0, 200.0)
    seen = []
    world.events[150.0] = lambda world: seen.append(world.live["share"])
    result = deploy(world.request(max_unreadable=3), ports(world))
    ended(world, result, "rolled_back")
    assert seen == [0.0]
    assert "not reachable for" in result["reasons"][0]


def test_a_kill_while_storage_is_away_does_not_bring_the_candidate_back(world):
    world.away = (40.0, 200.0)

    def kill(world):
        raise Killed

    world.events[120.0] = kill
    with pytest.raises(Killed):
        deploy(world.request(max_unreadable=3), ports(world))
    assert world.live["share"] == 0
    ended(world, deploy(world.request(max_unreadable=3), ports(world, holder="two")), "rolled_back")


def test_a_conflict_on_the_record_loses_neither_side(world):
    record = FileRecord(world.folder / "state.json")
    touched = ports(world)
    write = touched.record.write
    conflicts = iter([True] * 5)

    def contested(value, version):
        if value.get("phase") and next(conflicts, False):
            current, at = record.read()
            record.write(current | {"note": "of somebody else"}, at)
        return write(value, version)

    touched.record.write = contested
    ended(world, deploy(world.request(), touched), "promoted")
    assert record.read()[0]["note"] == "of somebody else"


def test_two_writers_at_once_are_one_writer(world):
    second = ports(world, holder="two")
    slept = second.sleep
    first = ports(world)
    first.lease.acquire()

    def sleep(seconds):
        slept(seconds)
        first.lease.require()

    result = deploy(world.request(), dataclasses.replace(second, sleep=sleep))
    assert result == {"outcome": "skipped", "reasons": ["another process is at work on this service"]}


def test_a_process_that_lost_its_lease_while_acting_stops(world):
    first = ports(world)
    assert first.lease.acquire()
    request = world.request()
    stale = Rollout("nlu", request.rollout, first, request)
    for _ in range(4):
        stale.reconcile()
    other = ports(world, holder="two")
    result = deploy(request, dataclasses.replace(other, sleep=world.pass_time))
    with pytest.raises((LeaseLost, Overtaken)):
        stale.reconcile()
    ended(world, result, "promoted")


def test_a_long_wait_keeps_the_lease(world):
    other = ports(world, holder="two").lease
    tried = []

    def try_to_take_over(world):
        tried.append(other.acquire())
        world.events[world.ticks + 4] = try_to_take_over

    world.events[5.0] = try_to_take_over
    ended(world, deploy(world.request(settle_seconds=20, look_seconds=60), ports(world)), "promoted")
    assert len(tried) > 20
    assert not any(tried)


def test_a_promoted_model_that_another_has_replaced_is_not_said_to_be_in_production(world):
    assert deploy(world.request(), ports(world))["outcome"] == "promoted"
    world.live["champion"] = OLD
    again = deploy(world.request(), ports(world))
    assert again["outcome"] == "skipped"
    assert again["reasons"][0].startswith("this rollout promoted the model before")
    assert deploy(world.request(seed=1), ports(world))["outcome"] == "promoted"


@pytest.mark.parametrize(
    ("plan", "champion", "words"),
    [
        ({"steps": [0.005, 1.0]}, OLD, "0.005 cannot be kept: this backend knows shares in steps of 0.01"),
        ({"strategy": "shadow"}, None, "a first deployment has no champion to compare with"),
        ({"floor": 0.2, "min_accuracy": 0}, None, "must be above 0 and below 1"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused_before_anything_is_written(world, plan, champion, words):
    world.live["champion"] = champion
    with pytest.raises(BadInput, match=words):
        deploy(world.request(**plan), ports(world))
    assert FileRecord(world.folder / "state.json").read() == (None, "")


def test_a_share_of_1_that_requests_do_not_follow_is_no_promotion(world):
    world.routed = lambda share: min(share, 0.97)
    result = deploy(world.request(steps=[0.5], min_requests=60), ports(world))
    ended(world, result, "inconclusive")
    assert result["reasons"] == ["requests still reach the champion at a share of 1"]


def test_a_candidate_that_cannot_be_deployed_is_given_up(world):
    touched = ports(world)

    def refuse(release):
        raise Refused("the quota of the namespace is used up")

    touched.traffic.deploy = refuse
    result = deploy(world.request(), touched)
    assert "the quota of the namespace is used up" in result["reasons"][0]
    ended(world, result, "rolled_back")


def test_what_a_rollout_waits_for_stands_in_its_record(world):
    record = FileRecord(world.folder / "state.json")
    world.away = (40.0, 70.0)
    seen = []
    world.events[55.0] = lambda world: seen.append(record.read()[0]["waiting"])
    ended(world, deploy(world.request(), ports(world)), "promoted")
    assert seen == ["the storage does not answer"]
    assert record.read()[0]["waiting"] == ""


def test_a_candidate_that_never_gets_ready_is_given_up(world):
    world.ready_after = 1e9
    result = deploy(world.request(), ports(world))
    ended(world, result, "rolled_back")
    assert result["reasons"][0].startswith("the candidate was not ready after 60 seconds: still loading")


def test_a_candidate_that_dies_loses_its_requests_at_once(world):
    world.events[45.0] = lambda world: setattr(world, "dead", True)
    died = []
    world.events[50.0] = lambda world: died.append(world.live["share"])
    result = deploy(world.request(), ports(world))
    ended(world, result, "rolled_back")
    assert result["reasons"] == ["the candidate does not answer any more: connection refused"]
    assert died == [0.0]


def test_a_candidate_that_dies_before_its_promotion_is_not_promoted(world):
    record = FileRecord(world.folder / "state.json")

    def die(world):
        world.dead = True

    touched = ports(world)
    write = touched.record.write

    def watched(value, version):
        if value.get("phase") == "promote" and not world.dead:
            die(world)
        return write(value, version)

    touched.record.write = watched
    ended(world, deploy(world.request(steps=[0.5], min_requests=60), touched), "rolled_back")
    assert record.read()[0]["ended"] is True


def test_a_dead_champion_is_given_no_requests_back(world):
    world.accuracy = WORSE
    world.events[12.0] = lambda world: setattr(world, "sick", "connection refused")
    held = []
    world.events[300.0] = lambda world: held.append(world.live["share"])
    world.events[310.0] = lambda world: setattr(world, "sick", "")
    result = deploy(world.request(max_seconds=2000), ports(world))
    assert held and held[0] > 0
    ended(world, result, "rolled_back")


def test_without_labels_nothing_is_promoted(world):
    world.labelled = {"champion": 0.0, "candidate": 0.0}
    result = deploy(world.request(max_seconds=200), ports(world))
    ended(world, result, "inconclusive")
    assert result["reasons"] == ["not decided after 200 seconds"]


def test_labels_of_one_variant_only_promote_nothing(world):
    world.labelled = {"champion": 0.0}
    found = ended(world, deploy(world.request(max_seconds=200), ports(world)), "inconclusive")
    holds = [each["decision"]["reasons"][0] for each in found if each["kind"] == "look"]
    assert any(
        reason.startswith("labels of canary and champion are not equally complete") for reason in holds
    )


@pytest.mark.parametrize("routed", [lambda share: 0.0, lambda share: share / 2], ids=["nothing", "half"])
def test_a_split_that_is_not_the_configured_one_promotes_nothing(world, routed):
    world.routed = routed
    found = ended(world, deploy(world.request(max_seconds=250), ports(world)), "inconclusive")
    last = [each for each in found if each["kind"] == "look"][-1]
    assert last["decision"]["reasons"][0].startswith("the canary does not get the share of requests")


def test_a_split_that_requests_follow_late_is_waited_for(world):
    world.rate, set_at = 3, {}

    def late(share):
        return share if world.ticks - set_at.setdefault(share, world.ticks) > 9 else 0.0

    world.routed = late
    plan = {"steps": [0.5, 1.0], "min_requests": 20, "min_labels": 5, "margin": 0.3, "floor": 0.5}
    ended(world, deploy(world.request(**plan, rare=0.05, max_seconds=2000), ports(world)), "promoted")


@pytest.mark.parametrize("jump", [-300.0, 300.0])
def test_a_clock_that_jumps_promotes_nothing_that_is_worse_and_loses_nothing_good(tmp_path, jump):
    for name, accuracy, outcomes in (
        ("worse", WORSE, {"rolled_back"}),
        ("good", World(tmp_path / "x").accuracy, {"promoted"}),
    ):
        world = World(tmp_path / name, accuracy=accuracy)
        world.events[35.0] = lambda world: setattr(world, "now", world.now + jump)
        result = deploy(world.request(), ports(world))
        assert result["outcome"] in outcomes
        ended(world, result, result["outcome"])


def test_evidence_that_was_cut_short_is_found_and_the_champion_serves(world):
    with pytest.raises(Killed):
        deploy(world.request(), ports(world, Fault(at=33)))
    assert world.live["share"] > 0
    request = world.request()
    file = sorted((world.folder / "store" / "rollouts" / "nlu" / request.rollout).iterdir())[5]
    file.write_bytes(file.read_bytes()[:40])
    world.pass_time(60)
    with pytest.raises(BadInput, match="damaged or cut short"):
        deploy(request, ports(world, holder="two"))
    assert world.live["share"] == 0
    assert world.live["champion"] == OLD


def test_an_entry_that_was_changed_is_found(world):
    result = deploy(world.request(), ports(world))
    file = sorted((world.folder / "store" / "rollouts" / "nlu" / result["rollout"]).iterdir())[5]
    entry = json.loads(file.read_bytes())
    entry["decision"]["reasons"] = ["because"]
    file.write_text(json.dumps(entry))
    with pytest.raises(BadInput, match="does not follow the entry before it"):
        entries(world, result)


def test_replay_finds_a_decision_that_does_not_follow(world):
    found = entries(world, deploy(world.request(), ports(world)))
    number = next(each["number"] for each in found if each["kind"] == "look")
    found[number]["look"]["canary"]["errors"] = found[number]["look"]["canary"]["requests"]
    assert replay(found)[0].startswith(f"entry {number}: says")


def test_hostile_label_files_are_counted_and_left_out(world):
    label = {"request_id": "0-1", "label": {"intent": 7, "tags": ["O", "O"]}}
    lines = [b"{", b"[" * 5000, b'"x"', json.dumps(label).encode(), b"\xff\xfe", b"{}" * 9]
    short = {"request_id": "3-1", "label": {"intent": "fly", "tags": ["O"]}}
    odd = {"request_id": "3-2", "label": {"intent": "fly", "tags": ["Z-x", "O"]}}
    lines += [json.dumps(each).encode() for each in (short, odd)]

    def attack(world):
        world.store.create("labels/nlu/attacker/0.jsonl", b"\n".join(lines))

    world.events[12.0] = attack
    found = ended(world, deploy(world.request(), ports(world)), "promoted")
    refused = [each["refused"] for each in found if each.get("refused")]
    assert sum(each.get("labels: not of the stated form", 0) for each in refused) == 7


def test_a_model_altered_after_its_evaluation_is_not_rolled_out(world):
    request = world.request()
    (world.folder / "model" / "model.json").write_text('{"altered": true}')
    result = deploy(request, ports(world))
    assert result["reasons"] == ["the model was altered after its evaluation"]
    ended(world, result, "rolled_back")


def test_a_person_is_asked_before_ramp_and_promotion(world):
    record = FileRecord(world.folder / "state.json")
    seen = {}

    def approve(gate):
        def act(world):
            value, version = record.read()
            seen[gate] = (value["asks"], world.live["share"])
            record.write(value | {"approved": (value.get("approved") or {}) | {gate: "ann"}}, version)

        return act

    world.events |= {60.0: approve("ramp"), 200.0: approve("promotion")}
    result = deploy(world.request(approvals=["ramp", "promotion"]), ports(world))
    found = ended(world, result, "promoted")
    assert seen == {"ramp": ("ramp", 0.0), "promotion": ("promotion", 1.0)}
    assert [each["by"] for each in found if each["kind"] == "approved"] == ["ann", "ann"]


def test_a_person_can_abort(world):
    record = FileRecord(world.folder / "state.json")

    def abort(world):
        value, version = record.read()
        record.write(value | {"abort": "complaints from users"}, version)

    world.events[40.0] = abort
    result = deploy(world.request(), ports(world))
    ended(world, result, "rolled_back")
    assert result["reasons"] == ["complaints from users"]


def test_a_process_that_is_told_to_end_leaves_everything_as_it_is(world):
    world.events[45.0] = lambda world: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit) as ended_by:
        deploy(world.request(), ports(world))
    assert ended_by.value.code == 128 + signal.SIGTERM
    assert world.live["candidate"] == world.digest
    assert world.live["share"] > 0
    assert FileRecord(world.folder / "lease.json").read()[0]["holder"] == ""
    ended(world, deploy(world.request(), ports(world, holder="two")), "promoted")


def test_logged_requests_with_labels_are_rows_like_others(world):
    deploy(world.request(), ports(world))
    rows = labelled_requests(world.store, "nlu", 500)
    assert sorted(rows["intent"].to_pylist()) == sorted(WORDS)
    assert all(
        tokens == [intent, "now"]
        for tokens, intent in zip(*rows.select(["tokens", "intent"]).to_pydict().values(), strict=True)
    )


def test_a_rollout_whose_process_is_gone_is_finalised(world):
    with pytest.raises(Killed):
        deploy(world.request(), ports(world, Fault(at=33)))
    assert world.live["share"] > 0
    result = finalise("nlu", ports(world, holder="exit handler"))
    ended(world, result, "rolled_back")
    assert finalise("nlu", ports(world, holder="exit handler"))["outcome"] == "skipped"


def test_a_rollout_that_was_decided_is_finalised_as_decided(tmp_path):
    for at in range(1, 80):
        world = World(tmp_path / str(at), rate=60)
        try:
            deploy(world.request(**SHORT), ports(world, Fault(at)))
            break
        except Killed:
            pass
        value, _ = FileRecord(world.folder / "state.json").read()
        result = finalise("nlu", ports(world, holder="exit handler"))
        if result["outcome"] == "promoted":
            ended(world, result, "promoted")
            return
        if value and value.get("rollout") and not value.get("ended") and result["outcome"] != "skipped":
            ended(world, result, "rolled_back")
    pytest.fail("no kill came after the decision")


def test_somebody_else_changing_the_share_is_set_right(world):
    world.events[40.0] = lambda world: world.live.update(share=0.9)
    found = ended(world, deploy(world.request(), ports(world)), "promoted")
    assert [each["seen"] for each in found if each["kind"] == "lost"] == [0.9]


def test_a_first_deployment_is_held_to_its_limits(tmp_path):
    for name, accuracy, outcome in (("good", 0.9, "promoted"), ("bad", 0.5, "rolled_back")):
        world = World(tmp_path / name, accuracy={"candidate": (0.9, accuracy, 0.9)})
        world.live["champion"] = None
        result = deploy(world.request(), ports(world))
        assert result["outcome"] == outcome, result
        assert replay(entries(world, result)) == []
        assert world.live["champion"] == (world.digest if outcome == "promoted" else None)
        assert world.live["candidate"] is None


@pytest.fixture
def shadowed(world, monkeypatch):
    """Shadow pairs drawn by the world's accuracies."""

    def pairs(addresses, service, rows, groups, count):
        size = np.bincount(groups, minlength=count)
        right = {
            variant: [world.random.binomial(n, p) for n, p in zip(size, (*rates, 1), strict=True)]
            for variant, rates in world.accuracy.items()
        }
        both = [min(pair) for pair in zip(right["champion"], right["candidate"], strict=True)]
        worse = tuple(int(old - same) for old, same in zip(right["champion"], both, strict=True))
        better = tuple(int(new - same) for new, same in zip(right["candidate"], both, strict=True))
        return Pairs(tuple(map(int, size)), worse, better)

    monkeypatch.setattr(module, "shadow_pairs", pairs)
    return world


def test_a_shadow_run_shows_harm_before_any_user_meets_it(shadowed):
    shadowed.accuracy = WORSE
    result = deploy(shadowed.request(strategy="shadow"), ports(shadowed))
    found = ended(shadowed, result, "rolled_back")
    assert not [each for each in found if each["kind"] == "share" and each["share"] > 0]


def test_a_shadow_run_moves_no_traffic(shadowed):
    result = deploy(shadowed.request(strategy="shadow"), ports(shadowed))
    ended(shadowed, result, "inconclusive")
    assert result["reasons"][0].endswith("no traffic was moved")


def test_a_shadow_run_asks_no_row_twice(shadowed):
    request = shadowed.request(strategy="shadow", min_pairs=5000)
    result = deploy(request, ports(shadowed))
    found = ended(shadowed, result, "inconclusive")
    assert result["reasons"][0].startswith(f"all {len(request.rows)} labelled rows were asked: shadow pairs")
    pairs = sum(sum(each["look"]["shadow"]["compared"]) for each in found if each["kind"] == "look")
    assert pairs == len(request.rows)


def test_blue_green_moves_everything_at_once_on_the_proof_of_shadow_pairs(shadowed):
    found = ended(shadowed, deploy(shadowed.request(strategy="blue_green"), ports(shadowed)), "promoted")
    assert [each["share"] for each in found if each["kind"] == "share"] == [1.0]


def test_an_ab_run_takes_its_time(world):
    plan = {"strategy": "ab", "min_looks": 8}
    found = ended(world, deploy(world.request(**plan), ports(world)), "promoted")
    assert sum(each["kind"] == "look" for each in found) == 8


def test_rare_strata_are_taken_together(world):
    request = world.request(rare=0.5)
    result = deploy(request, ports(world))
    begin = entries(world, result)[0]
    names = [each["stratum"] for each in STRATIFIER["strata"]]
    assert begin["strata"] == [
        {"name": "any: (no slot)", "strata": names[:-1]},
        {"name": "other", "strata": ["other"]},
    ]


def test_where_a_rollout_stands_follows_from_its_entries_alone(world):
    found = entries(world, deploy(world.request(), ports(world)))
    for number in range(1, len(found)):
        stood = progress(found[:number])
        assert stood is not None and (stood.phase == "ended") is False
    assert progress(found).phase == "ended"


def test_a_conflict_between_two_first_rollouts_lets_one_go_on(world):
    touched = ports(world)

    def lost(value, version):
        raise Conflict("changed meanwhile")

    touched.record.write = lost
    assert deploy(world.request(), touched)["reasons"] == ["another rollout began at the same time"]
