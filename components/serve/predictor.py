"""The predictor in the terms of KServe's model server: its model, and what surrounds its routes."""

import contextvars
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import kserve
from kserve.errors import InvalidInput
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from adsmu.errors import BadInput
from adsmu.serve.batches import MicroBatches, Row
from adsmu.serve.exchange import Answer, Exchange, Recorder
from adsmu.serve.load import Loaded
from adsmu.serve.requests import MOST_BODY, instances, parsed, request_id, tensors

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger(__name__)
_exchange: contextvars.ContextVar[Exchange] = contextvars.ContextVar("exchange")


class ModelFailed(Exception):
    """The model raised."""


class StratumModel(kserve.Model):
    """A model that tells the stratum of what it predicts.

    Args:
        name: The service.
        loaded: Model and stratifier.
        recorder: Where requests are written down.
    """

    def __init__(self, name: str, loaded: Loaded, recorder: Recorder) -> None:
        super().__init__(name)
        self._loaded, self._recorder = loaded, recorder
        self._batches = MicroBatches(self._answer)
        self.ready = True  # what is loaded has answered its golden requests

    def get_input_types(self) -> list[dict[str, Any]]:
        """The input tensors; one of them is given."""
        return [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in ("text", "tokens")]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The output tensors."""
        names = ("domain", "intent", "tags", "tokens", "stratum")
        return [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in names]

    async def predict(
        self, payload: Any, headers: dict[str, str] | None = None, response_headers: Any = None
    ) -> dict[str, Any] | kserve.InferResponse:
        """Answers a request of any of the protocols.

        Args:
            payload: A V1 body, or a V2 request.
            headers: Of the request.
            response_headers: Not used: headers are set for all responses in one place.

        Returns:
            The answer in the same protocol.

        Raises:
            InvalidInput: The request is of another form.
            ModelFailed: The model raised.
        """
        exchange = _exchange.get(None)
        if exchange is not None:
            return await self._fill(exchange, payload, headers or {})
        exchange = Exchange(request_id((headers or {}).get("x-request-id")))  # gRPC, which has no middleware
        code = 500
        try:
            response = await self._fill(exchange, payload, headers or {})
            code = 200
            return response
        finally:
            self._recorder.record(exchange, code if exchange.utterances else 400)

    async def _fill(
        self, exchange: Exchange, payload: Any, headers: dict[str, str]
    ) -> dict[str, Any] | kserve.InferResponse:
        v2 = isinstance(payload, kserve.InferRequest)
        try:
            exchange.utterances = _utterances(payload) if v2 else instances(_unpacked(payload))
        except BadInput as error:
            raise InvalidInput(str(error)) from error
        if v2 and payload.id and "x-request-id" not in headers:
            exchange.request_id = request_id(payload.id)
        exchange.answers = await self._batches.ask([*exchange.utterances])
        if any(answer.intent is None for answer in exchange.answers):
            raise ModelFailed
        return self._tensors(exchange) if v2 else _objects(exchange)

    def _answer(self, rows: list[Row]) -> list[Answer]:
        stratifier = self._loaded.stratifier
        strata = [stratifier.names[place] for place in stratifier.assign(rows)]
        try:
            made = self._loaded.predictor.predict(rows)
            found = list(zip(made.domain, made.intent, made.tags, strict=True))
            return [Answer(stratum, *each) for stratum, each in zip(strata, found, strict=True)]
        except Exception:
            if len(rows) > 1:  # which of the rows it is shows when each is asked alone
                return [self._answer([row])[0] for row in rows]
            _log.exception("the model failed on a request of stratum %s", strata[0])
            return [Answer(strata[0], None, None, None)]

    def _tensors(self, exchange: Exchange) -> kserve.InferResponse:
        columns: dict[str, list[Any]] = {
            "domain": [answer.domain for answer in exchange.answers],
            "intent": [answer.intent for answer in exchange.answers],
            "tags": [json.dumps(answer.tags) for answer in exchange.answers],
            "tokens": [json.dumps(tokens) for tokens in exchange.utterances],
            "stratum": exchange.strata,
        }
        return kserve.InferResponse(
            response_id=exchange.request_id,
            model_name=self.name,
            infer_outputs=[
                kserve.InferOutput(name=name, shape=[len(data)], datatype="BYTES", data=data)
                for name, data in columns.items()
            ],
            parameters=self._recorder.headers(exchange),
        )


def _unpacked(payload: Any) -> Any:
    """A V1 body as a JSON value; KServe leaves it packed where the content type names a charset, say."""
    return parsed(payload, "request") if isinstance(payload, bytes) else payload


def _utterances(request: kserve.InferRequest) -> list[list[str]]:
    inputs = {}
    for each in request.inputs:
        if each.datatype != "BYTES":
            raise BadInput("the datatype must be BYTES", file="request", column=str(each.name))
        try:
            inputs[each.name] = each.as_numpy().ravel().tolist() if each.data is None else list(each.data)
        except Exception as error:  # of what a caller has packed wrongly, the library raises anything
            raise BadInput(f"not a tensor: {error}", file="request", column=str(each.name)) from error
    return tensors(inputs)


def _objects(exchange: Exchange) -> dict[str, Any]:
    return {
        "predictions": [
            {
                "domain": answer.domain,
                "intent": answer.intent,
                "tags": answer.tags,
                "tokens": tokens,
                "stratum": answer.stratum,
            }
            for answer, tokens in zip(exchange.answers, exchange.utterances, strict=True)
        ]
    }


class FixedRepository(ModelRepositoryExtension):
    """Lets no caller load or unload a model: it is the one that the process was started with.

    KServe's server answers `NotImplementedError` with status 501, which tells a caller just that.
    """

    async def load(self, model_name: str) -> None:
        """Refuses."""
        raise NotImplementedError("models are not loaded by request")

    async def unload(self, model_name: str) -> None:
        """Refuses."""
        raise NotImplementedError("models are not unloaded by request")


class Surround:
    """What surrounds every route: limits, headers, and for predictions the record of the request.

    Args:
        app: The application within.
        recorder: Where requests are written down.
        service: The name that predictions are asked for by.
    """

    def __init__(self, app: Any, recorder: Recorder, service: str) -> None:
        self._app, self._recorder = app, recorder
        self._predictions = {f"/v1/models/{service}:predict", f"/v2/models/{service}/infer"}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handles one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id")
        recorded = scope["method"] == "POST" and scope["path"] in self._predictions
        exchange = Exchange(request_id(given.decode("latin-1") if given else None))
        token = _exchange.set(exchange)
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if recorded:
                    if message["status"] >= 500 and not exchange.utterances:
                        message["status"] = 400  # it could not be read: the caller's fault, not the model's
                    self._recorder.record(exchange, message["status"])
                added = self._recorder.headers(exchange)
                if not recorded:
                    del added["x-adsmu-stratum"]
                message["headers"] = [
                    *message.get("headers", []),
                    *((name.encode(), value.encode()) for name, value in added.items()),
                ]
            await send(message)

        try:
            body = await _body(receive)
            if body is None:
                await _answer(sent, 413, f"a request has at most {MOST_BODY} bytes")
                return
            exchange.begin()
            await self._app(scope, _replayed(body, receive), sent)
        except Exception as error:
            if begun:
                raise
            if recorded and not exchange.utterances:
                await _answer(sent, 400, f"the request could not be read: {type(error).__name__}")
                return
            if not isinstance(error, ModelFailed):
                _log.exception("a request failed")
            await _answer(
                sent, 500, "the model failed on this request" if recorded else "a fault of the server"
            )
        finally:
            _exchange.reset(token)


async def _body(receive: Receive) -> bytes | None:
    """The body of a request; None if it is too long."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)  # the caller has gone; what is there is not JSON
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, and then what else comes."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return rest.pop() if rest else await receive()

    return next_message


async def _answer(send: Send, status: int, error: str) -> None:
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
