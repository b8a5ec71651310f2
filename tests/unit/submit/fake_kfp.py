"""A Kubeflow Pipelines API over real HTTP: what submitting needs, and what a server may refuse."""

import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEALTH = {"commit_sha": "x", "tag_name": "2.17.0", "multi_user": False, "pipeline_store": "database"}


class FakeKfp:
    """What the server holds, what it was asked, and how it is made to misbehave.

    Attributes:
        refuse: `{regular expression of "METHOD path": (status, body)}`.
        manifests: The workflow of a run, by its id.
        logs: What a pod of the run `run` printed, by its name.
        states: The states that a run shows, one after the other; the last one stays.
        token: What a login must bring; None: nothing.
    """

    def __init__(self):
        self.health = dict(HEALTH)
        self.refuse, self.manifests, self.states, self.logs = {}, {}, {}, {}
        self.pipelines, self.versions, self.experiments, self.runs = [], [], [], []
        self.asked, self.token, self.page = [], None, None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def times(self, pattern):
        """How often something was asked."""
        return sum(bool(re.fullmatch(pattern, each)) for each in self.asked)

    def answer(self, method, path, query, body):
        """Status and body for a request."""
        found = re.fullmatch(r"/apis/(v1beta1|v2beta1)/(\w+)(?:/([\w-]+))?(?:/(versions))?", path)
        if log := re.fullmatch(r"/apis/v1alpha1/runs/run/nodes/([\w-]+)/log", path):
            return (200, self.logs[log[1]]) if log[1] in self.logs else (500, {"error": "no log"})
        if path == "/apis/v2beta1/healthz":
            return 200, self.health
        if not found:
            return 404, {"error": "Not Found"}
        version, kind, key, below = found.groups()
        if version == "v1beta1":
            manifest = self.manifests.get(key)
            if manifest is None:
                return 404, {"error": f"Run {key} not found"}
            return 200, {"pipeline_runtime": {"workflow_manifest": json.dumps(manifest)}}
        if kind == "pipelines" and key == "upload_version":
            return self._add(
                self.versions, "pipeline_version_id", {"display_name": query["name"], "body": body.decode()}
            )
        held = {"pipelines": self.pipelines, "experiments": self.experiments, "runs": self.runs}[kind]
        if method == "POST":
            return self._add(held, f"{kind[:-1]}_id", json.loads(body), unique=kind != "runs")
        if below:
            return 200, {"pipeline_versions": _named(self.versions, query)}
        if key:
            states = self.states.get(key)
            if states is None:
                return 404, {"error": f"Run {key} not found"}
            return 200, {"run_id": key, "state": states.pop(0) if len(states) > 1 else states[0]}
        return 200, {kind: _named(held, query)}

    def _add(self, held, key, value, unique=True):
        if unique and any(each["display_name"] == value["display_name"] for each in held):
            return 409, {"error": "Already exist error", "code": 6}
        held.append(value | {key: f"{key}-{len(held)}"})
        return 200, held[-1]

    def _handler(fake):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer("GET")

            def do_POST(self):
                self._answer("POST")

            def _answer(self, method):
                address = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(address.query))
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = f"{method} {address.path}"
                fake.asked.append(asked)
                if fake.page:
                    self._send(200, "text/html", fake.page.encode())
                    return
                refused = [answer for pattern, answer in fake.refuse.items() if re.fullmatch(pattern, asked)]
                if fake.token and self.headers.get("authorization") != f"Bearer {fake.token}":
                    refused = [(401, {"error": "no login"})]
                status, value = refused[0] if refused else fake.answer(method, address.path, query, body)
                text = value if isinstance(value, str) else json.dumps(value)
                self._send(status, "application/json", text.encode())

            def _send(self, status, kind, content):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        return Handler


def _named(held, query):
    if "filter" not in query:
        return held
    name = json.loads(query["filter"])["predicates"][0]["stringValue"]
    return [each for each in held if each["display_name"] == name]
