"""Synthesized rows: what they may hold, how many there are, what is refused."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsmu.data.catalog import harvest, write_catalog
from adsmu.data.evaluation import KEYS
from adsmu.data.schema import SCHEMA, read_utterances, utterances, validate, write_utterances
from adsmu.errors import BadInput
from adsmu.synthesize.allocate import find_allocation
from adsmu.synthesize.fill import Request, fill
from adsmu.synthesize.rows import synthesize, synthesize_files
from adsmu.synthesize.select import find_selection
from adsmu.synthesize.values import contexts

from .corpora import CATALOG, DAYS, EXISTING, USER, row, strata


def run(utterances=USER, table=None, existing=EXISTING, catalog=CATALOG, **settings):
    chosen = {
        "evaluation": None,
        "round": 1,
        "rows_per_stratum": 4,
        "allocation": find_allocation("equal"),
        "selection": find_selection("balanced"),
        "generator": fill,
        "seed": 0,
    }
    table = strata("s1", "s2", "s3") if table is None else table
    return synthesize(utterances, table, existing, catalog, **(chosen | settings))


def texts(table):
    return [" ".join(tokens).lower() for tokens in table["tokens"].to_pylist()]


def new_rows(made, utterances=USER):
    return made.data.slice(len(utterances))


def folded(table):
    return {slot: {value.lower() for value in values} for slot, values in harvest(table).items()}


def test_new_rows_stand_behind_the_rows_given_and_say_where_they_come_from():
    made = run(round=2)
    assert made.data.slice(0, len(USER)).equals(USER)
    new = new_rows(made)
    assert new.num_rows == 12
    assert new["id"].to_pylist() == [f"synthetic-2-{n}" for n in range(12)]
    assert set(new["source"].to_pylist()) == {"synthetic"}
    assert set(new["split"].to_pylist()) == {"train"}
    assert set(new["round"].to_pylist()) == {2}
    assert made.added == {"s1": 4, "s2": 4, "s3": 4}


def test_round_0_writes_development_rows():
    assert set(new_rows(run(round=0))["split"].to_pylist()) == {"dev"}


@pytest.mark.parametrize("selection", ["balanced", "submodular", "random"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), rows=st.integers(0, 40))
def test_rows_are_valid_and_no_text_stands_twice_or_in_a_test(selection, seed, rows):
    data = USER
    for number in (0, 1, 2):
        chosen = {"selection": find_selection(selection), "seed": seed, "rows_per_stratum": rows}
        made = run(data, round=number, **chosen)
        assert sum(made.added.values()) + made.unspent == 3 * rows
        data = made.data
    validate(data, "made")
    written = texts(data) + texts(EXISTING)
    assert len(set(written)) == len(written)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), catalog_titles=st.sets(st.sampled_from(CATALOG["title"]), min_size=8))
def test_training_and_development_rows_never_share_a_value_of_an_open_slot(seed, catalog_titles):
    catalog = CATALOG | {"title": sorted(catalog_titles)}
    first = run(catalog=catalog, round=0, rows_per_stratum=10, seed=seed)
    made = run(first.data, catalog=catalog, round=1, rows_per_stratum=10, seed=seed)
    rows = pa.concat_tables([made.data, EXISTING])
    train, dev = (folded(rows.filter(pc.equal(rows["split"], side))) for side in ("train", "dev"))
    assert made.closed == first.closed == ["day"]
    for slot in ("title", "person"):
        assert train[slot] and dev[slot] and not train[slot] & dev[slot]


def test_tags_keep_to_values_of_many_words():
    new = new_rows(run(rows_per_stratum=30))
    known = {slot: {value.lower() for value in values} for slot, values in CATALOG.items()}
    known["title"].add("red song")  # of an existing training row
    for slot, values in folded(new).items():
        assert values <= known[slot]
    for record in new.to_pylist():
        outside = [token for token, tag in zip(record["tokens"], record["tags"], strict=True) if tag == "O"]
        assert outside in (["play", "by"], ["hear", "on", "please"], ["ask", "about"])


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_utterances(run(seed=seed).data, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_the_order_of_the_rows_given_does_not_matter():
    turned = USER.take(pa.array(range(len(USER) - 1, -1, -1)))
    old = EXISTING.take(pa.array([1, 0]))
    assert new_rows(run(turned, existing=old)).equals(new_rows(run()))


def test_what_a_stratum_without_slots_cannot_use_goes_to_the_others():
    made = run(table=strata("s1", "s4", "s2"))
    assert made.unfillable == ["s4"]
    assert made.added == {"s1": 6, "s4": 0, "s2": 6}
    assert made.unspent == 0


def test_a_budget_beyond_all_fills_uses_every_fill_once_and_says_what_is_left():
    user = USER.filter(pc.equal(USER["stratum_id"], "s2"))
    made = run(user, strata("s2"), catalog={"title": ["a", "b"], "day": DAYS}, rows_per_stratum=100)
    # blue river, a, b fit after "hear" (red song was seen elsewhere), by 3 days, less the row that is there
    assert made.added == {"s2": 8}
    assert made.unspent == 92


def test_strata_that_are_set_aside_get_nothing():
    table = pa.concat_tables([strata("s1"), strata("s2", status="set_aside")])
    assert run(table=table).added == {"s1": 4}


def test_ids_go_on_where_an_earlier_run_of_the_round_ended():
    once = run().data
    ids = run(once).data["id"].to_pylist()
    assert ids[-1] == "synthetic-1-23"
    assert len(set(ids)) == len(ids)


def test_an_imported_generator_is_held_to_the_same_rules():
    def give(*records):
        lists = pa.list_(pa.string())
        schema = pa.schema([("tokens", lists), ("tags", lists), ("stratum_id", pa.string())])
        return lambda request: pa.Table.from_pylist(list(records), schema)

    held = next(r for r in run(round=0).data.to_pylist() if r["round"] == 0 and r["stratum_id"] == "s1")
    fine = row("g", "now play {title:brand_new}", "s1")
    in_test = row("g", "play {title:old_moon} by {person:ann3}", "s1")
    made = run(generator=give(fine, fine, in_test, held), rows_per_stratum=5)
    assert texts(new_rows(made)) == ["now play brand new"]
    with pytest.raises(BadInput, match="generator, row 1, column tags"):
        run(generator=give(fine | {"tags": ["O"]}))
    with pytest.raises(BadInput, match="'s9' is not an active stratum"):
        run(generator=give(fine | {"stratum_id": "s9"}))
    with pytest.raises(BadInput, match="is to give a table"):
        run(generator=lambda request: [fine])


def test_a_value_is_taken_after_the_word_it_was_seen_after():
    user = [row(f"u{n}", f"play {{title:t{n}}}", "s1") for n in range(5)]
    other = [row(f"e{n}", f"about {{title:x{n}}}", "s9") for n in range(50)]
    seen = contexts(utterances(user + other))
    titles = [f"t{n}" for n in range(5)] + [f"x{n}" for n in range(50)] + ["new"]
    request = Request(utterances(user[:1]), {"s1": 200}, {"title": titles}, seen, EXISTING, 1, 0)
    assert harvest(fill(request))["title"].keys() == {"t0", "t1", "t2", "t3", "t4", "new"}
    few = {key: set(sorted(values)[:1]) if key[1] == "play" else values for key, values in seen.items()}
    request = Request(utterances(user[:1]), {"s1": 200}, {"title": ["t0", "x1", "x2"]}, few, EXISTING, 1, 0)
    assert harvest(fill(request))["title"].keys() == {"t0", "x1", "x2"}


def test_a_slot_without_a_value_is_named():
    with pytest.raises(BadInput, match="column title: a shape has this slot"):
        fill(Request(USER.slice(0, 1), {"s1": 3}, {"person": ["x"]}, {}, EXISTING, 1, 0))


@pytest.fixture
def files(tmp_path):
    write_utterances(USER, tmp_path / "utterances")
    write_utterances(EXISTING, tmp_path / "existing")
    pq.write_table(strata("s1", "s2"), tmp_path / "strata")
    write_catalog(CATALOG, tmp_path / "catalog")
    return [tmp_path / name for name in ("utterances", "strata", "existing", "catalog", "data")]


def test_files_are_read_and_written(files, caplog):
    made = synthesize_files(*files, rows_per_stratum=200)
    assert read_utterances(files[-1]).equals(made.data.cast(SCHEMA))
    assert "could not be made" in caplog.text


def test_an_evaluation_steers_the_allocation(files, tmp_path):
    same = {"shape": "play", "reason": "", "dev": {}, "history": []}
    judged = [
        {"stratum_id": f"s{n}", "verdict": verdict, **same} for n, verdict in ((1, "pass"), (2, "fail"))
    ]
    evaluation = dict.fromkeys(KEYS) | {"format": 1, "rounds": [], "strata": judged}
    (tmp_path / "evaluation").write_text(json.dumps(evaluation))
    made = synthesize_files(
        *files, evaluation=tmp_path / "evaluation", allocation="failing", rows_per_stratum=4
    )
    assert made.added == {"s1": 0, "s2": 8}


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"allocation": "fair"}, "no allocation 'fair'; there are equal, natural, failing, failure_rate"),
        ({"selection": "best"}, "no selection 'best'; there are balanced, submodular, random"),
        ({"generator": "none"}, "there are fill, recombine, or an import path"),
        ({"rows_per_stratum": -1}, "rows_per_stratum: -1 is below 0"),
        ({"round": -1}, "round: -1 is below 0"),
        ({"seed": -1}, "seed: -1 is below 0"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_written(files, settings_, message):
    with pytest.raises(BadInput, match=message):
        synthesize_files(*files, **settings_)
    assert not files[-1].exists()


def test_a_strata_table_without_an_active_stratum_is_refused(files):
    pq.write_table(strata("s1", status="set_aside"), files[1])
    with pytest.raises(BadInput, match="no stratum is active"):
        synthesize_files(*files)


def test_a_value_that_the_last_evaluation_suspects_is_drawn_no_more():
    evaluation = {key: [] for key in KEYS} | {"suspects": [{"slot": "title", "value": "blue moon"}]}
    drawn = [folded(new_rows(run(rows_per_stratum=12, evaluation=e)))["title"] for e in (None, evaluation)]
    assert "blue moon" in drawn[0] - drawn[1]


def test_a_slot_keeps_its_values_when_all_are_suspected():
    listed = [{"slot": "day", "value": value} for value in DAYS]
    assert run(evaluation={key: [] for key in KEYS} | {"suspects": listed}).added["s2"] == 4
