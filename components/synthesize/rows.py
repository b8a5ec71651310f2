"""Synthesizes the rows of a round: how many for each stratum, from which values, and which are taken."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.catalog import Catalog, read_catalog
from adsmu.data.columns import flatten, spans
from adsmu.data.evaluation import read_evaluation
from adsmu.data.schema import ENCODED, ENCODED_SCHEMA, SCHEMA, read_utterances, validate, write_utterances
from adsmu.data.strata import read_strata
from adsmu.errors import BadInput
from adsmu.imports import load
from adsmu.synthesize.allocate import Allocation, find_allocation
from adsmu.synthesize.fill import Generator, Request, fill
from adsmu.synthesize.keys import text_keys, value_keys
from adsmu.synthesize.recombine import recombine
from adsmu.synthesize.select import MANY_VALUES, Pool, Selection, find_selection
from adsmu.synthesize.values import Values, contexts, divide

POOL = 100  # rows of a stratum to select from, when ten times as many as wanted are not fewer
SPARE = 1.25  # the least pool, in rows wanted
TRIES = 8  # times that what a stratum could not use is offered to the others

GENERATORS: dict[str, Generator] = {"fill": fill, "recombine": recombine}
OFFERED = pa.schema([ENCODED_SCHEMA.field(name) for name in ("tokens", "tags", "stratum_id")])

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synthesized:
    """The rows of a round, and what did not go as asked.

    Attributes:
        data: The rows that were given, and the new ones behind them; encoded when those were
            (`read_utterances`).
        added: For each active stratum id, its new rows.
        unspent: Rows of the budget that no stratum could use.
        unfillable: Active strata whose rows have no slot: their only text stands there already.
        closed: Slots whose values training and development rows share; see `adsmu.synthesize.values.Values`.
        left_out: Rows of the generator that were not offered for selection: their text is known, or their
            values belong to the other side.
    """

    data: pa.Table
    added: dict[str, int]
    unspent: int
    unfillable: list[str]
    closed: list[str]
    left_out: int


def synthesize_files(
    utterances: str | Path,
    strata: str | Path,
    existing: str | Path,
    catalog: str | Path,
    data: str | Path,
    *,
    evaluation: str | Path | None = None,
    round: int = 1,
    rows_per_stratum: int = 8,
    allocation: str = "equal",
    selection: str = "balanced",
    generator: str = "recombine",
    seed: int = 0,
) -> Synthesized:
    """Reads files, synthesizes the rows of a round, and writes them behind the rows so far.

    Args:
        utterances: Utterance table of the new use case, with stratum_id.
        strata: Strata table.
        existing: Utterance table of the existing data.
        catalog: JSON, the values of each slot.
        data: The utterance table to write.
        evaluation: The last `evaluation.json`, if there is one.
        round: 0 for development rows, from 1 on training rows.
        rows_per_stratum: The budget, divided by the number of active strata.
        allocation: A name of `allocate.ALLOCATIONS`, or an import path.
        selection: A name of `select.SELECTIONS`.
        generator: A name of `GENERATORS`, or an import path.
        seed: Makes the rows reproducible.

    Returns:
        What was written, and what did not go as asked; the latter is logged, too.

    Raises:
        BadInput: A file or a setting breaks a rule, or an imported allocation or generator does.
    """
    for name, value in {"round": round, "rows_per_stratum": rows_per_stratum, "seed": seed}.items():
        if value < 0:
            raise BadInput(f"{value} is below 0", file=name)
    made = synthesize(
        read_utterances(utterances, encoded=True),
        read_strata(strata),
        read_utterances(existing, encoded=True),
        read_catalog(catalog),
        evaluation=read_evaluation(evaluation) if evaluation else None,
        round=round,
        rows_per_stratum=rows_per_stratum,
        allocation=find_allocation(allocation),
        selection=find_selection(selection),
        generator=find_generator(generator),
        seed=seed,
    )
    write_utterances(made.data, data)
    log.info("round %d: %d rows for %d strata", round, sum(made.added.values()), len(made.added))
    if made.unspent:
        log.warning("%d rows of the budget could not be made: no stratum has more texts", made.unspent)
    if made.unfillable:
        log.warning("strata without a slot cannot be filled: %s", ", ".join(made.unfillable))
    if made.closed:
        log.info("training and development rows share the values of closed slots: %s", ", ".join(made.closed))
    return made


def find_generator(name: str) -> Generator:
    """The generator of a name or an import path.

    Args:
        name: A key of `GENERATORS`, or `package.module:function`.

    Raises:
        BadInput: There is none.
    """
    if ":" not in name and name not in GENERATORS:
        known = ", ".join(GENERATORS)
        raise BadInput(f"no generator {name!r}; there are {known}, or an import path", file="generator")
    found: Generator = GENERATORS[name] if name in GENERATORS else load(name, "generator")
    return found


def synthesize(
    utterances: pa.Table,
    strata: pa.Table,
    existing: pa.Table,
    catalog: Catalog,
    *,
    evaluation: dict[str, Any] | None,
    round: int,
    rows_per_stratum: int,
    allocation: Allocation,
    selection: Selection,
    generator: Callable[[Request], pa.Table],
    seed: int,
) -> Synthesized:
    """Synthesizes the rows of a round.

    A stratum's templates are its real rows of split train, or, when it has none, its other real rows that are
    not of a test split. What a stratum cannot use of its share goes to the others, by the same allocation.

    Args:
        utterances: Rows of the new use case.
        strata: Strata table; only the active ones get rows.
        existing: Rows of the existing data.
        catalog: The user's values.
        evaluation: The last evaluation, if there is one.
        round: As in `synthesize_files`, like the next two.
        rows_per_stratum: The budget, divided by the number of active strata.
        allocation: Spreads the budget.
        selection: Takes rows of a pool.
        generator: Makes the pool.
        seed: Makes the rows reproducible.

    Returns:
        The rows, and what did not go as asked.

    Raises:
        BadInput: A slot of a template has no value, or the generator's rows break a rule.
    """
    given = ENCODED_SCHEMA if ENCODED in utterances.schema.types else SCHEMA
    utterances, existing = (table.cast(ENCODED_SCHEMA) for table in (utterances, existing))
    active = strata.filter(pc.equal(strata["status"], "active"))
    ids = active["stratum_id"].to_pylist()
    side = "train" if round else "dev"
    values = divide(catalog, utterances, existing)
    allowed, forbidden = (
        (_without(values.train, evaluation), values.dev) if round else (values.dev, values.train)
    )
    templates = _templates(utterances, ids)
    user_train = utterances.filter(
        pc.and_(pc.is_null(utterances["round"]), pc.equal(utterances["split"], "train"))
    )
    old_train = existing.filter(pc.equal(existing["split"], "train"))
    seen_after = contexts(pa.concat_tables([user_train, old_train]).select(["tokens", "tags"]))
    known = np.concatenate([text_keys(flatten(table)) for table in (utterances, existing)])
    present = utterances.filter(pc.equal(utterances["split"], side)).select(["tokens", "tags"])
    open_slots = frozenset(slot for slot, texts in allowed.items() if len(texts) >= MANY_VALUES)

    own = generator in GENERATORS.values()
    with_slot = set(_rows_with_slots(templates)["stratum_id"].to_pylist()) if own else set(ids)
    usable = np.array([stratum in with_slot for stratum in ids], dtype=bool)
    unfillable = [stratum for stratum in ids if stratum not in with_slot]
    budget = rows_per_stratum * len(ids)
    added = np.zeros(len(ids), np.int64)
    parts: list[pa.Table] = []
    left_out = 0
    for attempt in range(TRIES):
        left = budget - int(added.sum())
        if not left or not usable.any():
            break
        wanted = np.zeros(len(ids), np.int64)
        wanted[usable] = allocation(active.filter(pa.array(usable)), evaluation, left)
        if not wanted.any():
            break
        sizes = np.maximum(np.minimum(POOL, 10 * wanted), np.ceil(SPARE * wanted).astype(np.int64))
        streams = np.random.SeedSequence([seed, round, attempt]).generate_state(2)
        asked = {stratum: int(size) for stratum, size in zip(ids, sizes, strict=True) if size}
        request = Request(templates, asked, allowed, seen_after, old_train, round, int(streams[0]))
        rows = generator(request)
        if not own:
            rows = _checked(rows, ids)
        rows = rows.select(["tokens", "tags", "stratum_id"]).cast(OFFERED)
        offered, offsets, keys = _offer(rows, ids, known, values, forbidden, check=not own)
        left_out += len(rows) - len(offered)
        pool = Pool(rows.take(pa.array(offered)), offsets, wanted, present, open_slots)
        taken = selection(pool, np.random.default_rng(int(streams[1])))
        got = np.diff(np.searchsorted(taken, offsets))
        added += got
        usable &= got == wanted  # a stratum that fell short has no more texts to give
        known = np.concatenate([known, keys[taken]])
        parts.append(pool.rows.take(pa.array(taken)))
        present = pa.concat_tables([present, parts[-1].select(["tokens", "tags"])])
    new = _complete(parts, active, round, side, utterances["id"])
    return Synthesized(
        data=pa.concat_tables([utterances, new]).unify_dictionaries().cast(given),
        added={stratum: int(count) for stratum, count in zip(ids, added, strict=True)},
        unspent=budget - int(added.sum()),
        unfillable=unfillable,
        closed=values.closed,
        left_out=left_out,
    )


def _without(values: dict[str, list[str]], evaluation: dict[str, Any] | None) -> dict[str, list[str]]:
    """Leaves out the values that the last evaluation suspects, unless a slot had none left."""
    suspected = {(entry["slot"], entry["value"]) for entry in (evaluation or {}).get("suspects", [])}
    left = {
        slot: [text for text in texts if (slot, text.casefold()) not in suspected]
        for slot, texts in values.items()
    }
    return {slot: left[slot] or texts for slot, texts in values.items()}


def _templates(utterances: pa.Table, ids: list[str]) -> pa.Table:
    real = pc.and_(
        pc.is_null(utterances["round"]), pc.is_in(utterances["stratum_id"], pa.array(ids, pa.string()))
    )
    real = pc.and_(real, pc.not_equal(utterances["split"], "test").fill_null(True))
    rows = utterances.filter(real)
    train = rows.filter(pc.equal(rows["split"], "train"))
    have = pc.is_in(rows["stratum_id"], train["stratum_id"].combine_chunks())
    return pa.concat_tables([train, rows.filter(pc.invert(have))])


def _rows_with_slots(rows: pa.Table) -> pa.Table:
    found = np.zeros(len(rows), dtype=bool)
    found[spans(flatten(rows)).row] = True
    return rows.filter(pa.array(found))


def _checked(rows: pa.Table, ids: list[str]) -> pa.Table:
    """Refuses rows of an imported generator that break a rule of the utterance table or name no stratum."""
    if not isinstance(rows, pa.Table) or not {"tokens", "tags", "stratum_id"} <= set(rows.column_names):
        raise BadInput("is to give a table with tokens, tags and stratum_id", file="generator")
    rows = rows.select(["tokens", "tags", "stratum_id"])
    columns: dict[str, Any] = {field.name: pa.nulls(len(rows), field.type) for field in SCHEMA}
    columns |= {name: pa.repeat("synthetic", len(rows)) for name in ("intent", "domain", "source")}
    columns |= {"id": pa.array(np.arange(len(rows))).cast(pa.string())}
    columns |= {"weight": pa.repeat(pa.scalar(1.0, pa.float32()), len(rows))}
    columns |= {name: rows[name] for name in rows.column_names}
    validate(pa.table(columns), "generator")
    unknown = np.flatnonzero(~pc.is_in(rows["stratum_id"], pa.array(ids, pa.string())).to_numpy())
    if len(unknown):
        stratum = rows["stratum_id"][int(unknown[0])].as_py()
        raise BadInput(
            f"{stratum!r} is not an active stratum",
            file="generator",
            row=int(unknown[0]) + 1,
            column="stratum_id",
        )
    return rows


def _offer(
    rows: pa.Table,
    ids: list[str],
    known: np.ndarray,
    values: Values,
    forbidden: dict[str, list[str]],
    *,
    check: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leaves out rows with a known text, repeats, and (when asked) rows with a value of the other side.

    Returns:
        The rows left, by stratum; where each stratum's begin; and the key of each row's text.
    """
    flat = flatten(rows)
    keys = text_keys(flat)
    fresh = ~pd.Series(np.concatenate([known, keys])).duplicated().to_numpy()[len(known) :]
    if check:
        found = spans(flat)
        apart = {slot: texts for slot, texts in forbidden.items() if slot not in values.closed}
        fresh[found.row[np.isin(value_keys(flat, found), _catalog_keys(apart))]] = False
    place = pc.index_in(rows["stratum_id"], pa.array(ids, pa.string())).to_numpy()
    left = np.flatnonzero(fresh)
    left = left[np.argsort(place[left], kind="stable")]
    offsets = np.searchsorted(place[left], np.arange(len(ids) + 1))
    return left, offsets, keys[left]


def _catalog_keys(catalog: dict[str, list[str]]) -> np.ndarray:
    """The `value_keys` of every value."""
    tokens = [text.split(" ") for texts in catalog.values() for text in texts]
    slots = [slot for slot, texts in catalog.items() for _ in texts]
    tags = [
        [f"B-{slot}", *[f"I-{slot}"] * (len(words) - 1)] for slot, words in zip(slots, tokens, strict=True)
    ]
    lists = pa.list_(pa.string())
    flat = flatten(pa.table({"tokens": pa.array(tokens, lists), "tags": pa.array(tags, lists)}))
    return value_keys(flat, spans(flat))


def _complete(
    parts: list[pa.Table], active: pa.Table, round: int, side: str, ids: pa.ChunkedArray
) -> pa.Table:
    """The new rows with every column, by stratum, and ids that no row has."""
    if not parts:
        return ENCODED_SCHEMA.empty_table()
    new = pa.concat_tables(parts)
    place = pc.index_in(new["stratum_id"], active["stratum_id"].combine_chunks()).to_numpy()
    if len(parts) > 1:
        order = np.argsort(place, kind="stable")
        new, place = new.take(pa.array(order)), place[order]
    place = pa.array(place)
    prefix = f"synthetic-{round}-"
    numbers = [text.removeprefix(prefix) for text in ids.filter(pc.starts_with(ids, prefix)).to_pylist()]
    first = 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)
    count = pa.array(np.arange(first, first + len(new))).cast(pa.string())
    columns = {
        "id": pc.binary_join_element_wise(prefix, count, ""),
        "tokens": new["tokens"],
        "tags": new["tags"],
        "intent": active["intent"].take(place),
        "domain": active["domain"].take(place),
        "source": pa.repeat("synthetic", len(new)),
        "split": pa.repeat(side, len(new)),
        "stratum_id": active["stratum_id"].take(place),
        "round": pa.repeat(pa.scalar(round, pa.int32()), len(new)),
        "weight": pa.repeat(pa.scalar(1.0, pa.float32()), len(new)),
    }
    return pa.table(columns).cast(ENCODED_SCHEMA)
