"""What to ask the user for: the shapes and values of which a few real utterances would help most."""

from typing import Any

from adsmu.stratified_evaluate.spans import marked

MOST = 10  # requests
ENOUGH = 3  # real utterances of a stratum that fails: what it lacks is variety, not rows
ORDER = ("fail", "give_up", "undecided")


def requests(evaluation: dict[str, Any], most: int = MOST) -> list[dict[str, Any]]:
    """Ranks the strata that real utterances are worth asking for.

    First those that fail, worst first, then those that were given up, then the undecided ones that the fewest
    rows would decide.

    Args:
        evaluation: The content of an `evaluation.json`.
        most: How many, at most.

    Returns:
        For each `stratum_id`, `shape`, `intent`, `rows` (how many utterances), `why` in words, and `values`,
        what the model missed, each as slot and value.
    """
    asked = [stratum for stratum in evaluation["strata"] if stratum["verdict"] in ORDER]
    return [
        {
            "stratum_id": stratum["stratum_id"],
            "shape": stratum["shape"],
            "intent": stratum["intent"],
            "rows": _rows(stratum),
            "why": _why(stratum),
            "values": missed_values(stratum["examples"]),
        }
        for stratum in sorted(asked, key=_urgency)[:most]
    ]


def missed_values(examples: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The slots and values of examples that the model did not name so.

    Args:
        examples: Of a stratum: `tokens`, `tags` and `predicted_tags`.

    Returns:
        Slot and value, each pair once.

    >>> missed_values([{"tokens": ["play", "coco"], "tags": ["O", "B-film"], "predicted_tags": ["O", "O"]}])
    [('film', 'coco')]
    """
    missed: dict[tuple[str, str], None] = {}
    for example in examples:
        told = marked(example["tokens"], example["predicted_tags"])
        for text, slot in marked(example["tokens"], example["tags"]):
            if slot is not None and (text, slot) not in told:
                missed[slot, text] = None
    return list(missed)


def _urgency(stratum: dict[str, Any]) -> tuple[int, float, str]:
    verdict = stratum["verdict"]
    frame = stratum["dev"]["frame"] or 0.0
    size = frame if verdict != "undecided" else float(stratum["rows_to_decide"] or "inf")
    return ORDER.index(verdict), size, stratum["shape"]


def _rows(stratum: dict[str, Any]) -> int:
    needed: int | None = stratum["rows_to_decide"]
    return needed if stratum["verdict"] == "undecided" and needed else ENOUGH


def _why(stratum: dict[str, Any]) -> str:
    dev = stratum["dev"]
    seen = f"{round((1 - (dev['frame'] or 0.0)) * dev['rows'])} of {dev['rows']} development rows are wrong"
    if stratum["verdict"] == "undecided":
        return f"{seen}; to decide whether it stands"
    if stratum["conflict_with"]:
        return f"{seen}; another shape has the same words with other labels: say which are right"
    return f"{seen}; other words and values than those at hand"
