"""Files are whole or absent."""

import pytest

from adsmu.errors import BadInput
from adsmu.files import digest, read_json, refuse_existing, write_json, written_whole


def test_a_file_takes_its_name_only_when_writing_ends_well(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("before")
    with pytest.raises(RuntimeError), written_whole(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stopped in the middle")
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_replaces_the_one_before_as_a_whole(tmp_path):
    target = tmp_path / "model"
    for name in ("first", "second"):
        with written_whole(target) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["second"]


def test_the_digest_of_a_folder_sees_names_and_content(tmp_path):
    (tmp_path / "a").write_text("1")
    before = digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = digest(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({before, renamed, digest(tmp_path)}) == 3


def test_the_digest_of_a_folder_does_not_depend_on_where_it_stands(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "a").write_text("1")
    assert digest(tmp_path / "x") == digest(tmp_path / "y")


def test_json_with_an_error_names_file_and_row(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{\n"a": 1,\n}')
    with pytest.raises(BadInput, match=r"a\.json, row 3: not JSON"):
        read_json(path)


def test_json_never_holds_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"a": float("nan")}, tmp_path / "a.json")
    assert not any(tmp_path.iterdir())


def test_an_empty_folder_may_be_used_and_any_other_is_refused(tmp_path):
    assert refuse_existing(tmp_path) == tmp_path
    (tmp_path / "a").touch()
    with pytest.raises(BadInput, match="already exists"):
        refuse_existing(tmp_path)
