"""The strata of a new use case: formed of the user's rows, joined by the held-out ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.columns import Flat, flatten
from adsmu.data.schema import SPLITS, read_utterances, write_utterances
from adsmu.data.strata import STRATA_SCHEMA, write_strata
from adsmu.errors import BadInput
from adsmu.stratify.conflicts import conflicts
from adsmu.stratify.declare import codes, declare, join, settle
from adsmu.stratify.sequences import Sequences, fingerprints, group
from adsmu.stratify.shapes import Marks, Shapes, check_rule, exact, fuzzy, marks, own
from adsmu.stratify.splits import TEST, refuse, split


def stratify_files(
    user: str | Path,
    test: str | Path,
    utterances: str | Path,
    strata: str | Path,
    *,
    rule: str = "exact",
    min_rows: int = 1,
    max_strata: int = 200,
    encoder: str = "",
    seed: int = 0,
) -> None:
    """Reads utterance tables, stratifies them, and writes both results.

    Args:
        user: Utterance table of the new use case, as the user handed it over.
        test: Held-out utterances of the new use case; may have no rows.
        utterances: Where the rows of both go, with split and stratum_id.
        strata: Where the strata table goes.
        rule: As in `stratify`.
        min_rows: As in `stratify`.
        max_strata: As in `stratify`.
        encoder: As in `stratify`.
        seed: As in `stratify`.

    Raises:
        BadInput: A table or a setting breaks a rule; then nothing is written.
    """
    rows, table = stratify(
        read_utterances(user, encoded=True),
        read_utterances(test, encoded=True),
        rule=rule,
        min_rows=min_rows,
        max_strata=max_strata,
        encoder=encoder,
        seed=seed,
        user_file=user,
        test_file=test,
    )
    write_utterances(rows, utterances)
    write_strata(table, strata)


def stratify(
    user: pa.Table,
    test: pa.Table,
    *,
    rule: str = "exact",
    min_rows: int = 1,
    max_strata: int = 200,
    encoder: str = "",
    seed: int = 0,
    user_file: str | Path = "user",
    test_file: str | Path = "test",
) -> tuple[pa.Table, pa.Table]:
    """Groups rows by intent and shape, and splits every group.

    Strata are formed of the user's rows that are not held out (split `test`). A stratum with fewer than
    `min_rows` of them is merged into the largest stratum of its intent and slot trail (that of most of its
    rows), itself one of the small ones when there is no other; what still has fewer is set aside. Then only
    the `max_strata` largest are kept. Rows of strata that are set aside keep their stratum id, are learnt
    from, and are not measured. Held-out rows join the stratum of their intent and shape; where there is none,
    their stratum id is null. `split` of `adsmu.stratify.splits` says how the rows of a stratum are divided,
    and `conflicts` of `adsmu.stratify.conflicts` which strata contradict each other.

    Args:
        user: The user's rows, a valid utterance table.
        test: Held-out rows; may be empty.
        rule: exact, fuzzy, model, or the import path of a rule (`adsmu.stratify.shapes`).
        min_rows: The fewest user rows of a stratum.
        max_strata: The most active strata.
        encoder: Folder of a sentence encoder for the rule model; empty: the built-in one.
        seed: Makes split and clusters reproducible; the split depends on it and on each row's text alone, not
            on the order of the rows.
        user_file: The file that `user` comes from, for errors.
        test_file: The file that `test` comes from, for errors.

    Returns:
        The rows of both tables with split and stratum_id, and the strata table (`STRATA_SCHEMA`).

    Raises:
        BadInput: No user row is left to form strata of; a held-out row has another split; a text stands on
            both sides; a setting is out of range; the rule is wrong; or no stratum has `min_rows` rows.
    """
    if min_rows < 1:
        raise BadInput(f"{min_rows} is not 1 or more", file="min_rows")
    if max_strata < 1:
        raise BadInput(f"{max_strata} is not 1 or more", file="max_strata")
    check_rule(rule)
    preset, forming = _presets(user, test, user_file, test_file)
    flat, flat_test = flatten(user), flatten(test)
    order = text_hashes(flat, seed)
    _keep_apart(user, test, order, text_hashes(flat_test, seed), forming, user_file)

    found, found_test = marks(flat), marks(flat_test)
    by_carrier = exact(found)
    if rule == "exact":
        shapes, shapes_test = by_carrier, exact(found_test)
    elif rule == "fuzzy":
        shapes, shapes_test = fuzzy(found), fuzzy(found_test)
    elif rule == "model":
        from adsmu.stratify.clusters import clusters  # scikit-learn takes a second to import

        shapes, shapes_test = clusters(found, user["intent"], forming, found_test, test["intent"], encoder)
    else:
        shapes, shapes_test = own(rule, user, user_file), own(rule, test, test_file)

    declared, of_user = declare(shapes, user, forming, rule)
    of_test = join(shapes_test, test, declared)
    trail = fuzzy(found) if min_rows > 1 else shapes  # of no use when nothing is small
    strata, target = settle(declared, of_user, forming, trail, min_rows, max_strata)
    # One place more than there are strata, so that -1, of no declared stratum, stays -1.
    of_user, of_test = (np.append(target, -1)[of] for of in (of_user, of_test))
    active = np.append((strata["status"] == "active").to_numpy(), False)
    measured = np.where(forming & active[of_user], of_user, -1)

    text, _ = group(Sequences(flat.tokens, flat.offsets), order)
    covered = np.isin(np.arange(len(strata)), np.concatenate([of_test, of_user[~forming]]))
    of_row = np.concatenate([of_user, of_test])
    splits = split(preset, text, order, measured, covered, user_file)
    splits = np.concatenate([splits, np.full(len(test), TEST)])
    counts = np.bincount(
        of_row[of_row >= 0] * len(SPLITS) + splits[of_row >= 0], minlength=len(strata) * len(SPLITS)
    ).reshape(-1, len(SPLITS))
    ids = strata["stratum_id"].tolist()
    twins: list[list[str]] = [[] for _ in ids]
    intent, _ = codes(user["intent"])
    for one, other in sorted(conflicts(flat, found, by_carrier, text, intent, measured)):
        twins[one].append(ids[other])
    columns = {
        **{name: strata[name].tolist() for name in ("stratum_id", "shape", "domain", "intent")},
        "rule": [rule] * len(strata),
        "slots": _slots(found, by_carrier, np.where(forming, of_user, -1), len(strata)),
        **{name: counts[:, place] for place, name in enumerate(SPLITS)},
        **{name: strata[name].tolist() for name in ("status", "merged")},
        "reason": [reason or None for reason in strata["reason"]],
        "conflict_with": twins,
    }
    table = pa.table({name: columns[name] for name in STRATA_SCHEMA.names}, STRATA_SCHEMA)
    return _labelled(pa.concat_tables([user, test]), splits, of_row, ids), table


def text_hashes(flat: Flat, seed: int) -> np.ndarray:
    """A hash of each row's text that depends on the seed and on nothing else.

    Args:
        flat: Codes of the rows.
        seed: Any whole number.

    Returns:
        uint64, one a row.
    """
    words = pd.util.hash_array(flat.words, hash_key=f"{seed % 10**16:016d}", categorize=False)
    return fingerprints(Sequences(flat.tokens, flat.offsets), words)


def _presets(
    user: pa.Table, test: pa.Table, user_file: str | Path, test_file: str | Path
) -> tuple[np.ndarray, np.ndarray]:
    """The split that each user row has, as a code of `SPLITS`, -1 for none; and whether it forms strata."""
    if not len(user):
        raise BadInput("has no rows: there is nothing to form strata of", file=user_file)
    held = pc.fill_null(pc.equal(test["split"], "test"), True).to_numpy()
    if not held.all():
        row = int(np.argmin(held))
        raise BadInput(
            f"{test['split'][row].as_py()!r} is not the split of a held-out row, test",
            file=test_file,
            row=row + 1,
            column="split",
        )
    known = pc.is_in(user["id"], test["id"].combine_chunks()).to_numpy()
    if known.any():
        row = test["id"].index(user["id"][int(np.argmax(known))]).as_py()
        raise BadInput(
            f"{test['id'][row].as_py()!r} is also the id of a row of the user's data",
            file=test_file,
            row=row + 1,
            column="id",
        )
    preset = pc.fill_null(pc.index_in(user["split"], pa.array(SPLITS)), -1).to_numpy()
    forming = preset != TEST
    if not forming.any():
        raise BadInput(
            "every row is held out: none is left to form strata of", file=user_file, column="split"
        )
    return preset, forming


def _keep_apart(
    user: pa.Table,
    test: pa.Table,
    order: np.ndarray,
    order_test: np.ndarray,
    forming: np.ndarray,
    user_file: str | Path,
) -> None:
    held = np.concatenate([order_test, order[~forming]])
    suspects = np.flatnonzero(forming & np.isin(order, held))
    if len(suspects):  # equal hashes: read the words
        rows = np.flatnonzero(np.isin(held, order[suspects]))
        tokens = pa.concat_tables(
            [test.select(["tokens"]), user.select(["tokens"]).filter(pa.array(~forming))]
        )
        texts = {tuple(words) for words in tokens["tokens"].take(pa.array(rows)).to_pylist()}
        mine = user["tokens"].take(pa.array(suspects)).to_pylist()
        leaked = [int(row) for row, words in zip(suspects, mine, strict=True) if tuple(words) in texts]
        if leaked:
            refuse("also stands in the held-out data", leaked, user_file)


def _slots(found: Marks, shapes: Shapes, of_row: np.ndarray, count: int) -> list[list[str]]:
    """The slots of each stratum, in the order of the alphabet."""
    stratum, shape = np.divmod(
        np.unique(of_row[of_row >= 0] * len(shapes.texts) + shapes.of_row[of_row >= 0]), len(shapes.texts)
    )
    spelt = Sequences(found.shape, found.offsets).take(shapes.first[shape])
    stratum = np.repeat(stratum, np.diff(spelt.offsets))
    is_slot = spelt.codes >= found.words
    slots: list[list[str]] = [[] for _ in range(count)]
    for pair in np.unique(stratum[is_slot] * len(found.names) + spelt.codes[is_slot]):
        slots[pair // len(found.names)].append(found.names[pair % len(found.names)][1:-1])
    return slots


def _labelled(rows: pa.Table, splits: np.ndarray, of_row: np.ndarray, ids: list[str]) -> pa.Table:
    """The rows with their split and stratum id."""
    stratum = pa.array(ids).take(pa.array(of_row, mask=of_row < 0))
    columns = {"split": pa.array(SPLITS).take(pa.array(splits)), "stratum_id": stratum}
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows
