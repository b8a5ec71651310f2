"""Which model may be rolled out: only one that its own evaluation let pass. Anything unclear is a refusal."""

from pathlib import Path
from typing import Any

from adsmu.canary_deploy.release import champions
from adsmu.canary_deploy.schedule import Schedule
from adsmu.errors import BadInput
from adsmu.files import digest, read_json
from adsmu.sign_off.admission import card_refusals
from adsmu.sign_off.records import last_card, read_signed
from adsmu.sign_off.signature import public_key
from adsmu.store import open_store
from adsmu.train.model import read_model

FORMAT = 1


def refusals(model: str | Path, evaluation: str | Path, verdict: str) -> list[str]:
    """Why a model may not be rolled out.

    Args:
        model: Model folder.
        evaluation: evaluation.json.
        verdict: The verdict that the pipeline handed on.

    Returns:
        One sentence a reason; empty: the model is admitted.

    Raises:
        BadInput: There is no model, or the evaluation cannot be read.
    """
    if not (Path(model) / "model.json").is_file():
        raise BadInput("no model folder: it holds no model.json", file=model)
    found = read_json(evaluation)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return [f"the evaluation is not of format {FORMAT}"]
    reasons = []
    measured, given = _text(found.get("model"), "digest"), digest(model)
    if measured != given:
        reasons.append(
            f"the evaluation is of the model {measured or 'that it does not name'}, this one is {given}"
        )
    for name, value in (("evaluation", found.get("verdict")), ("pipeline", verdict)):
        if value != "pass":
            reasons.append(f"the {name}'s verdict is {value!r}, and only 'pass' is rolled out")
    return reasons


def card_faults(
    schedule: Schedule,
    storage: str,
    service: str,
    model: str | Path,
    evaluation: str | Path,
    tables: dict[str, str | Path | None],
    card: str | Path | None = None,
) -> list[str]:
    """Why the report card of a model does not let it be rolled out.

    Args:
        schedule: Says with which key a card must be signed, if one must be.
        storage: The store of cards and champions, as URI; empty: none is named.
        service: The service's name.
        model: Model folder.
        evaluation: evaluation.json.
        tables: What the model was trained on, by the names it uses; None: not given.
        card: The folder of its card; looked at where none of the model was published. None: not given.

    Returns:
        One sentence a reason; empty: it is let through, or no card is demanded.

    Raises:
        BadInput: The key cannot be read, or the card is damaged.
        StoreUnavailable: The storage does not answer.
    """
    if not schedule.card_key:
        return []
    key = public_key(schedule.card_key)
    if not storage and card is None:
        return ["a signed report card is demanded, and no store is named in which it could stand"]
    store = open_store(storage) if storage else None
    of_model = digest(model)
    signed = (last_card(store, of_model) if store else None) or (read_signed(card) if card else None)
    expected: dict[str, Any] = {"model": of_model, "evaluation": digest(evaluation)}
    if schedule.card_strategy:
        expected["strategy"] = schedule.card_strategy
    served = champions(store, service) if store else []
    if served and served[-1]["model"] != of_model:
        expected["champion"] = served[-1]["model"]
    learnt = read_model(model)["data"]
    given = {name: digest(path) for name, path in tables.items() if path is not None and name in learnt}
    expected["data"] = learnt | given
    return card_refusals(signed, key, expected)


def _text(mapping: Any, key: str) -> str | None:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) else None
