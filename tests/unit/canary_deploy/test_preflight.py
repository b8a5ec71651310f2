"""The admission of canary-deploy: it fails closed."""

import pytest

from adsmu.canary_deploy.preflight import refusals
from adsmu.canary_deploy.roll_out import roll_out_files
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json


@pytest.fixture
def model(tmp_path):
    write_json({"format": 1}, tmp_path / "model" / "model.json")
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"weights")
    return tmp_path / "model"


@pytest.fixture
def evaluation(tmp_path, model):
    return written(tmp_path, {"format": 1, "verdict": "pass", "model": {"digest": digest(model)}})


def written(folder, value):
    write_json(value, folder / "evaluation.json")
    return folder / "evaluation.json"


def test_a_model_with_its_own_passing_evaluation_is_admitted(model, evaluation):
    assert refusals(model, evaluation, "pass") == []


def test_a_model_that_changed_after_its_evaluation_is_refused(model, evaluation):
    (model / "weights.safetensors").write_bytes(b"other weights")
    (reason,) = refusals(model, evaluation, "pass")
    assert digest(model) in reason


def test_a_file_added_to_the_model_is_a_change(model, evaluation):
    (model / "extra").write_text("")
    assert len(refusals(model, evaluation, "pass")) == 1


@pytest.mark.parametrize("verdict", ["refine", "exhausted", "", "PASS", "pass "])
def test_any_verdict_of_the_pipeline_but_pass_is_refused(model, evaluation, verdict):
    assert refusals(model, evaluation, verdict) == [
        f"the pipeline's verdict is {verdict!r}, and only 'pass' is rolled out"
    ]


def test_the_pipeline_cannot_overrule_the_evaluation(tmp_path, model):
    evaluation = written(tmp_path, {"format": 1, "verdict": "exhausted", "model": {"digest": digest(model)}})
    assert refusals(model, evaluation, "pass") == [
        "the evaluation's verdict is 'exhausted', and only 'pass' is rolled out"
    ]


@pytest.mark.parametrize(
    "value",
    [
        [],
        None,
        "pass",
        {},
        {"format": 2, "verdict": "pass"},
        {"format": 1, "verdict": "pass"},
        {"format": 1, "verdict": "pass", "model": None},
        {"format": 1, "verdict": "pass", "model": {"digest": None}},
        {"format": 1, "verdict": ["pass"], "model": {"digest": "sha256:0"}},
    ],
)
def test_an_evaluation_that_does_not_say_so_admits_nothing(tmp_path, model, value):
    assert refusals(model, written(tmp_path, value), "pass")


def rolled_out(model, evaluation, outcome, verdict):
    """Without a backend: the model is admitted or not, and nothing else."""
    nowhere = {"service": "", "backend": "", "store": "", "plan": {}, "serving": {}, "trainer": ""}
    files = model, evaluation, None, None, None, outcome, outcome.with_name("report.html")
    return roll_out_files(*files, verdict=verdict, **nowhere)


def test_a_refusal_is_written_down_with_its_reasons(tmp_path, model, evaluation):
    outcome = tmp_path / "outcome.json"
    assert rolled_out(model, evaluation, outcome, "exhausted") == "skipped"
    assert read_json(outcome) == {
        "format": 1,
        "outcome": "skipped",
        "admitted": False,
        "reasons": ["the pipeline's verdict is 'exhausted', and only 'pass' is rolled out"],
        "model": {"digest": digest(model)},
        "evaluation": {"digest": digest(evaluation)},
        "override": "",
    }
    assert "outcome.json says why" in (tmp_path / "report.html").read_text()


def test_an_admitted_model_is_skipped_for_want_of_a_backend(tmp_path, model, evaluation):
    assert rolled_out(model, evaluation, tmp_path / "outcome.json", "pass") == "skipped"
    found = read_json(tmp_path / "outcome.json")
    assert found["admitted"] is True
    assert found["reasons"] == ["the model is admitted, but no serving backend was named"]


def test_what_is_no_model_or_no_evaluation_is_bad_input(tmp_path, model, evaluation):
    with pytest.raises(BadInput, match="it holds no model"):
        refusals(tmp_path / "nowhere", evaluation, "pass")
    evaluation.write_text("{")
    with pytest.raises(BadInput, match="not JSON"):
        rolled_out(model, evaluation, tmp_path / "outcome.json", "pass")
    assert not (tmp_path / "outcome.json").exists()
