"""A server is brought to hold what Git declares, and no run under way is ever cut short."""

import json
import random
import threading
import time

import pytest
from typer.testing import CliRunner

from adsmu.errors import BadInput, StepFailed
from adsmu.recurring.declared import read_declared
from adsmu.recurring.reconcile import difference, reconcile
from adsmu.recurring.server import Server
from adsmu.recurring_command import app
from adsmu.submit.server import connect

NIGHTLY = {
    "name": "nightly",
    "pipeline": "update",
    "cron": "0 0 3 * * *",
    "parameters": {"champion": "minio://models/champion", "max_rounds": 4},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "recurring.yaml"

    def write(*recurring, owner="nlu", experiment="update"):
        path.write_text(json.dumps({"owner": owner, "experiment": experiment, "recurring": recurring}))
        return path

    return write


@pytest.fixture
def apply(kfp_api, file):
    """Applies recurring runs; returns the acts that were told."""

    def act(*recurring, wait=0.0, **more):
        told = []
        declared = read_declared(file(*recurring, **more))
        reconcile(
            declared,
            Server(connect(kfp_api.host, kfp_api.namespace)),
            wait=wait,
            settle=0.0,
            tell=told.append,
        )
        return [line.split() for line in told if not line.startswith("keep")]

    return act


def acts(kfp_api, path):
    found = difference(read_declared(path), Server(connect(kfp_api.host, kfp_api.namespace)))[0]
    return [(change.act, change.name) for change in found.changes], found


def test_a_declared_run_is_made_by_its_pipeline_only(kfp_api, apply):
    assert apply(NIGHTLY) == [["create", "nightly"]]
    (made,) = kfp_api.named("nightly")
    assert made["pipeline_version_reference"] == {"pipeline_id": "pipeline-1"}
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert made["runtime_config"] == {"parameters": NIGHTLY["parameters"]}
    assert (made["status"], made["max_concurrency"], made["no_catchup"]) == ("ENABLED", "1", True)
    assert kfp_api.experiments[made["experiment_id"]]["display_name"] == "update"


def test_applying_again_changes_nothing(kfp_api, apply):
    hourly = {"name": "hourly", "pipeline": "update", "period": 3600, "enabled": False, "catch_up": True}
    hourly["parameters"] = {"champion": "", "settings": {"a": [1, 2.5, {}]}, "strict": False, "max_rounds": 0}
    assert apply(NIGHTLY, hourly) == [["create", "nightly"], ["create", "hourly"]]
    before, calls = dict(kfp_api.recurring), len(kfp_api.calls)
    assert apply(NIGHTLY, hourly) == []
    assert (kfp_api.recurring, len(kfp_api.calls)) == (before, calls)


def test_a_description_of_the_longest_owner_fits(kfp_api, apply):
    apply(NIGHTLY, owner="o" * 63)
    assert len(kfp_api.named("nightly")[0]["description"]) <= 255


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("cron", "0 0 4 * * *", 'cron "0 0 3 * * *" -> "0 0 4 * * *"'),
        ("concurrency", 2, "concurrency 1 -> 2"),
        ("catch_up", True, "catch_up false -> true"),
        ("parameters", {"champion": "c"}, "max_rounds 4 -> none"),
    ],
)
def test_a_changed_run_is_made_anew_and_the_plan_says_why(kfp_api, apply, file, key, value, why):
    apply(NIGHTLY)
    old = kfp_api.named("nightly")[0]["recurring_run_id"]
    changed = NIGHTLY | {key: value}
    calls = len(kfp_api.calls)
    planned, found = acts(kfp_api, file(changed))
    assert planned == [("replace", "nightly")]
    assert why in found.changes[0].why
    assert len(kfp_api.calls) == calls
    assert apply(changed) == [["replace", "nightly"]]
    (new,) = kfp_api.named("nightly")
    assert new["recurring_run_id"] != old
    assert acts(kfp_api, file(changed))[1].settled


def test_a_run_under_way_is_waited_for_before_its_schedule_is_deleted(kfp_api, apply):
    apply(NIGHTLY)
    old = kfp_api.named("nightly")[0]["recurring_run_id"]
    run = kfp_api.fire(old, "RUNNING")
    seen = []

    def end_it():
        time.sleep(0.3)
        seen.append(kfp_api.recurring[old]["status"])
        kfp_api.runs[run]["state"] = "SUCCEEDED"

    thread = threading.Thread(target=end_it)
    thread.start()
    try:
        assert apply(NIGHTLY | {"concurrency": 2}, wait=20.0) == [["replace", "nightly"]]
    finally:
        thread.join()
    assert seen == ["DISABLED"]
    assert kfp_api.killed == []
    assert kfp_api.named("nightly")[0]["recurring_run_id"] != old


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "CANCELING", "PAUSED", "RUNTIME_STATE_UNSPECIFIED"])
@pytest.mark.parametrize("wanted", [[], [NIGHTLY | {"concurrency": 2}]])
def test_a_run_that_does_not_end_in_time_is_named_and_its_schedule_stays(kfp_api, apply, state, wanted):
    apply(NIGHTLY)
    old = kfp_api.named("nightly")[0]["recurring_run_id"]
    kfp_api.fire(old, "SUCCEEDED")
    run = kfp_api.fire(old, state)
    for _ in range(3):
        kfp_api.fire(old, "FAILED")
    with pytest.raises(StepFailed, match=rf"nightly \(runs {run}\); when they have ended"):
        apply(*wanted)
    assert kfp_api.named("nightly")[0]["status"] == "DISABLED"
    assert kfp_api.killed == []
    kfp_api.runs[run]["state"] = "CANCELED"
    apply(*wanted)
    assert [each["status"] for each in kfp_api.named("nightly")] == ["ENABLED"] * len(wanted)
    assert old not in kfp_api.recurring


def test_one_that_must_wait_does_not_hold_up_the_others(kfp_api, apply):
    weekly = NIGHTLY | {"name": "weekly"}
    apply(NIGHTLY, weekly)
    kfp_api.fire(kfp_api.named("nightly")[0]["recurring_run_id"], "RUNNING")
    with pytest.raises(StepFailed, match="nightly"):
        apply(NIGHTLY | {"concurrency": 2}, weekly | {"concurrency": 2})
    assert kfp_api.named("weekly")[0]["max_concurrency"] == "2"


def test_disabling_is_done_in_place_while_a_run_is_under_way(kfp_api, apply):
    apply(NIGHTLY)
    old = kfp_api.named("nightly")[0]["recurring_run_id"]
    kfp_api.fire(old, "RUNNING")
    assert apply(NIGHTLY | {"enabled": False}) == [["disable", "nightly"]]
    assert kfp_api.recurring[old]["status"] == "DISABLED"


def test_one_that_is_not_to_catch_up_is_made_anew_when_it_is_enabled(kfp_api, apply):
    apply(NIGHTLY | {"enabled": False})
    old = kfp_api.named("nightly")[0]["recurring_run_id"]
    assert apply(NIGHTLY) == [["replace", "nightly"]]
    (new,) = kfp_api.named("nightly")
    assert new["recurring_run_id"] != old
    assert new["status"] == "ENABLED"


def test_one_that_is_to_catch_up_is_enabled_in_place(kfp_api, apply):
    apply(NIGHTLY | {"enabled": False, "catch_up": True})
    old = kfp_api.named("nightly")[0]["recurring_run_id"]
    assert apply(NIGHTLY | {"catch_up": True}) == [["enable", "nightly"]]
    assert kfp_api.recurring[old]["status"] == "ENABLED"


def test_what_is_no_longer_declared_is_pruned_and_what_is_not_owned_stays(kfp_api, apply):
    apply(NIGHTLY, NIGHTLY | {"name": "weekly"})
    apply(NIGHTLY | {"name": "theirs"}, owner="others")
    (experiment,) = kfp_api.experiments
    by_hand = {"recurring_run_id": "by-hand", "display_name": "by hand", "experiment_id": experiment}
    kfp_api.recurring["by-hand"] = by_hand | {
        "description": "adsmu recurring, owner nlu",
        "status": "ENABLED",
    }
    assert apply(NIGHTLY) == [["delete", "weekly"]]
    assert {each["display_name"] for each in kfp_api.recurring.values()} == {"nightly", "theirs", "by hand"}
    assert apply() == [["delete", "nightly"]]
    assert {each["display_name"] for each in kfp_api.recurring.values()} == {"theirs", "by hand"}


def test_another_experiment_takes_the_runs_along(kfp_api, apply):
    apply(NIGHTLY)
    assert sorted(apply(NIGHTLY, experiment="other")) == [["create", "nightly"], ["delete", "nightly"]]
    (only,) = kfp_api.named("nightly")
    assert kfp_api.experiments[only["experiment_id"]]["display_name"] == "other"


@pytest.mark.parametrize(
    "description", ["", "mine", "adsmu recurring, owner others, content sha256:" + "0" * 64]
)
def test_one_of_this_name_that_somebody_else_made_is_not_touched(kfp_api, apply, description):
    apply(NIGHTLY)
    kfp_api.named("nightly")[0]["description"] = description
    calls = len(kfp_api.calls)
    with pytest.raises(StepFailed, match="nothing was changed: nightly: the one on the server"):
        apply(NIGHTLY, NIGHTLY | {"name": "weekly"})
    assert len(kfp_api.calls) == calls


def test_two_of_one_name_are_refused(kfp_api, apply):
    apply(NIGHTLY)
    (first,) = kfp_api.named("nightly")
    kfp_api.recurring["twin"] = first | {"recurring_run_id": "twin"}
    with pytest.raises(StepFailed, match=r"holds 2 of this name \(.*twin\): delete all but one"):
        apply(NIGHTLY)


def test_a_change_by_hand_is_seen_and_undone(kfp_api, apply, file):
    apply(NIGHTLY)
    kfp_api.named("nightly")[0]["trigger"] = {"cron_schedule": {"cron": "0 * * * * *"}}
    _, found = acts(kfp_api, file(NIGHTLY))
    assert found.changes[0].why[0] == "was changed by hand"
    assert apply(NIGHTLY) == [["replace", "nightly"]]
    assert kfp_api.named("nightly")[0]["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}


def test_one_that_is_bound_to_a_version_is_made_anew(kfp_api, apply, file):
    apply(NIGHTLY)
    kfp_api.named("nightly")[0]["pipeline_version_reference"]["pipeline_version_id"] = "version-2"
    assert "is bound to one version of its pipeline" in acts(kfp_api, file(NIGHTLY))[1].changes[0].why
    apply(NIGHTLY)
    assert kfp_api.named("nightly")[0]["pipeline_version_reference"] == {"pipeline_id": "pipeline-1"}


def test_a_pipeline_that_was_deleted_and_made_again_gets_its_schedules_back(kfp_api, apply):
    apply(NIGHTLY)
    kfp_api.pipelines.clear()
    again = kfp_api.add_pipeline("update")
    kfp_api.add_version(again, "update-2", 5)
    assert apply(NIGHTLY) == [["replace", "nightly"]]
    assert kfp_api.named("nightly")[0]["pipeline_version_reference"] == {"pipeline_id": again}


def test_parameters_that_come_back_as_json_text_are_no_change(kfp_api, apply):
    given = {"champion": "c", "max_rounds": 4, "settings": {"a": [1]}, "strict": True}
    apply(NIGHTLY | {"parameters": given})
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    kfp_api.named("nightly")[0]["runtime_config"]["parameters"] = texts
    assert apply(NIGHTLY | {"parameters": given}) == []


def _no_pipeline(api):
    api.pipelines.clear()


def _two_pipelines(api):
    api.add_version(api.add_pipeline("update"), "update-1", 3)


def _no_version(api):
    api.versions["pipeline-1"].clear()


def _a_tie(api):
    api.add_version("pipeline-1", "update-2", 0)


def _needs_more(api):
    api.add_version("pipeline-1", "update-2", 9, {"champion": {}, "max_rounds": {}, "region": {}})


def _drops_one(api):
    api.add_version("pipeline-1", "update-2", 9, {"champion": {"parameterType": "STRING"}})


def _other_type(api):
    api.add_version(
        "pipeline-1",
        "update-2",
        9,
        {"champion": {"parameterType": "STRUCT"}, "max_rounds": {"parameterType": "NUMBER_INTEGER"}},
    )


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (_no_pipeline, "there is no pipeline 'update'"),
        (_two_pipelines, "there are 2 pipelines 'update'"),
        (_no_version, "lists no version"),
        (_a_tie, "update-2 of 'update' were made in the same second"),
        (_needs_more, "version update-2 needs the parameter 'region'"),
        (_drops_one, "version update-2 has no parameter 'max_rounds'"),
        (_other_type, "parameter 'champion' of version update-2 is a STRUCT"),
    ],
)
def test_what_would_stop_a_schedule_in_silence_is_refused(kfp_api, apply, file, spoil, rule):
    apply(NIGHTLY)
    spoil(kfp_api)
    before, calls = dict(kfp_api.recurring), len(kfp_api.calls)
    with pytest.raises(StepFailed, match="nothing was changed") as caught:
        apply(NIGHTLY)
    assert rule in str(caught.value)
    assert (kfp_api.recurring, len(kfp_api.calls)) == (before, calls)
    assert not acts(kfp_api, file(NIGHTLY))[1].settled


def test_the_newest_version_counts_whatever_the_order(kfp_api, apply):
    kfp_api.add_version("pipeline-1", "update-3", 30)
    kfp_api.add_version("pipeline-1", "update-2", 10, {})
    assert apply(NIGHTLY) == [["create", "nightly"]]


def test_an_experiment_that_somebody_else_makes_meanwhile_is_used(kfp_api, apply):
    kfp_api.faults.append(("POST", "experiments", 409, True))
    apply(NIGHTLY)
    (experiment,) = kfp_api.experiments
    assert kfp_api.named("nightly")[0]["experiment_id"] == experiment


def test_an_archived_experiment_is_refused(kfp_api, apply):
    apply(NIGHTLY)
    next(iter(kfp_api.experiments.values()))["storage_state"] = "ARCHIVED"
    with pytest.raises(BadInput, match="'update' is archived"):
        apply(NIGHTLY)


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        ("POST", "experiments"),
        ("POST", "recurringruns"),
        ("POST", "recurringruns/.*:disable"),
        ("DELETE", "recurringruns/.*"),
        ("GET", "runs"),
        ("GET", "recurringruns/[^:]*"),
    ],
)
def test_an_apply_that_was_cut_short_anywhere_is_carried_on_by_the_next(kfp_api, apply, file, fault, applied):
    if fault[1] != "experiments":
        apply(NIGHTLY, NIGHTLY | {"name": "gone"})
    wanted = [NIGHTLY | {"concurrency": 3}, NIGHTLY | {"name": "new"}]
    kfp_api.faults.append((*fault, 500, applied))
    try:
        apply(*wanted)
    except StepFailed as error:
        assert "unwell" in str(error)
    apply(*wanted)
    assert acts(kfp_api, file(*wanted))[1].settled
    assert sorted(each["display_name"] for each in kfp_api.recurring.values()) == ["new", "nightly"]


def test_any_sequence_of_files_ends_with_what_the_last_one_declares(kfp_api, apply, file):
    draw = random.Random(7)
    for _ in range(12):
        wanted = [
            NIGHTLY | {"name": name, "concurrency": draw.randint(1, 3), "enabled": draw.random() < 0.7}
            for name in draw.sample(["a", "b", "c", "d"], draw.randint(0, 4))
        ]
        apply(*wanted)
        assert apply(*wanted) == []
        held = {
            e["display_name"]: (int(e["max_concurrency"]), e["status"] == "ENABLED")
            for e in kfp_api.recurring.values()
        }
        assert held == {each["name"]: (each["concurrency"], each["enabled"]) for each in wanted}


def test_a_server_that_holds_something_else_than_it_was_given_is_found_out(kfp_api, apply):
    def drop(api):
        for each in api.named("nightly"):
            each["trigger"] = {}

    kfp_api.on_write = drop
    with pytest.raises(StepFailed, match=r"holds something else than it was given.*cron none -> "):
        apply(NIGHTLY)
    assert kfp_api.named("nightly")[0]["status"] == "DISABLED"


@pytest.mark.parametrize(
    ("code", "words"),
    [(401, "wants a login"), (403, "no right"), (400, "refuses"), (500, "cannot answer now"), (429, "now")],
)
def test_a_server_that_refuses_is_told_in_one_line(kfp_api, apply, code, words):
    kfp_api.faults.append(("GET", "experiments", code, False))
    with pytest.raises((BadInput, StepFailed), match=words) as caught:
        apply(NIGHTLY)
    assert "\n" not in str(caught.value)


def test_on_a_server_with_users_everything_stands_in_the_namespace(kfp_api, apply):
    kfp_api.namespace = "team-nlu"
    assert apply(NIGHTLY) == [["create", "nightly"]]
    assert apply(NIGHTLY) == []
    assert kfp_api.named("nightly")[0]["namespace"] == "team-nlu"
    assert next(iter(kfp_api.experiments.values()))["namespace"] == "team-nlu"


def test_an_address_where_nobody_answers_is_told_in_one_line(file):
    result = CliRunner().invoke(app, ["plan", str(file(NIGHTLY)), "--host", "http://127.0.0.1:9"])
    assert isinstance(result.exception, StepFailed)
    assert "does not answer" in str(result.exception)


def test_the_commands_plan_apply_and_tell_the_status(kfp_api, file):
    def call(*words):
        result = CliRunner().invoke(app, [*words, "--host", kfp_api.host])
        return result.exit_code, result.output

    path = str(file(NIGHTLY | {"enabled": False}))
    code, output = call("plan", path)
    assert (code, output) == (0, "create  nightly  pipeline update, cron '0 0 3 * * *'; not enabled\n")
    assert kfp_api.calls == []
    code, output = call("status", path)
    assert code == 1
    assert "no: create" in output
    assert call("apply", path)[0] == 0
    kfp_api.fire(kfp_api.named("nightly")[0]["recurring_run_id"], "SUCCEEDED")
    kfp_api.fire(kfp_api.named("nightly")[0]["recurring_run_id"], "FAILED")
    code, output = call("status", path, "--json")
    assert code == 0
    (row,) = json.loads(output)["recurring"]
    assert (row["name"], row["enabled"], row["declared"]) == ("nightly", False, "yes")
    assert row["last"].startswith("FAILED, 2026-11-21 11:")
    assert call("plan", path) == (0, "keep    nightly\nthe server holds what the file declares\n")
    kfp_api.pipelines.clear()
    code, output = call("plan", path, "--json")
    assert code == 1
    assert json.loads(output)["refusals"] == ["nightly: there is no pipeline 'update': apply it first"]
