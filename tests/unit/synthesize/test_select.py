"""Which rows of a pool are taken."""

import numpy as np
import pyarrow as pa
import pytest
from apricot import FeatureBasedSelection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from adsmu.data.catalog import harvest
from adsmu.data.schema import utterances
from adsmu.synthesize.greedy import lazy_greedy
from adsmu.synthesize.select import SELECTIONS, Pool

from .corpora import EMPTY, row


def value_of(features, picks):
    return np.sqrt(np.asarray(features[picks].sum(axis=0)).ravel()).sum()


@pytest.mark.parametrize("form", [sparse.csr_matrix, np.asarray])
@pytest.mark.parametrize("density", [0.02, 1.0])
def test_picks_are_those_of_apricot(form, density):
    features = sparse.random(300, 80, density=density, random_state=1).toarray()
    theirs = FeatureBasedSelection(40, "sqrt", optimizer="lazy").fit(form(features)).ranking
    ours = lazy_greedy(form(features), 40)
    assert ours.tolist() == theirs.tolist()
    assert value_of(features, ours) == pytest.approx(value_of(features, theirs), rel=1e-12)


@given(
    features=arrays(float, (12, 5), elements=st.integers(0, 4).map(float)),
    covered=arrays(float, 5, elements=st.integers(0, 3).map(float)),
    count=st.integers(0, 12),
)
def test_every_pick_gains_as_much_as_the_best_item_left(features, covered, count):
    picks = lazy_greedy(features, count, covered)
    assert len(set(picks.tolist())) == count
    held, left = covered.copy(), set(range(12))
    for pick in picks.tolist():
        gains = {i: np.sqrt(held + features[i]).sum() - np.sqrt(held).sum() for i in left}
        assert gains[pick] == pytest.approx(max(gains.values()), abs=1e-9)
        held += features[pick]
        left.remove(pick)


def pool(texts, sizes, wanted, present=EMPTY, open_slots=("title",)):
    rows = utterances([row(str(n), text, "s") for n, text in enumerate(texts)])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return Pool(rows, offsets, np.array(wanted), present, frozenset(open_slots))


@pytest.mark.parametrize("name", SELECTIONS)
@given(sizes=st.lists(st.integers(0, 20), min_size=1, max_size=4), data=st.data(), seed=st.integers(0, 2**32))
def test_each_stratum_gets_what_it_wants_or_all_it_has(name, sizes, data, seed):
    wanted = [data.draw(st.integers(0, 25)) for _ in sizes]
    given_ = pool([f"play {{title:t{n}}}" for n in range(sum(sizes))], sizes, wanted)
    taken = SELECTIONS[name](given_, np.random.default_rng(seed))
    assert (np.diff(taken) > 0).all()
    assert np.diff(np.searchsorted(taken, given_.offsets)).tolist() == np.minimum(sizes, wanted).tolist()


def test_balanced_uses_every_value_before_it_repeats_one():
    texts = [f"play {{title:t{n % 10 if n < 15 else 0}}} number {n}" for n in range(60)] * 2
    chosen = pool(texts, [60, 60], [5, 5])
    for seed in range(10):
        taken = SELECTIONS["balanced"](chosen, np.random.default_rng(seed))
        assert len(harvest(chosen.rows.take(pa.array(taken)))["title"]) == 10


def test_balanced_starts_from_the_rows_that_are_there():
    present = utterances([row("p", "play {title:t0}", "s"), row("q", "play {title:T1}", "s")])
    chosen = pool([f"play {{title:t{n}}}" for n in range(3)], [3], [1], present)
    for seed in range(10):
        assert SELECTIONS["balanced"](chosen, np.random.default_rng(seed)).tolist() == [2]


def test_submodular_prefers_words_that_were_not_taken_yet():
    chosen = pool(["play moon", "Play moon", "play river", "stop"], [4], [2])
    assert SELECTIONS["submodular"](chosen, np.random.default_rng(0)).tolist() == [0, 2]
