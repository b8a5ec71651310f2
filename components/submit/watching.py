"""The live view of a run on a cluster, until it has ended."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from adsmu.errors import BadInput, StepFailed
from adsmu.local.live import rounds_table
from adsmu.submit.pods import Pod, read_pods
from adsmu.submit.results import last_evaluation
from adsmu.submit.server import Away, Server, reaching

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
_WAITS, _WORKS, _LOST = "Pending", "Running", ("Failed", "Error")
_NO_IMAGE = re.compile(r"ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull")
_STYLES = {_WAITS: "yellow", _WORKS: "green", "Failed": "red", "Error": "red"}


@dataclass(frozen=True)
class Sight:
    """What is seen of a run at one moment.

    Attributes:
        state: The server's word for where the run stands.
        pods: Its pods.
        evaluation: The last evaluation; None before there is one, or while the storage does not answer.
    """

    state: str
    pods: list[Pod]
    evaluation: dict[str, Any] | None


def see(server: Server, run: str) -> Sight:
    """Looks at a run once.

    Args:
        server: Where it runs.
        run: Its id.

    Raises:
        BadInput: There is no such run, or no right to see it.
        Away: The server does not answer.
    """
    with reaching(server.host, run):
        state = str(server.client.runs.run_service_get_run(run_id=run).state)
    pods = read_pods(server, run)
    try:
        found = last_evaluation(pods)
    except (StepFailed, BadInput):  # the run goes on without this window on it; `fetch` says what is wrong
        found = None
    return Sight(state, pods, found[1] if found else None)


def watch(server: Server, run: str, console: Console, every: float = 3.0, patience: float = 300.0) -> Sight:
    """Shows rounds, strata and pods until the run has ended.

    A server that does not answer for a while is waited for: the run does not need it to go on. An image that
    no node gets is waited for as long; the engine would wait for ever.

    Args:
        server: Where it runs.
        run: Its id.
        console: Where to draw.
        every: Seconds between two looks.
        patience: Seconds without an answer, or without an image, until that is told as an error.

    Returns:
        What was seen last.

    Raises:
        BadInput: There is no such run, or no right to see it.
        Away: The server does not answer, for longer than is waited.
        StepFailed: A pod has no image, for longer than is waited; the run is not ended.
    """
    began = pulled = time.monotonic()
    look = _patient(lambda: see(server, run), patience, every)
    sight = look()
    with Live(_drawn(sight, 0), console=console, transient=True, auto_refresh=False) as live:
        while sight.state not in ENDED:
            time.sleep(every)
            sight = look()
            waiting = without_image(sight.pods)
            if waiting is None:
                pulled = time.monotonic()
            elif time.monotonic() - pulled > patience:
                told = " ".join(waiting.message.split())
                raise StepFailed(f"the run {run} is held up: {waiting.task} has no image: {told}")
            live.update(_drawn(sight, time.monotonic() - began), refresh=True)
    return sight


def without_image(pods: list[Pod]) -> Pod | None:
    """The first pod whose image its node does not get; None where there is none.

    Args:
        pods: A run's pods.
    """
    return next((pod for pod in pods if pod.phase == _WAITS and _NO_IMAGE.search(pod.message)), None)


def _patient(look: Callable[[], Sight], patience: float, every: float) -> Callable[[], Sight]:
    def again() -> Sight:
        deadline = time.monotonic() + patience
        while True:
            try:
                return look()
            except Away:
                if time.monotonic() > deadline:
                    raise
                time.sleep(every)

    return again


def _drawn(sight: Sight, seconds: float) -> Group:
    parts: list[Any] = [rounds_table(sight.evaluation)] if sight.evaluation else []
    if _telling(sight.pods):
        parts.append(pods_table(sight.pods))
    done = sum(pod.phase == "Succeeded" for pod in sight.pods)
    parts.append(Text(f"{sight.state.lower()} · {done} pods done · {seconds:.0f} s", style="dim"))
    return Group(*parts)


def pods_table(pods: list[Pod]) -> Table:
    """The pods that work, wait or failed, one line each.

    Args:
        pods: A run's pods.

    Returns:
        A table for the terminal.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("round", "task", "pod", ""):
        table.add_column(name, overflow="fold")
    for pod in _telling(pods):
        kind = "driver" if pod.driver else "step"
        style = _STYLES[pod.phase]
        table.add_row(
            str(pod.round), Text(pod.task), Text(f"{kind} {pod.phase.lower()}", style), Text(pod.message)
        )
    return table


def failure(server: Server, run: str, pods: list[Pod]) -> str:
    """What broke a run, in one line: the pod that failed last, and what it said at the end.

    Args:
        server: Where it ran.
        run: Its id.
        pods: Its pods.
    """
    lost = [pod for pod in pods if pod.phase in _LOST]
    if not lost:
        return "no pod failed; the server's page of the run says more"
    pod = lost[-1]
    place = (
        f"{'the driver of ' if pod.driver else ''}{pod.task}{f' in round {pod.round}' if pod.round else ''}"
    )
    return f"{place} failed: {last_words(server.log(run, pod.name)) or ' '.join(pod.message.split())}"


def last_words(log: str) -> str:
    r"""The error that a log ends with; empty where it ends with none.

    Args:
        log: What a step printed, or a driver of the engine.

    >>> last_words("Traceback:\nadsmu.errors.BadInput: a.jsonl, row 3: a rule\nI1121 exit status 1")
    'a.jsonl, row 3: a rule'
    >>> last_words("F1121 main.go:127] KFP driver: driver.Container(x) failed: no such task\n")
    'no such task'
    """
    for form in (
        r"^.*adsmu\.errors\.\w+: (.+)$",
        r"^.*?\b(\w+Error: .+)$",
        r"^F.*KFP driver: .*?\) failed: (.+)$",
    ):
        if said := re.findall(form, log, re.MULTILINE):
            return "".join(each for each in said[-1].strip() if each.isprintable())[:500]
    return ""


def _telling(pods: list[Pod]) -> list[Pod]:
    return [pod for pod in pods if pod.phase in _STYLES]
