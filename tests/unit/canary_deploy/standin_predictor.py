"""A predictor's command line and HTTP, without a model: for tests of what lies in front of predictors."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def main() -> None:
    options = argparse.ArgumentParser()
    for name in ("release", "digest", "variant", "service", "events", "log"):
        options.add_argument(f"--{name}", required=True)
    options.add_argument("--port", type=int, required=True)
    given = options.parse_args()
    if given.release.endswith("altered"):
        raise SystemExit("altered/model: not the model that was evaluated")
    log = Path(given.log, given.variant)
    log.mkdir(parents=True, exist_ok=True)
    answered = (log / "answered").open("a", buffering=1)
    labels = (log / "labels").open("a", buffering=1)

    async def ready(_: Request) -> JSONResponse:
        status = 503 if given.release.endswith("never-ready") else 200
        return JSONResponse({"ready": status == 200}, status)

    async def infer(request: Request) -> JSONResponse:
        await request.body()
        await asyncio.sleep(0.3 if given.release.endswith("slow") else 0)
        name = request.headers.get("x-request-id", "")
        answered.write(f"{name}\n")
        headers = {"x-request-id": name, "x-adsmu-variant": given.variant, "x-adsmu-model": given.digest}
        return JSONResponse({"model": given.digest}, headers=headers | {"x-adsmu-stratum": "other"})

    async def feedback(request: Request) -> JSONResponse:
        labels.writelines(json.dumps(label) + "\n" for label in await request.json())
        return JSONResponse({}, 202)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        (log / "ended").touch()

    service = Starlette(
        lifespan=life,
        routes=[
            Route("/v2/health/ready", ready),
            Route(f"/v1/models/{given.service}:predict", infer, methods=["POST"]),
            Route("/feedback", feedback, methods=["POST"]),
        ],
    )
    server = uvicorn.Server(uvicorn.Config(service, "127.0.0.1", given.port, log_level="warning"))
    server.run()


if __name__ == "__main__":
    main()
