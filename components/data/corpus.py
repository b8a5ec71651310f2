"""A corpus: the folder that an update starts from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.catalog import Catalog, harvest, read_catalog, write_catalog
from adsmu.data.schema import read_utterances, write_utterances
from adsmu.errors import BadInput
from adsmu.files import digest, refuse_existing, write_json, written_whole


@dataclass(frozen=True)
class Corpus:
    """Where the parts of a corpus stand.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def existing(self) -> Path:
        """Utterance table: what the production model was trained on, with its test rows."""
        return self.path / "existing.parquet"

    @property
    def user(self) -> Path:
        """Utterance table: what the user hands over for the new use case."""
        return self.path / "user.parquet"

    @property
    def test(self) -> Path:
        """Utterance table: real, held-out rows of the new use case; may have none."""
        return self.path / "test.parquet"

    @property
    def catalog(self) -> Path:
        """JSON: the values of each slot."""
        return self.path / "catalog.json"

    @property
    def facts(self) -> Path:
        """JSON: what was done to make the corpus, counts, digests."""
        return self.path / "corpus.json"


def write_corpus(
    output: str | Path,
    *,
    existing: pa.Table,
    user: pa.Table,
    test: pa.Table,
    catalog: Catalog,
    facts: Mapping[str, Any],
    more: Mapping[str, pa.Table] | None = None,
) -> dict[str, Any]:
    """Writes a corpus folder, whole or not at all.

    Args:
        output: The folder to make.
        existing: Rows of source existing, with split.
        user: Rows of source user.
        test: Rows of source user and split test.
        catalog: Values of each slot.
        facts: What was done; goes to `corpus.json` with counts and the digest of each file.
        more: Further tables, by file name without its ending.

    Returns:
        What `corpus.json` holds.

    Raises:
        BadInput: Something stands at `output`.
    """
    output = refuse_existing(output)
    with written_whole(output) as temporary:
        corpus = Corpus(temporary)
        for name, table in {"existing": existing, "user": user, "test": test, **(more or {})}.items():
            write_utterances(table, temporary / f"{name}.parquet")
        write_catalog(catalog, corpus.catalog)
        counts = {
            "existing_rows": len(existing),
            "user_rows": len(user),
            "test_rows": len(test),
            "test_rows_with_a_value_outside_the_catalog": _share_outside(test, catalog),
            "catalog_values": {slot: len(catalog[slot]) for slot in sorted(catalog)},
        }
        digests = {file.name: digest(file) for file in sorted(temporary.iterdir())}
        written = {"format": 1, **facts, **counts, "digests": digests}
        write_json(written, corpus.facts)
    return written


def _share_outside(test: pa.Table, catalog: Catalog) -> float:
    """The share of rows with at least one slot whose value is not in the catalog."""
    known = {slot: set(values) for slot, values in catalog.items()}
    outside = [
        any(
            not known.get(slot, set()).issuperset(values)
            for slot, values in harvest(test.slice(row, 1)).items()
        )
        for row in range(len(test))
    ]
    return sum(outside) / len(outside) if outside else 0.0


def read_corpus_folder(path: str | Path) -> Corpus:
    """Checks every part of a corpus, each alone and against the others.

    Args:
        path: The folder.

    Returns:
        Where its parts stand.

    Raises:
        BadInput: A part is missing or breaks a rule of its own; the existing data have no training or no test
            rows; the user data have no rows; rows have another source or split than their file; an id stands
            twice; a text stands on both sides; or the catalog has a slot that no row uses.
    """
    path = Path(path)
    if not path.is_dir():
        raise BadInput("no such folder", file=path)
    corpus = Corpus(path)
    existing, user, test = (read_utterances(part) for part in (corpus.existing, corpus.user, corpus.test))
    _expect(existing, corpus.existing, ["existing"], ["train", "dev", "test"])
    _expect(user, corpus.user, ["user"], [None, "train", "dev"])
    _expect(test, corpus.test, ["user"], ["test"])
    for split in ("train", "test"):
        if split not in existing["split"].unique().to_pylist():
            raise BadInput(f"has no rows of split {split}", file=corpus.existing, column="split")
    if not len(user):
        raise BadInput("has no rows", file=corpus.user)
    _keep_apart([(existing, corpus.existing), (user, corpus.user), (test, corpus.test)])
    used = harvest(pa.concat_tables([existing, user]))
    for slot in read_catalog(corpus.catalog):
        if slot not in used:
            raise BadInput(
                f"no row of the existing or the user data has a slot {slot!r}", file=corpus.catalog
            )
    return corpus


def _expect(table: pa.Table, file: Path, sources: list[str], splits: list[str | None]) -> None:
    """Refuses rows that belong in another file."""
    for column, allowed in (("source", sources), ("split", splits)):
        wrong = np.flatnonzero(~pc.is_in(table[column], pa.array(allowed, pa.string())).to_numpy())
        if len(wrong):
            found = table[column][int(wrong[0])].as_py()
            raise BadInput(
                f"{found or 'none'} does not belong here: {' or '.join(a or 'none' for a in allowed)} does",
                file=file,
                row=int(wrong[0]) + 1,
                column=column,
            )


def _keep_apart(parts: list[tuple[pa.Table, Path]]) -> None:
    """Refuses an id that stands twice, and a text of a test row that stands among the others."""
    frame = pd.concat(
        pd.DataFrame(
            {
                "file": file,
                "row": range(1, len(table) + 1),
                "id": table["id"].to_pandas(),
                "text": pc.binary_join(table["tokens"], " ").to_pandas(),
                "held_out": pc.equal(table["split"], "test").fill_null(False).to_pandas(),
            }
        )
        for table, file in parts
    )
    twice = frame[frame["id"].duplicated()]
    both = frame[frame["held_out"] & frame["text"].isin(frame.loc[~frame["held_out"], "text"])]
    for found, column, rule in (
        (twice, "id", "the id {!r} stands in the corpus already"),
        (both, "tokens", "the test text {!r} also stands among rows that are learnt from"),
    ):
        if len(found):
            first = found.iloc[0]
            shown = first["id"] if column == "id" else first["text"]
            raise BadInput(rule.format(shown), file=first["file"], row=int(first["row"]), column=column)
