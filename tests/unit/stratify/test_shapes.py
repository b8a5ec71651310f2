import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.data.columns import flatten
from adsmu.data.prepare import delexicalised
from adsmu.data.schema import utterances
from adsmu.errors import BadInput
from adsmu.stratify import sequences
from adsmu.stratify.sequences import Sequences, group
from adsmu.stratify.shapes import exact, fuzzy, marks, own

from .rows import rows


def shapes(by, *spelt):
    found = by(marks(flatten(rows(*spelt))))
    return [found.texts[code] for code in found.of_row]


def test_the_exact_shape_keeps_carrier_words_and_names_slots():
    assert shapes(exact, "add [song: let it go] to my [playlist: gym]") == ["add {song} to my {playlist}"]


def test_two_slots_of_one_name_side_by_side_stay_two_in_the_exact_shape():
    assert shapes(exact, "play [song: hello] [song: goodbye]") == ["play {song} {song}"]


def test_capitals_articles_and_punctuation_do_not_split_an_exact_shape():
    assert set(shapes(exact, "Play the [song: a b] !", "play [song: c]", "play , an [song: d] ?")) == {
        "play {song}"
    }


def test_an_article_inside_a_slot_is_part_of_its_value():
    assert shapes(exact, "play [song: the a]") == ["play {song}"]


def test_a_row_of_nothing_but_noise_keeps_it():
    assert shapes(exact, "the !", "stop") == ["the !", "stop"]


def test_the_slot_trail_drops_carriers_and_collapses_a_repeated_slot():
    assert shapes(fuzzy, "play [song: a] and [song: b] by [artist: c] then [song: d]", "stop now") == [
        "{song} {artist} {song}",
        "(no slot)",
    ]


def test_a_slot_at_the_end_of_a_row_is_not_collapsed_with_the_next_row():
    assert shapes(fuzzy, "play [song: a]", "stop", "[song: b] please") == ["{song}", "(no slot)", "{song}"]


def test_rows_without_any_slot_have_a_trail():
    assert shapes(fuzzy, "stop", "wait") == ["(no slot)", "(no slot)"]


def test_a_word_that_reads_like_a_slot_has_the_shape_that_it_reads_like():
    assert shapes(exact, "play {song}", "play [song: hello]") == ["play {song}"] * 2


WORDS = st.sampled_from(["play", "Play", "the", "a", "!", "me", "?", "now", "é"])
PIECES = st.lists(
    st.one_of(WORDS, st.tuples(st.sampled_from("xyz"), st.lists(WORDS, min_size=1, max_size=3))),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=12))
def test_shapes_agree_with_a_loop_over_rows(spelt):
    lines = [
        " ".join(piece if isinstance(piece, str) else f"[{piece[0]}: {' '.join(piece[1])}]" for piece in line)
        for line in spelt
    ]
    table = rows(*lines)
    for by, carrier, empty in ((exact, True, None), (fuzzy, False, "(no slot)")):
        expected = []
        for record in table.to_pylist():
            words = " ".join(record["tokens"]).lower()
            expected.append(delexicalised(record, carrier) or empty or words)
        assert shapes(by, *lines) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=30))
def test_rows_share_a_group_exactly_when_they_are_equal(lists):
    found, first = group(flat_rows(lists))
    keys = [tuple(line) for line in lists]
    assert len(set(zip(found.tolist(), keys, strict=True))) == len(set(keys)) == len(first)
    assert [keys[row] for row in first[found]] == keys


def test_a_collision_of_hashes_merges_nothing(monkeypatch):
    monkeypatch.setattr(sequences, "fingerprints", lambda rows, values: np.zeros(len(rows), np.uint64))
    found, first = group(flat_rows([[1, 2], [2, 1], [1], [1, 2], [], [2, 1]]))
    assert found.tolist() == [0, 1, 2, 0, 3, 1]
    assert first.tolist() == [0, 1, 2, 4]


def flat_rows(lists):
    codes = np.array([code for line in lists for code in line], dtype=np.int32)
    return Sequences(codes, np.cumsum([0, *map(len, lists)]))


def by_length(table):
    return [f"{len(tokens)} tokens" for tokens in table["tokens"].to_pylist()]


def as_arrow(table):
    return pa.array(by_length(table))


def one_too_few(table):
    return by_length(table)[1:]


def with_a_number(table):
    return [*by_length(table)[1:], 7]


def with_an_empty_shape(table):
    return [*by_length(table)[1:], " "]


def no_list(table):
    return "shape"


def broken(table):
    raise KeyError("tokens2")


HERE = "stratify_rules_of_users"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


@pytest.mark.parametrize("name", ["by_length", "as_arrow"])
def test_a_users_own_rule_gives_the_shapes(name):
    found = own(f"{HERE}:{name}", rows("stop", "play it", "wait"), "user")
    assert [found.texts[code] for code in found.of_row] == ["1 tokens", "2 tokens", "1 tokens"]


def test_a_users_own_rule_may_see_a_table_without_rows():
    assert own(f"{HERE}:by_length", utterances(), "test").texts == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("one_too_few", "returned 1 shapes for 2 rows"),
        ("with_a_number", "u.parquet, row 2: the rule .* returned 7"),
        ("with_an_empty_shape", "row 2.*returned ' '"),
        ("no_list", "returned str, not a list"),
        ("broken", "raised KeyError"),
        ("missing", "has no 'missing'"),
        ("HERE", "is not a function"),
    ],
)
def test_what_a_users_rule_gets_wrong_is_said(name, said):
    with pytest.raises(BadInput, match=said):
        own(f"{HERE}:{name}", rows("stop", "play it"), "u.parquet")
