"""What following a strategy was worth: a summary of windows that were played, beside its two rivals."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from scipy import stats

from adsmu.local.play import ARMS, Played
from adsmu.strategy import Strategy

SHOWN = 6
"""The most findings of a window that are told."""


def summarise(played: Sequence[Played], strategy: Strategy) -> dict[str, Any]:
    """Summarises windows.

    Args:
        played: The windows, in order.
        strategy: The strategy that was played; its costs price losses, retrainings and labels.

    Returns:
        The content of a `watch.json`.
    """
    classes = strategy.columns.task == "classification"
    return {
        "format": 1,
        "name": strategy.name,
        "strategy": strategy.digest,
        "loss": "share of answers that are wrong" if classes else "absolute error",
        "classes": classes,
        "windows": [_window(each) for each in played],
        "worth": worth(played, strategy),
    }


def worth(played: Sequence[Played], strategy: Strategy) -> dict[str, Any]:
    """Compares following the strategy with retraining after every window, and with never retraining.

    A window's loss is priced at `costs.point_week` for each of its weeks: a point is a hundredth of all
    answers, or one unit of error. Beside it stand retrainings and labels that people were asked for.

    Args:
        played: The windows.
        strategy: The strategy.

    Returns:
        By arm `loss` (the mean over windows, by their labelled rows), `retrainings`, `labels` and `cost`; and
        of each rival `less`: by how much following lost less a window, with Student's interval over windows,
        whose neighbours are alike: it is rather too narrow.
    """
    counted = [each for each in played if each.rows]
    rows = np.array([each.rows for each in counted], float)
    loss = {arm: np.array([each.loss[arm] for each in counted], float) for arm in ARMS}
    weeks = np.array([(each.window.end - each.window.begin) / timedelta(weeks=1) for each in counted])
    labels = sum(each.bought for each in played)
    updates = sum(each.update is not None and each.update["trained"] for each in played)
    retrainings = {"followed": updates, "always": len(played), "never": 0}
    point = strategy.costs.point_week * (100 if strategy.columns.task == "classification" else 1)
    arms = {}
    for arm in ARMS:
        asked = 0 if arm == "never" else labels
        spent = retrainings[arm] * strategy.costs.retraining + asked * strategy.costs.label
        arms[arm] = {
            "loss": float(np.average(loss[arm], weights=rows)) if len(rows) else None,
            "retrainings": retrainings[arm],
            "labels": asked,
            "cost": float(point * (weeks * loss[arm]).sum() + spent),
        }
    less = {
        arm: mean_interval(loss[arm] - loss["followed"], strategy.confidence) for arm in ("always", "never")
    }
    return {"arms": arms, "less": less, "windows": len(counted)}


def mean_interval(values: np.ndarray, confidence: float) -> dict[str, float | None]:
    """The mean with Student's interval; no bounds below two values.

    >>> mean_interval(np.array([1.0, 2.0, 3.0]), 0.95)["mean"]
    2.0
    """
    if len(values) < 2:
        return {"mean": float(values[0]) if len(values) else None, "low": None, "high": None}
    mean = float(values.mean())
    half = float(
        stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    )
    return {"mean": mean, "low": mean - half, "high": mean + half}


def _window(played: Played) -> dict[str, Any]:
    found, analysis, decision = played.findings, played.analysis, played.decision
    texts = list(dict.fromkeys((each["level"], each["text"], each["blocks"]) for each in found["findings"]))
    return {
        "from": played.window.begin.isoformat(),
        "to": played.window.end.isoformat(),
        "rows": found["window"]["rows"],
        "labelled": played.rows,
        "findings": [{"level": a, "text": b, "blocks": c} for a, b, c in texts[:SHOWN]],
        "more": len(texts) - SHOWN if len(texts) > SHOWN else 0,
        "blocked": found["blocked"],
        "analysis": analysis
        and {
            "diagnosis": analysis["diagnosis"],
            "confidence": analysis["confidence"],
            "action": analysis["recommendation"]["action"],
            "reason": analysis["recommendation"]["reason"],
            "tests": [each["name"] for each in analysis["tests"]],
            "tests_available": analysis["tests_available"],
        },
        "decision": {"action": decision["action"], "reason": decision["reason"], "event": decision["event"]},
        "labels": played.bought,
        "update": played.update,
        "loss": played.loss,
    }
