"""The figures of a rollout's report: its panels and its tables."""

from typing import Any

import numpy as np

from adsmu.canary_deploy.report import drawing
from adsmu.canary_deploy.report.story import CANDIDATE, CHAMPION, Story
from adsmu.canary_deploy.report.words import e_value
from adsmu.canary_deploy.state import ALL, METRICS, WEIGHTS, others_in
from adsmu.stratified_evaluate.report import change

WORST = 4
"""How many strata a panel shows by name."""

LOWEST = -3.0
"""The decimal logarithm of the least e-value that is drawn."""


def panels(story: Story) -> dict[str, Any]:
    """The e-values, look by look: one panel of their sums, one for each metric in which any rose visibly.

    Returns:
        `frame`, `bar`, `panels`, and `flat`: the metrics that have none.
    """
    if not story.figures:
        return {"panels": []}
    figures = story.figures
    names = story.progress.strata
    bar = figures[-1]["bar"]
    of = {
        metric: (
            np.array([[_low(each[metric]) for each in f["strata"]] for f in figures]),
            np.array([_low(f["together"][metric]) for f in figures]),
        )
        for metric in METRICS
    }
    rising = [metric for metric, (each, whole) in of.items() if _rose(metric, each, whole)]
    sums = {"harm, all strata and metrics": [f["rollback"] for f in figures]}
    if story.split:
        sums["split of requests"] = [f["split"] for f in figures]
        sums["labels of both alike"] = [f["coverage"] for f in figures]
    highest = max(_low(values[-1]) for values in sums.values())
    scale = drawing.Scale(LOWEST, min(max(highest, bar) + 0.6, 3 * bar))
    ticks = [("0.01", -2.0), ("0.1", -1.0), ("1", 0.0), (e_value(bar), bar)]
    frame = drawing.frame([look.share for look in story.progress.evidence.looks], ticks, scale)
    lines = [_line(name, values, scale, n) for n, (name, values) in enumerate(sums.items())]
    drawn: list[dict[str, Any]] = [{"title": "Sums", "lines": lines, "rest": None}]
    for metric in rising:
        each, whole = of[metric]
        worst = np.argsort(-each[-1], kind="stable")[:WORST]
        rest = np.delete(each, worst, axis=1)
        band = None
        if rest.shape[1]:
            top = rest.max(axis=1).tolist()
            band = {"area": drawing.area(top, scale), "count": rest.shape[1], "value": top[-1]}
        lines = [_line("all strata together", whole.tolist(), scale, 0)]
        lines += [_line(names[i], each[:, i].tolist(), scale, n) for n, i in enumerate(worst.tolist(), 1)]
        drawn.append({"title": metric, "lines": lines, "rest": band})
    flat = [metric for metric in METRICS if metric not in rising]
    return {"frame": frame, "bar": scale.y(bar), "panels": drawn, "flat": flat}


def proof(story: Story) -> dict[str, Any] | None:
    """The difference in mean accuracy, look by look, with its lower bound; None where there never was one."""
    plan = story.progress.plan
    difference = [figures["difference"] for figures in story.figures]
    low = [figures["difference_low"] for figures in story.figures]
    known = [value for value in (*difference, *low) if value is not None]
    if not known:
        return None
    margin = plan.margin
    scale = drawing.Scale(
        min(max(min(known), -6 * margin), -1.6 * margin), max(min(max(known), 3 * margin), 0.8 * margin)
    )
    ticks = [(change(value), value) for value in (-4 * margin, -2 * margin, -margin, 0.0, 2 * margin)]
    return {
        "frame": drawing.frame([look.share for look in story.progress.evidence.looks], ticks, scale),
        "difference": drawing.steps(difference, scale),
        "low": drawing.steps(low, scale),
        "margin": scale.y(-margin),
        "zero": scale.y(0.0),
        "cut": min(known) < scale.low or max(known) > scale.high,
        "values": (difference[-1], low[-1]),
    }


def by_share(story: Story) -> list[dict[str, Any]]:
    """What came in at each share, in the order of the ramp."""
    rows: list[dict[str, Any]] = []
    for look, counts in zip(story.progress.evidence.looks, story.traffic().sum(axis=3), strict=True):
        if not rows or rows[-1]["share"] != look.share:
            rows.append({"share": look.share, "looks": 0, "counts": np.zeros((3, 2), dtype=np.int64)})
        rows[-1]["looks"] += 1
        rows[-1]["counts"] = rows[-1]["counts"] + counts
    for row in rows:
        requests = row["counts"][0]
        row["seen"] = float(requests[CANDIDATE] / requests.sum()) if requests.sum() else None
        row["counts"] = row["counts"].tolist()
    return rows


def strata(story: Story) -> list[dict[str, Any]]:
    """The strata, that with the highest e-value first."""
    if not story.figures:
        return []
    found, traffic = story.progress, story.traffic().sum(axis=0)
    count = len(found.strata)
    watched = others_in(found.strata)
    seen = [metric for metric, there in zip(METRICS, story.evidence_of(), strict=True) if there]
    rows = []
    for number, figures in enumerate(story.figures[-1]["strata"]):
        metric = max(seen or METRICS, key=lambda name: _low(figures[name]))
        labelled, correct = figures["labelled"], figures["correct"]
        rows.append(
            {
                "name": figures["stratum"],
                "traffic": traffic[:, :, number].tolist(),
                "labelled": labelled,
                "accuracy": [
                    correct[variant] / labelled[variant] if labelled[variant] else None
                    for variant in (CANDIDATE, CHAMPION)
                ],
                "pairs": found.state.pairs[:, number].tolist(),
                "difference": figures["difference"],
                "highest": figures[metric],
                "metric": metric,
                "proof": "watched"
                if number >= count - watched
                else "proven"
                if figures["proven"]
                else "unproven",
            }
        )
    return sorted(rows, key=lambda row: (-_low(row["highest"]), row["name"]))


def _rose(metric: str, each: np.ndarray, whole: np.ndarray) -> bool:
    """Whether an e-value rose, where one sees it, above its part of alpha, which it begins with."""
    weight = WEIGHTS[METRICS.index(metric)]
    begun = np.log10([weight * (1 - ALL) / each.shape[1], weight * ALL]) + 1e-4  # figures are rounded
    return bool(max(each[-1].max() - max(begun[0], LOWEST), whole[-1] - max(begun[1], LOWEST)) > 0)


def _line(name: str, values: list[float | None], scale: drawing.Scale, style: int) -> dict[str, Any]:
    return {"name": name, "path": drawing.steps(values, scale), "value": values[-1], "style": style}


def _low(log10: float | None) -> float:
    return -np.inf if log10 is None else log10
