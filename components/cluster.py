"""The Kubernetes API, as much of it as components need: read, create, patch by version, delete, logs."""

import contextlib
import functools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from adsmu.errors import BadInput, Conflict, Refused

SECONDS = 10
"""How long one request to the API may take."""

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between the attempts of an act that somebody else's writes come in between of."""

MERGE = "application/merge-patch+json"

Manifest = dict[str, Any]
"""A Kubernetes object as JSON."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """A kind of object, by its place in the API.

    Attributes:
        group: Its API group; empty for the core group.
        version: The version of the group that is spoken.
        plural: Its name in paths and rights.
        name: Its name in an object.
    """

    group: str
    version: str
    plural: str
    name: str

    @property
    def root(self) -> str:
        """Where the group and version are.

        >>> DEPLOYMENT.root, SERVICE.root
        ('/apis/apps/v1', '/api/v1')
        """
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def head(self) -> Manifest:
        """What an object of this kind begins with.

        >>> DEPLOYMENT.head
        {'apiVersion': 'apps/v1', 'kind': 'Deployment'}
        """
        version = f"{self.group}/{self.version}" if self.group else self.version
        return {"apiVersion": version, "kind": self.name}

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap")
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
POD = Kind("", "v1", "pods", "Pod")
POD_LOG = Kind("", "v1", "pods/log", "Pod")
REVIEW = Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
SERVICE = Kind("", "v1", "services", "Service")


class NotThere(Refused):
    """There is no such object, or the cluster does not know its kind."""


class Cluster:
    """One namespace of a cluster.

    Args:
        namespace: The namespace.
        client: A client of the official library, ready to be used.
    """

    def __init__(self, namespace: str, client: Any) -> None:
        self.namespace, self._client = namespace, client

    def read(self, kind: Kind, name: str) -> Manifest | None:
        """An object; None if there is none.

        Raises:
            Refused: The API does not answer, or does not allow it.
        """
        try:
            return self._call("GET", kind, name)
        except NotThere:
            return None

    def find(self, kind: Kind, selector: str = "") -> list[Manifest]:
        """The objects whose labels fit a selector.

        Raises:
            NotThere: The cluster does not know the kind.
            Refused: The API does not answer, or does not allow it.
        """
        query = {"labelSelector": selector} if selector else {}
        return list(self._call("GET", kind, query=query)["items"])

    def create(self, kind: Kind, body: Manifest, *, dry_run: bool = False) -> Manifest:
        """Makes an object.

        Args:
            kind: Its kind.
            body: The object.
            dry_run: Only asks whether it would be taken.

        Raises:
            Conflict: There is one of this name.
            Refused: The API does not answer, or does not take it.
        """
        return self._call("POST", kind, body=body, query=_strictly(dry_run))

    def patch(self, kind: Kind, name: str, body: Manifest, *, dry_run: bool = False) -> Manifest:
        """Changes an object by a merge patch; with `metadata.resourceVersion` in it, only that version.

        Args:
            kind: Its kind.
            name: Its name.
            body: What changes; null takes a key away.
            dry_run: Only asks whether it would be taken.

        Raises:
            Conflict: The object is not of that version.
            NotThere: There is no such object.
            Refused: The API does not answer, or does not take it.
        """
        return self._call("PATCH", kind, name, body=body, query=_strictly(dry_run), content=MERGE)

    def delete(self, kind: Kind, name: str) -> None:
        """Takes an object away, and what it owns; one that is not there is left so.

        Raises:
            Refused: The API does not answer, or does not allow it.
        """
        with contextlib.suppress(NotThere):
            self._call("DELETE", kind, name, query={"propagationPolicy": "Background"})

    def log(self, pod: str, query: dict[str, str]) -> str:
        """The log of a pod's only container.

        Args:
            pod: Its name.
            query: Which part of it, as the API takes it: `sinceTime`, `timestamps`.

        Raises:
            NotThere: There is no such pod.
            Refused: The API does not answer, does not allow it, or there is no log yet.
        """
        return self._call("GET", POD, f"{pod}/log", query=query, raw=True).data.decode(errors="replace")

    def missing_rights(self, wanted: dict[Kind, str], name: str = "") -> list[str]:
        """Asks which rights this process lacks.

        Args:
            wanted: For each kind the verbs, as `get patch`.
            name: The object's name, for those verbs that a right can be limited to one object for.

        Returns:
            The missing ones, as `patch httproutes.gateway.networking.k8s.io`.

        Raises:
            Refused: The API does not answer.
        """
        missing = []
        for kind, verbs in wanted.items():
            resource, _, part = kind.plural.partition("/")
            for verb in verbs.split():
                attributes = {
                    "namespace": self.namespace,
                    "verb": verb,
                    "group": kind.group,
                    "version": kind.version,
                    "resource": resource,
                    "subresource": part,
                    "name": "" if verb in ("create", "list") else name,
                }
                review = REVIEW.head | {"spec": {"resourceAttributes": attributes}}
                if not self._call("POST", REVIEW, body=review, everywhere=True)["status"].get("allowed"):
                    missing.append(f"{verb} {kind}")
        return missing

    def _call(
        self,
        method: str,
        kind: Kind,
        name: str = "",
        *,
        body: Manifest | None = None,
        query: dict[str, str] | None = None,
        content: str = "application/json",
        everywhere: bool = False,
        raw: bool = False,
    ) -> Any:
        import urllib3
        from kubernetes.client import ApiException

        place = "" if everywhere else f"/namespaces/{self.namespace}"
        try:
            return self._client.call_api(
                f"{kind.root}{place}/{kind.plural}" + (f"/{name}" if name else ""),
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "*/*" if raw else "application/json", "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
                response_type="object",
                _return_http_data_only=True,
                _preload_content=not raw,
                _request_timeout=SECONDS,
            )
        except ApiException as error:
            raise self._refusal(error, method, kind, name) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Refused(f"the cluster's API does not answer: {_line(str(error))}") from error

    def _refusal(self, error: Any, method: str, kind: Kind, name: str) -> Exception:
        said = _said(error)
        what = f"{kind} {name}".strip()
        if error.status == 409:
            return Conflict(said)
        if error.status == 404:
            return NotThere(f"{what}: {said}")
        if error.status == 403:
            verb = {"GET": "get" if name else "list", "POST": "create"}.get(method, method.lower())
            return Refused(f"not allowed to {verb} {what} in namespace {self.namespace}: {said}")
        if error.status in (0, 401, 429) or error.status >= 500:
            return Refused(f"the cluster's API fails at {what}: {said}")
        return Refused(f"the cluster does not take {what}: {said}")


def connect(namespace: str) -> Cluster:
    """Opens the cluster that this process runs in, or else the one that the kubeconfig names.

    Args:
        namespace: The namespace to work in.

    Raises:
        BadInput: There is neither.
    """
    import yaml
    from kubernetes import client, config
    from kubernetes.config.config_exception import ConfigException

    settings = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except ConfigException:
        try:
            config.load_kube_config(client_configuration=settings)
        except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError) as error:
            raise BadInput(f"no cluster: not in one, and {_line(str(error))}", file="kubeconfig") from error
    settings.retries = False  # a write that is sent again meets its own trace as a conflict
    return Cluster(namespace, client.ApiClient(settings))


def retried(act: Callable[P, T]) -> Callable[P, T]:
    """Makes an act begin anew, from its reading on, when somebody else wrote in between.

    Raises:
        Refused: That happened too often.
    """

    @functools.wraps(act)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in PAUSES:
            try:
                return act(*args, **kwargs)
            except Conflict as error:
                last = error
                time.sleep(pause)
        raise Refused(f"somebody else keeps changing it: {last}") from last

    return wrapped


def _strictly(dry_run: bool) -> dict[str, str]:
    """A field that the cluster does not know is an error: otherwise it would be dropped in silence."""
    return {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})


def _said(error: Any) -> str:
    """The API's own words for an error, in one line."""
    try:
        return _line(json.loads(error.body)["message"])
    except (KeyError, TypeError, ValueError):
        return _line(f"{error.status} {error.reason}")


def _line(text: str) -> str:
    """A text in one line; of a long one, which quotes a whole object, its two ends."""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= 500 else f"{line[:150]} ... {line[-345:]}"
