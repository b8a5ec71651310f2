from collections import Counter

import pytest

from adsmu.data.catalog import harvest, read_catalog
from adsmu.data.corpus import read_corpus_folder
from adsmu.data.jsonl import write_jsonl
from adsmu.data.prepare import delexicalised, prepare
from adsmu.data.schema import read_utterances, utterances
from adsmu.errors import BadInput


def labelled(intent, shape, values):
    """Rows of a shape like `play {song} now`, one a value."""
    made = []
    for value in values:
        tokens, tags = [], []
        for word in shape.split():
            said = value.split() if word[0] == "{" else [word]
            tokens += said
            tags += [f"B-{word[1:-1]}", *[f"I-{word[1:-1]}"] * (len(said) - 1)] if word[0] == "{" else ["O"]
        made.append({"tokens": tokens, "tags": tags, "intent": intent, "domain": "d", "source": "existing"})
    return made


def corpus(tmp_path, *groups):
    records = [record for group in groups for record in group]
    path = tmp_path / "all.jsonl"
    write_jsonl(utterances({"id": str(n), **record} for n, record in enumerate(records)), path)
    return path


def titles(count, name="title"):
    return [f"{name} {number}" for number in range(count)]


def new_intent():
    return [
        *(
            labelled("Tell", f"tell {{story}} {word}", titles(6 + number, word))
            for number, word in enumerate("abcdefghij")
        ),
        *(labelled("Tell", f"rare{number} {{story}}", [f"rare {number}"]) for number in range(10)),
    ]


def old_intents():
    return [labelled("Play", "play {song}", titles(50)), labelled("Stop", "stop {thing} now", titles(25))]


def read(folder):
    made = read_corpus_folder(folder)
    return {
        name: read_utterances(folder / f"{name}.parquet")
        for name in ("existing", "user", "test", "trainfold")
    }, (read_catalog(made.catalog))


def texts(table):
    return {" ".join(tokens) for tokens in table["tokens"].to_pylist()}


def shapes(table):
    return Counter(delexicalised(row) for row in table.select(["tokens", "tags"]).to_pylist())


def test_every_stratum_gives_one_user_row_and_half_of_the_others_to_the_test(tmp_path):
    facts = prepare(corpus(tmp_path, *old_intents(), *new_intent()), "Tell", tmp_path / "c")
    tables, _ = read(tmp_path / "c")
    user, test, kept = (shapes(tables[name]) for name in ("user", "test", "trainfold"))
    assert facts["strata"] == 10
    for number, word in enumerate("abcdefghij"):
        shape, others = f"tell {{story}} {word}" if word != "a" else "tell {story}", 5 + number
        assert (user[shape], test[shape], kept[shape]) == (1, others // 2, others - others // 2)
    assert sum(test[f"rare{number} {{story}}"] for number in range(10)) == 6
    assert facts["test_rows_of_unseen_shape"] == 6
    assert facts["rows_that_give_values_only"] == 4
    assert set(tables["user"]["split"].to_pylist()) == {None}
    assert set(tables["test"]["split"].to_pylist()) == {"test"}


def test_no_text_stands_on_two_sides_and_none_is_lost(tmp_path):
    groups = [*old_intents(), *new_intent()]
    facts = prepare(corpus(tmp_path, *groups, *groups), "Tell", tmp_path / "c")
    tables, _ = read(tmp_path / "c")
    total = sum(len(group) for group in groups)
    assert facts["repeated_texts_removed"] == total
    assert facts["existing_rows"] == 75
    sides = [texts(table) for table in tables.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == total - facts["rows_that_give_values_only"]


def test_every_known_intent_is_split_by_the_same_shares(tmp_path):
    prepare(corpus(tmp_path, *old_intents(), *new_intent()), "Tell", tmp_path / "c")
    existing = read(tmp_path / "c")[0]["existing"].to_pandas()
    assert existing.groupby(["intent", "split"]).size().to_dict() == {
        ("Play", "train"): 36,
        ("Play", "dev"): 4,
        ("Play", "test"): 10,
        ("Stop", "train"): 18,
        ("Stop", "dev"): 2,
        ("Stop", "test"): 5,
    }


def test_the_catalog_holds_no_value_that_only_test_rows_have(tmp_path):
    facts = prepare(corpus(tmp_path, *old_intents(), *new_intent()), "Tell", tmp_path / "c")
    tables, catalog = read(tmp_path / "c")
    assert list(catalog) == ["story"]
    assert not set(harvest(tables["test"])["story"]) & set(catalog["story"])
    assert set(harvest(tables["user"])["story"]) < set(catalog["story"])
    assert facts["test_rows_with_a_value_outside_the_catalog"] == 1.0


def test_an_intent_with_a_carrier_of_its_own_in_each_row_is_grouped_by_slot_trail(tmp_path):
    rows = [labelled("Tell", f"tell{number} {{story}}", [f"title {number}"]) for number in range(12)]
    facts = prepare(corpus(tmp_path, *old_intents(), *rows), "Tell", tmp_path / "c")
    assert (facts["grouping"], facts["strata"], facts["user_rows"], facts["test_rows"]) == (
        "slot trail",
        1,
        1,
        5,
    )


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another(tmp_path):
    data = corpus(tmp_path, *old_intents(), *new_intent())
    first, again, other = (
        prepare(data, "Tell", tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert first["digests"]["user.parquet"] != other["digests"]["user.parquet"]


def test_tokens_are_lower_cased_before_duplicates_are_sought(tmp_path):
    data = corpus(
        tmp_path,
        labelled("Play", "Play {song}", ["Moon"]),
        labelled("Play", "play {song}", [*titles(20), "moon"]),
        *new_intent(),
    )
    assert prepare(data, "Tell", tmp_path / "as_is")["repeated_texts_removed"] == 0
    assert prepare(data, "Tell", tmp_path / "lower", lower=True)["repeated_texts_removed"] == 1


def test_an_unknown_intent_is_answered_with_the_intents_there_are(tmp_path):
    data = corpus(tmp_path, *old_intents())
    with pytest.raises(BadInput, match="column intent: no intent 'Tell'; there are Play, Stop"):
        prepare(data, "Tell", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_corpus_of_one_intent_cannot_be_cut(tmp_path):
    with pytest.raises(BadInput, match="holds one intent only"):
        prepare(corpus(tmp_path, *new_intent()), "Tell", tmp_path / "c")


def test_an_intent_too_small_for_any_stratum_is_refused(tmp_path):
    data = corpus(tmp_path, *old_intents(), labelled("Tell", "tell {story}", titles(2)))
    with pytest.raises(BadInput, match="the intent has no shape with 3 different texts"):
        prepare(data, "Tell", tmp_path / "c")


def test_an_existing_output_is_refused_before_the_work(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="c: already exists"):
        prepare(tmp_path / "none.jsonl", "Tell", tmp_path / "c")


def test_snips_is_cut_as_the_protocol_says(tmp_path, snips):
    facts = prepare(snips, "AddToPlaylist", tmp_path / "c")
    tables, _ = read(tmp_path / "c")
    assert facts["repeated_texts_removed"] == 14_484 - 14_213
    assert facts["grouping"] == "exact shape"
    assert facts["strata"] == facts["user_rows"] >= 90
    assert 0.6 < facts["test_rows_with_a_value_outside_the_catalog"] < 0.8
    seen = shapes(tables["user"])
    assert (
        sum(count for shape, count in shapes(tables["test"]).items() if shape not in seen)
        == (facts["test_rows_of_unseen_shape"])
    )


def test_hwu_is_cut_by_slot_trails(tmp_path, hwu):
    facts = prepare(hwu, "play_audiobook", tmp_path / "c")
    read(tmp_path / "c")
    assert facts["grouping"] == "slot trail"
    assert facts["strata"] >= 10
