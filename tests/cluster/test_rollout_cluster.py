"""canary-deploy on a real cluster, from preflight to outcome: predictors in pods, a gateway, users, labels.

The component's function runs in a process of its own, so that it can be killed.
"""

import subprocess
import sys
import time

import pyarrow as pa
import pytest

pytest.importorskip("aiohttp")

from cluster_service import NEW, OLD, SERVICE, TRAINER, begin, released, rows, train

from adsmu.canary_deploy.progress import replay
from adsmu.canary_deploy.traffic.replay import Replay
from adsmu.data.schema import write_utterances
from adsmu.files import digest, read_json, write_json
from adsmu.store import open_store
from adsmu.store.evidence import EvidenceLog

pytestmark = pytest.mark.slow

PLAN = {
    "steps": [0.25, 1.0], "look_seconds": 3, "settle_seconds": 6, "label_seconds": 10, "slow_seconds": 30,
    "min_requests": 20, "min_labels": 5, "margin": 0.3, "floor": 0.6, "rare": 0.05,
    "ready_seconds": 900, "max_seconds": 1800,
}  # fmt: skip
PROGRAM = """
import json, sys
from adsmu.canary_deploy.roll_out import roll_out_files
given = json.load(open(sys.argv[1]))
roll_out_files(*given["files"], **given["settings"])
"""
USERS = {"rate": 20.0, "connections": 8, "label_delay": 0.5}


class Users(Replay):
    """Requests with labels to one host behind a gateway."""

    def __init__(self, rows, url, host):
        super().__init__(rows, url, SERVICE, **USERS)
        self.host = host

    async def _post(self, session, path, body, headers):
        return await super()._post(session, path, body, headers | {"Host": self.host})


def mistagged(table):
    """Rows of which the word `in`, which only one stratum has, is tagged wrongly."""
    found = [
        each | {"tags": ["B-list" if token == "in" else "O" for token in each["tokens"]]}
        for each in table.to_pylist()
    ]
    return pa.Table.from_pylist(found, table.schema)


class Case:
    """A service with a champion, and a candidate that is as good or worse in one stratum."""

    def __init__(self, where, entrance, namespace, folder, *, good):
        self.place = f"{where['ADSMU_STORE']}/{namespace}"
        self.folder = folder
        existing, new = rows(OLD, new=False), rows(NEW, new=True)
        more = rows(NEW | {"to": [*NEW["to"], "add gym to my list"]}, new=True)
        self.champion = released(self.place, train(folder / "champion", new, existing), new, existing)
        self.model = train(folder / "candidate", more if good else mistagged(more), existing)
        serving = entrance.serving(where, namespace, cpu="300m")
        self.ports = entrance.ports(serving, self.place)
        self.traffic = self.ports.traffic
        self.rows = rows(NEW, new=True, split="test")
        write_utterances(pa.concat_tables([new, self.rows]), folder / "data")
        write_json(self._evaluation(), folder / "evaluation.json")
        files = [
            self.model,
            folder / "evaluation.json",
            folder / "data",
            folder / "champion" / "existing",
        ]
        self.outcome = folder / "outcome.json"
        given = {
            "files": [*map(str, files), None, str(self.outcome), str(folder / "rollout.html")],
            "settings": {
                "verdict": "pass",
                "service": SERVICE,
                "backend": entrance.backend,
                "store": self.place,
                "plan": PLAN,
                "serving": serving,
                "trainer": TRAINER,
            },
        }
        write_json(given, folder / "given.json")

    def _evaluation(self):
        strata = [
            {"stratum_id": name, "shape": name, "verdict": "pass", "reason": "", "dev": None, "history": []}
            for name in NEW
        ]
        nothing = dict.fromkeys(("reasons", "gate", "data", "unseen_shapes", "existing", "champion"))
        splits = {"dev": None, "test": {"low": 0.9}}
        return nothing | {
            "format": 1, "round": 1, "max_rounds": 1, "verdict": "pass", "rounds": [], "strata": strata,
            "splits": splits, "model": {"digest": digest(self.model)},
        }  # fmt: skip

    def roll_out(self, *phases):
        """Runs the component to its end; once in each of these phases it is killed and begun anew.

        Returns:
            The phases in which it was.
        """
        killed = []
        while True:
            command = [sys.executable, "-c", PROGRAM, str(self.folder / "given.json")]
            with (self.folder / "errors.txt").open("w") as errors:
                process = subprocess.Popen(command, stderr=errors)
            while process.poll() is None:
                phase = (self.ports.record.read()[0] or {}).get("phase")
                if phase in phases and phase not in killed:
                    process.kill()
                    killed.append(phase)
                time.sleep(0.05)
            if process.returncode >= 0:
                assert process.returncode == 0, (self.folder / "errors.txt").read_text()
                return killed


@pytest.fixture
def case(where, entrance, namespace, tmp_path, request):
    made = Case(where, entrance, namespace, tmp_path, good=request.param)
    host = begin(made.ports, entrance, namespace, made.champion)
    made.users = Users(made.rows, entrance.url, host)
    return made


@pytest.mark.parametrize("case", [True], indirect=True)
def test_a_good_candidate_is_promoted_though_its_process_is_killed_in_each_phase(case):
    phases = ["dark_launch", "ramp", "bake", "promote"]
    with case.users as users:
        killed = case.roll_out(*phases)
        counts = users.stop()
    outcome = read_json(case.outcome)
    assert outcome["outcome"] == "promoted", (killed, outcome["reasons"])
    assert killed == phases
    assert (case.traffic.champion(), case.traffic.candidate()) == (digest(case.model), None)
    assert counts.failed == 0, counts.faults
    entries = EvidenceLog(open_store(outcome["evidence"])).read()
    assert replay(entries) == []
    assert [entry["kind"] for entry in entries].count("begin") == 1
    assert counts.models.keys() == {case.champion.digest, digest(case.model)}


@pytest.mark.parametrize("case", [False], indirect=True)
def test_a_candidate_that_is_worse_in_one_stratum_is_rolled_back_though_its_process_is_killed(case):
    with case.users as users:
        killed = case.roll_out("roll_back")
        counts = users.stop()
    outcome = read_json(case.outcome)
    assert outcome["outcome"] == "rolled_back"
    assert killed == ["roll_back"]
    assert any("in" in reason.split() for reason in outcome["reasons"]), outcome["reasons"]
    assert (case.traffic.champion(), case.traffic.candidate()) == (case.champion.digest, None)
    assert counts.failed == 0, counts.faults
    assert counts.models[digest(case.model)] > 0
    assert replay(EvidenceLog(open_store(outcome["evidence"])).read()) == []
