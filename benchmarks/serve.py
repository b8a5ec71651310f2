"""The predictor over HTTP beside the bare model: requests a second and latency at 1, 8 and 64 clients.

Server and clients share this machine's cores, so the figures are a floor. Every client waits for its answer
before it asks again.
"""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from adsmu.data.corpus import Corpus
from adsmu.data.demo import write_demo
from adsmu.data.schema import read_utterances
from adsmu.data.strata import read_strata
from adsmu.files import digest, write_json
from adsmu.serve.load import load_release
from adsmu.stratify.assign import FILE, build_stratifier
from adsmu.stratify.strata import stratify_files
from adsmu.train.run import train_files
from benchmarks.measure import command_line, record

TRAINER = "adsmu.train.two_stage:TwoStageTrainer"
CLIENTS = (1, 8, 64)
REQUESTS = 3_000
WARM_UP = 300


def write_release(folder: Path) -> list[list[str]]:
    """Writes a release: the default network, trained on the demo corpus for one epoch.

    Args:
        folder: Where `release` is made.

    Returns:
        Held-out texts to ask, as tokens.
    """
    write_demo(folder / "demo")
    corpus, rows, strata = Corpus(folder / "demo"), folder / "rows", folder / "strata"
    stratify_files(corpus.user, corpus.test, rows, strata)
    model = folder / "release" / "model"
    train_files(corpus.existing, rows, None, model, mode="full", settings={"epochs": 1})
    known = read_strata(strata)
    shapes = dict(zip(known["stratum_id"].to_pylist(), known["shape"].to_pylist(), strict=True))
    existing = read_utterances(corpus.existing)
    write_json(build_stratifier(read_utterances(rows), existing, shapes), folder / "release" / FILE)
    return read_utterances(corpus.test)["tokens"].to_pylist()


def summary(seconds: list[float], whole: float) -> dict[str, float]:
    """Figures of requests.

    Args:
        seconds: What each took.
        whole: What all took together.

    Returns:
        Requests a second, median and 99th percentile.
    """
    return {
        "per_second": round(len(seconds) / whole, 1),
        "p50_ms": round(statistics.median(seconds) * 1e3, 2),
        "p99_ms": round(float(np.quantile(seconds, 0.99)) * 1e3, 2),
    }


def bare(folder: Path, texts: list[list[str]]) -> dict[str, Any]:
    """The model called in this process, one text a call and 64.

    Args:
        folder: The release.
        texts: What is asked, in turn.

    Returns:
        Figures, by rows a call.
    """
    predictor = load_release(str(folder), digest(folder / "model"), TRAINER).predictor
    figures: dict[str, Any] = {}
    for rows in (1, 64):
        calls = REQUESTS // rows
        taken = []
        for call in range(calls + 10):
            batch = [texts[(call * rows + row) % len(texts)] for row in range(rows)]
            begin = time.perf_counter()
            predictor.predict(batch)
            taken.append(time.perf_counter() - begin)
        figures[f"{rows}_rows"] = summary(taken[10:], sum(taken[10:])) | {
            "rows_per_second": round(calls * rows / sum(taken[10:]), 1)
        }
    return figures


async def client(port: int, bodies: list[bytes], taken: list[float]) -> None:
    """Asks one request after the other over one connection.

    Args:
        port: Of the server.
        bodies: What to ask.
        taken: Where the seconds of each go.

    Raises:
        RuntimeError: A request was not answered with 200.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for body in bodies:
            head = (
                "POST /v1/models/nlu:predict HTTP/1.1\r\nhost: localhost\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            begin = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = answer.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
            taken.append(time.perf_counter() - begin)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
    finally:
        writer.close()


async def load(port: int, clients: int, texts: list[list[str]], requests: int) -> dict[str, float]:
    """Asks with several clients at once.

    Args:
        port: Of the server.
        clients: How many.
        texts: What is asked, in turn.
        requests: How many in all.

    Returns:
        The figures.
    """
    bodies = [
        json.dumps({"instances": [{"tokens": texts[number % len(texts)]}]}).encode()
        for number in range(requests)
    ]
    taken: list[float] = []
    begin = time.perf_counter()
    await asyncio.gather(*(client(port, bodies[first::clients], taken) for first in range(clients)))
    return summary(taken, time.perf_counter() - begin)


def served(folder: Path, texts: list[list[str]]) -> dict[str, Any]:
    """The same model in a predictor process.

    Args:
        folder: Holds the release; the event log goes beside it.
        texts: What is asked, in turn.

    Returns:
        Figures, by clients.

    Raises:
        RuntimeError: The process did not start.
    """
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    given = {
        "release": folder / "release",
        "digest": digest(folder / "release" / "model"),
        "variant": "champion",
        "service": "nlu",
        "events": folder / "store",
        "log": folder / "log",
        "port": port,
    }
    command = [sys.executable, "-m", "adsmu.serve"]
    command += [part for name, value in given.items() for part in (f"--{name}", str(value))]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        begin = time.perf_counter()
        until_ready(process, port)
        figures: dict[str, Any] = {"ready_seconds": round(time.perf_counter() - begin, 1)}
        asyncio.run(load(port, 8, texts, WARM_UP))
        for clients in CLIENTS:
            figures[f"{clients}_clients"] = asyncio.run(load(port, clients, texts, REQUESTS))
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
    events = sum(file.read_bytes().count(b"\n") for file in (folder / "store").rglob("*.jsonl"))
    figures["events_missing"] = WARM_UP + len(CLIENTS) * REQUESTS - events
    return figures


def until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Waits for a predictor.

    Args:
        process: It.
        port: Its port.

    Raises:
        RuntimeError: It has ended, or takes more than two minutes.
    """
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the predictor did not start")


def run() -> dict[str, Any]:
    """Measures; see `benchmarks.measure.record` for the form.

    Returns:
        The record.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        texts = write_release(folder)
        figures: dict[str, Any] = {
            "bare": bare(folder / "release", texts),
            "served": served(folder, texts),
            "load_average_after": os.getloadavg()[0],  # what else ran on the machine is in it
        }
    most = max(figures["served"][f"{clients}_clients"]["per_second"] for clients in CLIENTS)
    return record(
        "the predictor over HTTP (V1, one text a request) beside the bare model; clients on the same cores",
        "python -m benchmarks.serve",
        figures,
        "no event missing, and under load as many requests a second as the bare model called one by one",
        figures["served"]["events_missing"] == 0 and most >= figures["bare"]["1_rows"]["per_second"],
    )


if __name__ == "__main__":
    command_line(run, __doc__)
