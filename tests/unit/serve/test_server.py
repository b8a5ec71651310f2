"""A predictor process, asked over the network."""

import http.client
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as services

import adsmu.serve
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.serve.load import load_release
from adsmu.serve.server import serve
from adsmu.store import open_store, upload

from .conftest import TRAINER, Release, free_port, stored

INFER = "/v2/models/nlu/infer"
PREDICT = "/v1/models/nlu:predict"
SMALL = {"epochs": 1, "hidden": 8, "word_size": 8, "char_size": 8, "char_features": 8}


def event_of(server, request_id: str, kind: str = "events") -> dict:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = [each for each in server.stored(kind) if each["request_id"] == request_id]
        if found:
            assert len(found) == 1
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no event {request_id}")


def text_input(*texts: str, **more) -> dict:
    return {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}],
        **more,
    }


def metric(server, name: str, **labels: str) -> float:
    _, _, text = server.ask("GET", "/metrics")
    found = 0.0
    for line in text.decode().splitlines():
        if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            found += float(line.rsplit(" ", 1)[1])
    return found


def test_v1_answers_tokens_and_texts(server):
    status, _, answer = server.ask(
        "POST", PREDICT, {"instances": [{"tokens": ["stop"]}, {"text": "add moana to my list"}, "play x y"]}
    )
    assert status == 200
    assert answer["predictions"] == [
        {"domain": "music", "intent": "Stop", "tags": ["O"], "tokens": ["stop"], "stratum": "intent:Stop"},
        {
            "domain": "music",
            "intent": "Add",
            "tags": ["O", "B-song", "O", "O", "O"],
            "tokens": ["add", "moana", "to", "my", "list"],
            "stratum": "to",
        },
        {
            "domain": "music",
            "intent": "Play",
            "tags": ["O", "O", "O"],
            "tokens": ["play", "x", "y"],
            "stratum": "intent:Play",
        },
    ]


def test_v1_answers_whatever_the_content_type_says(server):
    for content in ("application/json; charset=utf-8", "application/x-www-form-urlencoded"):
        status, _, answer = server.ask("POST", PREDICT, {"instances": ["stop"]}, content_type=content)
        assert status == 200 and answer["predictions"][0]["intent"] == "Stop"


def test_v2_answers_texts(server):
    status, headers, answer = server.ask("POST", INFER, text_input("stop", "add x in list y", id="q-7"))
    assert status == 200 and headers["x-request-id"] == answer["id"] == "q-7"
    outputs = {each["name"]: each["data"] for each in answer["outputs"]}
    assert outputs["intent"] == ["Stop", "Add"] and outputs["stratum"] == ["intent:Stop", "in"]
    assert [json.loads(tags) for tags in outputs["tags"]] == [["O"], ["O"] * 5]
    assert answer["parameters"]["x-adsmu-model"] == headers["x-adsmu-model"]


def test_v2_answers_the_tokens_of_one_utterance(server):
    request = {"inputs": [{"name": "tokens", "datatype": "BYTES", "shape": [2], "data": ["stop", "it"]}]}
    status, _, answer = server.ask("POST", INFER, request)
    assert status == 200 and json.loads(answer["outputs"][3]["data"][0]) == ["stop", "it"]


def test_every_response_says_who_answered(server, release):
    for method, path, body, stratum in (
        ("GET", "/v2/health/ready", None, None),
        ("GET", "/metrics", None, None),
        ("GET", "/nothing-here", None, None),
        ("POST", PREDICT, {"instances": ["add x to my list", "stop"]}, "to"),
        ("POST", INFER, text_input("stop"), "intent:Stop"),
        ("POST", PREDICT, {"instances": [3]}, "other"),
        ("POST", PREDICT, {"instances": ["boom"]}, "intent:Play"),
    ):
        _, headers, _ = server.ask(method, path, body)
        assert headers["x-adsmu-variant"] == "candidate" and headers["x-adsmu-model"] == release.digest
        assert headers.get("x-adsmu-stratum") == stratum and headers["x-request-id"]


def test_the_callers_request_id_is_kept_unless_it_cannot_be(server):
    assert server.predict("stop", x_request_id="mine-1")[1]["x-request-id"] == "mine-1"
    for wrong in ("a/1", "a b", "a" * 129, "\xe9"):
        assert re.fullmatch("[0-9a-f]{32}", server.predict("stop", x_request_id=wrong)[1]["x-request-id"])


def test_an_event_tells_all_of_a_request(server, release):
    before = time.time()
    server.predict("add moana to my list", x_request_id="told")
    event = event_of(server, "told")
    assert before <= event.pop("time") <= time.time() and 0 < event.pop("seconds") < 5
    assert event == {
        "request_id": "told",
        "variant": "candidate",
        "model": release.digest,
        "stratum": "to",
        "tokens": ["add", "moana", "to", "my", "list"],
        "domain": "music",
        "intent": "Add",
        "tags": ["O", "B-song", "O", "O", "O"],
        "code": 200,
    }


def test_every_instance_has_an_event_of_its_own(server):
    server.predict("stop", "add x to my list", "play halo", x_request_id="three")
    strata = [event_of(server, name)["stratum"] for name in ("three", "three/1", "three/2")]
    assert strata == ["intent:Stop", "to", "intent:Play"]


def test_a_request_that_is_refused_is_an_event_without_prediction(server):
    for name, path, body in (
        ("bad-1", PREDICT, {"instances": [""]}),
        ("bad-2", PREDICT, b"{"),
        ("bad-3", INFER, text_input("")),
        ("bad-4", INFER, {"inputs": [{"name": "text", "datatype": "FP32", "shape": [1], "data": [1]}]}),
    ):
        status, _, answer = server.ask("POST", path, body, x_request_id=name)
        assert status == 400 and answer["error"]
        event = event_of(server, name)
        assert (event["code"], event["stratum"], event["intent"], event["tags"]) == (400, "other", None, None)
    assert server.ask("POST", INFER, {"inputs": 3}, x_request_id="bad-5")[0] == 422
    assert event_of(server, "bad-5")["code"] == 422


def packed(*texts: bytes) -> bytes:
    """BYTES elements as the V2 binary extension packs them."""
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def binary_request(content: bytes, size: int | None = None, shape: int = 1) -> tuple[bytes, str]:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [shape]}
    tensor["parameters"] = {"binary_data_size": len(content) if size is None else size}
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + content, str(len(head))


def test_v2_answers_binary_tensors(server):
    body, length = binary_request(packed(b"stop", b"play now"), shape=2)
    status, _, answer = server.ask(
        "POST",
        INFER,
        body,
        inference_header_content_length=length,
        content_type="application/octet-stream",
    )
    assert status == 200 and answer["outputs"][1]["data"] == ["Stop", "Play"]


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b"{}", "2"),
        (b"{}", "-1"),
        (b"{}", "x"),
        (b'{"inputs": 3}', "13"),
        (b'{"inputs": [{}]}', "16"),
        binary_request(b"\xff" * 8),
        binary_request(packed(b"stop"), size=3),
        binary_request(packed(b"stop"), shape=7),
        binary_request(packed(b"\xff\xfe")),
    ],
)
def test_no_caller_can_make_the_model_look_bad(server, body, length):
    before = metric(server, "canary_requests_total", code="400")
    status, _, answer = server.ask(
        "POST",
        INFER,
        body,
        inference_header_content_length=length,
        content_type="application/octet-stream",
    )
    assert status == 400 and answer["error"]
    assert metric(server, "canary_requests_total", code="400") == before + 1


def test_a_request_that_the_model_fails_on_is_an_error_of_its_stratum_alone(server):
    answers = {}

    def ask(name: str, text: str) -> None:
        answers[name] = server.predict(text, x_request_id=name)

    threads = [
        threading.Thread(target=ask, args=(f"mixed-{number}", "play boom" if number % 3 == 0 else "stop"))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(12):
        name, failed = f"mixed-{number}", number % 3 == 0
        assert answers[name][0] == (500 if failed else 200)
        event = event_of(server, name)
        assert event["code"] == (500 if failed else 200)
        assert event["stratum"] == ("intent:Play" if failed else "intent:Stop")
    assert answers["mixed-0"][2] == {"error": "the model failed on this request"}


def test_a_megabyte_of_text_is_refused_and_the_server_lives(server):
    for body in (b"a" * 2**20, json.dumps({"instances": ["a " * 2**19]}).encode()):
        status, _, answer = server.ask("POST", PREDICT, body, x_request_id=f"large-{len(body)}")
        assert status == 413 and "262144 bytes" in answer["error"]
        assert event_of(server, f"large-{len(body)}")["code"] == 413
    assert server.ask("POST", "/feedback", b"a" * 2**20)[0] == 413
    assert server.predict("stop")[0] == 200


def test_a_body_of_no_stated_length_is_refused_as_well(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("POST", PREDICT, (b"a" * 2**12 for _ in range(80)), encode_chunked=True)
        assert connection.getresponse().status == 413
    finally:
        connection.close()
    assert server.predict("stop")[0] == 200


def test_labels_are_logged(server):
    server.predict("stop", x_request_id="labelled")
    label = {"request_id": "labelled", "label": {"domain": "music", "intent": "Stop", "tags": ["O"]}}
    status, _, answer = server.ask("POST", "/feedback", [label, label | {"request_id": "labelled/1"}])
    assert (status, answer) == (202, {"accepted": 2})
    logged = event_of(server, "labelled", "labels")
    assert logged.pop("time") <= time.time() and logged == label


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"request_id": "a", "label": {"intent": "\\ud800", "tags": ["O"]}}',
        b'{"request_id": "a", "label": {"intent": NaN, "tags": ["O"]}}',
        b'{"request_id": "../../etc", "label": {"intent": "x", "tags": ["O"]}}',
    ],
)
def test_hostile_feedback_is_refused(server, body):
    status, _, answer = server.ask("POST", "/feedback", body)
    assert status == 400 and answer["error"].startswith("feedback")
    assert server.predict("stop")[0] == 200


def test_metrics_count_utterances_by_stratum_and_code(server):
    ok = {"variant": "candidate", "stratum": "in", "code": "200"}
    before = metric(server, "canary_requests_total", **ok)
    seconds = metric(server, "canary_request_seconds_count", variant="candidate")
    slow = metric(server, "canary_slow_total", variant="candidate", stratum="intent:Play")
    server.predict("add x in list y", "add z in list y")
    server.predict("play wait")
    assert metric(server, "canary_requests_total", **ok) == before + 2
    assert metric(server, "canary_request_seconds_count", variant="candidate") == seconds + 2
    assert metric(server, "canary_slow_total", variant="candidate", stratum="intent:Play") == slow + 1


def test_nobody_unloads_the_model(server):
    assert server.ask("POST", "/v2/repository/models/nlu/unload")[0] == 501
    assert server.ask("POST", "/v1/models/another:predict", {"instances": ["stop"]})[0] == 404
    assert server.ask("GET", "/v2/models/nlu/ready")[2] == {"name": "nlu", "ready": True}


def test_grpc_answers_and_logs(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        request = messages.ModelInferRequest(model_name="nlu", id="by-grpc")
        made = request.inputs.add(name="text", datatype="BYTES", shape=[1])
        made.contents.bytes_contents.append(b"add moana to my list")
        answer = stub.ModelInfer(request, timeout=30)
        outputs = {each.name: list(each.contents.bytes_contents) for each in answer.outputs}
        assert outputs["intent"] == [b"Add"] and outputs["stratum"] == [b"to"]
        assert answer.parameters["x-adsmu-stratum"].string_param == "to"
        assert event_of(server, "by-grpc")["tags"] == ["O", "B-song", "O", "O", "O"]
        made.contents.bytes_contents[0] = b""
        request.id = "by-grpc-2"
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(request, timeout=30)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        packed_wrongly = messages.ModelInferRequest(model_name="nlu", raw_input_contents=[b"\xff" * 8])
        packed_wrongly.inputs.add(name="text", datatype="BYTES", shape=[1])
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(packed_wrongly, timeout=30)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        made.contents.bytes_contents[0] = b"play boom"
        request.id = "by-grpc-3"
        with pytest.raises(grpc.RpcError) as failed:
            stub.ModelInfer(request, timeout=30)
        assert failed.value.code() == grpc.StatusCode.INTERNAL
    assert event_of(server, "by-grpc-3")["code"] == 500


def copied(release: Release, tmp_path) -> Release:
    return Release(shutil.copytree(release.folder, tmp_path / "copy"), release.digest)


def refused(made: Release, tmp_path, **more) -> str:
    """What is said of a release or a setting that is not served."""
    given = {"variant": "v", "service": "nlu", "events": str(tmp_path / "store"), "log": tmp_path / "log"}
    given |= {"release": str(made.folder), "digest": made.digest, "trainer": TRAINER, "port": 1}
    with pytest.raises(BadInput) as error:
        serve(**given | more)
    return str(error.value)


def test_an_altered_model_is_refused_in_one_line_with_exit_code_2(release, start, tmp_path):
    altered = copied(release, tmp_path)
    words = altered.folder / "model" / "words.json"
    words.write_text(words.read_text().replace("Stop", "Halt"))
    process = start(of=altered)
    assert process.process.wait(60) == 2
    (line,) = process.output.read_text().splitlines()
    assert "it was altered, or is another one" in line


def test_a_model_that_fails_a_golden_request_never_opens_its_port(release, tmp_path):
    sick = copied(release, tmp_path)
    stratifier = read_json(sick.folder / "stratifier.json")
    stratifier["strata"][1]["golden"] = ["add", "boom"]
    write_json(stratifier, sick.folder / "stratifier.json")
    assert "fails the golden request of stratum in: RuntimeError: boom" in refused(sick, tmp_path)


def test_a_hostile_stratifier_is_refused(release, tmp_path):
    hostile = copied(release, tmp_path)
    (hostile.folder / "stratifier.json").write_text('{"format": 1, "strata": 3}')
    assert "column strata" in refused(hostile, tmp_path)


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"release": "/no/such/release"}, "no such folder"),
        ({"release": "ftp://place/release"}, "must be a folder or s3"),
        ({"trainer": "no.such:Trainer"}, "made by the trainer"),
        ({"service": "a/b"}, "other than letters"),
        ({"flush": 0.0}, "flush: 0.0 is not above 0"),
        ({"slow": float("nan")}, "slow: nan is not above 0"),
    ],
)
def test_a_wrong_setting_is_refused(release, tmp_path, more, rule):
    assert rule in refused(release, tmp_path, **more)


def test_without_the_server_library_one_line_says_what_to_install(release, tmp_path):
    script = (
        "import sys; sys.modules['kserve'] = None; sys.argv = sys.argv[:1] + sys.argv[2:]\n"
        "from adsmu.serve.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", script, "-", "--port", "1", "--variant", "v", "--service", "nlu"]
    command += ["--events", "e", "--log", "l", "--release", str(release.folder), "--digest", release.digest]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "serve: serving needs KServe's SDK: install adsmu[serve]\n")


@pytest.mark.slow
def test_the_readme_serves_the_model_of_the_project_itself(tmp_path):
    text = (Path(adsmu.serve.__file__).parent / "README.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    snippet = snippet.replace("8080", str(free_port())).replace('{"epochs": 1}', str(SMALL))
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    stratum, answer = done.stdout.split(" ", 1)
    (prediction,) = json.loads(answer)["predictions"]
    (event,) = stored(tmp_path / "store", service="speaker")
    assert prediction["stratum"] == event["stratum"] == stratum != "other"
    assert prediction["tokens"] == event["tokens"] == ["tell", "me", "a", "story", "about", "pirates"]
    assert prediction["tags"] == event["tags"] and len(event["tags"]) == 6
    assert event["model"] == digest(tmp_path / "release" / "model")


def test_a_release_in_a_bucket_is_brought_here(release, tmp_path, monkeypatch):
    upload(release.folder, open_store(tmp_path / "models"), "0123")
    monkeypatch.setattr(
        "adsmu.serve.load.open_store", lambda uri: open_store(tmp_path / uri.rpartition("/")[2])
    )
    loaded = load_release("s3://bucket/models/0123/", release.digest, TRAINER)
    assert loaded.predictor.predict([["stop"]]).intent == ["Stop"]
    with pytest.raises(BadInput, match="there is nothing"):
        load_release("s3://bucket/models/4567", release.digest, TRAINER)
