"""The event log: every line is in the storage once."""

import json
import resource
import time
from pathlib import Path

import pytest

from adsmu.errors import StoreUnavailable
from adsmu.serve.events import MOST_LINES, WriteAhead
from adsmu.store import open_store


def lines(store: Path, kind: str = "events") -> list[str]:
    return [
        line
        for file in sorted((store / kind).glob("nlu/*/*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def until(holds, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


class Away:
    """A store that is away until it is told to be back."""

    def __init__(self, store) -> None:
        self.store, self.back = store, False

    def create(self, name, content):
        if not self.back:
            raise StoreUnavailable("away")
        self.store.create(name, content)


def test_lines_are_on_the_disk_before_they_are_in_the_storage(tmp_path):
    log = WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu", flush=3600)
    log.append("events", ["a", "b"])
    (file,) = (tmp_path / "log").glob("events/nlu/*/0000000000.jsonl")
    assert file.read_text() == "a\nb\n" and lines(tmp_path / "store") == []
    log.close()
    assert lines(tmp_path / "store") == ["a", "b"] and not left(tmp_path / "log")


def test_lines_are_uploaded_after_a_while_under_names_in_order_of_time(tmp_path):
    log = WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu", flush=0.01)
    for number in range(3):
        log.append("events", [str(number)])
        until(lambda number=number: len(lines(tmp_path / "store")) == number + 1)
    log.append("labels", ["x"])
    log.close()
    assert lines(tmp_path / "store") == ["0", "1", "2"]
    assert lines(tmp_path / "store", "labels") == ["x"]


def test_a_file_has_no_more_lines_than_allowed(tmp_path):
    log = WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu", flush=3600)
    for _ in range(2):
        log.append("events", ["x"] * MOST_LINES)
    log.append("events", ["y"])
    log.close()
    assert len(list((tmp_path / "store").glob("events/nlu/*/*.jsonl"))) == 3


def dead(tmp_path: Path, content: bytes) -> Path:
    """What a killed writer has left."""
    file = tmp_path / "log/events/nlu/0123/0000000007.jsonl"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    (tmp_path / "log/0123.lock").touch()
    return file


def test_what_a_dead_writer_left_is_stored_under_its_own_name(tmp_path):
    dead(tmp_path, b"a\nb\n")
    WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu").close()
    assert (tmp_path / "store/events/nlu/0123/0000000007.jsonl").read_text() == "a\nb\n"
    assert list((tmp_path / "log").rglob("*0123*")) == []


@pytest.mark.parametrize(("content", "whole"), [(b"a\nb", ["a"]), (b"b", []), (b"", [])])
def test_a_torn_last_line_was_never_answered_and_is_left_out(tmp_path, content, whole):
    dead(tmp_path, content)
    WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu").close()
    assert lines(tmp_path / "store") == whole and not left(tmp_path / "log")


def test_a_file_stored_before_the_kill_is_not_stored_again(tmp_path):
    dead(tmp_path, b"a\n")
    open_store(tmp_path / "store").create("events/nlu/0123/0000000007.jsonl", b"a\n")
    WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu").close()
    assert lines(tmp_path / "store") == ["a"] and not left(tmp_path / "log")


def test_two_processes_may_share_the_folder(tmp_path):
    one = WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu", flush=3600)
    one.append("events", ["a"])
    two = WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu", flush=3600)
    two.append("events", ["b"])
    two.close()
    assert lines(tmp_path / "store") == ["b"]  # what a living writer has is its own
    one.append("events", ["c"])
    one.close()
    assert sorted(lines(tmp_path / "store")) == ["a", "b", "c"]


def test_files_pile_up_while_the_storage_is_away_and_are_stored_when_it_is_back(tmp_path):
    store = Away(open_store(tmp_path / "store"))
    log = WriteAhead(tmp_path / "log", store, "nlu", flush=0.01)
    for number in range(5):
        log.append("events", [str(number)])
        time.sleep(0.03)
    assert log.waiting == 10 and lines(tmp_path / "store") == []
    store.back = True
    until(lambda: log.waiting == 0)
    log.close()
    assert lines(tmp_path / "store") == list("01234") and log.lost == 0


def test_what_the_storage_does_not_take_at_the_end_waits_for_the_next_process(tmp_path):
    log = WriteAhead(tmp_path / "log", Away(open_store(tmp_path / "store")), "nlu", flush=3600)
    log.append("events", ["a"])
    log.close()
    WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu").close()
    assert lines(tmp_path / "store") == ["a"] and not left(tmp_path / "log")


def test_what_waits_is_bounded_and_what_is_beyond_is_counted(tmp_path):
    store = Away(open_store(tmp_path / "store"))
    log = WriteAhead(tmp_path / "log", store, "nlu", flush=0.01, most_bytes=8)
    for each in ("aaa", "bbb", "ccc", "d"):
        log.append("events", [each])
    assert log.lost == 2 and log.waiting == 8
    store.back = True
    until(lambda: log.waiting == 0)
    log.append("events", ["e"])
    log.close()
    assert lines(tmp_path / "store") == ["aaa", "bbb", "e"]


def test_a_full_disk_tears_no_line_and_stops_nobody(tmp_path):
    log = WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu", flush=3600)
    log.append("events", ["a" * 10])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15, limits[1]))
    try:
        log.append("events", ["b" * 10])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.append("events", ["c" * 10])
    log.close()
    assert lines(tmp_path / "store") == ["a" * 10, "c" * 10] and log.lost == 1


def test_lines_of_any_text_come_back(tmp_path):
    log = WriteAhead(tmp_path / "log", open_store(tmp_path / "store"), "nlu")
    log.append("events", [json.dumps({"tokens": ["\u2028", "日本", "\n"]})])
    log.close()
    assert json.loads(lines(tmp_path / "store")[0]) == {"tokens": ["\u2028", "日本", "\n"]}
