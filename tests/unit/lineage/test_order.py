"""Models that are built on others: their order, and which are trained again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.errors import BadInput
from adsmu.lineage.order import order, queued_again, read_needs


@st.composite
def acyclic(draw):
    names = [f"m{number}" for number in range(draw(st.integers(1, 8)))]
    return {
        name: tuple(draw(st.lists(st.sampled_from(names[:place]), unique=True))) if place else ()
        for place, name in draw(st.permutations(list(enumerate(names))))
    }


@settings(max_examples=50, deadline=None)
@given(acyclic())
def test_each_model_comes_behind_what_it_is_built_on(needs):
    found = order(needs)
    assert sorted(found) == sorted(needs)
    assert all(found.index(below) < found.index(name) for name in needs for below in needs[name])


@settings(max_examples=50, deadline=None)
@given(acyclic(), st.data())
def test_all_that_is_built_on_an_updated_model_and_nothing_else_is_queued_again(needs, data):
    updated = data.draw(st.sampled_from(sorted(needs)))

    def rests_on(name):
        return any(below == updated or rests_on(below) for below in needs[name])

    found = queued_again(needs, [updated])
    assert set(found) == {name for name in needs if rests_on(name)}
    assert found == [name for name in order(needs) if name in found]


def written(tmp_path, *texts):
    paths = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def test_an_embedding_that_was_retrained_queues_what_is_built_on_it(tmp_path):
    needs = read_needs(written(tmp_path, "name: intents\nneeds: [embedding]", "name: embedding"))
    assert order(needs) == ["embedding", "intents"]
    assert queued_again(needs, ["embedding"]) == ["intents"]
    with pytest.raises(BadInput, match="nobody: no such model"):
        queued_again(needs, ["nobody"])


@pytest.mark.parametrize(
    ("texts", "rule"),
    [
        (["name: a\nneeds: [b]"], "a, column needs: needs 'b', and there is no such model"),
        (["name: a\nneeds: [b]", "name: b\nneeds: [a]"], "need each other"),
        (["name: a", "name: a"], "'a' stands in another strategy"),
        (["name: a\nneeds: [a]"], "column needs: must be names of other services"),
        (["name: a\nneeds: [b]\ntriggers: {x: {kind: needs}}"], "one of"),
        (["name: a\ntriggers: {x: {kind: dependency}}"], "column needs: must name services"),
    ],
)
def test_models_that_cannot_be_ordered_are_refused(tmp_path, texts, rule):
    with pytest.raises(BadInput, match=rule):
        read_needs(written(tmp_path, *texts))
