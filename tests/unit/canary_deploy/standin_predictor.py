"""A predictor's command line and HTTP, without a model: for tests of what lies in front of predictors."""

import argparse
import asyncio
import json
from pathlib import Path

from aiohttp import web


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

    async def ready(_: web.Request) -> web.Response:
        return web.json_response(
            {"ready": True}, status=503 if given.release.endswith("never-ready") else 200
        )

    async def infer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(0.3 if given.release.endswith("slow") else 0)
        name = request.headers.get("x-request-id", "")
        answered.write(f"{name}\n")
        headers = {"x-request-id": name, "x-adsmu-variant": given.variant, "x-adsmu-model": given.digest}
        return web.json_response({"model": given.digest}, headers=headers | {"x-adsmu-stratum": "other"})

    async def feedback(request: web.Request) -> web.Response:
        labels.writelines(json.dumps(label) + "\n" for label in await request.json())
        return web.json_response({}, status=202)

    service = web.Application()
    service.router.add_get("/v2/health/ready", ready)
    service.router.add_post(f"/v1/models/{given.service}:predict", infer)
    service.router.add_post("/feedback", feedback)
    web.run_app(service, host="127.0.0.1", port=given.port, shutdown_timeout=10, print=None)
    (log / "ended").touch()


if __name__ == "__main__":
    main()
