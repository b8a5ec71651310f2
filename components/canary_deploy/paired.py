"""A shadow run: the same labelled requests to both variants, past the split, before users meet the new."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import requests

from adsmu.canary_deploy.plan import Pairs
from adsmu.canary_deploy.traffic.port import Addresses
from adsmu.errors import Refused
from adsmu.stratified_evaluate.correctness import mark
from adsmu.train.protocol import Predictions

BATCH = 64
"""Requests in one call, and pairs in one look."""


def shadow_pairs(addresses: Addresses, service: str, rows: pa.Table, groups: np.ndarray, count: int) -> Pairs:
    """Asks both variants and counts on which requests they differ.

    Args:
        addresses: Of either variant.
        service: Its name.
        rows: Labelled utterances.
        groups: The group of each row.
        count: How many groups there are.

    Raises:
        Refused: A variant does not answer, or not in the stated form.
    """
    canary = mark(rows, answers(addresses.candidate, service, rows["tokens"].to_pylist()))["frame"]
    champion = mark(rows, answers(addresses.champion, service, rows["tokens"].to_pylist()))["frame"]
    return Pairs(
        *(
            tuple(np.bincount(groups[chosen], minlength=count).tolist())
            for chosen in (np.ones(len(rows), dtype=bool), champion & ~canary, canary & ~champion)
        )
    )


def answers(address: str, service: str, rows: Sequence[Sequence[str]]) -> Predictions:
    """What a predictor answers.

    Args:
        address: Its base URL.
        service: The name it serves under.
        rows: Tokens of each request.

    Raises:
        Refused: It does not answer, or not in the stated form.
    """
    found: list[dict[str, Any]] = []
    for begin in range(0, len(rows), BATCH):
        instances = [{"tokens": list(row)} for row in rows[begin : begin + BATCH]]
        try:
            reply = requests.post(
                f"{address}/v1/models/{service}:predict", json={"instances": instances}, timeout=60
            )
            reply.raise_for_status()
            found += reply.json()["predictions"]
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise Refused(f"{address} does not answer as a predictor does: {error}") from error
    try:
        return Predictions(*([each[name] for each in found] for name in ("domain", "intent", "tags")))
    except (KeyError, TypeError) as error:
        raise Refused(f"{address} does not answer as a predictor does: no {error}") from error
