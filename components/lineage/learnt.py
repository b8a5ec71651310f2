"""What promoted models have learnt: existing rows of the next update, so that it does not forget them."""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.schema import SCHEMA, SPLITS, read_utterances
from adsmu.lineage.chain import lineage
from adsmu.lineage.kept import data_name, stored_table
from adsmu.store import Store

log = logging.getLogger(__name__)


def learnt_tables(store: Store, model: str) -> dict[str, pa.Table]:
    """The tables of new use cases that a model and all it comes from were trained on.

    Args:
        store: Where they are kept.
        model: The model's digest.

    Returns:
        Utterance tables by digest, that of the model itself first. One that is not in the store is left, and
        logged.

    Raises:
        BadInput: A model of the chain is missing, or a table is damaged.
        StoreUnavailable: The storage does not answer.
    """
    found = {}
    for link in lineage(model, store):
        if (wanted := link.model["data"].get("data")) is None or wanted in found:
            continue
        if "data data" in link.missing:
            place = f"{store.uri}/{data_name(wanted)}"
            log.warning("%s is missing: the next update may forget what %s learnt", place, link.digest)
            continue
        with tempfile.TemporaryDirectory() as folder:
            found[wanted] = read_utterances(stored_table(store, wanted, Path(folder)))
    return found


def with_learnt(
    existing: pa.Table, learnt: dict[str, pa.Table], elsewhere: Sequence[pa.Table] = ()
) -> pa.Table:
    """Existing rows, and behind them those that were learnt since, as existing rows.

    Held-out rows of a promoted update are held-out existing rows of the next, so that what it forgets shows.
    Synthetic rows stay known as such by their round. An id gets the first digits of its table before it.

    Args:
        existing: The rows that were existing before the first of these updates.
        learnt: See `learnt_tables`.
        elsewhere: What the next update has beside the existing rows. A text of these, or of a table before,
            is left out: the newest label counts, and no text stands on two sides.

    Returns:
        The utterance table.
    """
    texts = [*map(_texts, (existing, *elsewhere))]
    parts = [existing]
    for name, table in learnt.items():
        own = _texts(table)
        rows = table.filter(pc.invert(_among(own, texts)))
        columns = {
            "id": pc.binary_join_element_wise(name.removeprefix("sha256:")[:12], rows["id"], " "),
            "source": pa.repeat("existing", len(rows)),
            "stratum_id": pa.nulls(len(rows), pa.string()),
        }
        for column, values in columns.items():
            rows = rows.set_column(SCHEMA.get_field_index(column), SCHEMA.field(column), values)
        parts.append(rows)
        texts.append(own)
    return pa.concat_tables(parts)


def on_their_sides(rows: pa.Table, before: Sequence[pa.Table]) -> pa.Table:
    """Gives rows without a split the one that their text had before: what was held out stays so.

    Args:
        rows: Utterances.
        before: Utterances of earlier updates; where a text stands in several splits, the one that is learnt
            from least counts.
    """
    split = rows["split"]
    for name in reversed(SPLITS):  # test first
        texts = [_texts(table.filter(pc.equal(table["split"], name))) for table in before]
        split = pc.if_else(pc.and_(pc.is_null(split), _among(_texts(rows), texts)), name, split)
    return rows.set_column(SCHEMA.get_field_index("split"), SCHEMA.field("split"), split)


def _texts(table: pa.Table) -> pa.ChunkedArray:
    """The text of each row; no token holds a space."""
    return pc.binary_join(table["tokens"], " ")


def _among(texts: pa.ChunkedArray, others: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Whether each text stands among others."""
    chunks = [chunk for other in others for chunk in other.chunks]
    return pc.is_in(texts, pa.chunked_array(chunks, pa.string()).combine_chunks())
