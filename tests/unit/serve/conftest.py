"""A release with a model that is trained in milliseconds, and real predictor processes."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from adsmu.data.schema import SCHEMA, write_utterances
from adsmu.files import digest, write_json
from adsmu.stratify.assign import build_stratifier
from adsmu.train.run import train_files

HERE = Path(__file__).parent
TRAINER = "word_trainer:WordTrainer"
OLD = {"Play": ["play moana", "play halo now", "boom", "wait"], "Stop": ["stop", "stop the music"]}
NEW = {"to": ["add halo to my list", "add moana to my list"], "in": ["add halo in list gym"]}
VALUES = {"moana": "B-song", "halo": "B-song", "gym": "B-list"}


def rows(texts: dict[str, list[str]], *, new: bool) -> pa.Table:
    """Utterances; `texts` by stratum (new use case) or intent (existing)."""
    made = [
        {
            "id": f"{name}-{number}",
            "tokens": text.split(),
            "tags": [VALUES.get(word, "O") for word in text.split()],
            "intent": "Add" if new else name,
            "domain": "music",
            "source": "user" if new else "existing",
            "split": "train",
            "stratum_id": name if new else None,
            "round": None,
            "weight": 1.0,
        }
        for name, lines in texts.items()
        for number, text in enumerate(lines)
    ]
    return pa.Table.from_pylist(made, schema=SCHEMA)


def write_release(folder: Path) -> str:
    """Writes a release; returns the digest of its model."""
    existing, data = rows(OLD, new=False), rows(NEW, new=True)
    write_utterances(existing, folder / "existing")
    write_utterances(data, folder / "data")
    made = folder / "release" / "model"
    train_files(folder / "existing", folder / "data", None, made, mode="full", trainer=TRAINER)
    value = build_stratifier(data, existing, {name: f"shape {name}" for name in NEW})
    write_json(value, folder / "release" / "stratifier.json")
    return digest(made)


@dataclass(frozen=True)
class Release:
    folder: Path
    digest: str


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    sys.path.insert(0, str(HERE))
    try:
        folder = tmp_path_factory.mktemp("release")
        yield Release(folder / "release", write_release(folder))
    finally:
        sys.path.remove(str(HERE))
        sys.modules.pop("word_trainer", None)


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


class Process:
    """A predictor process and its port."""

    def __init__(self, made: Release, place: Path, **options) -> None:
        self.place, self.port = place, free_port()
        self.grpc_port = free_port() if options.pop("grpc", False) else None
        given = {
            "release": made.folder,
            "digest": made.digest,
            "variant": "candidate",
            "service": "nlu",
            "events": place / "store",
            "log": place / "log",
            "port": self.port,
            "trainer": TRAINER,
            "flush": 0.2,
        }
        given |= {"grpc-port": self.grpc_port} if self.grpc_port else {}
        given |= options
        command = [sys.executable, "-m", "adsmu.serve"]
        for name, value in given.items():
            command += [f"--{name}", str(value)]
        place.mkdir(parents=True, exist_ok=True)
        self.output = place / "output"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
                stdout=output,
                stderr=output,
            )

    def until_ready(self) -> "Process":
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.process.poll() is None, self.output.read_text()
            with contextlib.suppress(OSError):
                if self.ask("GET", "/v2/health/ready")[0] == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError("not ready in a minute")

    def ask(self, method: str, path: str, body=None, **headers):
        """Status, headers, and the body as JSON (as bytes where it is not JSON)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, content, {"content-type": "application/json", **named})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        with contextlib.suppress(ValueError):
            text = json.loads(text)
        return answer.status, dict(answer.getheaders()), text

    def predict(self, *texts: str, **headers):
        return self.ask("POST", "/v1/models/nlu:predict", {"instances": list(texts)}, **headers)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def stored(self, kind: str = "events") -> list[dict]:
        return stored(self.place / "store", kind)


def stored(store: Path, kind: str = "events", service: str = "nlu") -> list[dict]:
    files = sorted((store / kind / service).glob("*/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def ids(events: list[dict]) -> Counter:
    return Counter(event["request_id"] for event in events)


@pytest.fixture
def start(release, tmp_path):
    """Starts predictor processes, and ends those that are left."""
    started = []

    def one(place: Path = tmp_path, **options) -> Process:
        started.append(Process(options.pop("of", release), place, **options))
        return started[-1]

    try:
        yield one
    finally:
        for each in started:
            each.kill()


@pytest.fixture(scope="module")
def server(release, tmp_path_factory):
    """One that tests of answers share."""
    process = Process(release, tmp_path_factory.mktemp("server"), grpc=True, slow=0.05)
    try:
        yield process.until_ready()
    finally:
        process.kill()
