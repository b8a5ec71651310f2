"""Analyze, audit, select: what is wrong with a model in production, and what data would mend it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.analyze.case import Ask, Case
from adsmu.analyze.diagnose import DIAGNOSES, next_test, prior, updated
from adsmu.analyze.outcome import Outcome
from adsmu.analyze.recommend import recommend
from adsmu.analyze.tests import TESTS
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.profile.observations import read_labels, read_observations
from adsmu.strategy import Strategy, read_strategy


def analyze(
    reference: pa.Table,
    window: pa.Table,
    strategy: Strategy,
    findings: Mapping[str, Any] | None = None,
    ask: Ask | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Puts questions to a window until it is settled what is wrong with it.

    Each time the test is run that promises most bits for its cost, by the table of likelihoods in `diagnose`.

    Args:
        reference: Observations with labels and predictions, that the model did well on.
        window: Observations of production, with or without labels.
        strategy: Says what the columns are, and names the cohorts.
        findings: The content of a `findings.json`, or None.
        ask: Gives the labels of rows; None: nobody can be asked.
        seed: Of the samples.

    Returns:
        The content of an `analysis.json` without its digests.

    Raises:
        BadInput: A table lacks what the analysis needs.
    """
    return analyze_case(Case(reference, window, strategy, findings, ask, seed))


def analyze_case(case: Case) -> dict[str, Any]:
    """Does what `analyze` says, on a case.

    Args:
        case: The case.

    Returns:
        The content of an `analysis.json` without its digests.
    """
    possible = [test for test in TESTS if test.possible(case)]
    belief = prior(possible)
    outcomes: dict[str, Outcome] = {}
    records = []
    while test := next_test(belief, possible, {name: each.result for name, each in outcomes.items()}):
        outcomes[test.name] = found = test.run(case)
        belief = updated(belief, test.name, found.result)
        records.append(
            {
                "name": test.name,
                "question": test.question,
                "result": found.result,
                "figure": _finite(found.figure),
                "low": _finite(found.low),
                "high": _finite(found.high),
                "rows": found.rows,
                "where": found.where,
            }
        )
    diagnosis, confidence = DIAGNOSES[int(belief.argmax())], float(belief.max())
    advice = recommend(case, diagnosis, confidence, outcomes)
    return {
        "tests": records,
        "diagnosis": diagnosis,
        "confidence": confidence,
        "belief": {name: float(chance) for name, chance in zip(DIAGNOSES, belief, strict=True)},
        "where": advice.where,
        "recommendation": {"action": advice.action, "reason": advice.reason, "dataset": advice.dataset},
        "rows": _ids(case.whole, advice.places),
        "labels_asked": len(case.asked),
        "labels_wanted": _ids(case.window, case.wanted),
        "stopped_after": len(records),
        "tests_available": len(possible),
    }


def analyze_files(
    reference: str | Path,
    window: str | Path,
    strategy: str | Path,
    *,
    analysis: str | Path,
    findings: str | Path | None = None,
    labels: str | Path | Ask | None = None,
    unfit: str = "",
    seed: int = 0,
) -> dict[str, Any]:
    """Analyzes a window and writes what was found.

    Labels that tests ask for are taken from `labels`. Those that are not there stand in the analysis as
    `labels_wanted`: once a person has given them, the same call comes further.

    Args:
        reference: Observations with labels and predictions, Parquet.
        window: Observations of production, Parquet.
        strategy: The strategy, YAML.
        analysis: The `analysis.json` to write.
        findings: A `findings.json`, or None.
        labels: Labels by id, Parquet with `id`, `label` and `label_time`; who gives them when asked; or None.
        unfit: Why the window cannot be analyzed: it has no rows, or lacks what `specification` demands; then
            nothing is tested, and its data are to be mended. Empty: it can.
        seed: Of the samples.

    Returns:
        What was written.

    Raises:
        BadInput: An input breaks a rule; nothing is written.
    """
    declared = read_strategy(strategy)
    said = read_json(findings) if findings else None
    if said is not None and (not isinstance(said, dict) or not isinstance(said.get("findings"), list)):
        raise BadInput("must hold a list of findings", file=findings, column="findings")
    result = _unfit(unfit) or analyze(
        read_observations(reference),
        read_observations(window),
        declared,
        said,
        labels if callable(labels) else _given(labels),
        seed,
    )
    result = {
        "format": 1,
        "strategy": declared.digest,
        "findings": digest(findings) if findings else None,
        "data": {"reference": digest(reference), "window": digest(window)},
        **result,
    }
    write_json(result, analysis)
    return result


def _unfit(why: str) -> dict[str, Any]:
    """What is said of a window that cannot be analyzed; nothing of one that can."""
    if not why:
        return {}
    return {
        "tests": [],
        "diagnosis": "quality",
        "confidence": 1.0,
        "belief": {name: float(name == "quality") for name in DIAGNOSES},
        "where": {"rule": why},
        "recommendation": {"action": "mend_data", "reason": why, "dataset": None},
        "rows": [],
        "labels_asked": 0,
        "labels_wanted": [],
        "stopped_after": 0,
        "tests_available": 0,
    }


def _given(labels: str | Path | None) -> Ask:
    """Answers with the labels of a file."""
    given: dict[str, Any] = {}
    if labels:
        late = read_labels(labels)
        given = dict(zip(late["id"].to_pylist(), late["label"].to_pylist(), strict=True))
    return lambda ids: [given.get(each) for each in ids]


def _ids(rows: pa.Table, places: np.ndarray | list[int]) -> list[str]:
    ids: list[str] = rows["id"].take(pa.array(np.asarray(places, np.int64))).to_pylist()
    return ids


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
