"""The helper against a command of kubectl's name that forwards to the server of the test."""

import os
import sys
import time

import pytest

from adsmu.errors import BadInput, StepFailed
from adsmu.submit.forward import reachable
from adsmu.submit.server import connect


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """Puts a program called kubectl on the path; it leaves what it was asked and its process id."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(line):
        program = tmp_path / "kubectl"
        program.write_text(
            f"#!{sys.executable}\nimport os, pathlib, sys, time\n"
            f"pathlib.Path({str(tmp_path)!r}, 'asked')"
            ".write_text(f'{os.getpid()} ' + ' '.join(sys.argv[1:]))\n"
            f"{line}\n"
        )
        program.chmod(0o755)
        return tmp_path / "asked"

    return install


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_is_reached_through_a_forwarded_port_that_ends_with_the_block(kfp_api, kubectl):
    port = kfp_api.url.rpartition(":")[2]
    asked = kubectl(f"print('Forwarding from 127.0.0.1:{port} -> 8888', flush=True)\ntime.sleep(60)")
    with reachable("kubectl://kubeflow") as url:
        assert connect(url).host == kfp_api.url
        process, *words = asked.read_text().split()
        assert words == ["--namespace", "kubeflow", "port-forward", "service/ml-pipeline", ":8888"]
        assert alive(int(process))
    deadline = time.monotonic() + 5
    while alive(int(process)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int(process))


def test_what_kubectl_says_when_it_forwards_nothing_is_told(kubectl):
    kubectl("sys.exit('Error from server (NotFound): services \"ml-pipeline\" not found')")
    with pytest.raises(StepFailed, match="ml-pipeline"), reachable("kubectl://kubeflow"):
        pass


def test_without_kubectl_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="needs kubectl"), reachable("kubectl://kubeflow"):
        pass


def test_a_namespace_that_is_none_is_refused():
    with pytest.raises(BadInput, match="namespace"), reachable("kubectl://--all"):
        pass


def test_a_url_is_used_as_it_is():
    with reachable("http://host:8888") as url:
        assert url == "http://host:8888"
