"""What a model knows by name: words, characters, labels, and which labels a domain has."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.columns import flatten
from adsmu.errors import BadInput


@dataclass(frozen=True)
class Vocabulary:
    """Names in the order of their rows in the weights. It only ever grows at the end.

    Attributes:
        words: Lower-cased words; row 0 of the weights is the unknown word, `words[i]` is row i + 1.
        characters: Rows 0 and 1 of the weights are padding and the unknown character.
        domains: Domain names.
        intents: Intent names.
        slots: Slot names. Tag 0 is O; slot i has the tags B (1 + 2 i) and I (2 + 2 i).
        domain_intents: The intents (indices) of each domain.
        domain_slots: The slots (indices) of each domain.
    """

    words: list[str]
    characters: list[str]
    domains: list[str]
    intents: list[str]
    slots: list[str]
    domain_intents: list[list[int]]
    domain_slots: list[list[int]]

    @property
    def tags(self) -> list[str]:
        """The tags in the order of their codes."""
        return ["O", *(f"{position}-{slot}" for slot in self.slots for position in "BI")]

    def intent_mask(self) -> np.ndarray:
        """Which intents each domain has: bool, domains x intents."""
        return _mask(self.domain_intents, len(self.intents))

    def tag_mask(self) -> np.ndarray:
        """Which tags each domain has: bool, domains x tags; every domain has O."""
        slots = _mask(self.domain_slots, len(self.slots))
        return np.hstack([np.ones((len(slots), 1), dtype=bool), np.repeat(slots, 2, axis=1)])

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as JSON values."""
        return asdict(self)


EMPTY = Vocabulary([], [], [], [], [], [], [])


def _mask(members: list[list[int]], count: int) -> np.ndarray:
    mask = np.zeros((len(members), count), dtype=bool)
    for row, indices in enumerate(members):
        mask[row, indices] = True
    return mask


def grow(vocabulary: Vocabulary, rows: pa.Table) -> Vocabulary:
    """Adds what rows hold to a vocabulary: known names keep their place, new ones follow in sorted order.

    Args:
        vocabulary: What is known already, `EMPTY` for a new model.
        rows: Utterance table.

    Returns:
        The larger vocabulary.
    """
    flat = flatten(rows)
    words = _added(vocabulary.words, {word.lower() for word in flat.words})
    characters = _added(vocabulary.characters, set("".join(flat.words)))
    slots = _added(vocabulary.slots, {label[2:] for label in flat.labels if label != "O"})
    domains = _added(vocabulary.domains, set(pc.unique(rows["domain"]).to_pylist()))
    intents = _added(vocabulary.intents, set(pc.unique(rows["intent"]).to_pylist()))

    domain = codes(rows["domain"], domains)
    intent_pairs = np.unique(np.stack([domain, codes(rows["intent"], intents)]), axis=1)
    slot_of = {slot: index for index, slot in enumerate(slots)}
    slot = np.array([slot_of.get(label[2:], -1) for label in flat.labels], dtype=np.int64)
    slot_pairs = np.unique(np.stack([domain[flat.rows], slot[flat.tags]]), axis=1)
    return Vocabulary(
        words,
        characters,
        domains,
        intents,
        slots,
        _members(vocabulary.domain_intents, intent_pairs, len(domains)),
        _members(vocabulary.domain_slots, slot_pairs[:, slot_pairs[1] >= 0], len(domains)),
    )


def _added(known: list[str], seen: set[str]) -> list[str]:
    return known + sorted(seen.difference(known))


def _members(known: list[list[int]], pairs: np.ndarray, count: int) -> list[list[int]]:
    members = [set(indices) for indices in known] + [set() for _ in range(count - len(known))]
    for row, index in pairs.T.tolist():
        members[row].add(index)
    return [sorted(indices) for indices in members]


def codes(column: pa.ChunkedArray, names: list[str]) -> np.ndarray:
    """The place of each value of a column in a list of names.

    Args:
        column: Text, plain or dictionary-encoded.
        names: Distinct names.

    Returns:
        int64, -1 where the list has no such name.

    >>> codes(pa.chunked_array([["b", "x"]]), ["a", "b"]).tolist()
    [1, -1]
    """
    found = pc.index_in(column.cast(pa.string()), pa.array(names, pa.string()))
    return found.fill_null(-1).to_numpy().astype(np.int64)


def read_vocabulary(value: Any, file: object) -> Vocabulary:
    """Checks a vocabulary that was read from JSON.

    Args:
        value: What the file holds.
        file: Its name, for the error.

    Returns:
        The vocabulary.

    Raises:
        BadInput: A list is missing, holds other things, repeats a name or points outside of its names.
    """

    def bad(column: str, rule: str) -> BadInput:
        return BadInput(rule, file=str(file), column=column)

    lists: dict[str, Any] = {}
    for name in ("words", "characters", "domains", "intents", "slots"):
        names = value.get(name) if isinstance(value, dict) else None
        if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
            raise bad(name, "not a list of names")
        if len(set(names)) != len(names):
            raise bad(name, "a name stands twice")
        lists[name] = names
    for name, of in (("domain_intents", "intents"), ("domain_slots", "slots")):
        members = value.get(name)
        if not isinstance(members, list) or len(members) != len(lists["domains"]):
            raise bad(name, "not one list for each domain")
        for indices in members:
            if not isinstance(indices, list) or not all(
                type(index) is int and 0 <= index < len(lists[of]) for index in indices
            ):
                raise bad(name, f"an index outside of {of}")
        lists[name] = members
    return Vocabulary(**lists)
