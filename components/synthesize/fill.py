"""Fill-in-the-blank: the shapes that a stratum's own rows have, with other values in their slots.

The port of generators: any function `generate(request) -> pa.Table` can stand in for `fill`, by its import
path. What it gives is checked like the rows of `fill`: `adsmu.synthesize.rows` refuses rows that break a rule
of the utterance table or name an unknown stratum, and leaves out texts that are known already.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from adsmu.data.columns import Flat, Spans, flatten, spans
from adsmu.errors import BadInput
from adsmu.synthesize.keys import ranges, shape_keys
from adsmu.synthesize.values import previous

FEWEST_IN_CONTEXT = 3  # with fewer values after the same word, any value of the slot is taken
BLOCK = 2**16  # rows that are put together at once, so that what they need stays small


@dataclass(frozen=True)
class Request:
    """What a generator is asked for.

    Attributes:
        templates: Utterance rows, real ones of the user, each with the stratum whose shape it shows.
        wanted: For each stratum id, how many rows are asked for. The best of them are selected afterwards.
        values: For each slot, the values that may be used in this round.
        contexts: For each slot and the piece before it, the values seen there (capitals folded) in real
            training rows.
        existing: Training rows of the existing use cases.
        round: 0 for development rows, from 1 on training rows.
        seed: The same request gives the same rows.
    """

    templates: pa.Table
    wanted: Mapping[str, int]
    values: Mapping[str, list[str]]
    contexts: Mapping[tuple[str, str], Set[str]]
    existing: pa.Table
    round: int
    seed: int


class Generator(Protocol):
    """The port: what a user's own generator looks like."""

    def __call__(self, request: Request) -> pa.Table:
        """Makes rows.

        Args:
            request: What is asked for.

        Returns:
            Rows with `tokens`, `tags` and `stratum_id`; fewer than wanted where there are no more.
        """


def fill(request: Request) -> pa.Table:
    """Fills the templates of each stratum with values; the generator that is named `fill`.

    A value is drawn from those seen in the same slot after the same word, and those never seen in a row (a
    catalog's, of which no context is known); when these are fewer than `FEWEST_IN_CONTEXT`, from all of the
    slot. A template whose fills are few is not drawn from but counted out, so that none is missed.

    Args:
        request: What is asked for.

    Returns:
        The rows, as list columns of dictionaries (no string is copied). A stratum whose templates have no
        slot gets none.

    Raises:
        BadInput: A slot of a template has no value.
    """
    dice = np.random.default_rng(request.seed)
    templates = distinct_shapes(request.templates)
    flat = flatten(templates)
    found = spans(flat)
    words, lengths, codes, slot_values = _vocabulary(flat, request.values)
    candidates, first, count = _candidates(flat, found, request, slot_values)
    draws = _draws(templates["stratum_id"].to_pylist(), request.wanted, found)
    draws, numbers, strides = _count_out(draws, found, count, dice)

    # A template is pieces: a word outside slots, or a whole slot. `entry` is what a piece stands for.
    outside = np.array([label == "O" for label in flat.labels], dtype=bool)[flat.tags]
    begins = np.zeros(len(outside), dtype=bool)
    begins[found.start] = True
    at = np.flatnonzero(outside | begins)
    piece_offsets = np.searchsorted(at, flat.offsets)
    piece_start, pieces = piece_offsets[:-1], np.diff(piece_offsets)
    span_count = np.bincount(found.row, minlength=len(templates))
    first_span = np.cumsum(span_count) - span_count
    place_of_span = np.searchsorted(at, found.start) - piece_start[found.row]
    word = flat.tokens[at].astype(np.int64)
    begin_tag = np.zeros(len(at), np.int32)
    begin_tag[begins[at]] = 2 * found.slot + 1
    entry_start = np.cumsum(lengths) - lengths

    template = np.repeat(np.arange(len(templates)), draws)
    parts = [(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64))]
    for start in range(0, len(template), BLOCK):
        rows = template[start : start + BLOCK]
        piece_ends = np.cumsum(pieces[rows])
        piece = ranges(piece_start[rows], pieces[rows])
        entry = word[piece]
        span = ranges(first_span[rows], span_count[rows])
        number = np.repeat(numbers[start : start + BLOCK], span_count[rows])
        pick = np.where(
            number >= 0,
            number // strides[span] % count[span],
            (dice.random(len(span)) * count[span]).astype(np.int64),
        )
        filled = np.repeat(piece_ends - pieces[rows], span_count[rows]) + place_of_span[span]
        entry[filled] = candidates[first[span] + pick]
        length = lengths[entry]
        ends = np.cumsum(length)
        goes_on = np.ones(ends[-1], dtype=bool)
        goes_on[ends - length] = False
        tag = np.repeat(begin_tag[piece], length)
        tag += goes_on & (tag > 0)
        tokens = codes[ranges(entry_start[entry], length)]
        parts.append((tokens, tag, np.diff(ends[piece_ends - 1], prepend=0)))
    tokens, tags, row_lengths = (np.concatenate(column) for column in zip(*parts, strict=True))
    row_offsets = np.concatenate([[0], np.cumsum(row_lengths)])
    labels = ["O", *(f"{kind}-{name}" for name in found.names for kind in "BI")]
    return pa.table(
        {
            "tokens": _lists(tokens, words, row_offsets),
            "tags": _lists(tags, labels, row_offsets),
            "stratum_id": templates["stratum_id"].take(pa.array(template)),
        }
    )


def distinct_shapes(templates: pa.Table, group: str = "stratum_id") -> pa.Table:
    """Leaves out the rows whose shape another row of the same group has.

    Args:
        templates: Utterance rows.
        group: The column that says which rows are of one group.

    Returns:
        The rows left, in an order that does not depend on the order given.
    """
    templates = templates.sort_by("id")
    flat = flatten(templates)
    _, number = np.unique(np.array(templates[group].to_pylist(), dtype=str), return_inverse=True)
    keys = np.rec.fromarrays([number, shape_keys(flat, spans(flat))])
    return templates.take(pa.array(np.unique(keys, return_index=True)[1]))


def _vocabulary(
    flat: Flat, values: Mapping[str, list[str]]
) -> tuple[list[str], np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The entries that rows are put together of: each word of the templates, then each value.

    Returns:
        The distinct words, the number of words of each entry, the words' codes of all entries one after the
        other, and for each slot the entries of its values.
    """
    code = {word: number for number, word in enumerate(flat.words)}
    lengths, codes = [1] * len(code), list(range(len(code)))
    entries = {}
    for slot, texts in values.items():
        entries[slot] = np.arange(len(lengths), len(lengths) + len(texts))
        for text in texts:
            parts = text.split(" ")
            lengths.append(len(parts))
            codes.extend(code.setdefault(part, len(code)) for part in parts)
    return list(code), np.array(lengths, np.int64), np.array(codes, np.int32), entries


def _candidates(
    flat: Flat, found: Spans, request: Request, entries: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The entries that each span may take: all of them one after the other, and each span's part of it."""
    anywhere: dict[str, set[str]] = {}
    for (slot, _), seen in request.contexts.items():
        anywhere.setdefault(slot, set()).update(seen)
    pieces, before = previous(flat, found)
    folded: dict[str, tuple[dict[str, int], np.ndarray]] = {}  # the place of each value, if no row shows it
    parts: dict[tuple[str, str], tuple[int, int]] = {}
    candidates: list[np.ndarray] = []
    total = 0
    keys = [(found.names[s], pieces[b]) for s, b in zip(found.slot, before, strict=True)]
    for slot, piece in keys:
        if (slot, piece) in parts:
            continue
        if not request.values.get(slot):
            raise BadInput(
                "a shape has this slot, but neither the catalog nor a row has a value", column=slot
            )
        if slot not in folded:
            places = {value.casefold(): place for place, value in enumerate(request.values[slot])}
            known = anywhere.get(slot, set())
            folded[slot] = places, np.array([value not in known for value in places])
        places, fits = folded[slot][0], folded[slot][1].copy()
        for value in request.contexts.get((slot, piece), ()):
            if value in places:
                fits[places[value]] = True
        chosen = entries[slot][fits] if fits.sum() >= FEWEST_IN_CONTEXT else entries[slot]
        parts[slot, piece] = (total, len(chosen))
        candidates.append(chosen)
        total += len(chosen)
    first, count = np.array([parts[key] for key in keys], np.int64).reshape(-1, 2).T
    return np.concatenate([np.zeros(0, np.int64), *candidates]), first, count


def _draws(strata: list[str], wanted: Mapping[str, int], found: Spans) -> np.ndarray:
    """How many rows each template gives: a stratum's rows in equal parts, rounded up, none without a slot."""
    has_slot = np.bincount(found.row, minlength=len(strata)) > 0
    _, number = np.unique(np.array(strata, dtype=str), return_inverse=True)
    templates = np.bincount(number, weights=has_slot)[number] if len(strata) else np.zeros(0)
    asked = np.array([wanted.get(stratum, 0) for stratum in strata], dtype=np.int64)
    return np.where(has_slot, np.ceil(asked / np.maximum(templates, 1)), 0).astype(np.int64)


def _count_out(
    draws: np.ndarray, found: Spans, count: np.ndarray, dice: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers the fills of templates that have few, at most four times as many as are asked for.

    Returns:
        The rows that each template gives now; for each row its fill's number, -1 where values are drawn; and
        for each span what one step of its value is worth in that number.
    """
    strides = np.ones(len(found.start), np.int64)
    fills = np.ones(len(draws))
    for number, (row, values) in enumerate(zip(found.row, count, strict=True)):
        strides[number] = fills[row] if fills[row] < 2**62 else 1
        fills[row] *= values
    few = fills <= 4 * draws
    draws = np.where(few, np.minimum(draws, fills), draws).astype(np.int64)
    numbers = [
        dice.permutation(int(fills[t]))[: draws[t]] if few[t] else np.full(draws[t], -1)
        for t in range(len(draws))
    ]
    return draws, np.concatenate([np.zeros(0, np.int64), *numbers]), strides


def _lists(codes: np.ndarray, words: list[str], offsets: np.ndarray) -> pa.ListArray:
    values = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words, pa.string()))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
