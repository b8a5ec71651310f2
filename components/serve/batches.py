"""Micro-batching: requests that wait for the model are answered together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
Row = Sequence[str]


class MicroBatches(Generic[Answer]):
    """Calls the model in one worker thread, with all rows that have come in the meantime.

    There is no time to wait for: while the model works, requests gather, and the next call takes them all. A
    lone request is answered at once, and under load the batches grow by themselves.

    Args:
        answer: Answers rows, one answer a row.
        most_rows: The most rows of one call, but for a single request that has more.

    >>> async def ask_twice():
    ...     batches = MicroBatches(lambda rows: [len(row) for row in rows])
    ...     return await asyncio.gather(batches.ask([["stop"]]), batches.ask([["play", "it"], ["stop"]]))
    >>> asyncio.run(ask_twice())
    [[1], [2, 1]]
    """

    def __init__(self, answer: Callable[[list[Row]], list[Answer]], most_rows: int = 64) -> None:
        self._answer, self._most_rows = answer, most_rows
        self._waiting: deque[tuple[list[Row], asyncio.Future[list[Answer]]]] = deque()
        self._worker = ThreadPoolExecutor(1, "model")
        self._busy: asyncio.Task[None] | None = None

    async def ask(self, rows: list[Row]) -> list[Answer]:
        """Answers the rows of one request.

        Args:
            rows: Its rows.

        Returns:
            One answer a row.

        Raises:
            Exception: What the function raised for the rows of this call.
        """
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, future))
        if self._busy is None:
            self._busy = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                taken = [self._waiting.popleft()]
                count = len(taken[0][0])
                while self._waiting and count + len(self._waiting[0][0]) <= self._most_rows:
                    taken.append(self._waiting.popleft())
                    count += len(taken[-1][0])
                rows = [row for request, _ in taken for row in request]
                try:
                    found = await asyncio.get_running_loop().run_in_executor(self._worker, self._answer, rows)
                except Exception as error:
                    for _, future in taken:
                        if not future.done():
                            future.set_exception(error)
                    continue
                answers = iter(found)
                for request, future in taken:
                    own = [next(answers) for _ in request]
                    if not future.done():  # else its caller has gone
                        future.set_result(own)
        finally:
            self._busy = None
