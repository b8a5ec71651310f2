"""What every benchmark shares: a fresh process that is timed and weighed, and the form of a record."""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LIBRARIES = ("adsmu", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "torch")


def record(what: str, command: str, figures: dict[str, Any], bar: str, met: bool) -> dict[str, Any]:
    """Gives figures the context that they mean nothing without.

    Args:
        what: What was measured, in one line.
        command: The command that measures it again.
        figures: The figures; seconds and bytes unless the key says otherwise.
        bar: The bar they have to reach, in words.
        met: Whether they do.

    Returns:
        A JSON value.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "what": what,
        "command": command,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "machine": {"cores": len(os.sched_getaffinity(0)), "memory": memory},
        "figures": figures,
        "bar": bar,
        "met": bool(met),
    }


def peak_memory_of(function: Callable[..., Any], *args: Any) -> tuple[float, int, Any]:
    """Runs a function in a fresh process, so that neither its time nor its memory holds anything else's.

    Args:
        function: A function of a module (the process imports it by name).
        *args: Its arguments.

    Returns:
        The seconds it ran (imports of its module not counted), the most memory the process held in bytes
        (imports counted), and what it returned.

    Raises:
        RuntimeError: The function raised, or its process died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, function, args))
    process.start()
    theirs.close()
    try:
        seconds, peak, result = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{function.__name__} ended its process with {process.exitcode}") from None
    process.join()
    return seconds, peak, result


def _run(pipe: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    begin = time.perf_counter()
    result = function(*args)
    seconds = time.perf_counter() - begin
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss; see getrusage(2) of either system
    pipe.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, result))


def command_line(run: Callable[[], Any], description: str | None) -> None:
    """Measures, and prints the record as JSON or writes it to the file of the option `--output`.

    Args:
        run: Gives the record.
        description: What the command says of itself.
    """
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--output", type=Path, help="the file to write; without it the record is printed")
    output = options.parse_args().output
    text = json.dumps(run(), indent=2) + "\n"
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
