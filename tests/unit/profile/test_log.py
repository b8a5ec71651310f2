import datetime
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from adsmu.errors import BadInput
from adsmu.profile import log as logs
from adsmu.profile.log import append, append_labels, events_as_observations, read_log
from adsmu.serve.events import WriteAhead
from adsmu.serve.exchange import Answer, Exchange, Recorder
from adsmu.serve.metrics import Metrics
from adsmu.store import open_store

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

WRITER = """
import csv, datetime, sys
from adsmu.profile.log import append
from adsmu.serve.events import WriteAhead
from adsmu.store import open_store

rows, ahead, store, confirmed = sys.argv[1:]
log = WriteAhead(ahead, open_store(store), "bike", flush=0.02)
begin = datetime.datetime(2011, 1, 1, tzinfo=datetime.timezone.utc)
with open(rows) as file, open(confirmed, "a+") as done:
    done.seek(0)
    first = len(done.read()) * 50
    batch = []
    for number, row in enumerate(csv.DictReader(file)):
        if number < first:
            continue
        hour = begin + datetime.timedelta(hours=number)
        batch.append({"id": str(number), "time": hour, "count": row["cnt"]})
        if len(batch) == 50:
            append(log, batch)
            done.write(".")
            done.flush()
            batch = []
    append(log, batch)
log.close()
"""


def test_a_writer_that_is_killed_and_killed_again_loses_and_doubles_nothing(bike, tmp_path):
    frame = pd.read_csv(bike)[["cnt"]].head(8_000)
    frame.to_csv(tmp_path / "rows.csv")
    paths = [str(tmp_path / name) for name in ("rows.csv", "ahead", "store", "confirmed")]
    killed = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, *paths])
        deadline = time.monotonic() + 60
        before = _size(paths[3])
        while process.poll() is None and killed < 2:
            if _size(paths[3]) > before + 20 or time.monotonic() > deadline:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
                break
            time.sleep(0.002)
        if process.wait() == 0:
            break
    table = read_log(open_store(paths[2]), "bike")
    assert killed == 2
    assert table["id"].to_pylist() == [str(row) for row in range(len(frame))]
    assert [int(count) for count in table["count"].to_pylist()] == frame["cnt"].tolist()


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def test_a_row_written_twice_counts_once_and_times_survive(tmp_path):
    store = open_store(tmp_path / "store")
    log = WriteAhead(tmp_path / "ahead", store, "s", flush=60)
    row = {"id": "a", "time": NOW, "x": 1.5, "label_time": NOW + datetime.timedelta(days=1), "label": "yes"}
    append(log, [row])
    append(log, [{**row, "x": 9.0}, {"id": "b", "time": NOW - datetime.timedelta(hours=1)}])
    log.close()
    table = read_log(store, "s")
    assert table["id"].to_pylist() == ["b", "a"]
    assert table["x"].to_pylist() == [None, 1.5]
    assert table["label_time"].to_pylist()[1] == row["label_time"]


DAY = datetime.timedelta(days=1)


def written(folder, rows, labels=()):
    store = open_store(folder / "store")
    log = WriteAhead(folder / "ahead", store, "s", flush=60)
    append(log, rows)
    append_labels(log, labels)
    log.close()
    return store


def test_late_labels_are_joined_and_the_last_counts(tmp_path):
    rows = [{"id": name, "time": NOW, "prediction": 1.5} for name in "abc"]
    labels = [
        {"id": "a", "label": 3, "label_time": NOW + 2 * DAY},
        {"id": "a", "label": 2, "label_time": NOW + DAY},
        {"id": "b", "label": 4.5, "label_time": NOW + 3 * DAY},
        {"id": "unknown", "label": 1, "label_time": NOW + DAY},
    ]
    store = written(tmp_path, rows, labels)
    assert read_log(store, "s")["label"].to_pylist() == [3.0, 4.5, None]
    early = read_log(store, "s", end=NOW + 2 * DAY)
    assert early["label"].to_pylist() == [2.0, None, None]
    assert early["label_time"].to_pylist()[0] == NOW + DAY


@pytest.mark.parametrize(
    "label",
    [{"id": "a", "label_time": NOW}, {"id": "a", "label": "x", "label_time": NOW.replace(tzinfo=None)}],
)
def test_labels_without_a_label_or_a_time_zone_are_refused(tmp_path, label):
    with pytest.raises(BadInput, match="labels, row 1, column label"):
        written(tmp_path, [], [label])


def test_rows_of_other_times_are_left_out(tmp_path):
    store = written(tmp_path, [{"id": str(day), "time": NOW + day * DAY} for day in range(5)])
    table = read_log(store, "s", begin=NOW + DAY, end=NOW + 3 * DAY)
    assert table["id"].to_pylist() == ["1", "2"]


def test_a_log_read_in_parts_is_the_log(tmp_path, monkeypatch):
    rows = [
        {
            "id": f"{n % 40}",
            "time": NOW + n % 7 * DAY,
            "x": n if n % 3 else n / 2,
            **({"y": "v"} if n > 40 else {}),
        }
        for n in range(50)
    ]
    store = written(tmp_path, rows)
    whole = read_log(store, "s")
    monkeypatch.setattr(logs, "PART", 7)
    parts = read_log(store, "s")
    assert len(whole) == 40
    assert parts.to_pylist() == whole.to_pylist()
    monkeypatch.setattr(logs, "PART", 2**16)
    store.create("observations/s/w/0.jsonl", b'{"id":"z","time":1.0,"x":"text"}\n')
    with pytest.raises(BadInput, match="two kinds"):
        read_log(store, "s")


def test_a_log_without_rows_is_an_empty_table(tmp_path):
    table = read_log(open_store(tmp_path), "s")
    assert len(table) == 0
    assert "id" in table.column_names


@pytest.mark.parametrize("row", [{"id": "a"}, {"time": NOW}, {"id": "a", "time": NOW.replace(tzinfo=None)}])
def test_rows_without_id_or_time_are_refused(tmp_path, row):
    log = WriteAhead(tmp_path / "ahead", open_store(tmp_path / "store"), "s", flush=60)
    with pytest.raises(BadInput, match="row 1"):
        append(log, [row])
    log.close()


def test_a_line_that_is_no_observation_is_named(tmp_path):
    store = open_store(tmp_path)
    store.create("observations/s/w/0000000000.jsonl", b'{"id":"a","time":1.0}\n[1]\n')
    with pytest.raises(BadInput, match=r"observations/s/w/0000000000.jsonl, row 2: an object is needed"):
        read_log(store, "s")


def test_a_line_without_a_time_or_a_label_without_its_intent_is_named(tmp_path):
    store = open_store(tmp_path)
    store.create("observations/s/w/0.jsonl", b'{"id":"a"}\n')
    with pytest.raises(BadInput, match=r"observations/s/w/0.jsonl, row 1, column time"):
        read_log(store, "s")
    store.create("events/s/w/0.jsonl", b'{"request_id":"q","time":1.0}\n')
    store.create("labels/s/w/0.jsonl", b'{"request_id":"q","time":2.0,"label":"Other"}\n')
    with pytest.raises(BadInput, match=r"labels/s/w/0.jsonl, row 1, column label"):
        events_as_observations(store, "s")


def test_what_a_predictor_logs_becomes_observations_with_late_labels(tmp_path):
    store = open_store(tmp_path / "store")
    log = WriteAhead(tmp_path / "ahead", store, "assistant", flush=60)
    recorder = Recorder("champion", "sha256:1", log, Metrics(log), slow=1.0)
    answer = Answer("play", "music", "PlayMusic", ["O", "O"])
    recorder.record(Exchange("q1", [["play", "it"], ["play", "that"]], [answer, answer]), 200)
    recorder.record(Exchange("q2", [["boom"]], []), 500)
    recorder.record_labels(
        [
            {"request_id": "q1/1", "label": {"intent": "Other", "tags": ["O", "O"]}},
            {"request_id": "unknown", "label": {"intent": "Other", "tags": ["O"]}},
        ]
    )
    log.close()
    table = events_as_observations(store, "assistant").to_pandas().set_index("id")
    assert list(table.index) == ["q1", "q1/1", "q2"]
    assert table["prediction"].tolist() == ["PlayMusic", "PlayMusic", None]
    assert table["label"].tolist() == [None, "Other", None]
    assert table["code"].tolist() == [200, 200, 500]
    assert table.loc["q1", "tokens"].tolist() == ["play", "it"]
    assert (table["model"] == "sha256:1").all()
