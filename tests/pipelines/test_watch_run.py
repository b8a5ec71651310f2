"""The watch pipeline: what it says to the engine, and a run of it under an unpatched kfp.local."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from kfp import local

from adsmu.canary_deploy.release import crown
from adsmu.data.schema import read_utterances
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.form_dataset.form import read_dataset
from adsmu.lineage.kept import keep_origin
from adsmu.monitor.findings import Window
from adsmu.monitor.history import read_history
from adsmu.monitor.system import read_system
from adsmu.pipelines.rules import check
from adsmu.pipelines.storage import KEYS, SECRET
from adsmu.pipelines.watch.pipeline import compiled, load
from adsmu.pipelines.watch.window import newest_window, open_window
from adsmu.profile.log import append
from adsmu.profile.observations import read_observations, write_observations
from adsmu.serve.events import WriteAhead
from adsmu.store import open_store
from adsmu.strategy import read_strategy
from adsmu.submit import once
from adsmu.submit.once import as_utterances, update_once
from adsmu.train.run import train_files

START = datetime(2026, 1, 5, tzinfo=UTC)
STRATEGY = """
name: speaker
columns: {features: [tokens]}
window: 1w
signals: {accuracy: , staleness: }
triggers:
  accuracy: {kind: performance, signal: accuracy}
  asked: {kind: manual}
evaluation_set: {hold_out: 0s}
"""


WORDS = {"tokens": ["play"], "tags": ["O"], "domain": "home", "intent": "Play"}


def seen(week: int, words: list[dict]) -> list[dict]:
    """A week of requests that the model answered rightly, five of each utterance."""
    rows = []
    for number, each in enumerate(words * 5):
        time = START + timedelta(weeks=week) + timedelta(minutes=50) * number
        row = {name: each[name] for name in ("tokens", "tags", "domain")}
        row |= {"id": f"{week}-{number}", "time": time, "model": "sha256:a", "score": 0.9 + number % 10 / 100}
        rows.append(row | {"prediction": each["intent"], "label": each["intent"], "label_time": time})
    return rows


@pytest.fixture(scope="module")
def watched(inputs, tmp_path_factory):
    """A run that a person asks to update, whose update runs in it."""
    folder = tmp_path_factory.mktemp("watch")
    store = folder / "store"
    log = WriteAhead(folder / "log", open_store(store), "speaker", flush=0)
    words = read_utterances(inputs.corpus.user).to_pylist()
    append(log, [row for week in range(2) for row in seen(week, words)])
    log.close()
    write_observations(pa.Table.from_pylist(seen(-3, words)), folder / "validation.parquet")
    (folder / "strategy.yaml").write_text(STRATEGY)
    local.init(
        local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "steps"), enable_caching=False
    )
    load()(
        strategy=str(folder / "strategy.yaml"),
        validation=str(folder / "validation.parquet"),
        service="speaker",
        store=str(store),
        host="local",
        until="2026-01-20",
        asked="a new use case",
        update={
            "existing": str(inputs.corpus.existing),
            "test": str(inputs.corpus.test),
            "catalog": str(inputs.corpus.catalog),
            "champion": str(inputs.knowing_champion),
            "trainer": inputs.trainer,
            "max_rounds": 1,
            "evaluation_rows": 4,
            "rows_per_stratum": 2,
            "target": 0.6,
            "mode": "full",
            "early_mode": "full",
            "settings": {"needed": 1},
        },
    )
    return folder


def test_it_obeys_every_rule_and_is_guarded_by_the_decision():
    spec = compiled()
    check(spec.pipeline)
    tasks = spec.pipeline["root"]["dag"]["tasks"]
    steps = {name for name in tasks if not name.startswith("importer")}
    assert steps == {
        "open-window", "profile", "profile-2", "monitor", "analyze", "decide", "keep-window", "renew",
    }  # fmt: skip
    condition = tasks["renew"]["triggerPolicy"]["condition"]
    assert condition == "inputs.parameter_values['pipelinechannel--decide--action'] == 'update'"
    assert set(spec.pipeline["components"]["comp-renew"]["dag"]["tasks"]) == {"form-dataset", "submit-update"}


def test_what_touches_the_store_is_never_cached():
    spec = compiled()
    tasks = spec.pipeline["root"]["dag"]["tasks"] | spec.pipeline["components"]["comp-renew"]["dag"]["tasks"]
    uncached = {name for name, task in tasks.items() if not task.get("cachingOptions", {}).get("enableCache")}
    assert uncached >= {"open-window", "decide", "keep-window", "submit-update"}
    assert not uncached & {"profile", "profile-2", "monitor", "analyze"}


def test_what_touches_the_store_and_nothing_else_is_given_its_credentials():
    executors = compiled().platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    given = {name for name, each in executors.items() if "secretAsEnv" in each}
    assert given == {f"exec-{step}" for step in ("open-window", "decide", "keep-window", "submit-update")}
    (secret,) = executors["exec-decide"]["secretAsEnv"]
    assert secret["optional"]
    assert secret["secretNameParameter"]["runtimeValue"]["constant"] == SECRET
    assert {each["envVar"] for each in secret["keyToEnv"]} == set(KEYS)


def test_the_secret_is_that_of_the_manifests():
    template = Path(__file__).parents[2] / "manifests" / "base" / "object-store-secret.template.yaml"
    declared = yaml.safe_load(template.read_text())
    assert (declared["metadata"]["name"], set(declared["stringData"])) == (SECRET, set(KEYS))


def test_a_decision_to_update_runs_the_update_once(watched):
    store = open_store(watched / "store")
    (name,) = store.names("updates/speaker")
    record = json.loads(store.read(name))
    (decision,) = [json.loads(store.read(each)) for each in store.names("decisions/speaker")]
    assert decision["action"] == "update"
    assert record["decision"] == decision["event"] == name.split("/")[-1].removesuffix(".json")
    assert record["strategy"] == decision["strategy"]
    assert record["reason"] == decision["reason"] == "asked: a new use case"
    (run,) = (watched / "store" / "runs").iterdir()
    assert str(run) == record["run"]
    (dataset,) = (watched / "store" / "datasets" / "speaker").iterdir()
    (path,) = (watched / "store" / "windows" / "speaker").glob("20260112*/decision.json")
    again = update_once(
        path,
        dataset,
        watched / "strategy.yaml",
        store=str(watched / "store"),
        parameters={},
        host="local",
    )
    assert again == str(run)
    assert len(list((run / "steps").iterdir())) == 1
    (evaluation,) = [path for path in run.rglob("evaluation") if path.is_file()]
    assert read_json(evaluation)["round"] == 0


def test_the_update_learns_from_the_dataset_that_the_record_names(watched):
    store = open_store(watched / "store")
    record = json.loads(store.read(store.names("updates/speaker")[0]))
    (folder,) = (watched / "store" / "datasets" / "speaker").iterdir()
    described, rows = read_dataset(folder)
    assert described["id"] == record["dataset"]
    assert described["rows"] == 360
    user = read_utterances(folder / "utterances.parquet")
    assert user["id"].to_pylist() == rows["id"].to_pylist()
    assert user["intent"].to_pylist() == rows["label"].to_pylist()


def opened(folder, watched, *, service="speaker", until="2026-01-19", strategy="strategy.yaml"):
    """What a run at a time takes out of the store, and where it put it."""
    names = ("seen.parquet", "window.parquet", "readings.parquet", "history", "previous")
    places = [folder / name for name in names]
    given = watched / strategy, until, *places, watched / "validation.parquet"
    return open_window(str(watched / "store"), service, *given), *places


def test_what_the_first_run_hands_on_is_no_empty_folder_which_object_storage_would_lose(watched, tmp_path):
    (watched / "first.yaml").write_text(STRATEGY.replace("name: speaker", "name: first"))
    _, *_, history, previous = opened(tmp_path, watched, strategy="first.yaml")
    assert all(list(folder.iterdir()) for folder in (history, previous))
    assert read_history(history, Window(START, START + timedelta(weeks=1))) == []


def test_the_window_is_kept_for_the_next_run(watched, tmp_path):
    found, *_, history, previous = opened(tmp_path, watched)
    assert (found["begin"], found["end"]) == ("2026-01-12T00:00:00+00:00", "2026-01-19T00:00:00+00:00")
    assert (found["labelled"], found["unfit"]) == (360, "")
    kept = history / "20260112T000000"
    assert {path.name for path in kept.iterdir()} == {
        "profile.parquet", "findings.json", "analysis.json", "decision.json",
    }  # fmt: skip
    assert (previous / "dataset.json").exists()


def test_a_window_without_rows_is_a_finding_that_is_kept_and_opens_nothing(watched):
    local.init(
        local.SubprocessRunner(use_venv=False), pipeline_root=str(watched / "again"), enable_caching=False
    )
    load()(
        strategy=str(watched / "strategy.yaml"),
        validation=str(watched / "validation.parquet"),
        service="speaker",
        store=str(watched / "store"),
        host="local",
        until="2026-01-27",
    )
    kept = watched / "store" / "windows" / "speaker" / "20260119T000000"
    findings, analysis, decision = (
        read_json(kept / f"{name}.json") for name in ("findings", "analysis", "decision")
    )
    assert findings["window"]["rows"] == 0
    assert {each["signal"] for each in findings["findings"]} == {"staleness"}
    assert analysis["recommendation"] == {
        "action": "mend_data", "reason": "the window has no rows", "dataset": None,
    }  # fmt: skip
    assert decision["action"] == "do_not_update"
    assert len(open_store(watched / "store").names("updates/speaker")) == 1


def test_a_service_that_never_logged_anything_is_bad_input(watched, tmp_path):
    with pytest.raises(BadInput, match="service speakers: nothing was logged before 2026-01-19"):
        opened(tmp_path, watched, service="speakers")
    assert not list(tmp_path.iterdir())


def test_a_window_that_lacks_what_an_analysis_needs_is_written_and_said_to_be_unfit(watched, tmp_path):
    log = WriteAhead(tmp_path / "log", open_store(watched / "store"), "wordless", flush=0)
    rows = [{name: row[name] for name in ("id", "time", "prediction", "label")} for row in seen(1, [WORDS])]
    append(log, rows)
    log.close()
    found, _, window, *_ = opened(tmp_path, watched, service="wordless")
    assert found["unfit"] == "column tokens: the column is missing, which an analysis needs"
    assert len(read_observations(window)) == 5
    (needs,) = (watched / "store" / "specifications" / "speaker").iterdir()
    assert set(read_json(needs)["columns"]) == {"prediction", "tokens"}


def test_requests_that_failed_and_what_pods_used_are_readings_not_rows(watched, tmp_path):
    log = WriteAhead(tmp_path / "log", open_store(watched / "store"), "predictor", flush=0)
    time = (START + timedelta(weeks=1, hours=1)).timestamp()
    events = [
        {"request_id": str(n), "time": time + n, "variant": "champion", "model": "sha256:a", "stratum": "s",
         "tokens": ["play"], "domain": "home", "intent": None if n == 3 else "Play", "seconds": 0.1,
         "code": 500 if n == 3 else 200}
        for n in range(4)
    ]  # fmt: skip
    log.append("events", [json.dumps(event) for event in events])
    used = {"time": time, "pod": "p", "metric": "memory", "value": 9.5e8, "limit": 1e9}
    log.append("readings", [json.dumps(used)])
    log.close()
    found, _, window, readings, *_ = opened(tmp_path, watched, service="predictor")
    assert found["unfit"] == ""
    assert len(read_observations(window)) == 3
    values = {row["metric"]: row["value"] for row in read_system(readings).to_pylist()}
    assert values == {"memory": 9.5e8, "seconds": pytest.approx(0.1), "errors": 0.25}


@pytest.mark.parametrize("length", [timedelta(hours=6), timedelta(days=1), timedelta(weeks=1)])
def test_the_newest_window_is_over_and_its_successor_is_not(length):
    now = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)
    found = newest_window(now, length)
    assert found.end <= now < found.end + length
    assert found.end - found.begin == length
    assert newest_window(found.end, length) == found


class Runs:
    """A server that holds runs by name."""

    def __init__(self):
        self.started: list[str] = []
        self.given: dict = {}

    def start(self, server, name, parameters):
        self.given = parameters
        if name not in self.started:
            self.started.append(name)
        return f"run-{self.started.index(name)}"


def test_a_decision_that_is_delivered_again_after_a_kill_finds_the_run_by_its_name(
    watched, tmp_path, monkeypatch
):
    runs = Runs()
    monkeypatch.setattr(once, "connect", lambda host, namespace: None)
    monkeypatch.setattr(once, "_there", runs.start)
    (folder,) = (watched / "store" / "datasets" / "speaker").iterdir()
    (decision,) = (watched / "store" / "windows" / "speaker").glob("20260112*/decision.json")
    given = dict.fromkeys(("existing", "test", "catalog", "champion"), "x")
    for store in (
        tmp_path / "lost",
        tmp_path / "kept",
        tmp_path / "kept",
    ):  # a record that a kill kept from being written
        run = update_once(
            decision,
            folder,
            watched / "strategy.yaml",
            store=str(store),
            parameters=given,
            host="http://server",
        )
        assert run == "run-0"
    assert len(runs.started) == 1


@pytest.mark.parametrize(("calibrate_every", "mode"), [(0, None), (1, "full"), (2, None)])
def test_the_next_update_goes_on_from_the_model_that_was_promoted_last(
    watched, inputs, tmp_path, monkeypatch, calibrate_every, mode
):
    runs = Runs()
    monkeypatch.setattr(once, "connect", lambda host, namespace: None)
    monkeypatch.setattr(once, "_there", runs.start)
    text = STRATEGY + f"calibrate_every: {calibrate_every}\n"
    (tmp_path / "strategy.yaml").write_text(text)
    (path,) = (watched / "store" / "windows" / "speaker").glob("20260112*/decision.json")
    plan = read_strategy(tmp_path / "strategy.yaml")
    write_json(read_json(path) | {"strategy": plan.digest}, tmp_path / "decision.json")
    (folder,) = (watched / "store" / "datasets" / "speaker").iterdir()
    store, promoted = open_store(tmp_path / "store"), tmp_path / "promoted"
    train_files(inputs.corpus.existing, None, inputs.champion, promoted, mode="warm", trainer=inputs.trainer)
    keep_origin(store, promoted, inputs.champion, [inputs.corpus.existing], {})
    given = dict.fromkeys(("existing", "test", "catalog", "champion"), "x") | {"service": "speaker"}
    asked = {"store": str(tmp_path / "store"), "host": "http://server"}
    update_once(tmp_path / "decision.json", folder, tmp_path / "strategy.yaml", parameters=given, **asked)
    assert runs.given["champion"] == "x"
    (tmp_path / "store" / "updates" / "speaker").rename(tmp_path / "gone")
    crown(store, "speaker", digest(promoted), "rollout", 0.0)
    update_once(tmp_path / "decision.json", folder, tmp_path / "strategy.yaml", parameters=given, **asked)
    assert digest(runs.given["champion"]) == digest(promoted)
    assert runs.given.get("mode") == mode
    assert (runs.given["strategy"], runs.given["cause"]["strategy"]) == (text, plan.digest)


def test_a_decision_that_opens_nothing_is_refused(watched, tmp_path):
    (path,) = (watched / "store" / "windows" / "speaker").glob("20260112*/decision.json")
    (tmp_path / "decision.json").write_text(json.dumps(read_json(path) | {"action": "ask"}))
    with pytest.raises(BadInput, match="is not to update"):
        update_once(
            tmp_path / "decision.json",
            tmp_path,
            watched / "strategy.yaml",
            store=str(tmp_path),
            parameters={},
            host="local",
        )


def test_observations_without_words_are_no_utterances():
    with pytest.raises(BadInput, match="an update learns from utterances"):
        as_utterances(pa.table({"id": ["a"], "label": ["b"]}), "dataset")
