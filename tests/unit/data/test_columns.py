import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.data.columns import flatten, list_column, spans

words = st.sampled_from(["a", "b", "c"])
pieces = st.lists(
    st.tuples(st.sampled_from([None, "x", "y"]), st.lists(words, min_size=1, max_size=3)), max_size=4
)


def row(parts):
    tokens, tags, found = [], [], []
    for slot, said in parts:
        if slot:
            found.append((slot, said))
        tags += [f"B-{slot}", *[f"I-{slot}"] * (len(said) - 1)] if slot else ["O"] * len(said)
        tokens += said
    return {"tokens": tokens, "tags": tags}, found


@settings(deadline=None)
@given(st.lists(pieces, max_size=5))
def test_spans_are_those_that_the_rows_were_made_of(parts):
    made = [row(part) for part in parts]
    schema = pa.schema({"tokens": pa.list_(pa.string()), "tags": pa.list_(pa.string())})
    flat = flatten(pa.Table.from_pylist([labelled for labelled, _ in made], schema))
    found = spans(flat)
    said = [
        (int(line), found.names[slot], flat.words[flat.tokens[start:end]].tolist())
        for line, start, end, slot in zip(found.row, found.start, found.end, found.slot, strict=True)
    ]
    assert said == [(line, slot, value) for line, (_, values) in enumerate(made) for slot, value in values]


@settings(deadline=None)
@given(st.lists(st.lists(words, max_size=4), max_size=5), st.integers(0, 2))
def test_flat_columns_are_put_together_again(lists, skipped):
    column = pa.chunked_array([pa.array(lists, pa.list_(pa.string()))]).slice(skipped)
    flat = flatten(pa.table({"tokens": column, "tags": column}))
    assert list_column(flat.words, flat.tokens, flat.offsets).to_pylist() == lists[skipped:]
    assert flat.rows.tolist() == [line for line, said in enumerate(lists[skipped:]) for _ in said]
