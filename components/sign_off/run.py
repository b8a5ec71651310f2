"""Makes the report card of an update, from files to files."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.data.evaluation import read_evaluation
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, refuse_existing, write_json, written_whole
from adsmu.imports import load
from adsmu.lineage.change import change_of
from adsmu.sign_off.card import CARD, FORMAT, SIGNATURE, Limits, conditions
from adsmu.sign_off.comparison import Measured, behaviour, comparisons, groups_of, named_strata, totals
from adsmu.sign_off.evaluation_set import read_evaluation_set
from adsmu.sign_off.forgetting import backward_transfer, gate
from adsmu.sign_off.pairs import Pair
from adsmu.sign_off.records import SignedCard, publish, read_signed
from adsmu.sign_off.report import render_card
from adsmu.sign_off.scorers import Scorer
from adsmu.sign_off.signature import private_key, sign
from adsmu.store import open_store
from adsmu.strategy import read_strategy
from adsmu.train.model import read_model

SCORER = "adsmu.sign_off.scorers:Utterances"
TRAINER = "adsmu.train.two_stage:TwoStageTrainer"
PAGE = "card.html"


def card_files(
    model: str | Path,
    champion: str | Path,
    evaluation_set: str | Path,
    output: str | Path,
    *,
    strategy: str | Path | None = None,
    evaluation: str | Path | None = None,
    retraining: str | Path | None = None,
    confidence: float = 0.95,
    margin: float = 0.02,
    scorer: str = SCORER,
    trainer: str = TRAINER,
) -> dict[str, Any]:
    """Asks both models, compares them, and writes the card and its page.

    Nothing that was scored before is used: a new version of the evaluation set scores the champion again too.

    Args:
        model: The candidate's folder.
        champion: The folder of the model in production.
        evaluation_set: The folder of an evaluation set.
        output: The folder to make: `card.json` and `card.html`.
        strategy: `strategy.yaml`, for its digest, cohorts and confidence; None: there is none.
        evaluation: `evaluation.json` of this very candidate; None: there is none.
        retraining: What `adsmu.lineage.repeat` wrote of this training; None: it was not measured.
        confidence: Of every interval, where there is no strategy.
        margin: See `Limits`.
        scorer: Import path of what knows how to ask such models.
        trainer: Import path of the models' trainer.

    Returns:
        The card.

    Raises:
        BadInput: An input breaks a rule, or the evaluation or the retrainings are of another model;
            nothing is written.
    """
    refuse_existing(output)
    plan = read_strategy(strategy) if strategy else None
    limits = Limits(plan.confidence if plan else confidence, margin)
    given = read_evaluation_set(evaluation_set)
    said, before = read_model(model), read_model(champion)
    of_model, of_champion = digest(model), digest(champion)
    measured = read_evaluation(evaluation) if evaluation else None
    if measured and measured["model"].get("digest") != of_model:
        raise BadInput(f"is of another model than {of_model}", file=evaluation, column="model")
    asked: Scorer = load(scorer, "scorer")(trainer)
    groups = list(groups_of(given.rows, plan.cohorts if plan else {}))
    shapes = {each["stratum_id"]: each["shape"] for each in measured["strata"]} if measured else {}
    named = named_strata(given.rows, shapes)
    weight = given.rows["weight"].to_numpy()
    folders = [Path(champion), Path(model)]
    old, new = (asked.measure(given.rows, asked.answer(each, given.rows)) for each in folders)
    old_kept, new_kept = (kept_pairs(given.pairs, asked, each) for each in folders)
    lower = asked.lower_is_better
    card: dict[str, Any] = {
        "format": FORMAT,
        "digests": {
            "model": of_model,
            "champion": of_champion,
            "data": said["data"],
            "evaluation": digest(evaluation) if evaluation else None,
            "evaluation_set": given.id,
            "strategy": plan.digest if plan else None,
        },
        "confidence": limits.confidence,
        "margin": limits.margin,
        "rows": len(given.rows),
        "pairs": len(given.pairs),
        "verdict": measured["verdict"] if measured else None,
        "retraining": _retraining(retraining, of_model),
        "sign_off": plan.promotion.sign_off if plan else None,
        "change": {"kind": (change := change_of(before, said)).kind, "words": change.words},
        "forgetting": _forgetting(given.rows, before, old, new, limits),
        "unmeasured": [name for _, name, member in groups if not member.any()],
        "comparisons": comparisons(groups, old, new, weight, lower, limits.confidence, named),
        "totals": totals(old, new, weight, lower, limits.confidence) if (weight != 1).any() else [],
        "tests": behaviour(given.pairs, old_kept, new_kept, limits.confidence),
    }
    with written_whole(output) as temporary:
        temporary.mkdir()
        write_json(card, temporary / CARD)
        (temporary / PAGE).write_text(render_card(card, None), encoding="utf-8")
    return card


def kept_pairs(pairs: tuple[Pair, ...], scorer: Scorer, model: Path) -> list[bool]:
    """Which pairs a model keeps to.

    Args:
        pairs: The pairs.
        scorer: Asks the model.
        model: Model folder.

    Raises:
        BadInput: The inputs do not make a table, or an answer is not what a pair asks for.
    """
    if not pairs:
        return []
    changed = [pair for pair in pairs if pair.changed is not None]
    try:
        rows = pa.Table.from_pylist([pair.input for pair in pairs] + [pair.changed for pair in changed])
    except (pa.ArrowException, TypeError) as error:
        rule = f"inputs must be alike: {str(error).splitlines()[0]}"
        raise BadInput(rule, file="pairs", column="input") from error
    answers = scorer.answer(model, rows)
    after = iter(answers[len(pairs) :])
    firsts = answers[: len(pairs)]
    return [
        pair.kept(answer, None if pair.changed is None else next(after))
        for pair, answer in zip(pairs, firsts, strict=True)
    ]


def sign_files(
    card: str | Path,
    *,
    key: str | Path | None = None,
    by: str = "",
    decision: str = "",
    reason: str = "",
    store: str = "",
) -> dict[str, Any]:
    """Signs a card: as a person, who decides, or by policy, which decides by the card's conditions alone.

    Args:
        card: The folder of a card; `card.sig.json` is written beside it, and the page again.
        key: The file of the private key; None: the one that the environment names.
        by: The person; empty: the policy signs.
        decision: A person's: approve or refuse.
        reason: A person's.
        store: Where to publish it as well; empty: nowhere.

    Returns:
        The signature.

    Raises:
        BadInput: There is no key, the card is none, the strategy wants a person, or a policy was told what to
            decide.
        StoreUnavailable: The storage does not answer.
    """
    folder = Path(card)
    read = read_signed(folder)
    content = read.card
    found = conditions(content)
    if by:
        kind = "person"
    elif decision or reason:
        raise BadInput("a policy decides by itself: say who decides by --by", file="decision")
    elif content.get("sign_off") == "person":
        raise BadInput("the strategy wants a person to sign: say who by --by", file="by")
    else:
        unmet = [condition.text for condition in found if not condition.met]
        kind, by, decision = "policy", "conditions of the card", "refuse" if unmet else "approve"
        reason = "; ".join(unmet)[:500] if unmet else f"all {len(found)} conditions are met"
    signature = sign(read.content, private_key(key), decision=decision, kind=kind, by=by, reason=reason)
    write_json(signature, folder / SIGNATURE)
    with written_whole(folder / PAGE) as temporary:
        temporary.write_text(render_card(content, signature), encoding="utf-8")
    if store:
        publish(open_store(store), SignedCard(read.content, signature, read.place))
    return signature


def _forgetting(
    rows: pa.Table, champion: dict[str, Any], old: Measured, new: Measured, limits: Limits
) -> dict[str, Any] | None:
    """How the champion's use cases, its intents, fare; None: the rows are none of them."""
    if "intent" not in rows.column_names or "frame" not in old:
        return None
    intent = np.array(rows["intent"].to_pylist())
    earlier = {
        name: (old["frame"][member] == 1, new["frame"][member] == 1)
        for name in champion["labels"].get("intents", [])
        if (member := intent == name).any()
    }
    if not earlier:
        return None
    _, together, kept = gate(earlier, limits.margin, limits.confidence)
    whole = asdict(together)
    return {name: whole[name] for name in ("rows", "before", "after", "low", "high")} | {
        "transfer": backward_transfer(kept),
        "use_cases": [asdict(each) for each in kept],
    }


def _retraining(path: str | Path | None, model: str) -> dict[str, Any] | None:
    if path is None:
        return None
    value = read_json(path)
    names = ("runs", "deviation", "high", "disagreement", "limit", "repeatable")
    if not isinstance(value, dict) or any(name not in value for name in names):
        raise BadInput(f"must hold {', '.join(names)}", file=path)
    if value.get("model") != model:
        raise BadInput(f"is of another model than {model}", file=path, column="model")
    return {name: value[name] for name in names}
