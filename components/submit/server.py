"""The Kubeflow Pipelines server: a connection to it, and what it refuses in one line."""

import json
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import kfp
import urllib3
from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials
from kfp_server_api import ApiClient, ApiException, V2beta1GetHealthzResponse

from adsmu.errors import BadInput, StepFailed

LOWEST, TESTED = "2.15", "2.17"
"""The lowest version of the server that is taken, and the one that was run against."""

SECONDS = 30.0
"""How long the server may take for an answer."""

NO_LOG = '{"error_message":'
"""What an answer begins with in which the server, with status 200, says that it has no log."""

TOKEN = "KFP_EXISTING_TOKEN"  # noqa: S105 - the name of kfp's own variable, not a token


class Away(StepFailed):
    """The server does not answer, or not now; trying again later may help."""


@dataclass(frozen=True)
class Server:
    """A server that has answered.

    Attributes:
        client: kfp's client.
        host: Its URL.
        namespace: The user's namespace; None where the server knows no users.
    """

    client: kfp.Client
    host: str
    namespace: str | None

    def link(self, run: str) -> str:
        """The page of a run, below KF_PIPELINES_UI_ENDPOINT, or else below the server itself.

        Args:
            run: Its id.
        """
        page = os.environ.get("KF_PIPELINES_UI_ENDPOINT", self.host).rstrip("/")
        return f"{page}/#/runs/details/{run}"

    def get(self, path: str) -> Any:
        """What the server holds at a path that kfp's client has no method for.

        Args:
            path: Such as `/apis/v1beta1/runs/4711`.
        """
        return _get(self.client.healthzs.healthz_service_get_healthz.__self__.api_client, path)

    def log(self, run: str, pod: str) -> str:
        """What a pod of a run printed; empty where that was cleared away, or is not for this login.

        Args:
            run: The run's id.
            pod: The pod's name.
        """
        api = self.client.healthzs.healthz_service_get_healthz.__self__.api_client
        try:
            answer = _get(api, f"/apis/v1alpha1/runs/{run}/nodes/{pod}/log", _preload_content=False)
        except (ApiException, urllib3.exceptions.HTTPError):
            return ""
        text = str(answer.data.decode(errors="replace"))
        return "" if text.startswith(NO_LOG) else text


class _Client(kfp.Client):
    """kfp's client; it asks once whether the server is there, where kfp asks five times and logs each."""

    def get_kfp_healthz(self, sleep_duration: int = 0) -> V2beta1GetHealthzResponse:
        health = _health(self._healthz_api.api_client)
        return V2beta1GetHealthzResponse(health.get("multi_user"), health.get("pipeline_store"))


def connect(host: str, namespace: str = "") -> Server:
    """Connects to a server and finds out whether it is one that can be used.

    A token comes from KFP_EXISTING_TOKEN, or from the file that KF_PIPELINES_SA_TOKEN_PATH names, or from
    what kfp itself is configured with (Identity-Aware Proxy, a cookie in its context file). SSL_CERT_FILE
    names certificates that the server's is checked against.

    Args:
        host: URL of the API server, or of what stands before it.
        namespace: The user's namespace, on a server with users.

    Returns:
        The connection.

    Raises:
        BadInput: There is no Kubeflow Pipelines, it is too old, refuses the login, or wants a namespace.
        Away: Nothing answers.
    """
    if not re.fullmatch(r"https?://[^\s/]+\S*", host):
        raise BadInput("must be a URL that begins with http:// or https://", file=f"--host {host}".strip())
    host = host.rstrip("/")
    # Of its attempts only the last failure is told, in one line.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    in_pod = "KF_PIPELINES_SA_TOKEN_PATH" in os.environ
    with reaching(host), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = _Client(
            host=host,
            namespace=namespace or "kubeflow",
            existing_token=os.environ.get(TOKEN),
            credentials=ServiceAccountTokenVolumeCredentials() if in_pod else None,
            ssl_ca_cert=os.environ.get("SSL_CERT_FILE"),
        )
        health = _health(client.healthzs.healthz_service_get_healthz.__self__.api_client)
    if "multi_user" not in health:
        raise BadInput(
            "answers, but is no Kubeflow Pipelines API; is this the address of its web page?", file=host
        )
    _refuse_old(host, health)
    namespace = namespace or client.get_user_namespace()
    if health["multi_user"] and not namespace:
        raise BadInput("the server has users: name your namespace with --namespace", file=host)
    return Server(client, host, namespace if health["multi_user"] else None)


def _refuse_old(host: str, health: dict[str, Any]) -> None:
    """Refuses a server that says it is too old; one that does not say is told by what it answers."""
    said = re.match(r"v?(\d+)\.(\d+)", str(health.get("tag_name", "")))
    lowest = tuple(int(part) for part in LOWEST.split("."))
    if (said and (int(said[1]), int(said[2])) < lowest) or "pipeline_store" not in health:
        version = said[0] if said else "older"
        raise BadInput(
            f"the server is {version}; {LOWEST} is the lowest taken, {TESTED} was tested", file=host
        )


def _health(api: ApiClient) -> dict[str, Any]:
    """What a server says of itself; empty for one that is something else."""
    try:
        health = _get(api, "/apis/v2beta1/healthz")
    except ApiException as error:
        if error.status != 404:
            raise
        return {}
    return health if isinstance(health, dict) else {}


def _get(api: ApiClient, path: str, **options: Any) -> Any:
    return api.call_api(
        path,
        "GET",
        header_params={"Accept": "application/json"},
        response_type="object",
        auth_settings=["Bearer"],
        _return_http_data_only=True,
        _request_timeout=SECONDS,
        **options,
    )


@contextmanager
def reaching(host: str, name: str = "") -> Iterator[None]:
    """Tells what the server refuses, or that it does not answer, in one line.

    Args:
        host: Its URL, for the line.
        name: What is asked for, for the line of what is not there.

    Raises:
        BadInput: The server refuses: no login, no rights, nothing of that name, a parameter it does not take.
        Away: It does not answer, or answers with a fault of its own.
    """
    try:
        yield
    except ApiException as error:
        raise _told(host, name, error) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise Away(f"{host} does not answer: {_line(str(reason))}") from error


def _told(host: str, name: str, error: ApiException) -> Exception:
    said = _said(error)
    if error.status == 401:
        return BadInput(
            f"the server wants a login; {TOKEN} or kfp's own configuration gives one: {said}", file=host
        )
    if error.status == 403:
        return BadInput(f"this login has no right to do that: {said}", file=host)
    if error.status == 404:
        return BadInput(f"there is none of this id: {said}", file=name or host)
    if not error.status or error.status >= 500 or error.status == 429:
        return Away(f"{host} cannot answer now ({error.status}): {said}")
    return BadInput(f"the server refuses: {said}", file=host)


def _said(error: ApiException) -> str:
    """The server's own words, which stand in an object, or else the first line of what it answered."""
    try:
        body = json.loads(error.body or "")
        text = str(body.get("error_message") or body.get("message") or body.get("error"))
    except (json.JSONDecodeError, AttributeError):
        text = str(error.reason or "")
    return _line(text)


def _line(text: str) -> str:
    line = next(iter(text.strip().splitlines()), "")
    return "".join(each for each in line if each.isprintable())[:300]
