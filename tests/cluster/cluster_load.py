"""An open loop of requests at a steady rate, through a gateway to a host."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp


@dataclass
class Seen:
    """One answer: when it was asked for, its status (0: none), and the model that gave it."""

    time: float
    status: int
    model: str


@dataclass
class Load:
    """Asks while a `with` block runs; each request over whatever connection is free, none waits for another.

    Attributes:
        url: Of the gateway.
        host: The host that is asked for.
        service: The name that predictions are asked for by.
        rate: Requests a second.
        seen: The answers.
        words: What was asked.
    """

    url: str
    host: str
    service: str
    rate: float
    words: str = "add halo to my list"
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask_all()), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _ask_all(self) -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(limit=64)
        ) as session:
            asked, begin = set(), time.monotonic()
            while not self._stop.is_set():
                await asyncio.sleep(max(0.0, begin + len(asked) / self.rate - time.monotonic()))
                asked.add(asyncio.create_task(self._ask(session)))
            await asyncio.gather(*asked)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        now, body = time.monotonic(), {"instances": [{"text": self.words}]}
        path = f"{self.url}/v1/models/{self.service}:predict"
        try:
            async with session.post(path, json=body, headers={"Host": self.host}) as answer:
                await answer.read()
                self.seen.append(Seen(now, answer.status, answer.headers.get("x-adsmu-model", "")))
        except (aiohttp.ClientError, TimeoutError):
            self.seen.append(Seen(now, 0, ""))

    def between(self, begin: float, end: float | None = None) -> Counter[tuple[int, str]]:
        """Answers to requests of a time, counted by status and model."""
        late = float("inf") if end is None else end
        return Counter((each.status, each.model) for each in self.seen if begin <= each.time < late)
