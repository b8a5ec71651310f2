"""Components loaded from their YAML, inside a pipeline that is somebody else's, on a real cluster."""

import json
import os
from pathlib import Path

import pytest
from cluster_runs import ended, pods
from kfp import compiler, components, dsl
from kfp.dsl import Artifact, Dataset, Input, Model

from adsmu.store import open_store
from adsmu.stratified_evaluate.evaluate import evaluate_files
from adsmu.stratify.strata import stratify_files
from adsmu.submit.server import connect

pytestmark = pytest.mark.slow
COMPONENTS = Path(__file__).parents[2] / "components"
TRAINER = "template_trainer:TemplateTrainer"


@pytest.fixture
def theirs(server, tmp_path):
    """A compiled pipeline with two of the components and a step of its own."""
    image = os.environ["ADSMU_IMAGE"]
    stratify, evaluate = (
        components.load_component_from_file(str(COMPONENTS / name / "component.yaml"))
        for name in ("stratify", "stratified_evaluate")
    )

    @dsl.component(base_image=image, install_kfp_package=False)
    def publish(evaluation: Input[Artifact], verdict: str) -> float:
        import json

        with open(evaluation.path) as file:
            strata = json.load(file)["strata"]
        return float(len(strata))

    @dsl.pipeline(name="somebody-elses")
    def pipeline(user: str, test: str, existing: str, model: str):
        rows, held_out, known = (
            dsl.importer(artifact_uri=uri, artifact_class=Dataset, reimport=False).output
            for uri in (user, test, existing)
        )
        made = dsl.importer(artifact_uri=model, artifact_class=Model, reimport=False).output
        strata = stratify(user=rows, test=held_out)
        strata.set_container_image(image)
        measured = evaluate(
            model=made, data=strata.outputs["utterances"], strata=strata.outputs["strata"], existing=known,
            trainer=TRAINER, target=0.6,
        )  # fmt: skip
        measured.set_container_image(image)
        publish(evaluation=measured.outputs["evaluation"], verdict=measured.outputs["verdict"])

    path = tmp_path / "theirs.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return path


def timeless(evaluation):
    """All of an evaluation but how long it took."""
    rounds = [
        {name: value for name, value in each.items() if name != "seconds"} for each in evaluation["rounds"]
    ]
    return evaluation | {"rounds": rounds}


def test_their_pipeline_gets_what_the_same_functions_give_here(server, parameters, inputs, theirs, tmp_path):
    given = json.loads(parameters().read_text())
    arguments = {name: given[name] for name in ("user", "test", "existing")}
    client = connect(server).client
    run = client.create_run_from_pipeline_package(
        str(theirs), arguments | {"model": parameters.knowing}, experiment_name="somebody-elses"
    ).run_id
    assert ended(server, run) == "SUCCEEDED"
    corpus, here = inputs.corpus, tmp_path
    stratify_files(corpus.user, corpus.test, here / "rows", here / "strata")
    expected = evaluate_files(
        inputs.knowing_champion, here / "rows", here / "strata", corpus.existing, target=0.6,
        evaluation=here / "evaluation", predictions=here / "predictions", report=here / "report",
        champion_predictions=None, previous=None, round=0, max_rounds=3, margin=0.02, confidence=0.95,
        patience=2, churn_floor=None, trainer=TRAINER,
    )  # fmt: skip
    (measured,) = [each for each in pods(server, run) if each.task == "stratified-evaluate" and each.outputs]
    folder, _, name = measured.outputs["evaluation"].rpartition("/")
    there = json.loads(open_store(folder).read(name))
    assert timeless(there) == timeless(json.loads((here / "evaluation").read_text()))
    assert there["verdict"] == expected.verdict
