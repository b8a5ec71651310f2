import pytest

from adsmu.errors import BadInput
from adsmu.pipelines.update.pipeline import tied
from adsmu.submit.package import package, read_package, read_parameters, without_cache

DATA = "data=s3://bucket/data"


def test_the_same_content_has_the_same_version_and_another_content_another(small):
    again = package("# a comment\n" + small.text())
    assert again.version == small.version
    assert package(small.text().replace("0.5", "0.25")).version != small.version


def test_the_update_pipeline_keeps_its_name_in_the_version():
    update = package(tied().text())
    assert update.version.startswith("update-")
    assert package(update.text()) == update


def test_without_cache_is_another_version_of_which_no_task_asks_for_the_cache(small):
    changed = without_cache(small)
    assert changed.version != small.version
    assert "enableCache" in small.text()
    assert "enableCache" not in changed.text()


def test_the_artifacts_that_the_update_imports_need_uris():
    assert package(tied().text()).imported == {"existing", "user", "test", "catalog", "champion"}


def test_values_are_read_as_the_kind_that_the_pipeline_declares(small):
    pairs = ["text=3", DATA, "count=4", "share=1", "flag=false", 'values={"a": 1}', 'names=["b"]']
    assert read_parameters(small, pairs, None) == {
        "text": "3",
        "data": "s3://bucket/data",
        "count": 4,
        "share": 1,
        "flag": False,
        "values": {"a": 1},
        "names": ["b"],
    }


@pytest.mark.parametrize("name", ["parameters.yaml", "parameters.json"])
def test_a_parameter_on_the_line_goes_before_that_of_the_file(small, tmp_path, name):
    file = tmp_path / name
    file.write_text('{"text": "file", "count": 7, "data": "gs://bucket/data"}')
    assert read_parameters(small, ["text=line"], file) == {
        "text": "line",
        "count": 7,
        "data": "gs://bucket/data",
    }


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([DATA], "--param: small needs text"),
        (["text=a", DATA, "count=1.5"], "column count: must be a whole number, not 1.5"),
        (["text=a", DATA, "count=true"], "column count: must be a whole number, not True"),
        (["text=a", DATA, "flag=yes"], "column flag: must be true or false, not 'yes'"),
        (["text=a", DATA, "values=[1]"], "column values: must be a JSON object"),
        (["text=a", DATA, "colour=red"], "column colour: small takes "),
        (["text=a", "data=./rows.parquet"], "column data: must be a URI that the cluster reads"),
        (["text"], "'text' is not of the form NAME=VALUE"),
    ],
)
def test_a_parameter_that_the_pipeline_does_not_take_is_refused(small, pairs, expected):
    with pytest.raises(BadInput) as refused:
        read_parameters(small, pairs, None)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "row 1: not YAML"),
        ("- 1", "must hold one object"),
        ("text: 3\ndata: s3://a/b", "must be text"),
    ],
)
def test_a_file_of_parameters_that_cannot_be_used_is_refused_with_its_name(small, tmp_path, text, expected):
    file = tmp_path / "parameters.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_parameters(small, [], file)
    assert str(refused.value).startswith(str(file))
    assert expected in str(refused.value)


@pytest.mark.parametrize("text", ["a: 1", "", "[1]", "a: ["])
def test_what_is_no_pipeline_is_refused_with_its_name(tmp_path, text):
    file = tmp_path / "pipeline.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_package(file)
    assert str(refused.value).startswith(str(file))
