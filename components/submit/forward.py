"""A way to a server that is not reached from outside its cluster: a port that kubectl forwards."""

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from adsmu.errors import BadInput, StepFailed

SCHEME = "kubectl://"
"""What a host begins with that is a namespace instead of a URL."""


@contextmanager
def reachable(host: str) -> Iterator[str]:
    """Gives the URL under which a host is reached, for as long as the block lasts.

    Args:
        host: A URL, which is given back; or `kubectl://NAMESPACE`, for the server in that namespace of the
            cluster that kubectl is set to.

    Yields:
        The URL.

    Raises:
        BadInput: There is no kubectl, or the namespace is none.
        StepFailed: kubectl forwards nothing; its words are in the error.
    """
    if not host.startswith(SCHEME):
        yield host
        return
    namespace = host.removeprefix(SCHEME)
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", namespace):
        raise BadInput("must name the server's namespace, such as kubectl://kubeflow", file="--host")
    command = ["kubectl", "--namespace", namespace, "port-forward", "service/ml-pipeline", ":8888"]
    with tempfile.TemporaryFile("w+") as said:  # not a pipe, which fills in the end and stops it
        try:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)  # noqa: S603 - no shell
        except FileNotFoundError as error:
            raise BadInput("needs kubectl, which is not installed", file=host) from error
        with process:
            try:
                yield f"http://127.0.0.1:{_port(process, said, host)}"
            finally:
                process.terminate()


def _port(process: subprocess.Popen[bytes], said: IO[str], host: str) -> str:
    """Waits for the port that kubectl names."""
    while True:
        ended = process.poll() is not None
        said.seek(0)
        text = said.read()
        if found := re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", text):
            return found[1]
        if ended:
            last = (text.strip().splitlines() or ["it said nothing"])[-1]
            raise StepFailed(f"{host}: kubectl forwards nothing: {last}")
        time.sleep(0.05)
