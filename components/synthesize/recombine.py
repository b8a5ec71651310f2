"""New shapes: carriers put together of those that the user's rows have, as one thing is said in many ways.

Two carriers that share a slot, or a word and what stands before it, can be cut there and their ends swapped:
each place of the new ones was said by somebody. (Recombined training data: Jia and Liang 2016, "Data
Recombination for Neural Semantic Parsing".) And what existing rows show to be free to come and go in front of
an order or behind it, as "please" and "can you", may go with a new one, too.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from adsmu.data.columns import flatten, spans
from adsmu.synthesize.fill import Request, distinct_shapes, fill

NEW_SHARE = 0.5  # of a stratum's rows: those of shapes that no row has
SHAPES = 8  # new shapes of a stratum, at most
LONGEST_FRAGMENT = 3  # words that may come or go
SEEN_WITH = 3  # intents in which such words must have come and gone


@dataclass(frozen=True)
class Piece:
    """A word outside slots, or a whole slot with the value it had.

    Attributes:
        key: The word, capitals folded, or `{slot}`.
        tokens: Its tokens.
        tags: Their tags.
    """

    key: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def is_slot(self) -> bool:
        """Whether it is a slot."""
        return self.tags[0] != "O"


Carrier = tuple[Piece, ...]


def recombine(request: Request) -> pa.Table:
    """Fills the shapes that strata have, and new ones beside them; the generator that is named `recombine`.

    Development rows only get shapes that the user's rows show: a verdict is on those.

    Args:
        request: What is asked for.

    Returns:
        Rows as `fill` gives; one of a new shape is of the stratum that a part of it is of.

    Raises:
        BadInput: A slot of a template has no value.
    """
    if not request.round:
        return fill(request)
    shapes = new_shapes(request.templates, request.existing, request.seed)
    strata = set(shapes["stratum_id"].to_pylist())
    fresh = {s: int(NEW_SHARE * n) if s in strata else 0 for s, n in request.wanted.items()}
    known = {s: n - fresh[s] for s, n in request.wanted.items()}
    parts = [
        fill(replace(request, wanted=known)),
        fill(replace(request, templates=shapes, wanted=fresh, seed=request.seed + 1)),
    ]
    return pa.concat_tables(parts).unify_dictionaries()


def new_shapes(templates: pa.Table, existing: pa.Table, seed: int) -> pa.Table:
    """Carriers that no template has, each of the stratum whose carrier gave a part of it.

    Args:
        templates: Utterance rows of the use case, with stratum ids.
        existing: Training rows of the existing use cases.
        seed: Decides which are kept where there are more than `SHAPES` of a stratum.

    Returns:
        Utterance rows with `id`, `tokens`, `tags` and `stratum_id`.
    """
    rows = distinct_shapes(templates)
    carriers = read_carriers(rows)
    known = {_keys(carrier) for carrier in carriers}
    passes = speaker(map(_keys, carriers))
    longest = max(map(len, carriers), default=0)
    existing = distinct_shapes(existing, "intent")
    said = map(_keys, read_carriers(existing))
    front, behind = optional_fragments(zip(existing["intent"].to_pylist(), said, strict=True))
    places = _places(carriers)
    dice = np.random.default_rng(seed)
    strata = defaultdict(list)
    for stratum, carrier in zip(rows["stratum_id"].to_pylist(), carriers, strict=True):
        strata[stratum].append(carrier)
    found: list[dict[str, Any]] = []
    for stratum in sorted(strata):
        made: dict[tuple[str, ...], Carrier] = {}
        for carrier in strata[stratum]:
            candidates = [*_spliced(carrier, carriers, places), *_extended(carrier, front, behind)]
            for number in dice.permutation(len(candidates)).tolist():
                made.setdefault(_keys(candidates[number]), candidates[number])
        good = [c for keys, c in made.items() if keys not in known and passes(keys) and len(c) <= longest]
        for carrier in good[:SHAPES]:
            found.append(
                {
                    "id": f"{stratum}-{len(found)}",
                    "tokens": [token for piece in carrier for token in piece.tokens],
                    "tags": [tag for piece in carrier for tag in piece.tags],
                    "stratum_id": stratum,
                }
            )
    return pa.Table.from_pylist(found, rows.select(["id", "tokens", "tags", "stratum_id"]).schema)


def speaker(carriers: Iterable[tuple[str, ...]]) -> Callable[[tuple[str, ...]], bool]:
    """The language check: what a new carrier must have in common with those that people said.

    Its slots together are those of some carrier; no piece stands twice in a row; and it repeats no piece that
    no carrier repeats.

    Args:
        carriers: The keys of the pieces of each.

    Returns:
        A function that says of keys whether they pass.

    >>> passes = speaker([("play", "{song}"), ("play", "{song}", "by", "{artist}")])
    >>> passes(("please", "play", "{song}")), passes(("play", "{artist}")), passes(("play", "play", "{song}"))
    (True, False, False)
    """
    known = list(carriers)
    together = {frozenset(filter(_is_slot, keys)) for keys in known}
    repeated = {key for keys in known for key, count in Counter(keys).items() if count > 1}

    def passes(keys: tuple[str, ...]) -> bool:
        in_a_row = any(one == other for one, other in pairwise(keys))
        twice = {key for key, count in Counter(keys).items() if count > 1}
        return not in_a_row and twice <= repeated and frozenset(filter(_is_slot, keys)) in together

    return passes


def optional_fragments(
    rows: Iterable[tuple[str, tuple[str, ...]]],
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Words that come and go in front of, or behind, what is said.

    In front: leave them out and another carrier of the intent is left, in `SEEN_WITH` intents. Behind: the
    same.

    Args:
        rows: The intent of each carrier, and the keys of its pieces.

    Returns:
        Those in front, and those behind.

    >>> verbs, front = ("play", "add", "rate"), ((), ("please",))
    >>> said = [(verb, (*words, verb, "it")) for verb in verbs for words in front]
    >>> optional_fragments(said)
    ([('please',)], [])
    """
    distinct = set(rows)
    front = _optional(distinct)
    behind = _optional({(intent, keys[::-1]) for intent, keys in distinct})
    return front, sorted(fragment[::-1] for fragment in behind)


def read_carriers(rows: pa.Table) -> list[Carrier]:
    """The pieces of each row.

    Args:
        rows: Rows with `tokens` and `tags`.
    """
    flat = flatten(rows)
    found = spans(flat)
    ends = dict(
        zip(found.start.tolist(), zip(found.end.tolist(), found.slot.tolist(), strict=True), strict=True)
    )
    words, tags = flat.words[flat.tokens].tolist(), flat.labels[flat.tags].tolist()
    carriers = []
    for start, end in zip(flat.offsets[:-1].tolist(), flat.offsets[1:].tolist(), strict=True):
        pieces, at = [], start
        while at < end:
            last, slot = ends.get(at, (at + 1, None))
            key = words[at].casefold() if slot is None else f"{{{found.names[slot]}}}"
            pieces.append(Piece(key, tuple(words[at:last]), tuple(tags[at:last])))
            at = last
        carriers.append(tuple(pieces))
    return carriers


def _keys(carrier: Carrier) -> tuple[str, ...]:
    return tuple(piece.key for piece in carrier)


def _context(carrier: Carrier, at: int) -> tuple[str, ...]:
    """What must be the same where two carriers are cut: a slot; a word, with the piece before it."""
    piece = carrier[at]
    return (piece.key,) if piece.is_slot else (carrier[at - 1].key if at else "", piece.key)


def _places(carriers: Sequence[Carrier]) -> dict[tuple[str, ...], list[tuple[int, int]]]:
    places = defaultdict(list)
    for number, carrier in enumerate(carriers):
        for at in range(len(carrier)):
            places[_context(carrier, at)].append((number, at))
    return places


def _spliced(
    carrier: Carrier, carriers: Sequence[Carrier], places: dict[tuple[str, ...], list[tuple[int, int]]]
) -> list[Carrier]:
    return [
        joined
        for at in range(len(carrier))
        for number, there in places[_context(carrier, at)]
        for other in (carriers[number],)
        for joined in (carrier[: at + 1] + other[there + 1 :], other[: there + 1] + carrier[at + 1 :])
    ]


def _extended(carrier: Carrier, front: list[tuple[str, ...]], behind: list[tuple[str, ...]]) -> list[Carrier]:
    in_front = [_words(fragment) + carrier for fragment in front if not carrier[0].is_slot]
    return in_front + [carrier + _words(fragment) for fragment in behind if fragment[0] not in _keys(carrier)]


def _words(keys: tuple[str, ...]) -> Carrier:
    return tuple(Piece(key, (key,), ("O",)) for key in keys)


def _optional(said: set[tuple[str, tuple[str, ...]]]) -> list[tuple[str, ...]]:
    seen = defaultdict(set)
    for intent, keys in said:
        for length in range(1, min(LONGEST_FRAGMENT, len(keys) - 2) + 1):
            if _is_slot(keys[length - 1]):
                break
            if (intent, keys[length:]) in said:
                seen[keys[:length]].add(intent)
    return sorted(fragment for fragment, intents in seen.items() if len(intents) >= SEEN_WITH)


def _is_slot(key: str) -> bool:
    return key.startswith("{")
