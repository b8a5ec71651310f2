"""Held-out utterances sent to a service as if users sent them, and their labels some time after.

A rollout on one machine has no users. This sends labelled rows at a bounded rate in a seeded order, again
and again, and tells the service each row's label a while after its answer, through the same address: any
predictor takes a label, whichever answered the request.
"""

import asyncio
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.canary_deploy.traffic.local_process import optional
from adsmu.errors import BadInput

COLUMNS = ("tokens", "tags", "intent", "domain")
TIMEOUT_SECONDS = 60
FEEDBACK_SECONDS = 0.25
"""How often labels that are due are sent, many in one call."""

MOST_LABELS = 200
"""In one call."""


@dataclass
class Counts:
    """What became of the requests of a replay so far.

    Attributes:
        sent: Requests, each counted once it was answered or lost.
        failed: Those answered with another status than 2xx, or not at all.
        labelled: Labels that the service took.
        unlabelled: Labels that it never took.
        models: Answers a model digest.
        faults: How often each status or kind of error was seen, of requests and of labels.
    """

    sent: int = 0
    failed: int = 0
    labelled: int = 0
    unlabelled: int = 0
    models: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class Replay:
    """Sends rows from a thread of its own, between `start` and `stop` or within a `with` block.

    Args:
        rows: Labelled utterances: tokens, tags, intent, domain.
        address: Base URL of the service.
        service: Its name.
        rate: Requests a second, at most: as many as the connections carry where that is less.
        connections: Requests under way at a time, at most.
        label_delay: Seconds from an answer to its label.
        seed: Of the order of the rows, another one each time round.

    Raises:
        BadInput: There are no rows, or a column is missing.
    """

    def __init__(
        self,
        rows: pa.Table,
        address: str,
        service: str,
        *,
        rate: float = 100.0,
        connections: int = 16,
        label_delay: float = 0.5,
        seed: int = 0,
    ) -> None:
        missing = [name for name in COLUMNS if name not in rows.column_names]
        if missing:
            raise BadInput("the column is missing", file="replayed rows", column=missing[0])
        if not len(rows):
            raise BadInput("there are none", file="replayed rows")
        self._rows = rows.select(COLUMNS).to_pylist()
        self._address, self._path = address.rstrip("/"), f"/v1/models/{service}:predict"
        self._rate, self._connections, self._delay, self._seed = rate, connections, label_delay, seed
        self._counts = Counts()
        self._labels: deque[tuple[float, dict[str, Any]]] = deque()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None

    @property
    def counts(self) -> Counts:
        """What became of the requests so far; a copy."""
        now = self._counts
        return replace(now, models=now.models.copy(), faults=now.faults.copy())

    def start(self) -> "Replay":
        """Begins to send.

        Raises:
            BadInput: aiohttp is not installed.
        """
        optional("aiohttp")
        self._stopping.clear()
        self._thread = threading.Thread(target=self._main, name="replay", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> Counts:
        """Sends no more requests, waits for the answers that are missing, and sends the labels that are left.

        Returns:
            What became of all requests.
        """
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._fault:
            raise self._fault
        return self.counts

    def __enter__(self) -> "Replay":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _main(self) -> None:
        try:
            asyncio.run(self._send_all())
        except BaseException as error:  # raised again by `stop`
            self._fault = error

    async def _send_all(self) -> None:
        aiohttp = optional("aiohttp")
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(
            self._address, connector=aiohttp.TCPConnector(limit=0), timeout=timeout, trust_env=False
        ) as session:
            answered = asyncio.Event()
            labels = asyncio.create_task(self._label(session, answered))
            schedule = self._schedule()
            await asyncio.gather(*(self._send(session, schedule) for _ in range(self._connections)))
            answered.set()
            await labels

    def _schedule(self) -> Iterator[tuple[float, str, dict[str, Any]]]:
        """When to send (of `time.monotonic`), under which id, which row; for ever."""
        random, run, begin, number = np.random.default_rng(self._seed), uuid.uuid4().hex, time.monotonic(), 0
        while True:
            for index in random.permutation(len(self._rows)):
                yield begin + number / self._rate, f"{run}-{number}", self._rows[index]
                number += 1

    async def _send(self, session: Any, schedule: Iterator[tuple[float, str, dict[str, Any]]]) -> None:
        """One connection: takes the next row that is due, until told to stop."""
        for due, name, row in schedule:
            while (wait := due - time.monotonic()) > 0 and not self._stopping.is_set():
                await asyncio.sleep(min(wait, 0.1))
            if self._stopping.is_set():
                return
            body = {"instances": [{"tokens": row["tokens"]}]}
            answer = await self._post(session, self._path, body, {"x-request-id": name})
            self._counts.sent += 1
            if answer is None:
                self._counts.failed += 1
                continue
            self._counts.models[answer.get("x-adsmu-model", "")] += 1
            label = {key: row[key] for key in ("domain", "intent", "tags")}
            self._labels.append((time.monotonic() + self._delay, {"request_id": name, "label": label}))

    async def _label(self, session: Any, answered: asyncio.Event) -> None:
        """Sends labels that are due, in batches; when every request is answered, all that are left."""
        while True:
            last = answered.is_set()
            batch: list[dict[str, Any]] = []
            while len(batch) < MOST_LABELS and self._labels:
                if self._labels[0][0] > time.monotonic() and not last:
                    break
                batch.append(self._labels.popleft()[1])
            if batch:
                taken = await self._post(session, "/feedback", batch, {}) is not None
                self._counts.labelled += len(batch) * taken
                self._counts.unlabelled += len(batch) * (not taken)
            elif last:
                return
            else:
                await asyncio.sleep(FEEDBACK_SECONDS)

    async def _post(self, session: Any, path: str, body: Any, headers: dict[str, str]) -> Any:
        """The answer's headers; None for one that is not 2xx, or none."""
        aiohttp = optional("aiohttp")
        try:
            async with session.post(path, json=body, headers=headers) as answer:
                await answer.read()
                if answer.status // 100 == 2:
                    return answer.headers
                self._counts.faults[f"{path}: {answer.status}"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self._counts.faults[f"{path}: {type(error).__name__}"] += 1
        return None
