"""Which model may be rolled out: only one that its own evaluation let pass. Anything unclear is a refusal."""

from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import digest, read_json

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


def _text(mapping: Any, key: str) -> str | None:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) else None
