import re

import pytest

from adsmu.errors import BadInput
from adsmu.submit.server import Away, connect
from adsmu.submit.start import start, upload


def test_a_version_is_uploaded_once_and_every_run_is_started(kfp_api, small):
    server = connect(kfp_api.url)
    first, new = upload(server, small)
    second, again = upload(server, small)
    assert (new, again) == (True, False)
    assert first == second
    assert kfp_api.times("POST .*upload_version") == 1
    assert [each["display_name"] for each in kfp_api.versions] == [small.version]
    assert small.text() in kfp_api.versions[0]["body"]
    assert start(server, first, {"text": "a"}, "one") != start(server, first, {"text": "a"}, "two")
    assert [each["display_name"] for each in kfp_api.experiments] == ["adsmu"]
    assert kfp_api.runs[0]["runtime_config"] == {"parameters": {"text": "a"}}
    assert kfp_api.runs[0]["pipeline_version_reference"] == {
        "pipeline_id": "pipeline_id-0",
        "pipeline_version_id": "pipeline_version_id-0",
    }


def test_another_content_is_another_version_of_the_same_pipeline(kfp_api, small):
    from adsmu.submit.package import without_cache

    server = connect(kfp_api.url)
    upload(server, small)
    upload(server, without_cache(small))
    assert len(kfp_api.pipelines) == 1
    assert len(kfp_api.versions) == 2


def test_who_uploads_second_finds_the_version_of_the_first(kfp_api, small):
    server = connect(kfp_api.url)
    answer, raced = kfp_api.answer, []

    def somebody_else_is_faster(method, path, query, body):
        if method == "POST" and path.endswith(("pipelines", "upload_version")) and path not in raced:
            raced.append(path)
            answer(method, path, query, body)
        return answer(method, path, query, body)

    kfp_api.answer = somebody_else_is_faster
    version, new = upload(server, small)
    assert len(raced) == 2
    assert not new
    assert version.pipeline_version_id == "pipeline_version_id-0"
    assert (len(kfp_api.pipelines), len(kfp_api.versions)) == (1, 1)


@pytest.mark.parametrize("tag", ["2.14.3", "v2.5.0", "1.8.22"])
def test_an_old_server_is_refused_with_its_version(kfp_api, tag):
    kfp_api.health["tag_name"] = tag
    version = re.match(r"v?[0-9]+.[0-9]+", tag)[0]
    with pytest.raises(BadInput, match=f"the server is {version}; 2.15 is the lowest taken, 2.17 was tested"):
        connect(kfp_api.url)


def test_a_server_that_does_not_say_its_version_is_told_by_what_it_answers(kfp_api):
    kfp_api.health["tag_name"] = "unknown"
    connect(kfp_api.url)
    del kfp_api.health["pipeline_store"]
    with pytest.raises(BadInput, match="the server is older"):
        connect(kfp_api.url)


def test_nothing_that_listens_is_told_in_one_line(kfp_api):
    kfp_api.stop()
    with pytest.raises(Away, match=r"does not answer: .*refused"):
        connect(kfp_api.url)


def test_a_name_that_nobody_knows_is_told_in_one_line():
    with pytest.raises(Away, match=r"http://nowhere\.invalid does not answer"):
        connect("http://nowhere.invalid")


def test_a_page_that_is_no_api_is_told(kfp_api):
    kfp_api.page = "<html>please log in</html>"
    with pytest.raises(BadInput, match="no Kubeflow Pipelines API"):
        connect(kfp_api.url)


def test_a_server_without_that_path_is_told(kfp_api):
    kfp_api.refuse[".*healthz"] = (404, {"error": "no such path"})
    with pytest.raises(BadInput, match="no Kubeflow Pipelines API"):
        connect(kfp_api.url)


@pytest.mark.parametrize("host", ["", "localhost:8080", "ftp://host", "http://"])
def test_a_host_that_is_no_url_is_refused_before_anything_is_asked(host):
    with pytest.raises(BadInput, match="must be a URL"):
        connect(host)


def test_a_login_comes_from_the_environment_and_nothing_else(kfp_api, monkeypatch):
    kfp_api.token = "secret"
    with pytest.raises(BadInput, match="the server wants a login; KFP_EXISTING_TOKEN"):
        connect(kfp_api.url)
    monkeypatch.setenv("KFP_EXISTING_TOKEN", "secret")
    connect(kfp_api.url)


def test_a_token_is_read_from_the_file_that_a_pod_is_given(kfp_api, monkeypatch, tmp_path):
    kfp_api.token = "from a file"
    (tmp_path / "token").write_text("from a file")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    connect(kfp_api.url)


def test_a_right_that_is_missing_is_told_in_the_words_of_the_server(kfp_api, small):
    kfp_api.refuse["POST .*upload_version"] = (
        403,
        {"error": "User 'ann' is not authorized with reason: create pipelineversions\nstack"},
    )
    with pytest.raises(BadInput) as refused:
        upload(connect(kfp_api.url), small)
    assert "no right to do that: User 'ann' is not authorized" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_server_with_users_wants_a_namespace_and_is_given_it_everywhere(kfp_api, small):
    kfp_api.health["multi_user"] = True
    with pytest.raises(BadInput, match="name your namespace"):
        connect(kfp_api.url)
    server = connect(kfp_api.url, "ann")
    version, _ = upload(server, small)
    start(server, version, {}, "one")
    assert kfp_api.pipelines[0]["namespace"] == "ann"
    assert kfp_api.experiments[0]["namespace"] == "ann"


def test_a_fault_of_the_server_is_no_bad_input(kfp_api, small):
    server = connect(kfp_api.url)
    kfp_api.refuse["GET .*pipelines"] = (503, {"error": "database is away"})
    with pytest.raises(Away, match=r"cannot answer now \(503\): database is away"):
        upload(server, small)
