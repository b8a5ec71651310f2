from collections import Counter

import pytest

from adsmu.data.corpus import read_corpus_folder
from adsmu.data.demo import write_demo
from adsmu.data.prepare import delexicalised
from adsmu.data.schema import read_utterances
from adsmu.errors import BadInput


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "corpus"
    facts = write_demo(folder)
    corpus = read_corpus_folder(folder)
    return facts, *(read_utterances(part).to_pandas() for part in (corpus.existing, corpus.user, corpus.test))


def shapes(frame):
    return Counter(delexicalised(row) for row in frame.to_dict("records"))


def test_the_speaker_knows_enough_to_be_hurt(demo):
    _, existing, _, _ = demo
    assert existing["domain"].nunique() >= 5
    assert existing["intent"].nunique() >= 15
    assert 4_000 <= len(existing) <= 6_000
    assert (existing["split"] == "test").sum() >= 1_500


def test_the_use_case_is_new_to_the_speaker(demo):
    facts, existing, user, test = demo
    assert facts["intent"] not in set(existing["intent"])
    assert facts["domain"] in set(existing["domain"])
    slots = {tag[2:] for tags in user["tags"] for tag in tags if tag != "O"}
    known = {tag[2:] for tags in existing["tags"] for tag in tags if tag != "O"}
    assert len(slots - known) >= 3
    assert set(test["intent"]) == set(user["intent"]) == {facts["intent"]}


def test_user_rows_fall_as_zipf_says_and_every_shape_is_tested(demo):
    facts, _, user, test = demo
    counts = sorted(shapes(user).values(), reverse=True)
    assert len(counts) >= 100
    assert counts[0] > 10 * counts[len(counts) // 2]
    assert 3 <= sum(counts) / len(counts) <= 4
    assert set(shapes(test)) == set(shapes(user))
    assert 6 <= len(test) / len(counts) <= 8
    assert 0.1 < facts["test_rows_with_a_value_outside_the_catalog"] < 0.3


def test_the_conflicts_are_the_same_words_under_other_tags(demo):
    facts, _, user, test = demo
    assert 2 <= len(facts["conflicts"]) <= 3
    rows = {name: frame.to_dict("records") for name, frame in (("user", user), ("test", test))}
    said = {delexicalised(row) for row in rows["user"]}
    for shape in facts["conflicts"]:
        kind = next(word for word in shape.split() if word == "{story_kind}")
        written = shape.replace("the ", "")  # articles are folded
        twins = {written.replace(kind, value) for value in ("story", "tale", "fable", "legend")}
        assert written in said
        assert twins & said


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another(demo, tmp_path):
    facts = demo[0]
    assert write_demo(tmp_path / "again") == facts
    assert write_demo(tmp_path / "other", seed=1)["digests"] != facts["digests"]


def test_an_existing_output_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="already exists"):
        write_demo(tmp_path / "file")
