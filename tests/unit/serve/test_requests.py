"""What callers may send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.errors import BadInput
from adsmu.serve.requests import (
    MOST_INSTANCES,
    MOST_LETTERS,
    MOST_TOKENS,
    instances,
    labels,
    request_id,
    tensors,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
LABEL = {"request_id": "a", "label": {"intent": "Play", "tags": ["O", "B-song", "I-song"]}}


@given(JSON, st.sampled_from(["instances", "x"]))
def test_whatever_is_sent_is_read_or_refused_in_words(value, key):
    for body in (value, {key: value}, {key: [value]}, {key: [{"tokens": value}]}):
        try:
            read = instances(body)
        except BadInput:
            continue
        assert read and all(tokens and all(isinstance(token, str) for token in tokens) for tokens in read)


@given(JSON | st.just(LABEL), JSON)
def test_whatever_is_fed_back_is_read_or_refused_in_words(value, inner):
    for body in (value, [value], {"request_id": "a", "label": inner}, {"request_id": inner, "label": value}):
        try:
            labels(json.dumps(body).encode())
        except BadInput:
            continue


@given(st.binary(max_size=40))
def test_feedback_that_is_no_json_is_refused(body):
    with pytest.raises(BadInput):
        labels(b"\xff" + body)


def test_feedback_nested_deeply_is_refused():
    with pytest.raises(BadInput, match="not JSON"):
        labels(b"[" * 100_000)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"instances": []}, "1 to 256 instances"),
        ({"instances": ["x"] * (MOST_INSTANCES + 1)}, "instances are needed, not 257"),
        ({"instances": ["stop", ""]}, "row 2: 1 to 256 tokens are needed, not 0"),
        ({"instances": ["x " * (MOST_TOKENS + 1)]}, "tokens are needed, not 257"),
        ({"instances": [{"tokens": ["a b"]}]}, "one word without blanks"),
        ({"instances": [{"tokens": ["a" * (MOST_LETTERS + 1)]}]}, "at most 1000 letters"),
        ({"instances": [{"tokens": ["a"], "text": "a"}]}, '"tokens": [...]'),
        ({"instances": [{"tokens": ["\ud800"]}]}, "UTF-8"),
    ],
)
def test_a_request_beyond_the_limits_is_refused_with_its_rule(body, rule):
    with pytest.raises(BadInput) as error:
        instances(body)
    assert rule in str(error.value)


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"text": ["a"], "tokens": ["a"]},
        {"other": ["a"]},
        {"text": [b"\xff"]},
        {"text": [["a", "b"]]},
        {"tokens": [1]},
    ],
)
def test_tensors_of_another_kind_are_refused(inputs):
    with pytest.raises(BadInput):
        tensors(inputs)


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("request_id", {"request_id": 3}),
        ("request_id", {"request_id": "a b"}),
        ("request_id", {"request_id": "a/b"}),
        ("label", {"label": "Play"}),
        ("label", {"label": {"intent": "Play"}}),
        ("label", {"label": {"intent": "Play", "tags": ["O"], "more": 1}}),
        ("intent", {"label": {"intent": "", "tags": ["O"]}}),
        ("intent", {"label": {"intent": "a\nb", "tags": ["O"]}}),
        ("intent", {"label": {"intent": "\ud800", "tags": ["O"]}}),
        ("domain", {"label": {"intent": "Play", "tags": ["O"], "domain": None}}),
        ("tags", {"label": {"intent": "Play", "tags": []}}),
        ("tags", {"label": {"intent": "Play", "tags": ["X"]}}),
        ("tags", {"label": {"intent": "Play", "tags": ["B-"]}}),
        ("tags", {"label": {"intent": "Play", "tags": ["O"] * (MOST_TOKENS + 1)}}),
    ],
)
def test_a_wrong_label_is_refused_by_row_and_column(column, change):
    labels(json.dumps([LABEL]).encode())
    with pytest.raises(BadInput) as error:
        labels(json.dumps([LABEL, LABEL | change]).encode())
    assert f"row 2, column {column}" in str(error.value)


def test_an_instance_of_a_request_can_be_labelled():
    assert labels(json.dumps(LABEL | {"request_id": "a/12"}).encode())[0]["request_id"] == "a/12"


@given(st.text(max_size=200))
def test_an_id_can_stand_in_a_header_whatever_the_caller_sends(text):
    made = request_id(text)
    assert (
        made.isascii() and made.isprintable() and " " not in made and "/" not in made and 0 < len(made) <= 128
    )
