"""A small Kubeflow Pipelines API over real HTTP, for the real client.

It keeps to what a server was seen to do that a schedule can be hurt by: what is false or empty is left out of
answers, whole numbers are text there, names are not unique, there is no change of a recurring run, a long
description fails after the object exists, and a deletion kills runs under way.
"""

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

INPUTS = {
    "max_rounds": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3.0},
    "champion": {"parameterType": "STRING"},
    "settings": {"parameterType": "STRUCT", "defaultValue": {}},
    "strict": {"parameterType": "BOOLEAN", "defaultValue": False},
}


class Refused(Exception):
    """The API's answer to a request that it does not take."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class FakeKfp:
    """The server and its state.

    Attributes:
        killed: Runs that a deletion killed.
        calls: Each write, as (method, path).
        faults: For the next requests whose method and path fit: the answer's code, and if it takes effect.
        on_write: Called after each write.
        page: The most objects of one answer.
        namespace: The one namespace of a server with users; empty: it knows no users.
    """

    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurring: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    faults: list[tuple[str, str, int, bool]] = field(default_factory=list)
    on_write: Any = None
    page: int = 2
    namespace: str = ""
    _count: int = 0

    def start(self) -> str:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                try:
                    code, value = 200, api.handle(self.command, self.path, body)
                except Refused as error:
                    code, value = error.code, {"code": 13, "message": str(error)}
                content = json.dumps(value).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add_pipeline(self, name: str) -> str:
        id = self._id("pipeline")
        self.pipelines[id] = {"pipeline_id": id, "name": name, "display_name": name}
        self.versions[id] = []
        return id

    def add_version(self, pipeline: str, name: str, second: int, inputs: Any = None) -> None:
        root = {"inputDefinitions": {"parameters": INPUTS if inputs is None else inputs}}
        self.versions[pipeline].append(
            {
                "pipeline_id": pipeline,
                "pipeline_version_id": self._id("version"),
                "display_name": name,
                "created_at": f"2026-11-21T10:00:{second:02}Z",
                "pipeline_spec": {"pipeline_spec": {"root": root}, "platform_spec": {}},
            }
        )

    def fire(self, recurring: str, state: str) -> str:
        """A run of a recurring run, as its controller makes them."""
        id = self._id("run")
        held = self.recurring[recurring]
        self.runs[id] = {
            "run_id": id,
            "recurring_run_id": recurring,
            "experiment_id": held["experiment_id"],
            "state": state,
            "created_at": f"2026-11-21T11:{self._count // 60:02}:{self._count % 60:02}Z",
        }
        return id

    def named(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.recurring.values() if each["display_name"] == name]

    def handle(self, method: str, target: str, body: Any) -> Any:
        url = urlsplit(target)
        path, query = (
            url.path.removeprefix("/apis/v2beta1/"),
            {k: v[0] for k, v in parse_qs(url.query).items()},
        )
        failure = 0
        for fault in self.faults:
            if fault[0] == method and re.fullmatch(fault[1], path):
                self.faults.remove(fault)
                if not fault[3]:
                    raise Refused(fault[2], "the server is unwell")
                failure = fault[2]
                break
        if method != "GET":
            self.calls.append((method, path))
        value = self._do(method, path, query, body)
        if method != "GET" and self.on_write:
            self.on_write(self)
        if failure:
            raise Refused(failure, "the server is unwell")
        return value

    def _do(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        first, _, rest = path.partition("/")
        if (method, path) == ("GET", "healthz"):
            return {"multi_user": bool(self.namespace), "pipeline_store": "kubernetes", "tag_name": "2.17.0"}
        listed = method == "GET" and path in ("pipelines", "recurringruns", "experiments")
        if listed and query.get("namespace", "") != self.namespace:
            raise Refused(400, "the namespace is not the server's")
        if (method, path) == ("GET", "pipelines"):
            return self._page("pipelines", list(self.pipelines.values()), query)
        if method == "GET" and first == "pipelines":
            return self._page("pipeline_versions", self.versions[rest.split("/")[0]], query)
        if (method, path) == ("GET", "experiments"):
            return self._page("experiments", list(self.experiments.values()), query)
        if (method, path) == ("POST", "experiments"):
            return self._make_experiment(body)
        if (method, path) == ("GET", "runs"):
            return self._page("runs", self._list_runs(query), query)
        if (method, path) == ("GET", "recurringruns"):
            return self._page("recurringRuns", [_answer(e) for e in self.recurring.values()], query)
        if (method, path) == ("POST", "recurringruns"):
            return self._create(body)
        id, _, verb = rest.partition(":")
        if first == "recurringruns" and id in self.recurring:
            held = self.recurring[id]
            if method == "GET":
                return _answer(held)
            if method == "DELETE":
                for run in self.runs.values():
                    if run["recurring_run_id"] == id and run["state"] in ("PENDING", "RUNNING"):
                        self.killed.append(run["run_id"])
                del self.recurring[id]
                return {}
            if verb in ("enable", "disable"):
                held["status"] = f"{verb.upper()}D"
                return {}
        raise Refused(404, f"{method} {path}: not found")

    def _make_experiment(self, body: Any) -> Any:
        if any(each["display_name"] == body["display_name"] for each in self.experiments.values()):
            raise Refused(409, "already exists")
        id = self._id("experiment")
        self.experiments[id] = {"experiment_id": id, "storage_state": "AVAILABLE", **body}
        return self.experiments[id]

    def _create(self, body: Any) -> Any:
        if body["experiment_id"] not in self.experiments:
            raise Refused(404, "no such experiment")
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise Refused(400, "max_concurrency is out of range")
        id = self._id("recurring")
        mode = body.pop("mode", "DISABLE")
        self.recurring[id] = {
            "recurring_run_id": id,
            **body,
            "status": "ENABLED" if mode == "ENABLE" else "DISABLED",
        }
        if len(body.get("description", "")) > 255:
            raise Refused(500, "Data too long for column 'Description'")
        return _answer(self.recurring[id])

    def _list_runs(self, query: dict[str, str]) -> list[Any]:
        (predicate,) = json.loads(query["filter"])["predicates"]
        assert (predicate["key"], predicate["operation"]) == ("recurring_run_id", "EQUALS")
        runs = [
            run
            for run in self.runs.values()
            if run["recurring_run_id"] == predicate["string_value"]
            and run["experiment_id"] == query["experiment_id"]
        ]
        return sorted(runs, key=lambda run: run["created_at"], reverse=True)

    def _page(self, name: str, objects: list[Any], query: dict[str, str]) -> Any:
        begin = int(query.get("page_token") or 0)
        end = begin + min(self.page, int(query.get("page_size") or 20))
        more = {"next_page_token": str(end)} if end < len(objects) else {}
        return {name: objects[begin:end], **more} if objects else {}

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"


def _answer(held: Any) -> Any:
    """What is false, empty or zero is left out."""
    return {key: value for key, value in held.items() if value not in (False, "", None, {}, [])}


@pytest.fixture
def kfp_api():
    """The API with a pipeline `update` of one version."""
    api = FakeKfp()
    api.host = api.start()
    api.add_version(api.add_pipeline("update"), "update-1", 0)
    try:
        yield api
    finally:
        api.stop()
