"""A small Kubernetes API over real HTTP, for the real client: objects, versions, rights, faults.

It keeps to what an API server does that a rollout can be hurt by: a write of an old version is a conflict, a
merge patch replaces lists, unknown fields are refused or dropped, a generation counts changes of the
specification only, and a request may fail before or after it took effect.
"""

import copy
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import fake_schemas

Object = dict[str, Any]
Place = tuple[str, str, str]
"""Group, plural, name; there is one namespace."""


class Denied(Exception):
    """The API's answer to a request that it does not take."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Fault:
    """A failure of the next request that fits.

    Attributes:
        method: Of the request; empty: any write.
        plural: Kind it is for; empty: any.
        code: The answer; 0: the connection is cut; -1: no answer comes.
        applied: Whether the request takes effect before it fails.
        skip: Requests that fit and are let through before.
    """

    method: str = ""
    plural: str = ""
    code: int = 500
    applied: bool = False
    skip: int = 0

    def fits(self, method: str, plural: str) -> bool:
        if plural == "selfsubjectaccessreviews" or self.plural not in ("", plural):
            return False
        return method == self.method if self.method else method != "GET"


@dataclass
class FakeApi:
    """The server and its state.

    Attributes:
        objects: What there is.
        denied: Rights that are missing, as (verb, plural).
        unknown: Plurals that the cluster does not know.
        schemas: What objects may look like; a kind without one takes anything.
        dropping: Plurals whose unknown fields are dropped and not refused.
        admit: Webhooks, by plural: they get the method, the old object and the new one.
        faults: Failures to come.
        after: What runs after each write, as controllers do.
        logs: What pods say, by name.
        writes: Each write that took effect, as (method, plural, name).
        meanwhile: Called before a write is looked at, once each: what somebody else does first.
    """

    objects: dict[Place, Object] = field(default_factory=dict)
    denied: set[tuple[str, str]] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    schemas: dict[str, Any] = field(default_factory=lambda: dict(fake_schemas.SCHEMAS))
    dropping: set[str] = field(default_factory=set)
    admit: dict[str, Callable[[str, Object | None, Object], None]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    after: list[Callable[["FakeApi"], None]] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    namespace: str = "ml"
    _version: int = 0
    _lock: Any = field(default_factory=threading.RLock)

    def start(self) -> str:
        """Starts to listen; returns the URL."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                code, value = api.handle(self.command, self.path, self.headers.get("Content-Type", ""), body)
                if code == -1:
                    time.sleep(1.5)
                if code <= 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                plain = isinstance(value, str)
                content = value.encode() if plain else json.dumps(value).encode()
                self.send_response(code)
                self.send_header("Content-Type", "text/plain" if plain else "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, group: str, plural: str, name: str) -> Object | None:
        """An object, as a controller sees it."""
        return copy.deepcopy(self.objects.get((group, plural, name)))

    def all(self, group: str, plural: str) -> list[Object]:
        """All objects of a kind."""
        with self._lock:
            return [
                copy.deepcopy(each) for place, each in self.objects.items() if place[:2] == (group, plural)
            ]

    def put(self, group: str, plural: str, value: Object, *, status: Any = None) -> None:
        """Makes or replaces an object as a controller does: without admission, with its status."""
        with self._lock:
            name = value["metadata"]["name"]
            old = self.objects.get((group, plural, name))
            value = copy.deepcopy(value)
            if status is not None:
                value["status"] = status
            elif old is not None and "status" in old:
                value.setdefault("status", old["status"])
            if old is not None and without_version(old) == without_version(value):
                return
            self._store((group, plural, name), old, value)

    def remove(self, group: str, plural: str, name: str) -> None:
        self.objects.pop((group, plural, name), None)

    def reconcile(self) -> None:
        """Lets the controllers act until nothing changes any more."""
        for _ in range(20):
            before = self._version, len(self.objects)
            for controller in self.after:
                controller(self)
            if (self._version, len(self.objects)) == before:
                return
        raise AssertionError("the controllers never come to rest")

    def handle(self, method: str, path: str, content: str, body: Any) -> tuple[int, Any]:
        url = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        group = parts[1] if parts[0] == "apis" else ""
        rest = parts[3:] if group else parts[2:]
        if rest[0] == "namespaces":
            assert rest[1] == self.namespace, f"namespace {rest[1]}"
            rest = rest[2:]
        plural, name = rest[0], rest[1] if len(rest) > 1 else ""
        if rest[2:] == ["log"]:
            plural = "pods/log"
        fault = self._fault(method, plural)
        if fault is not None and not fault.applied:
            return fault.code, status_of(fault.code, "a fault")
        if method != "GET" and self.meanwhile:
            self.meanwhile.pop(0)()
        try:
            with self._lock:
                value = self._act(method, group, plural, name, content, body, query)
                if method != "GET" and "dryRun" not in query:
                    self.reconcile()
        except Denied as error:
            return error.code, status_of(error.code, str(error))
        if fault is not None:
            return fault.code, status_of(fault.code, "a fault")
        return (201 if method == "POST" else 200), value

    def _fault(self, method: str, plural: str) -> Fault | None:
        for fault in self.faults:
            if fault.fits(method, plural):
                if fault.skip:
                    fault.skip -= 1
                    return None
                self.faults.remove(fault)
                return fault
        return None

    def _act(
        self, method: str, group: str, plural: str, name: str, content: str, body: Any, query: Any
    ) -> Object:
        if plural == "selfsubjectaccessreviews":
            asked = body["spec"]["resourceAttributes"]
            assert asked["namespace"] == self.namespace
            resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
            return {"status": {"allowed": (asked["verb"], resource) not in self.denied}}
        if plural in self.unknown:
            raise Denied(404, "the server could not find the requested resource")
        verb = {"GET": "get" if name else "list", "POST": "create"}.get(method, method.lower())
        if (verb, plural) in self.denied:
            kind = f'"{plural}" in API group "{group}" in the namespace "{self.namespace}"'
            raise Denied(403, f'{plural} is forbidden: User "runner" cannot {verb} resource {kind}')
        if plural == "pods/log":
            if name not in self.logs:
                raise Denied(404, f'pods "{name}" not found')
            since = query.get("sinceTime", "")
            return "\n".join(line for line in self.logs[name].split("\n") if line >= since)
        if method == "GET" and not name:
            wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
            items = [
                each
                for each in self.all(group, plural)
                if wanted.items() <= (each["metadata"].get("labels") or {}).items()
            ]
            return {"kind": "List", "items": items}
        if method == "POST":
            name = body["metadata"]["name"]
        old = self.objects.get((group, plural, name))
        if method == "POST" and old is not None:
            raise Denied(409, f'{plural} "{name}" already exists')
        if method != "POST" and old is None:
            raise Denied(404, f'{plural} "{name}" not found')
        if method == "GET":
            return copy.deepcopy(old)
        if method == "DELETE":
            self.writes.append((method, plural, name))
            self.objects.pop((group, plural, name))
            return status_of(200, "")
        new = self._changed(method, content, old, body)
        strict = query.get("fieldValidation") == "Strict" or plural not in self.dropping
        try:
            new = self._checked(plural, new, "refuse" if strict else "drop")
        except Denied as error:
            if method != "PATCH":
                raise
            quoted = json.dumps(json.dumps(new))
            raise Denied(422, f'"" is invalid: patch: Invalid value: {quoted}: {error}') from error
        if plural in self.admit:
            self.admit[plural](method, old, new)
        if "dryRun" in query:
            return new
        self.writes.append((method, plural, name))
        return copy.deepcopy(self._store((group, plural, name), old, new))

    def _changed(self, method: str, content: str, old: Object | None, body: Any) -> Object:
        if method == "POST":
            new = copy.deepcopy(body)
        elif content == "application/merge-patch+json":
            new = merged(copy.deepcopy(old), body)
        else:
            raise Denied(415, f"unsupported patch {content}")
        if old is not None:
            given = new["metadata"].get("resourceVersion")
            if given not in (None, old["metadata"]["resourceVersion"]):
                raise Denied(409, "the object has been modified; apply your changes to the latest version")
            if "status" in old:
                new["status"] = copy.deepcopy(old["status"])
        else:
            new.pop("status", None)
        return new

    def _checked(self, plural: str, new: Object, unknown: str) -> Object:
        schema = self.schemas.get(plural)
        if schema is None:
            return new
        try:
            return fake_schemas.checked(schema, new, unknown)
        except fake_schemas.Unknown as error:
            raise Denied(400, f'strict decoding error: unknown field "{error}"') from error
        except ValueError as error:
            raise Denied(422, f"{plural} {new['metadata']['name']} is invalid: {error}") from error

    def _store(self, place: Place, old: Object | None, new: Object) -> Object:
        self._version += 1
        meta = new["metadata"]
        meta.setdefault("uid", (old or {}).get("metadata", {}).get("uid") or f"uid-{self._version}")
        generation = (old or {}).get("metadata", {}).get("generation", 0)
        changed = old is None or old.get("spec") != new.get("spec")
        meta["generation"] = generation + 1 if changed else generation
        meta["resourceVersion"] = str(self._version)
        self.objects[place] = new
        return new


def without_version(value: Object) -> Object:
    """An object without what a server counts in it."""
    counted = ("resourceVersion", "generation", "uid")
    return value | {"metadata": {key: each for key, each in value["metadata"].items() if key not in counted}}


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    target = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merged(target.get(key), value)
    return target


def status_of(code: int, message: str) -> Object:
    return {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}
