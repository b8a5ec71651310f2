"""A corpus: the folder that an update starts from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from adsmu.data.catalog import Catalog, write_catalog
from adsmu.data.schema import write_utterances
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
        facts: What was done; goes to `corpus.json` with the digest of each file.
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
        digests = {file.name: digest(file) for file in sorted(temporary.iterdir())}
        written = {"format": 1, **facts, "digests": digests}
        write_json(written, corpus.facts)
    return written
