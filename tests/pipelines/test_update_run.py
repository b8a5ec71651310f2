"""The update pipeline, run whole under an unpatched kfp.local, with real steps and a trainer that is fast."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kfp import components, dsl, local
from kfp.dsl import Dataset

from adsmu.files import digest, read_json
from adsmu.pipelines import recursion
from adsmu.pipelines.update.pipeline import load_tied, unrolled

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Ran:
    """What a run left: the folders of its steps, in order of their rounds."""

    folder: Path

    def steps(self, name: str) -> list[Path]:
        # kfp compiles a component that two pipelines use twice, the second time as `name-2`.
        found = (path for path in self.folder.rglob(f"{name}*") if path.name in (name, f"{name}-2"))
        return sorted(found, key=lambda path: len(path.parts))

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        return [read_json(path / "evaluation") for path in self.steps("stratified-evaluate")]

    @property
    def outcome(self) -> dict[str, Any]:
        (step,) = self.steps("canary-deploy")
        return read_json(step / "rollout")


def run(
    inputs, folder: Path, *, pipeline: Any = None, champion: Path | None = None, needed: int, **more
) -> Ran:
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(folder / "steps"),
        enable_caching=True,
        cache_root=str(folder / "cache"),
    )
    (pipeline or load_tied())(
        existing=str(inputs.corpus.existing),
        user=str(inputs.corpus.user),
        test=str(inputs.corpus.test),
        catalog=str(inputs.corpus.catalog),
        champion=str(champion or inputs.champion),
        rows_per_stratum=4,
        evaluation_rows=40,
        target=0.6,
        margin=0.2,
        allocation="equal",
        generator="fill",
        mode="full",
        early_mode="full",
        trainer=inputs.trainer,
        settings={"needed": needed},
        **more,
    )
    return Ran(max((folder / "steps").iterdir(), key=lambda path: path.name))


@pytest.fixture(scope="module")
def two_rounds(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    return folder, run(inputs, folder, needed=8, max_rounds=3)


def test_a_champion_that_passes_ends_the_run(inputs, tmp_path):
    ran = run(inputs, tmp_path, champion=inputs.knowing_champion, needed=1)
    assert [(e["round"], e["verdict"]) for e in ran.evaluations] == [(0, "pass")]
    assert ran.evaluations[0]["model"]["digest"] == digest(inputs.knowing_champion)
    assert not ran.steps("train")
    assert not ran.steps("canary-deploy")


def test_one_round_suffices_when_it_passes(inputs, tmp_path):
    ran = run(inputs, tmp_path, needed=4, max_rounds=3)
    assert [(e["round"], e["verdict"]) for e in ran.evaluations] == [(0, "refine"), (1, "pass")]
    assert ran.outcome["admitted"] is True


def test_a_second_round_follows_a_first_that_does_not_pass(two_rounds):
    _, ran = two_rounds
    assert [e["verdict"] for e in ran.evaluations] == ["refine", "refine", "pass"]
    assert [entry["round"] for entry in ran.evaluations[-1]["rounds"]] == [0, 1, 2]
    assert len(ran.steps("train")) == len(ran.steps("synthesize")) - 1 == 2


def test_each_round_adds_to_the_rows_of_the_one_before(two_rounds):
    _, ran = two_rounds
    assert [entry["added"] for entry in ran.evaluations[-1]["rounds"]] == [0, 12, 12]
    tables = [pq.read_table(path / "data") for path in ran.steps("synthesize")]
    assert [len(table) for table in tables] == [len(tables[0]), len(tables[0]) + 12, len(tables[0]) + 24]


def test_the_model_that_reaches_the_end_is_the_one_that_passed(two_rounds):
    _, ran = two_rounds
    assert ran.outcome["admitted"] is True
    assert ran.outcome["model"]["digest"] == digest(ran.steps("train")[-1] / "model")
    assert ran.outcome["model"]["digest"] == ran.evaluations[-1]["model"]["digest"]


def test_rounds_end_at_the_last_one_allowed_and_nothing_is_rolled_out(inputs, tmp_path):
    ran = run(inputs, tmp_path, needed=1000, max_rounds=2)
    assert [e["verdict"] for e in ran.evaluations] == ["refine", "refine", "exhausted"]
    assert ran.outcome["outcome"] == "skipped"
    assert ran.outcome["admitted"] is False
    assert "'exhausted'" in ran.outcome["reasons"][0]


def test_the_unrolled_pipeline_measures_the_same(inputs, two_rounds, tmp_path):
    _, tied = two_rounds
    flat = components.load_component_from_text(unrolled(2).text())
    ran = run(inputs, tmp_path, pipeline=flat, needed=8, max_rounds=3)
    assert [e["model"] for e in ran.evaluations] == [e["model"] for e in tied.evaluations]
    assert [e["splits"] for e in ran.evaluations] == [e["splits"] for e in tied.evaluations]


def test_a_second_run_with_the_same_cache_executes_only_the_last_tasks(inputs, two_rounds):
    folder, before = two_rounds
    again = run(inputs, folder, needed=8, max_rounds=3)
    assert again.folder != before.folder
    assert {path.parent.name for path in again.folder.rglob("executor_output.json")} == {
        "finish",
        "sign-off",
        "canary-deploy",
        "canary-finalise",
    }
    assert again.outcome == before.outcome


def test_stratify_from_its_file_runs_inside_another_pipeline(inputs, tmp_path):
    stratify = components.load_component_from_file(
        str(HERE.parents[1] / "components" / "stratify" / "component.yaml")
    )

    @dsl.pipeline
    def shapes(user: str, test: str):
        rows = dsl.importer(artifact_uri=user, artifact_class=Dataset, reimport=False)
        held_out = dsl.importer(artifact_uri=test, artifact_class=Dataset, reimport=False)
        stratify(user=rows.output, test=held_out.output, rule="fuzzy")

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path))
    loaded = components.load_component_from_text(recursion.compiled(shapes).text())
    loaded(user=str(inputs.corpus.user), test=str(inputs.corpus.test))
    (strata,) = tmp_path.rglob("strata")
    assert pq.read_table(strata)["shape"].to_pylist()
