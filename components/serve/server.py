"""The predictor process: a release behind KServe's inference protocols."""

import logging
import socket
import sys
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.serve.events import WriteAhead
from adsmu.serve.readings import Readings
from adsmu.store import open_store

TRAINER = "adsmu.train.two_stage:TwoStageTrainer"


def serve(
    release: str,
    digest: str,
    *,
    variant: str,
    service: str,
    events: str,
    log: str | Path,
    port: int,
    grpc_port: int | None = None,
    trainer: str = TRAINER,
    slow: float = 0.5,
    flush: float = 1.0,
) -> None:
    """Serves a release until SIGTERM or SIGINT; then what is under way is answered and the log uploaded.

    The port is opened only when the model has answered a golden request of every stratum.

    Args:
        release: The release's folder: a path, or a place in object storage.
        digest: The digest that its model must have.
        variant: champion, candidate, or another word, for headers, metrics and events.
        service: The name that predictions are asked for by.
        events: Where events and labels end: a folder, or a place in object storage.
        log: Folder of the write-ahead files; it should outlive the process.
        port: Of HTTP.
        grpc_port: Of gRPC; None: no gRPC.
        trainer: Import path of the model's trainer.
        slow: Seconds; a later answer counts as slow.
        flush: Seconds between two uploads of the event log.

    Raises:
        BadInput: The release is altered, damaged or does not answer, or a setting is out of range.
        StoreUnavailable: The release's storage does not answer.
    """
    for name, value in (("slow", slow), ("flush", flush)):
        if not value > 0:
            raise BadInput(f"{value} is not above 0", file=name)
    if not service.replace("-", "").replace("_", "").replace(".", "").isalnum() or not service.isascii():
        raise BadInput(f"{service!r} has other than letters, digits and ._-", file="service")
    model_server = _model_server()
    from adsmu.serve.exchange import Recorder
    from adsmu.serve.load import load_release
    from adsmu.serve.metrics import Metrics
    from adsmu.serve.predictor import FixedRepository, StratumModel, Surround
    from adsmu.serve.requests import MOST_BODY

    loaded = load_release(release, digest, trainer)
    ahead = WriteAhead(log, open_store(events), service, flush)
    used = Readings(ahead, f"{socket.gethostname()} {variant}")
    try:
        recorder = Recorder(variant, digest, ahead, Metrics(ahead), slow)
        model_server.args.grpc_max_receive_message_length = MOST_BODY
        server = model_server.ModelServer(
            http_port=port,
            grpc_port=grpc_port,
            enable_grpc=grpc_port is not None,
            enable_latency_logging=False,
        )
        server.model_repository_extension = FixedRepository(server.registered_models)
        model_server.app.add_api_route("/feedback", _feedback(recorder), methods=["POST"], status_code=202)
        model_server.app.add_middleware(Surround, recorder=recorder, service=service)
        _quiet()
        server.start([StratumModel(service, loaded, recorder)])
    finally:
        used.close()
        ahead.close()


def _model_server() -> Any:
    """KServe's module of that name, which reads the command line of whoever imports it: it is hidden."""
    line, sys.argv = sys.argv, sys.argv[:1]
    try:
        from kserve import model_server
    except ModuleNotFoundError as error:
        raise BadInput("serving needs KServe's SDK: install adsmu[serve]", file="serve") from error
    finally:
        sys.argv = line
    return model_server


def _quiet() -> None:
    """Keeps what every request would log out of the logs, and tracebacks of what callers do wrong."""
    from kserve.errors import InvalidInput, ModelNotFound

    refused = (InvalidInput, ModelNotFound, NotImplementedError)

    for name in ("uvicorn.access", "kserve.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("kserve").addFilter(
        lambda line: not (line.exc_info and isinstance(line.exc_info[1], refused))
    )


def _feedback(recorder: Any) -> Any:
    from fastapi import Request
    from kserve.errors import InvalidInput

    from adsmu.serve.requests import labels

    async def feedback(request: Request) -> dict[str, int]:
        try:
            given = labels(await request.body())
        except BadInput as error:
            raise InvalidInput(str(error)) from error
        recorder.record_labels(given)
        return {"accepted": len(given)}

    return feedback
