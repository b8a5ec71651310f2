"""Versions of the evaluation set: each promotion leaves one, and the next update is compared on all of it."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.schema import SCHEMA, read_utterances
from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.lineage.kept import card_of
from adsmu.sign_off.evaluation_set import PAIRS, EvaluationSet, read_evaluation_set, write_evaluation_set
from adsmu.store import download, open_store, upload
from adsmu.strategy import Strategy

CONTENT = ("tokens", "tags", "intent", "domain")
"""What makes two held-out rows the same one, whatever update they came from."""


def next_version(
    rows: pa.Table, champion: str | Path, strategy: Strategy | None, store: str, folder: Path
) -> Path:
    """Makes the evaluation set of an update: its held-out rows, and all that earlier ones were compared on.

    Earlier is the version that the champion was promoted on, by its card, and the one that the strategy
    names. The new version is put into the store under its id, so that the next update finds it in turn: one
    of a candidate that is never promoted is not built upon.

    Args:
        rows: Held-out rows of this update.
        champion: The folder of the model in production.
        strategy: The strategy, or None.
        store: Where cards and evaluation sets stand; empty: nowhere.
        folder: A folder for all of it.

    Returns:
        The folder of the set.

    Raises:
        BadInput: The strategy names a version that is not there, or has another row of the same id.
        StoreUnavailable: The storage does not answer.
    """
    before = _champions_version(champion, store, folder / "champion")
    named = _named_version(strategy, store, folder / "named") if strategy else None
    if before and named:
        both = folder / "both"
        write_evaluation_set(read_evaluation_set(named).rows, named / PAIRS, both, before)
        before = both
    made = before or named
    if made:
        rows = _unseen(rows, read_evaluation_set(made))
    if made is None or len(rows):
        write_evaluation_set(rows, None, folder / "set", made)
        made = folder / "set"
    if store:
        upload(made, open_store(store), place_of(read_evaluation_set(made).id))
    return made


def held_out(data: str | Path, existing: str | Path) -> pa.Table:
    """The rows of split test of both tables, each under an id of its own.

    Args:
        data: Utterance table of the new use case.
        existing: Of the existing ones; an id that stands in `data` too is told apart from it.

    Raises:
        BadInput: A table is none.
    """
    new, old = (
        table.filter(pc.equal(table["split"], "test")) for table in map(read_utterances, (data, existing))
    )
    twice = pc.is_in(old["id"], new["id"].combine_chunks())
    ids = pc.if_else(twice, pc.binary_join_element_wise("existing", old["id"], " "), old["id"])
    return pa.concat_tables([new, old.set_column(SCHEMA.get_field_index("id"), SCHEMA.field("id"), ids)])


def version_place(strategy: Strategy) -> str:
    """Where the evaluation set that a strategy names stands in a store.

    Raises:
        BadInput: It names none.
    """
    if not strategy.evaluation_set.version:
        raise BadInput("names no version", file="strategy", column="evaluation_set")
    return f"evaluation-sets/{strategy.name}/{strategy.evaluation_set.version}"


def _named_version(strategy: Strategy, store: str, folder: Path) -> Path | None:
    """The evaluation set that the strategy names, out of the store; None: it names none."""
    if not strategy.evaluation_set.version:
        return None
    if not store:
        rule = "names a version, and no store is given in which it could stand"
        raise BadInput(rule, file="strategy", column="evaluation_set")
    return download(open_store(store), version_place(strategy), folder)


def place_of(evaluation_set: str) -> str:
    """Where a version stands in a store by its id.

    >>> place_of("sha256:0a1b")
    'evaluation-sets/0a1b'
    """
    return f"evaluation-sets/{evaluation_set.removeprefix('sha256:')}"


def _champions_version(champion: str | Path, store: str, folder: Path) -> Path | None:
    """The evaluation set that the champion was promoted on, out of the store; None: it is not there."""
    if not store:
        return None
    at = open_store(store)
    card = card_of(at, digest(champion))
    place = place_of(card["digests"]["evaluation_set"]) if card else ""
    return download(at, place, folder) if place and at.names(place) else None


def _unseen(rows: pa.Table, before: EvaluationSet) -> pa.Table:
    """The rows whose content is in no version before, each under an id that none has."""
    content = [name for name in CONTENT if name in before.rows.column_names]
    if not content:
        return rows
    known = {_content(row, content) for row in before.rows.select(content).to_pylist()}
    told = [_content(row, content) for row in rows.select(content).to_pylist()]
    taken = set(before.rows["id"].to_pylist())
    ids = [
        f"{name} {each[:12]}" if name in taken else name
        for name, each in zip(rows["id"].to_pylist(), told, strict=True)
    ]
    rows = rows.set_column(rows.column_names.index("id"), "id", pa.array(ids, pa.string()))
    return rows.filter(pa.array([each not in known for each in told], pa.bool_()))


def _content(row: dict[str, object], names: list[str]) -> str:
    return hashlib.sha256(repr([row[name] for name in names]).encode()).hexdigest()
