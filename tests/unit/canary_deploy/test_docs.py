"""What docs/rollout.md says of keys, rights and plans is what the code says."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from adsmu.canary_deploy.plan import Plan
from adsmu.canary_deploy.schedule import STRATEGIES, Schedule, read_plan
from adsmu.canary_deploy.service import REQUESTS
from adsmu.canary_deploy.traffic import gateway, knative, kserve
from adsmu.canary_deploy.traffic.inference import INFERENCE_SERVICE
from adsmu.canary_deploy.traffic.serving import Serving

GUIDE = (Path(__file__).parents[3] / "docs" / "rollout.md").read_text(encoding="utf-8")


def table(heading):
    """The cells of the first table behind a line, by the first cell; code marks are taken off."""
    lines = iter(GUIDE.split(f"\n{heading}\n", 1)[1].splitlines())
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
        elif rows:
            break
    assert len(rows) > 2, heading
    return {row[0]: row[1:] for row in rows[2:]}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("heading", "of"), [("What the candidate must show:", Plan), ("When it does what:", Schedule)]
)
def test_every_key_stands_in_the_guide_with_its_default(heading, of):
    said = {name: row[0] for name, row in table(heading).items()}
    assert said == {each.name: json.dumps(each.default) for each in dataclasses.fields(of)}


def test_what_a_strategy_changes_stands_in_the_guide():
    rows = re.findall(
        r"^\| `(\w+)` \| (.*) \|$", GUIDE.split("| strategy | changes |")[1], flags=re.MULTILINE
    )
    said = dict(rows[: len(STRATEGIES)])
    assert list(said) == list(STRATEGIES)
    for name, changes in STRATEGIES.items():
        for key, value in changes.items():
            assert re.search(rf"`{key}` `?{re.escape(json.dumps(value))}`?", said[name]), (name, key)


@pytest.mark.parametrize("text", blocks("json"))
def test_every_plan_of_the_guide_is_taken(text):
    read_plan(json.loads(text))


def test_every_strategy_has_a_plan_in_the_guide():
    shown = {json.loads(text).get("strategy", "canary") for text in blocks("json")}
    assert shown == set(STRATEGIES)


def test_how_long_a_step_lasts_stands_in_the_guide():
    assert f"{read_plan({})[0].min_looks} looks with the defaults" in GUIDE
    assert read_plan({"look_seconds": 300})[0].min_looks == 3


def test_every_setting_of_a_cluster_stands_in_the_guide():
    said = {name: row[0] for name, row in table("`serving` of the others:").items()}
    assert list(said) == [each.name for each in dataclasses.fields(Serving)]
    for each in dataclasses.fields(Serving):
        if each.default is not dataclasses.MISSING and each.name != "trainer":
            assert said[each.name] == json.dumps(each.default)


def test_the_settings_of_a_local_service_stand_in_the_guide():
    line = next(line for line in GUIDE.splitlines() if line.startswith("`serving` of the backend `local`"))
    said = re.findall(r"`(\w+)` \(([\d.]+)", line)
    assert {name: float(value) for name, value in said} == REQUESTS


def test_the_rights_of_each_backend_stand_in_the_guide():
    said = table("### Rights")
    named = {"inferenceservices.serving.kserve.io": "get create patch delete"}
    assert str(INFERENCE_SERVICE) in named
    for column, (module, more) in enumerate(((gateway, {}), (kserve, named), (knative, named))):
        wanted = {str(kind): verbs for kind, verbs in module.RIGHTS.items()} | more
        assert {kind: row[column] for kind, row in said.items() if row[column]} == wanted


def test_the_pipeline_of_the_guide_compiles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    (tmp_path / "example.py").write_text(code)  # kfp reads a pipeline's source from its file
    exec(compile(code, str(tmp_path / "example.py"), "exec"), {"__name__": "example"})
    assert (tmp_path / "roll_out.yaml").is_file()
