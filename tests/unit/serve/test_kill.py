"""Nothing is lost and nothing doubled: processes that are killed, stopped, or cut off from the storage."""

import http.client
import threading
import time
import uuid

from .conftest import Process, ids


class Load:
    """Clients that ask one request after the other, and remember what was answered."""

    def __init__(self, server: Process, clients: int = 6) -> None:
        self.server, self.answered, self.asked = server, [], []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def _ask(self) -> None:
        while not self.stop.is_set():
            name = uuid.uuid4().hex
            self.asked.append(name)
            try:
                status, headers, _ = self.server.predict("add x to my list", x_request_id=name)
            except (OSError, http.client.HTTPException):
                self.server.process.wait(10)  # a living server does not break off
                return
            if status == 200:
                assert headers["x-request-id"] == name
                self.answered.append(name)

    def until(self, answered: int) -> None:
        end = time.monotonic() + 60
        while len(self.answered) < answered:
            assert time.monotonic() < end
            time.sleep(0.01)

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(30)


def test_every_answered_request_is_in_the_store_once_after_kills_under_load(start):
    answered, asked, left = [], [], []
    for enough in (50, 120, 90):  # the log is flushed every 0.2 s: the kills fall between batches
        server = start().until_ready()
        load = Load(server)
        load.until(enough)
        server.kill()
        load.end()
        answered += load.answered
        asked += load.asked
        left += (server.place / "log").rglob("*.jsonl")
    server = start().until_ready()
    assert server.terminate() == 0
    found = ids(server.stored())
    assert len(answered) >= 260 and left
    assert set(answered) <= set(found) <= set(asked)
    assert max(found.values()) == 1
    assert not [path for path in (server.place / "log").rglob("*") if path.is_file()]


def test_a_request_under_way_is_answered_when_the_process_is_told_to_stop(start):
    server = start().until_ready()
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(server.predict(*["play wait"] * 30, x_request_id="last"))
    )
    asking.start()
    time.sleep(1)  # the model takes 3 s
    assert not answers
    code = server.terminate()
    asking.join(30)
    assert code == 0 and answers[0][0] == 200
    assert {"last", "last/1", "last/29"} <= set(ids(server.stored()))


def test_requests_are_served_while_the_storage_is_away_and_logged_when_it_is_back(start, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / "events").write_text("no folder")  # whatever is created below it fails
    server = start().until_ready()
    names = [f"away-{number}" for number in range(20)]
    for name in names:
        assert server.predict("stop", x_request_id=name)[0] == 200
        time.sleep(0.03)
    assert (store / "events").is_file()
    (store / "events").unlink()
    end = time.monotonic() + 10
    while set(ids(server.stored())) != set(names):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert max(ids(server.stored()).values()) == 1
    assert server.output.read_text().count("events wait on this machine") == 1
    assert server.terminate() == 0
