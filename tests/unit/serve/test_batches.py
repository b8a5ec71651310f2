"""Requests that wait for the model are answered together."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.serve.batches import MicroBatches


def asked(requests, most_rows=64, answer=None):
    """The answers to requests that come at once, and the sizes of the calls."""
    calls = []

    def lengths(rows):
        calls.append(len(rows))
        return [len(row) for row in rows]

    async def ask_all():
        batches = MicroBatches(answer or lengths, most_rows)
        return await asyncio.gather(*(batches.ask(rows) for rows in requests), return_exceptions=True)

    return asyncio.run(ask_all()), calls


@given(
    st.lists(st.lists(st.lists(st.just("w"), max_size=3), min_size=1, max_size=4), max_size=20),
    st.integers(1, 9),
)
def test_every_request_gets_its_own_answers(requests, most_rows):
    answers, _ = asked(requests, most_rows)
    assert answers == [[len(row) for row in rows] for rows in requests]


def test_requests_at_once_are_one_call():
    _, calls = asked([[["a"]]] * 10)
    assert calls == [10]


def test_a_call_has_no_more_rows_than_allowed_but_for_one_large_request():
    _, calls = asked([[["a"]], [["a"]], [["a"]] * 5, [["a"]]], most_rows=3)
    assert calls == [2, 5, 1]


def test_requests_gather_while_the_model_works():
    go = threading.Event()
    calls = []

    def slow(rows):
        calls.append(len(rows))
        go.wait(10)
        return rows

    async def ask():
        batches = MicroBatches(slow)
        first = asyncio.create_task(batches.ask([["a"]]))
        while not calls:
            await asyncio.sleep(0)
        rest = [asyncio.create_task(batches.ask([["b"]])) for _ in range(5)]
        await asyncio.sleep(0.01)
        go.set()
        await asyncio.gather(first, *rest)

    asyncio.run(ask())
    assert calls == [1, 5]


def test_a_fault_reaches_who_asked_and_the_next_call_is_answered():
    def fragile(rows):
        if ["boom"] in rows:
            raise RuntimeError("boom")
        return rows

    answers, _ = asked([[["boom"]], [["a"]]], most_rows=1, answer=fragile)
    assert isinstance(answers[0], RuntimeError) and answers[1] == [["a"]]


def test_a_caller_who_has_gone_harms_nobody():
    async def ask():
        batches = MicroBatches(lambda rows: rows)
        gone = asyncio.create_task(batches.ask([["a"]]))
        stays = asyncio.create_task(batches.ask([["b"]]))
        await asyncio.sleep(0)
        gone.cancel()
        answer = await stays
        with pytest.raises(asyncio.CancelledError):
            await gone
        return answer

    assert asyncio.run(ask()) == [["b"]]
