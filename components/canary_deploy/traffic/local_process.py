"""Processes that outlive whoever started them, and are found again by what stands on their command line.

A process id is written nowhere: it may be another's by the time it is read. A process is ours when it is of
this user and its command line holds options with a path inside the service folder, as nothing else does.
"""

import os
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput


def optional(module: str) -> Any:
    """Imports a library that only the local backend needs.

    Raises:
        BadInput: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise BadInput(f"the local backend needs {module}: install adsmu[local,serve]") from error


def start(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """Starts a process in a session of its own, so that no signal to the caller's terminal reaches it.

    Args:
        command: The program and its arguments.
        log: What it prints is added to this file.

    Returns:
        Its handle, for as long as the caller lives.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def find(*options: tuple[str, str]) -> list[Any]:
    """This user's living processes whose command line holds all of some options.

    Args:
        *options: An option and its value, such as `("--log", "/srv/nlu/ahead")`.

    Returns:
        `psutil.Process` handles, the oldest first; they never signal another process of the same number.
    """
    psutil = optional("psutil")
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if not _holds(process.info["cmdline"] or [], options):
            continue
        with suppress(psutil.NoSuchProcess):
            if process.uids().real == os.getuid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return sorted(found, key=lambda each: each.create_time())


def stop(processes: Sequence[Any], patience: float) -> None:
    """Asks processes to end, and ends those that have not after a while, with all that they started.

    Args:
        processes: Of `find`.
        patience: Seconds to wait for them.
    """
    psutil = optional("psutil")
    family = list(processes)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
            process.terminate()
    for process in _living(family, patience):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _living(family, 5)
    psutil.wait_procs(family, timeout=0)  # takes the exit status of those that are our children


def _living(processes: Sequence[Any], patience: float) -> list[Any]:
    """Those that still live after some seconds, or as soon as none does. One that nobody buried is dead."""
    psutil = optional("psutil")
    deadline = time.monotonic() + patience
    left = list(processes)
    while True:
        living = []
        for process in left:
            with suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    living.append(process)
        left = living
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def ask(address: str, path: str, timeout: float) -> tuple[int, bytes]:
    """Asks a process of this machine over HTTP; whatever proxy the environment names is passed by.

    Args:
        address: Host and port.
        path: What to get.
        timeout: Seconds.

    Returns:
        Status and body.

    Raises:
        OSError: It does not answer, or not in HTTP.
    """
    connection = HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except HTTPException as error:
        raise ConnectionError(f"{address} does not answer in HTTP: {error}") from error
    finally:
        connection.close()


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a process could listen on a port of this machine now."""
    with socket.socket() as listener:
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do; TIME_WAIT is no obstacle
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def last_line(log: Path) -> str:
    """The last line of a log that says anything, bounded: why a process ended."""
    try:
        with log.open("rb") as content:
            content.seek(max(0, log.stat().st_size - 4096))
            lines = content.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        lines = []
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "its log is empty")


def _holds(words: Sequence[str], options: Sequence[tuple[str, str]]) -> bool:
    return set(options) <= set(pairwise(words))
