"""Generated files are current, readable and usable by others; examples in READMEs run."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from kfp import components, dsl
from kfp.dsl import Artifact, Dataset, Input

from adsmu.errors import BadInput
from adsmu.pipelines import generate, recursion

ROOT = Path(__file__).parents[2]
READMES = sorted([*ROOT.glob("components/*/README.md"), *ROOT.glob("pipelines/*/README.md")])


@pytest.fixture
def tree(tmp_path):
    """A source tree with the READMEs, and none of the compiled files."""
    for readme in READMES:
        target = tmp_path / readme.relative_to(ROOT)
        target.parent.mkdir(parents=True)
        shutil.copyfile(readme, target)
    return tmp_path


def test_the_committed_files_are_what_the_source_compiles_to(tree):
    written = generate.generate(tree)
    assert {p.name for p in written} >= {"component.yaml", "pipeline.yaml", "pipeline-unrolled-3.yaml"}
    for path in written:
        assert path.read_bytes() == (ROOT / path.relative_to(tree)).read_bytes(), path.relative_to(tree)
    assert generate.check(ROOT) == []


def test_checking_names_what_is_not_current_and_writes_nothing(tree):
    generate.generate(tree)
    assert generate.check(tree) == []
    for name in ("components/train/component.yaml", "components/train/README.md"):
        path = tree / name
        path.write_text(path.read_text().replace("Model folder", "Something else"))
        assert generate.check(tree) == [path]
        assert "Something else" in path.read_text()
        assert generate.generate(tree) == [path]
        assert generate.generate(tree) == []


def test_words_around_the_tables_are_left_alone(tree):
    generate.generate(tree)
    readme = tree / "components" / "stratify" / "README.md"
    readme.write_text("Before.\n" + readme.read_text() + "After.\n")
    assert generate.check(tree) == []


def test_a_readme_without_a_place_for_tables_is_bad_input(tree):
    readme = tree / "components" / "stratify" / "README.md"
    readme.write_text("# stratify\n")
    with pytest.raises(BadInput, match=r"README\.md: the lines .* are missing"):
        generate.generate(tree)


def test_a_folder_that_is_no_source_tree_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="not the root of the source tree"):
        generate.generate(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", generate.STEPS)
def test_every_input_and_output_is_described(step):
    root = yaml.safe_load((ROOT / "components" / step / "component.yaml").read_text())["root"]
    for definitions in ("inputDefinitions", "outputDefinitions"):
        for kind in root[definitions].values():
            assert all(spec["description"] for spec in kind.values())


def test_every_component_loads_from_its_file_into_another_pipeline():
    ops = {
        step: components.load_component_from_file(str(ROOT / "components" / step / "component.yaml"))
        for step in generate.STEPS
    }

    @dsl.pipeline
    def other(
        user: Input[Dataset],
        test: Input[Dataset],
        existing: Input[Dataset],
        catalog: Input[Artifact],
        seen: Input[Dataset],
        strategy: Input[Artifact],
        evaluation_set: Input[Dataset],
    ) -> str:
        strata = ops["stratify"](user=user, test=test)
        rows = ops["synthesize"](
            utterances=strata.outputs["utterances"],
            strata=strata.outputs["strata"],
            existing=existing,
            catalog=catalog,
        )
        trained = ops["train"](existing=existing, data=rows.outputs["data"], mode="full")
        measured = ops["stratified_evaluate"](
            model=trained.outputs["model"],
            data=rows.outputs["data"],
            strata=strata.outputs["strata"],
            existing=existing,
        )
        ops["canary_finalise"]()
        profiled = ops["profile"](observations=seen)
        looked = ops["monitor"](
            observations=seen,
            profile=profiled.outputs["profile"],
            strategy=strategy,
            begin="2026-01-01",
            end="2026-01-08",
        )
        found = looked.outputs["findings"]
        analyzed = ops["analyze"](reference=seen, window=seen, strategy=strategy, findings=found)
        analysis = analyzed.outputs["analysis"]
        decided = ops["decide"](findings=found, strategy=strategy, analysis=analysis, store="decisions")
        ops["form_dataset"](observations=seen, strategy=strategy, decision=decided.outputs["decision"])
        ops["curate"](observations=seen, strategy=strategy, way="uncertainty", budget=10)
        model = trained.outputs["model"]
        ops["sign_off"](model=model, champion=model, evaluation_set=evaluation_set)
        return ops["canary_deploy"](
            model=model,
            evaluation=measured.outputs["evaluation"],
            verdict=measured.outputs["verdict"],
        ).outputs["outcome"]

    compiled = recursion.compiled(other).pipeline
    assert len(compiled["root"]["dag"]["tasks"]) == len(generate.STEPS)


def test_the_compiled_pipelines_load_as_components():
    for name in ("pipeline.yaml", "pipeline-unrolled-3.yaml"):
        op = components.load_component_from_file(str(ROOT / "pipelines" / "update" / name))
        assert "champion" in op.component_spec.inputs


@pytest.mark.parametrize("readme", [ROOT / "README.md", *READMES], ids=lambda path: path.parent.name)
def test_the_example_of_a_readme_runs(readme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", readme.read_text(), flags=re.DOTALL)
    path = tmp_path / "example.py"
    path.write_text(code)  # kfp reads a pipeline's source from its file
    exec(compile(code, str(path), "exec"), {"__name__": "example"})
    assert len(list(tmp_path.iterdir())) > 1
