"""`python -m adsmu.serve`: a predictor process."""

import argparse
import sys

from adsmu.errors import EXIT_BAD_INPUT, EXIT_FAULT, EXIT_PASS, BadInput, StoreUnavailable
from adsmu.serve.server import TRAINER, serve


def main() -> int:
    """Serves until it is told to stop.

    Returns:
        The exit code: 0, or 2 for a release or a setting that is refused, or 1 for a fault.
    """
    options = argparse.ArgumentParser(
        prog="python -m adsmu.serve", description="Serve a release over KServe's inference protocols."
    )
    add = options.add_argument
    add("--release", required=True, help="the release's folder, or its place in object storage")
    add("--digest", required=True, help="the digest that its model must have")
    add("--variant", required=True, help="champion, candidate, or another word")
    add("--service", required=True, help="the name that predictions are asked for by")
    add("--events", required=True, help="where the event log ends: a folder, or a place in object storage")
    add("--log", required=True, help="folder of the write-ahead files")
    add("--port", type=int, required=True)
    add("--grpc-port", type=int)
    add("--trainer", default=TRAINER, help="import path of the model's trainer")
    add("--slow", type=float, default=0.5, help="seconds; a later answer counts as slow")
    add("--flush", type=float, default=1.0, help="seconds between two uploads of the event log")
    try:
        serve(**vars(options.parse_args()))
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    except StoreUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAULT
    return EXIT_PASS


if __name__ == "__main__":
    sys.exit(main())
