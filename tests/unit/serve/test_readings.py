"""What a predictor writes down of its own cpu and memory."""

import json
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from adsmu.errors import BadInput
from adsmu.monitor.system import answered_requests, read_readings
from adsmu.serve.events import WriteAhead
from adsmu.serve.readings import Readings, cpu_limit, memory_limit
from adsmu.store import open_store

NOW = datetime.now(UTC)
SINCE, UNTIL = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


def limits(folder, cpu="150000 100000\n", memory="1073741824\n"):
    folder.mkdir()
    (folder / "cpu.max").write_text(cpu)
    (folder / "memory.max").write_text(memory)
    return folder


def test_a_process_that_works_is_read_with_its_limits(tmp_path):
    store = open_store(tmp_path / "store")
    log = WriteAhead(tmp_path / "log", store, "nlu", flush=0.05)
    readings = Readings(log, "pod champion", seconds=60, limits=limits(tmp_path / "cgroup"))
    ends = time.process_time() + 0.2
    while time.process_time() < ends:
        pass
    readings.close()
    log.close()
    table = read_readings(store, "nlu", SINCE, UNTIL)
    found = {row["metric"]: row for row in table.to_pylist()}
    assert found.keys() == {"cpu", "memory"} and len(table) == 2
    assert {row["pod"] for row in found.values()} == {"pod champion"}
    assert found["cpu"]["value"] > 0 and found["cpu"]["limit"] == 1.5
    assert found["memory"]["value"] > 1e6 and found["memory"]["limit"] == 2**30


def test_a_pod_without_limits_has_none(tmp_path):
    free = limits(tmp_path / "free", "max 100000\n", "max\n")
    for folder in (free, tmp_path / "nothing"):
        assert cpu_limit(folder) is None and memory_limit(folder) is None


def test_readings_of_another_time_are_left_out_and_a_damaged_line_is_named(tmp_path):
    store = open_store(tmp_path)
    line = {"time": NOW.timestamp(), "pod": "p", "metric": "cpu", "value": 1.0, "limit": None}
    store.create("readings/nlu/w/0.jsonl", json.dumps(line).encode())
    assert len(read_readings(store, "nlu", SINCE, UNTIL)) == 1
    assert len(read_readings(store, "nlu", UNTIL, UNTIL + timedelta(hours=1))) == 0
    store.create("readings/nlu/w/1.jsonl", json.dumps(line | {"value": "much"}).encode())
    with pytest.raises(BadInput, match=r"readings/nlu/w/1.jsonl, row 1: a reading with its time and value"):
        read_readings(store, "nlu", SINCE, UNTIL)


def test_a_predictor_leaves_a_reading_of_its_process(start):
    process = start().until_ready()
    assert process.terminate() == 0
    lines = process.stored("readings")
    assert {line["metric"] for line in lines} == {"cpu", "memory"}
    assert all(line["pod"].endswith(" candidate") and line["value"] > 0 for line in lines)
    assert process.stored("events") == []


def test_of_requests_the_slow_and_the_failed_are_told_by_variant():
    rows = [
        {"time": NOW + timedelta(seconds=n), "variant": variant, "seconds": n / 100, "code": code}
        for variant, codes in (("champion", [200] * 100), ("candidate", [200] * 9 + [500]))
        for n, code in enumerate(codes)
    ]
    found = {
        (row["pod"], row["metric"]): row["value"]
        for row in answered_requests(pa.Table.from_pylist(rows)).to_pylist()
    }
    assert found["champion", "errors"] == 0 and found["candidate", "errors"] == 0.1
    assert 0.97 <= found["champion", "seconds"] <= 0.99
