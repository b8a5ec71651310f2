"""The watch pipeline on a real cluster: once, with an update that it submits, and as a recurring run."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
from cluster_runs import adsmu, ended, eventually, submitted

from adsmu.data.schema import read_utterances
from adsmu.pipelines.watch.pipeline import compiled
from adsmu.profile.log import append
from adsmu.profile.observations import write_observations
from adsmu.recurring.declared import Declared, Recurring
from adsmu.recurring.reconcile import reconcile
from adsmu.recurring.server import Server
from adsmu.serve.events import WriteAhead
from adsmu.store import open_store, upload
from adsmu.submit.package import read_package
from adsmu.submit.server import connect
from adsmu.submit.start import upload as upload_pipeline

pytestmark = pytest.mark.slow
START = datetime(2026, 1, 5, tzinfo=UTC)
FEATURES = ["temp", "hum", "windspeed", "hr", "weekday", "workingday", "weathersit"]
WORDS = """
name: speaker
columns: {features: [tokens]}
window: 1w
signals: {accuracy: }
triggers:
  accuracy: {kind: performance, signal: accuracy}
  asked: {kind: manual}
evaluation_set: {hold_out: 0s}
"""
BIKES = f"""
name: bike
columns: {{task: regression, features: [{", ".join(FEATURES)}]}}
window: 1w
signals: {{mean_absolute_error: {{threshold: 400}}, missing: }}
triggers: {{error: {{kind: performance, signal: mean_absolute_error}}}}
"""


def watched(place, folder, service, strategy, rows, known):
    """Puts a service's log, its strategy and the rows its model was evaluated on into the storage."""
    folder.mkdir()
    store = open_store(f"{place}/{service}")
    (folder / "strategy.yaml").write_text(strategy)
    write_observations(pa.Table.from_pylist(known), folder / "validation.parquet")
    upload(folder, store, "given")
    log = WriteAhead(folder.parent / f"log of {service}", store, service, flush=0)
    append(log, rows)
    log.close()
    at = store.uri.replace("s3://", "minio://")
    return store, {
        "strategy": f"{at}/given/strategy.yaml",
        "validation": f"{at}/given/validation.parquet",
        "service": service,
        "store": at,
    }


def requests(week, words):
    """A week of requests that the model answered rightly, five of each utterance."""
    rows = []
    for number, each in enumerate(words * 5):
        at = START + timedelta(weeks=week, minutes=50 * number)
        row = {name: each[name] for name in ("tokens", "tags", "domain")}
        row |= {"id": f"{week}-{number}", "time": at, "model": "sha256:a", "score": 0.9 + number % 10 / 100}
        rows.append(row | {"prediction": each["intent"], "label": each["intent"], "label_time": at})
    return rows


def rentals(bike, first, last):
    """Hours of the bike table, with the mean of the hour as the model's answer."""
    frame = pd.read_csv(bike)
    frame["prediction"] = frame.groupby(["hr", "workingday"])["cnt"].transform("mean").astype(float)
    day = pd.to_datetime(frame["dteday"], format="mixed")
    frame["time"] = (day + pd.to_timedelta(frame["hr"], "h")).dt.tz_localize(UTC)
    frame = frame[(frame["time"] >= first) & (frame["time"] < last)]
    frame = frame.assign(id=frame["instant"].astype(str), label=frame["cnt"].astype(float), model="sha256:b")
    kept = frame[["id", "time", "model", "prediction", "label", *FEATURES]]
    return kept.assign(label_time=kept["time"]).to_dict("records")


def updates(server):
    """The update runs that decisions opened, by name."""
    found = connect(server).client.list_runs(page_size=100, sort_by="created_at desc").runs or ()
    return {run.display_name: run for run in found if run.display_name.startswith("update ")}


@pytest.fixture(scope="module")
def pipeline(server, tmp_path_factory):
    """The watch pipeline, compiled for the image of these tests."""
    path = tmp_path_factory.mktemp("watch") / "watch.yaml"
    path.write_text(compiled().text())
    return path


def test_a_decision_to_update_starts_one_update_that_runs_to_its_verdict(
    server, place, parameters, inputs, pipeline, tmp_path
):
    words = read_utterances(inputs.corpus.user).to_pylist()
    rows = [row for week in range(2) for row in requests(week, words)]
    name = f"speaker-{uuid.uuid4().hex[:6]}"
    strategy = WORDS.replace("name: speaker", f"name: {name}")
    store, given = watched(place, tmp_path / "given", name, strategy, rows, requests(-3, words))
    update = json.loads(parameters(champion=parameters.knowing, max_rounds=1).read_text())
    del update["user"]
    asked = given | {"update": update, "until": "2026-01-20", "asked": "a new use case"}
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps(asked))
    for _ in range(2):  # delivered again, the decision starts nothing
        run = submitted(server, file, "--package", pipeline)
        assert ended(server, run) == "SUCCEEDED"
        started = {title: each for title, each in updates(server).items() if name in title}
        assert len(started) == 1
    ((record,),) = [store.names(f"updates/{name}")]
    assert json.loads(store.read(record))["reason"] == "asked: a new use case"
    (opened,) = started.values()
    assert json.loads(store.read(record))["run"] == opened.run_id
    code, told, errors = adsmu(server, "watch", opened.run_id, "--json")
    assert (code, told["verdict"]) == (0, "pass"), errors
    assert opened.runtime_config.parameters["cause"]["decision"] in record


def test_it_watches_as_a_recurring_run(server, place, bike, pipeline, tmp_path):
    first, last = (pd.Timestamp(day, tz=UTC) for day in ("2012-02-20", "2012-03-12"))
    rows = rentals(bike, first, last)
    known = rentals(bike, first - pd.Timedelta(weeks=8), first)
    name = f"bike-{uuid.uuid4().hex[:6]}"
    strategy = BIKES.replace("name: bike", f"name: {name}")
    store, given = watched(place, tmp_path / "given", name, strategy, rows, known)
    connection = connect(server)
    upload_pipeline(connection, read_package(pipeline))
    watching = Recurring(name, "watch", period=60, parameters=given | {"until": "2012-03-12"})
    declared = Declared(name, name, (watching,))
    told: list[str] = []
    reconcile(declared, Server(connection), wait=60, tell=told.append)
    experiment = Server(connection).experiment(name)

    def fired():
        return sorted(
            connection.client.list_runs(experiment_id=experiment).runs or (), key=lambda run: run.created_at
        )

    try:
        assert ended(server, eventually("a firing", fired, 200)[0].run_id) == "SUCCEEDED"
    finally:
        reconcile(
            Declared(name, name, (replace(watching, enabled=False),)),
            Server(connection),
            wait=9,
            tell=told.append,
        )
        for run in fired():
            if run.state not in ("SUCCEEDED", "FAILED", "CANCELED"):
                connection.client.terminate_run(run.run_id)
        reconcile(Declared(name, name, ()), Server(connection), wait=180, tell=told.append)
    assert [line.split()[0] for line in told] == ["create", "disable", "delete"]
    kept = {each.rpartition("/")[2] for each in store.names(f"windows/{name}")}
    assert kept == {"profile.parquet", "findings.json", "analysis.json", "decision.json"}
    (findings,) = [each for each in store.names(f"windows/{name}") if each.endswith("findings.json")]
    assert json.loads(store.read(findings))["window"]["from"].startswith("2012-03-05")
