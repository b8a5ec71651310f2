"""Every component's own command runs in a built image: any user, no network, nothing but /tmp to write to.

ADSMU_IMAGE_RUN names the command that runs words in the image, for instance

    docker run --rm --interactive --read-only --tmpfs /tmp --network none --user 123456:0 adsmu:0.1.0
"""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from adsmu import __version__
from adsmu.pipelines.generate import STEPS

ROOT = Path(__file__).parents[2]
RUN = shlex.split(os.environ.get("ADSMU_IMAGE_RUN", ""))
pytestmark = pytest.mark.skipif(not RUN, reason="ADSMU_IMAGE_RUN does not say how an image is run")


def inside(*words, given=""):
    return subprocess.run([*RUN, *words], input=given, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_component_runs_by_its_own_command():
    files = {step: ROOT / "components" / step / "component.yaml" for step in STEPS}
    steps = {step: next(yaml.safe_load_all(path.read_text())) for step, path in files.items()}
    program = (Path(__file__).parent / "inside_image.py").read_text()
    ended = inside("python3", "-c", program, given=json.dumps(steps))
    assert ended.returncode == 0, ended.stderr[-3000:]
    facts = json.loads(ended.stdout.splitlines()[-1])
    assert facts["verdict"] in ("pass", "refine", "exhausted")
    assert (facts["deployed"], facts["finalised"]) == ("skipped", "skipped")
    assert facts["user"] not in (0, 65532)


def test_the_command_is_there_and_of_this_version():
    ended = inside("adsmu", "--version")
    assert (ended.returncode, ended.stdout.strip()) == (0, f"adsmu {__version__}")


def test_nothing_but_tmp_can_be_written_to_and_nothing_can_be_compiled():
    for folder in ("/", "/opt/adsmu", "/usr", "/var/tmp", "/home"):
        assert inside("python3", "-c", f"open('{folder}/x', 'w')").returncode
    assert inside("python3", "-c", "open('/tmp/x', 'w')").returncode == 0
    program = "import shutil; print([word for word in ('gcc', 'cc', 'make') if shutil.which(word)])"
    assert inside("python3", "-c", program).stdout.strip() == "[]"


def test_there_is_no_network():
    program = "import socket; print([name for _, name in socket.if_nameindex()])"
    assert set(json.loads(inside("python3", "-c", program).stdout.replace("'", '"'))) <= {"lo"}
