"""From predictions to an evaluation: counts, intervals, comparison, verdicts. Nothing here reads a file."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.stratified_evaluate.compare import holm, p_harm, paired_difference, relative_changes
from adsmu.stratified_evaluate.correctness import Marks
from adsmu.stratified_evaluate.gate import SCOUT, Rule, judge_round, judge_stratum
from adsmu.stratified_evaluate.intervals import clopper_pearson, rows_to_decide
from adsmu.stratified_evaluate.predictions import marks_of
from adsmu.stratified_evaluate.scores import Counts, count, rates, scores


def assess(
    predictions: pa.Table,
    strata: pa.Table,
    domains: pa.ChunkedArray,
    rule: Rule,
    *,
    round: int,
    mode: str,
    added: pa.ChunkedArray,
    previous: dict[str, Any] | None,
    churn_floor: float | None,
) -> dict[str, Any]:
    """Works out an evaluation.

    Args:
        predictions: Predictions; rows of the existing use cases come last.
        strata: The active strata of the strata table.
        domains: The domain of each row of the existing use cases; as many as there are of them.
        rule: The bars.
        round: The round.
        mode: How the model was trained.
        added: The stratum of each training row that this round added.
        previous: The evaluation before this one, or None.
        churn_floor: Share of negative flips that a mere change of seed causes, or None.

    Returns:
        The evaluation but for digests, examples and the round's seconds.

    Raises:
        BadInput: No active stratum has a development row, or the champion has no prediction for any.
    """
    ids = strata["stratum_id"].combine_chunks()
    existing = np.arange(len(predictions)) >= len(predictions) - len(domains)
    group = _codes(predictions["stratum_id"], ids)
    group[existing] = -1
    right, compared = (
        marks_of(predictions),
        predictions["champion_frame_correct"].null_count < len(predictions),
    )
    in_split = {
        split: pc.equal(predictions["split"], split).to_numpy().astype(bool) for split in ("dev", "test")
    }
    counts = {split: count(group, right, len(ids), where) for split, where in in_split.items()}
    measured_on = "test" if (counts["test"]["rows"] > 0).all() else "dev"
    popularity = sum(strata[split].to_numpy().astype(np.int64) for split in ("train", "dev", "test"))
    splits = {split: scores(counts[split], popularity, rule.confidence) for split in ("dev", "test")}
    measured = splits[measured_on]
    if splits["dev"] is None or measured is None:
        raise BadInput(
            "no development row of an active stratum: nothing gives a stratum its verdict", column="split"
        )

    champion = champion_rates = harm = None
    if compared:
        champion_right = marks_of(predictions, "champion_")
        known = predictions["champion_frame_correct"].is_valid().to_numpy().astype(bool)
        champion_counts = count(group, champion_right, len(ids), known & in_split[measured_on])
        champion_rates = rates(champion_counts, rule.confidence)
        harm = holm(_harm(group, right, champion_right, known, len(ids)))
        champion = _champion(champion_counts, measured, popularity, rule)
    evaluation: dict[str, Any] = {
        "format": 1,
        "round": round,
        "mode": mode,
        "max_rounds": rule.max_rounds,
        "gate": {
            "target": rule.target,
            "margin": rule.margin,
            "confidence": rule.confidence,
            "patience": rule.patience,
            "measured_on": measured_on,
        },
        "splits": splits,
        "unseen_shapes": _one_rate(
            right["frame"][(group < 0) & ~existing & in_split["test"]], rule.confidence
        ),
        "existing": _existing(predictions.filter(pa.array(existing)), domains, compared, rule, churn_floor),
    }
    if champion is not None:
        champion["existing"] = evaluation["existing"]["champion"]
    evaluation["champion"] = champion
    evaluation["strata"] = _strata(strata, counts, rule, round, mode, _codes(added, ids), previous)
    for index, stratum in enumerate(evaluation["strata"]):
        stratum["champion"] = champion_rates[index]["frame"] if champion_rates else None
        stratum["p_harm"] = float(harm[index]) if harm is not None else None
    verdict, reasons = judge_round(evaluation)
    evaluation["rounds"] = [*(previous["rounds"] if previous else []), _round(evaluation, len(added))]
    return {"verdict": verdict, "reasons": reasons} | evaluation


def _codes(names: pa.ChunkedArray, of: pa.Array) -> np.ndarray:
    """The place of each name in `of`; -1 for null and for what is not there."""
    return pc.fill_null(pc.index_in(names, of, skip_nulls=True), -1).to_numpy().astype(np.int64)


def _one_rate(frame: np.ndarray, confidence: float) -> dict[str, Any] | None:
    if not len(frame):
        return None
    low, high = clopper_pearson(frame.sum(), len(frame), confidence)
    return {"rows": len(frame), "frame": float(frame.mean()), "low": float(low), "high": float(high)}


def _harm(group: np.ndarray, right: Marks, champion: Marks, known: np.ndarray, number: int) -> np.ndarray:
    lost = known & champion["frame"] & ~right["frame"] & (group >= 0)
    gained = known & ~champion["frame"] & right["frame"] & (group >= 0)
    return p_harm(np.bincount(group[lost], minlength=number), np.bincount(group[gained], minlength=number))


def _champion(
    counts: Counts, candidate: dict[str, Any], popularity: np.ndarray, rule: Rule
) -> dict[str, Any]:
    """The champion's mean over strata, and the candidate's change from it."""
    found = scores(counts, popularity, rule.confidence)
    if found is None:
        raise BadInput("holds no row of the new use case", file="champion_predictions", column="id")
    accuracy, error = relative_changes(found["mean"], candidate["mean"])
    return {"mean": found["mean"], "accuracy_change": accuracy, "error_change": error}


def _strata(
    strata: pa.Table,
    counts: dict[str, Counts],
    rule: Rule,
    round: int,
    mode: str,
    added: np.ndarray,
    previous: dict[str, Any] | None,
) -> list[dict[str, Any]]:
    """The entry of every stratum, in the order of the strata table."""
    before = {entry["stratum_id"]: entry for entry in previous["strata"]} if previous else {}
    # What a scout could not learn, a whole training may.
    final = mode != SCOUT and previous is not None and previous.get("mode") == SCOUT
    shape_of = dict(zip(strata["stratum_id"].to_pylist(), strata["shape"].to_pylist(), strict=True))
    dev, test = (rates(counts[split], rule.confidence) for split in ("dev", "test"))
    more = rows_to_decide(counts["dev"]["frame"], counts["dev"]["rows"], rule.target, rule.confidence)
    made = np.bincount(added[added >= 0], minlength=len(strata))
    entries = []
    for index, row in enumerate(
        strata.select(["stratum_id", "shape", "intent", "conflict_with"]).to_pylist()
    ):
        earlier = before.get(row["stratum_id"], {"history": [], "verdict": None, "reason": None})
        history = earlier["history"] + ([dev[index]["frame"]] if dev[index]["rows"] else [])
        needed = int(more[index]) if more[index] >= 0 else None
        verdict, reason = judge_stratum(
            rule,
            round,
            dev[index],
            needed,
            history,
            [shape_of.get(other, other) for other in row["conflict_with"] or []],
            earlier["reason"] if earlier["verdict"] == "give_up" and not final else None,
        )
        entries.append(
            {
                "stratum_id": row["stratum_id"],
                "shape": row["shape"],
                "intent": row["intent"],
                "verdict": verdict,
                "reason": reason,
                "rows_to_decide": needed,
                "conflict_with": row["conflict_with"] or [],
                "dev": dev[index],
                "test": test[index] if test[index]["rows"] else None,
                "champion": None,
                "p_harm": None,
                "added": int(made[index]),
                "history": history,
                "examples": [],
            }
        )
    return entries


def _existing(
    predictions: pa.Table, domains: pa.ChunkedArray, compared: bool, rule: Rule, churn_floor: float | None
) -> dict[str, Any]:
    """The existing use cases as a whole and by intent, beside the champion."""
    right = marks_of(predictions)
    champion = marks_of(predictions, "champion_")["frame"]
    keys = pa.table({"intent": predictions["intent"], "domain": domains.cast(pa.string())})
    intents = (
        keys.group_by(["domain", "intent"])
        .aggregate([])
        .sort_by([("domain", "ascending"), ("intent", "ascending")])
    )
    group = _codes(_key(keys), _key(intents).combine_chunks())
    everywhere = np.ones(len(predictions), dtype=bool)
    counts = count(group, right, len(intents), everywhere)
    lost, gained = champion & ~right["frame"], ~champion & right["frame"]
    by_intent = [np.bincount(group[where], minlength=len(intents)) for where in (lost, gained, champion)]
    harm = holm(p_harm(by_intent[0], by_intent[1]))
    entries = []
    for index, (key, rate) in enumerate(
        zip(intents.to_pylist(), rates(counts, rule.confidence), strict=True)
    ):
        entries.append(
            {
                "intent": key["intent"],
                "domain": key["domain"],
                **{name: rate[name] for name in ("rows", "frame", "low", "high")},
                "champion": float(by_intent[2][index] / rate["rows"]) if compared else None,
                "p_harm": float(harm[index]) if compared else None,
                "harmed": bool(harm[index] < 1 - rule.confidence) if compared else False,
            }
        )
    rows = len(predictions)
    whole: dict[str, Any] = _one_rate(right["frame"], rule.confidence) or {}
    names = ("champion", "difference", "difference_low", "difference_high", "accuracy_change", "error_change")
    whole |= dict.fromkeys((*names, "negative_flips", "positive_flips"))
    if compared:
        cells = [(champion & right["frame"]).sum(), gained.sum(), lost.sum()]
        both, won, worse = (int(cell) for cell in cells)
        low_high = paired_difference(both, won, worse, rows - both - won - worse, rule.confidence)
        changes = relative_changes(float(champion.mean()), whole["frame"])
        whole |= dict(zip(names, (float(champion.mean()), *low_high, *changes), strict=True))
        whole |= {"negative_flips": worse / rows, "positive_flips": won / rows}
    return whole | {"churn_floor": churn_floor, "intents": entries}


def _key(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["domain"], table["intent"], "\x00")


def _round(evaluation: dict[str, Any], added: int) -> dict[str, Any]:
    """The round's entry in the list of rounds; its seconds are put in by the step."""
    verdicts = [stratum["verdict"] for stratum in evaluation["strata"]]
    splits = evaluation["splits"]
    measured = splits[evaluation["gate"]["measured_on"]]
    return {
        "round": evaluation["round"],
        "mode": evaluation["mode"],
        "added": added,
        "strata": len(verdicts),
        "passed": verdicts.count("pass"),
        "failed": verdicts.count("fail"),
        "undecided": verdicts.count("undecided"),
        "given_up": verdicts.count("give_up"),
        "mean": measured["mean"],
        "mean_low": measured["low"],
        "mean_high": measured["high"],
        "dev_mean": splits["dev"]["mean"],
        "existing": evaluation["existing"]["frame"],
        "flips": evaluation["existing"]["negative_flips"],
        "seconds": None,
    }
