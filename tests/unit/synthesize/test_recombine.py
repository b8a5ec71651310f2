"""New shapes: what they are put together of, and what they may not be."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.data.schema import utterances
from adsmu.synthesize.recombine import new_shapes, optional_fragments, read_carriers, recombine
from adsmu.synthesize.rows import find_generator

from .corpora import EXISTING, USER, row
from .test_rows import new_rows, run


def shapes(table):
    return {" ".join(piece.key for piece in carrier) for carrier in read_carriers(table)}


def made(*texts, existing=EXISTING, seed=0):
    rows = [row(f"u{n}", text, f"s{n}") for n, text in enumerate(texts)]
    return new_shapes(utterances(rows), existing, seed)


def test_carriers_that_share_a_slot_swap_what_follows_it():
    found = made("play {title:a} by {person:b}", "hear {title:c} from {person:d}")
    assert shapes(found) == {"play {title} from {person}", "hear {title} by {person}"}


def test_a_shared_word_is_a_place_to_cut_only_after_the_same_piece():
    apart = shapes(made("a {title:a} or not", "be quick or {title:b} now"))
    assert not any("or not" in shape and "quick" in shape for shape in apart)
    assert "put {title} on my list" in shapes(made("put {title:a} on it now", "throw {title:b} on my list"))


def test_a_new_shape_is_of_a_stratum_that_gave_its_beginning_or_its_end():
    texts = ["play {title:a} by {person:b}", "hear {title:c} from {person:d}", "ask {person:e} please"]
    found = made(*texts)
    assert len(found) > 2
    for stratum, carrier in zip(found["stratum_id"].to_pylist(), read_carriers(found), strict=True):
        words = texts[int(stratum[1:])].split()
        ends = (words[0], words[-1].partition(":")[0].removesuffix("}"))
        assert carrier[0].key == ends[0] or carrier[-1].key.removesuffix("}") == ends[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{title:a} by {person:b}", "{person:b} sings {title:a}"),  # a slot would stand twice, or alone
        ("play {title:a} song now", "play {title:a} song now"),  # nothing new
    ],
)
def test_what_nobody_would_say_is_left_out(one, other):
    together = shapes(made(one, other))
    assert not {"{title}", "{person}", "{title} by {person} sings {title}"} & together
    assert "play {title} song now" not in together


def test_words_that_come_and_go_in_many_intents_may_go_with_a_new_carrier():
    said = [
        row(f"{verb}{n}", f"{front}{verb} {{thing:x}} {n}", None, source="existing", intent=verb)
        for verb in ("book", "rate", "find")
        for n, front in enumerate(("", "please "))
    ]
    assert optional_fragments([("book", ("please", "book", "it")), ("book", ("book", "it"))]) == ([], [])
    same = [r | {"tokens": r["tokens"][:-1], "tags": r["tags"][:-1]} for r in said]
    assert "please play {title}" in shapes(
        made("play {title:a}", "spin {title:a} loud", existing=utterances(same))
    )


def test_development_rows_have_the_shapes_of_the_user_rows_only():
    known = shapes(USER)
    assert shapes(new_rows(run(generator=recombine, round=0))) <= known
    assert not shapes(new_rows(run(generator=recombine, rows_per_stratum=8))) <= known


def test_the_budget_is_kept_with_new_shapes():
    assert run(generator=recombine, rows_per_stratum=5).added == {"s1": 5, "s2": 5, "s3": 5}


words = st.sampled_from(["play", "hear", "by", "on", "my", "{title:a}", "{person:b}", "{day:c}"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(words, min_size=2, max_size=6), min_size=2, max_size=8), st.integers(0, 5))
def test_every_pair_of_neighbours_of_a_new_shape_was_said(texts, seed):
    rows = [row(f"u{n}", " ".join(text), f"s{n % 3}") for n, text in enumerate(texts)]
    user = utterances(rows)
    pairs = {(a.key, b.key) for c in read_carriers(user) for a, b in pairwise(c)}
    found = new_shapes(user, EXISTING, seed)
    assert found.equals(new_shapes(user, EXISTING, seed))
    assert not shapes(found) & shapes(user)
    for carrier in read_carriers(found):
        assert {(a.key, b.key) for a, b in pairwise(carrier)} <= pairs


def test_an_unknown_generator_is_refused():
    with pytest.raises(Exception, match="no generator 'x'; there are fill, recombine"):
        find_generator("x")
