import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.data.schema import read_utterances, utterances, write_utterances
from adsmu.data.strata import STRATA_SCHEMA
from adsmu.errors import BadInput
from adsmu.stratify.strata import stratify, stratify_files

from .rows import held, rows


def many(carrier, count, first=0, **more):
    return rows(*(f"{carrier} [title: t{first + number}]" for number in range(count)), first=first, **more)


def by_shape(strata):
    return {row["shape"]: row for row in strata.to_pylist()}


def splits(table):
    return dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))


def test_strata_stand_in_order_of_size_with_their_figures():
    user = pa.concat_tables([many("play", 3), many("start", 10, first=100)])
    table, strata = stratify(user, held("play [title: x]", "start [title: y]", "start [title: z]"))
    assert strata.schema == STRATA_SCHEMA
    start, play = strata.to_pylist()
    assert (start["shape"], start["train"], start["dev"], start["test"]) == ("start {title}", 8, 2, 2)
    assert (play["shape"], play["train"], play["dev"], play["test"]) == ("play {title}", 2, 1, 1)
    assert play["slots"] == ["title"]
    assert (play["status"], play["reason"], play["rule"]) == ("active", None, "exact")
    assert (play["domain"], play["intent"]) == ("music", "Play")
    assert table.num_rows == 16
    assert table["split"].to_pylist()[13:] == ["test"] * 3
    assert table["stratum_id"].to_pylist()[13:] == [play["stratum_id"]] + [start["stratum_id"]] * 2


def test_a_held_out_row_of_an_undeclared_shape_or_intent_has_no_stratum():
    test = pa.concat_tables(
        [held("halt [title: x]"), rows("play [title: z]", first=20_000, split="test", intent="Buy")]
    )
    table, strata = stratify(many("play", 3), test)
    assert table["stratum_id"].to_pylist()[3:] == [None, None]
    assert len(strata) == 1


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (10, (6, 2, 2)), (50, (30, 10, 10))],
)
def test_a_stratum_without_held_out_rows_is_split_in_three(count, expected):
    _, strata = stratify(many("play", count), held())
    only = strata.to_pylist()[0]
    assert (only["train"], only["dev"], only["test"]) == expected


def test_a_split_that_a_row_has_stays():
    user = pa.concat_tables([many("play", 5, split="dev"), many("play", 5, first=50, split="train")])
    table, _ = stratify(user, held())
    assert table["split"].to_pylist() == ["dev"] * 5 + ["train"] * 5


def test_user_rows_that_are_held_out_form_no_stratum():
    user = pa.concat_tables([many("play", 2), many("start", 3, first=50, split="test")])
    table, strata = stratify(user, held())
    assert list(by_shape(strata)) == ["play {title}"]
    assert table["stratum_id"].to_pylist()[2:] == [None] * 3


def test_rows_of_one_text_share_a_split():
    user = rows(*["play [title: same]"] * 5, "play [title: b]", "play [title: c]")
    table, _ = stratify(user, held())
    assert len(set(table["split"].to_pylist()[:5])) == 1
    assert set(table["split"].to_pylist()) == {"train", "dev", "test"}


def test_a_row_takes_the_split_that_its_text_has():
    user = pa.concat_tables([rows("play [title: x]", split="dev"), rows("play [title: x]", first=1)])
    assert stratify(user, held())[0]["split"].to_pylist() == ["dev", "dev"]


def test_ids_depend_on_rule_intent_and_shape_alone():
    few = by_shape(stratify(many("play", 2), held())[1])
    other = pa.concat_tables([many("start", 9, first=50), many("play", 4)])
    more = by_shape(stratify(other, held(), seed=7)[1])
    assert few["play {title}"]["stratum_id"] == more["play {title}"]["stratum_id"]
    trail = stratify(many("play", 2), held(), rule="fuzzy")[1].to_pylist()[0]
    bought = stratify(many("play", 2, intent="Buy"), held())[1].to_pylist()[0]
    assert len({few["play {title}"]["stratum_id"], trail["stratum_id"], bought["stratum_id"]}) == 3


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 4))
def test_the_order_of_the_rows_changes_nothing(dice, min_rows, max_strata):
    carriers = ["play", "start the", "[kind: story] of", "read [kind: story] of", "read story of"]
    user = rows(*(f"{dice.choice(carriers)} [title: {dice.choice('abcdefgh')}]" for _ in range(30)))
    shuffled = user.take(np.array(dice.sample(range(30), 30)))
    settings_ = {"min_rows": min_rows, "max_strata": max_strata, "seed": 3}
    one, strata = stratify(user, held(), **settings_)
    other, again = stratify(shuffled, held(), **settings_)
    assert splits(one) == splits(other)
    assert strata.to_pylist() == again.to_pylist()
    assert sorted(one["id"].to_pylist()) == sorted(user["id"].to_pylist())
    texts = {}
    for record in one.to_pylist():
        assert texts.setdefault(tuple(record["tokens"]), record["split"]) == record["split"]


def test_another_seed_splits_otherwise():
    user = many("play", 40)
    one, same, other = (splits(stratify(user, held(), seed=seed)[0]) for seed in (0, 0, 1))
    assert one == same != other


def test_a_small_stratum_merges_into_the_largest_of_its_trail():
    user = pa.concat_tables(
        [
            many("play", 5),
            many("start", 4, first=50),
            many("begin", 2, first=100),
            rows("begin [title: a] by [who: b]", first=200),
        ]
    )
    table, strata = stratify(user, held("begin [title: h]"), min_rows=3)
    found = by_shape(strata)
    assert found["play {title}"]["merged"] == ["begin {title}"]
    assert found["play {title}"]["train"] + found["play {title}"]["dev"] == 7
    assert found["start {title}"]["merged"] == []
    assert "begin {title}" not in found
    alone = found["begin {title} by {who}"]
    assert (alone["status"], alone["reason"]) == ("set_aside", "1 user rows, fewer than 3 (min_rows)")
    ids = table["stratum_id"].to_pylist()
    assert ids[9] == ids[-1] == found["play {title}"]["stratum_id"]  # also the held-out row
    assert ids[11] == alone["stratum_id"]
    assert table["split"].to_pylist()[11] == "train"


def test_small_strata_of_one_trail_are_enough_together():
    _, strata = stratify(rows("play [title: a]", "start [title: b]", "begin [title: c]"), held(), min_rows=3)
    only = strata.to_pylist()
    assert len(only) == 1
    assert only[0]["status"] == "active"
    assert len(only[0]["merged"]) == 2


def test_beyond_the_cap_the_smallest_are_set_aside_and_learnt_from():
    user = pa.concat_tables([many("play", 5), many("start", 4, first=50), many("begin", 3, first=100)])
    table, strata = stratify(user, held(), max_strata=2)
    found = by_shape(strata)
    assert found["begin {title}"]["status"] == "set_aside"
    assert "2 largest" in found["begin {title}"]["reason"]
    assert table["split"].to_pylist()[9:] == ["train"] * 3


def conflicting(*spelt, **more):
    _, strata = stratify(rows(*spelt), held(), **more)
    shape = {row["stratum_id"]: row["shape"] for row in strata.to_pylist()}
    return {row["shape"]: sorted(shape[i] for i in row["conflict_with"]) for row in strata.to_pylist()}


def test_the_same_text_under_other_tags_conflicts():
    assert conflicting("play [title: hello]", "play [artist: hello]") == {
        "play {title}": ["play {artist}"],
        "play {artist}": ["play {title}"],
    }


def test_a_carrier_word_that_another_stratum_tags_conflicts():
    found = conflicting("[what: remind] me to [todo: sweep]", "remind me to [todo: cook]", "wake me")
    assert found["remind me to {todo}"] == ["{what} me to {todo}"]
    assert found["{what} me to {todo}"] == ["remind me to {todo}"]
    assert found["wake me"] == []


def test_two_tagged_carrier_words_conflict_with_two_plain_ones():
    found = conflicting("[what: remind] [who: me] to [todo: sweep]", "remind me to [todo: cook]")
    assert found["remind me to {todo}"] == ["{what} {who} to {todo}"]


def test_a_tagged_article_makes_no_difference_to_a_conflict():
    found = conflicting("read [kind: the story] of [title: x]", "read a story of [title: y]")
    assert found["read story of {title}"] == ["read {kind} of {title}"]


def test_slots_of_other_names_are_no_conflict_as_long_as_no_text_is_shared():
    assert not any(conflicting("play [title: hello]", "play [artist: adele]").values())


def test_another_value_of_a_slot_is_no_conflict():
    assert not any(conflicting("[what: nudge] me to [todo: sweep]", "remind me to [todo: cook]").values())


def test_conflicts_reach_across_intents_only_for_the_same_text():
    user = pa.concat_tables(
        [
            rows("[what: remind] me to [todo: sweep]", "play [title: hello]"),
            rows("remind me to [todo: cook]", "play [who: hello]", first=9, intent="Other"),
        ]
    )
    found = by_shape(stratify(user, held())[1])
    assert found["remind me to {todo}"]["conflict_with"] == []
    assert found["play {who}"]["conflict_with"] == [found["play {title}"]["stratum_id"]]


def test_a_stratum_that_is_set_aside_is_in_no_conflict():
    found = conflicting("play [title: hello]", "play [title: bye]", "play [artist: hello]", max_strata=1)
    assert not any(found.values())


def test_the_demo_conflicts_are_flagged(tmp_path):
    from adsmu.data.demo import write_demo

    write_demo(tmp_path / "corpus")
    paths = [tmp_path / "utterances.parquet", tmp_path / "strata.parquet"]
    stratify_files(tmp_path / "corpus/user.parquet", tmp_path / "corpus/test.parquet", *paths)
    found = pq.read_table(paths[1]).to_pylist()
    flagged = {row["shape"] for row in found if row["conflict_with"]}
    assert any("{story_kind}" in shape for shape in flagged)
    assert len(flagged) < len(found) / 4
    rows_ = read_utterances(paths[0])
    assert rows_["split"].null_count == 0


def test_real_utterances_form_the_strata_that_were_cut_for_them(snips, tmp_path):
    from adsmu.data.prepare import prepare

    facts = prepare(snips, "AddToPlaylist", tmp_path / "corpus")
    corpus = tmp_path / "corpus"
    table, strata = stratify(
        read_utterances(corpus / "user.parquet"), read_utterances(corpus / "test.parquet")
    )
    assert len(strata) == facts["strata"]
    unseen = table.filter(pa.compute.equal(table["split"], "test"))["stratum_id"].null_count
    assert unseen == facts["test_rows_of_unseen_shape"]


@pytest.mark.parametrize(
    ("user", "test", "more", "said"),
    [
        (utterances(), held(), {}, "user: has no rows"),
        (held("play it"), held(), {}, "every row is held out"),
        (rows("play it"), rows("stop", first=9, split="train"), {}, "test, row 1, column split: 'train'"),
        (rows("play it"), rows("stop", split="test"), {}, "also the id of a row"),
        (rows("stop", "play [title: x]"), held("wait", "play x"), {}, "user, row 2.*held-out"),
        (
            pa.concat_tables([rows("play it", split="dev"), rows("play it", first=1, split="train")]),
            held(),
            {},
            r"row 1.*two splits \(so do rows 2\)",
        ),
        (pa.concat_tables([rows("stop"), rows("stop", first=1, split="test")]), held(), {}, "held-out data"),
        (rows("play it"), held(), {"rule": "exakt"}, "'exakt' is none of exact, fuzzy, model"),
        (rows("play it"), held(), {"rule": "no_such_module_here:rule"}, "no module"),
        (rows("play it"), held(), {"min_rows": 0}, "min_rows: 0 is not 1 or more"),
        (rows("play it"), held(), {"max_strata": 0}, "max_strata: 0 is not 1 or more"),
        (rows("play it"), held(), {"min_rows": 5}, "no stratum has 5 user rows; the largest has 1"),
    ],
)
def test_bad_input_is_refused_in_one_line(user, test, more, said):
    with pytest.raises(BadInput, match=said) as caught:
        stratify(user, test, **more)
    assert "\n" not in str(caught.value)


def test_a_refusal_writes_nothing(tmp_path):
    write_utterances(rows("play it"), tmp_path / "user.parquet")
    write_utterances(held("play it"), tmp_path / "test.parquet")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadInput, match=r"user\.parquet, row 1"):
        stratify_files(*(tmp_path / f"{name}.parquet" for name in ("user", "test", "u", "s")))
    assert sorted(tmp_path.iterdir()) == before


def test_shares_hold_in_the_long_run():
    dice = random.Random(5)
    user = pa.concat_tables(
        [many(f"say w{carrier}", dice.randint(5, 30), first=100 * carrier) for carrier in range(40)]
    )
    table, _ = stratify(user, held())
    share = table["split"].to_pylist().count("train") / len(table)
    assert 0.55 < share < 0.65
