from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.data.catalog import divide_values, harvest, read_catalog, write_catalog
from adsmu.data.schema import utterances
from adsmu.errors import BadInput


def test_what_is_written_is_read_back_with_slots_in_order(tmp_path):
    write_catalog({"song": ["red moon", "élan"], "artist": ["alva"]}, tmp_path / "c.json")
    read = read_catalog(tmp_path / "c.json")
    assert list(read.items()) == [("artist", ["alva"]), ("song", ["red moon", "élan"])]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[]", ": a catalog is a JSON object of slots and their values"),
        ('{"song": ["a"', ", row 1: not JSON: "),
        ('{"song": "a"}', ", column song: the values of a slot are a list of texts"),
        ('{"song": ["a", 3]}', ", column song: the values of a slot are a list of texts"),
        ('{"song": []}', ", column song: the slot has no values"),
        ('{"song": ["a", ""]}', ", column song: the value '' is empty or holds blanks"),
        ('{"song": [" a"]}', ", column song: the value ' a' is empty or holds blanks"),
        ('{"song": ["a  b"]}', ", column song: the value 'a  b' is empty or holds blanks"),
        ('{"song": ["a\\tb"]}', ", column song: the value 'a\\tb' is empty or holds blanks"),
        ('{"song": ["a", "b", "a"]}', ", column song: the value 'a' stands twice"),
        ('{"": ["a"]}', ": '' is not a slot name"),
        ('{"my song": ["a"]}', ": 'my song' is not a slot name"),
        ('{"song": ["a"], "song": ["b"]}', ", column song: the slot stands twice"),
    ],
)
def test_a_bad_catalog_is_named_with_its_slot(tmp_path, text, rule):
    path = tmp_path / "catalog.json"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        read_catalog(path)
    assert str(caught.value).startswith(f"{path}{rule}")


value = st.lists(st.sampled_from(["red", "moon", "x"]), min_size=1, max_size=3)


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from(["a", "b"]), value), max_size=3), max_size=5))
def test_a_harvest_counts_the_values_that_rows_were_made_of(made):
    records = [
        {
            "tokens": ["say", *(word for _, said in row for word in said)],
            "tags": ["O", *(f"{'I' if i else 'B'}-{slot}" for slot, said in row for i in range(len(said)))],
        }
        for row in made
    ]
    counted = Counter((slot, " ".join(said)) for row in made for slot, said in row)
    harvested = harvest(utterances(records))
    assert {(slot, text): n for slot, values in harvested.items() for text, n in values.items()} == counted
    assert list(harvested) == sorted(harvested)
    for values in harvested.values():
        assert list(values) == sorted(values, key=lambda text: (-values[text], text))


@given(st.lists(st.text(min_size=1), min_size=1, max_size=40, unique=True))
def test_values_are_divided_without_loss_and_each_side_of_two_or_more_has_one(values):
    train, held = divide_values({"slot": values})
    assert sorted(train["slot"] + held.get("slot", [])) == sorted(values)
    assert bool(held) == (len(values) > 1)
    assert train["slot"]


def test_about_a_quarter_of_the_values_is_for_development():
    _, held = divide_values({"slot": [f"value {number}" for number in range(4000)]})
    assert 0.23 < len(held["slot"]) / 4000 < 0.27


def test_a_value_stays_on_its_side_when_the_catalog_grows():
    some = [f"value {number}" for number in range(50)]
    before, _ = divide_values({"slot": some})
    after, _ = divide_values({"slot": [*some, *(f"more {number}" for number in range(50))]})
    assert set(before["slot"]) == set(after["slot"]) & set(some)
