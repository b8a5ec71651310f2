"""What arms learn from, on a demo corpus and with a network far too small to be good."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from adsmu.data.corpus import Corpus
from adsmu.data.demo import write_demo
from adsmu.data.schema import read_utterances, write_utterances
from adsmu.errors import BadInput
from benchmarks.table1 import arms, work
from benchmarks.table1.bench import Bench, builds, first_development, full_build
from benchmarks.table1.cell import Cell, open_cell
from benchmarks.table1.setting import Setting
from benchmarks.table1.summary import summarise

NETWORK = {"hidden": 8, "domain_hidden": 4, "word_size": 8, "char_features": 0}
SETTING = Setting(
    existing_train=150,
    existing_dev=20,
    existing_test=60,
    rounds=2,
    rows_per_round=1,
    evaluation_rows=4,
    steering_rows=1,
    epochs=1,
    network=NETWORK,
)
PATIENT = 10**6


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table1")
    write_demo(folder / "demo", seed=0)
    demo = Corpus(folder / "demo")
    parts = [read_utterances(part) for part in (demo.existing, demo.user, demo.test)]
    write_utterances(pa.concat_tables(parts), folder / "demo.parquet")
    new = parts[1]["intent"][0].as_py()
    return Cell(folder / "demo.parquet", new, 0, SETTING, folder / "work")


@pytest.fixture(scope="module")
def shared(cell):
    return open_cell(cell)


@pytest.fixture
def bench(shared, tmp_path):
    return Bench(shared, tmp_path, seed=7)


def learnt(data):
    return data.filter(pc.equal(data["split"], "train"))


def texts(rows):
    return {" ".join(tokens).casefold() for tokens in rows["tokens"].to_pylist()}


BUDGET_ARMS = {
    "naive": arms.naive_rows,
    "submodular": arms.submodular_rows,
    "equal": arms.seeded_rows,
    "seeds_natural": lambda bench: arms.seeded_rows(bench, arms.natural(bench)),
    "recipe": lambda bench: arms.seeded_rows(bench, selection=arms.SHIPPED_SELECTION),
}


@pytest.mark.parametrize("name", BUDGET_ARMS)
def test_every_arm_of_one_build_learns_from_the_same_number_of_rows(bench, name):
    rows = learnt(BUDGET_ARMS[name](bench))
    assert len(rows) == bench.shared.budget


@pytest.mark.parametrize("name", BUDGET_ARMS)
def test_no_training_row_repeats_a_test_row_or_a_development_row(bench, name):
    data = BUDGET_ARMS[name](bench)
    assert not texts(learnt(data)) & texts(data.filter(pc.not_equal(data["split"], "train")))
    assert texts(bench.shared.test) <= texts(data)


def test_only_naive_and_submodular_selection_go_without_the_users_rows(bench):
    has_user = {
        name: "user" in learnt(make(bench))["source"].to_pylist() for name, make in BUDGET_ARMS.items()
    }
    assert [name for name, has in has_user.items() if not has] == ["naive", "submodular"]


def test_twice_the_data_is_twice_the_budget(bench):
    assert len(learnt(arms.seeded_rows(bench, times=2))) == 2 * bench.shared.budget


def test_the_ceiling_has_the_real_rows_and_no_synthetic_one(bench):
    rows = learnt(arms.real_rows(bench))
    assert set(rows["source"].to_pylist()) == {"user"}
    assert len(rows) == len(bench.shared.user) + len(bench.shared.kept)
    assert not texts(rows) & texts(bench.shared.test)


def test_natural_rows_follow_the_real_rows_and_equal_rows_do_not(bench):
    def correlation(data):
        rows = learnt(data).filter(pc.equal(learnt(data)["source"], "synthetic"))
        got = rows["stratum_id"].to_pylist()
        counts = [got.count(stratum) for stratum in bench.shared.active]
        wanted = [bench.shared.natural[stratum] for stratum in bench.shared.active]
        return np.corrcoef(counts, wanted)[0, 1] if np.std(counts) else 0.0

    assert correlation(arms.naive_rows(bench)) > 0.8 > 0.3 > correlation(arms.seeded_rows(bench))


def test_a_loop_spends_the_same_budget_over_its_rounds(bench):
    arms.loop(settings={"patience": PATIENT})(bench)
    assert bench.rounds[-1]["rows"] == bench.shared.budget
    assert [entry["trainings"] for entry in bench.rounds] == [1, 2]
    added = np.diff([len(bench.shared.user), *(entry["rows"] for entry in bench.rounds)])
    assert added.tolist() == [len(bench.shared.active)] * 2


def test_one_build_from_scratch_costs_one_build(bench):
    arms.one_build(arms.seeded_rows)(bench)
    assert builds(bench.cost, bench.shared) == pytest.approx(1, rel=0.02)
    assert full_build(bench.shared) > 0


def test_the_groups_of_the_placebo_hold_the_same_rows_and_mean_nothing(bench):
    rows, strata = arms.random_groups(bench)
    assert rows.drop(["stratum_id"]).equals(bench.shared.rows.drop(["stratum_id"]))
    assert not any(rows.filter(pc.equal(rows["split"], "test"))["stratum_id"].to_pylist())
    sizes = strata["train"].to_numpy() + strata["dev"].to_numpy()
    assert sizes.max() - sizes.min() <= 1
    assert sizes.sum() == len(rows) - len(bench.shared.test)


def test_the_modeler_begins_with_natural_frequency_and_then_serves_what_fails(bench):
    strata = bench.shared.strata.filter(pc.equal(bench.shared.strata["status"], "active"))
    allocate, ids = arms.modeler(bench), bench.shared.active
    first = allocate(strata, None, 100)
    assert first.tolist() == arms.natural(bench)(strata, None, 100).tolist()
    entries = [{"stratum_id": s, "verdict": "fail", "dev": {"frame": float(s != ids[0])}} for s in ids]
    later = allocate(strata, {"round": 1, "strata": entries}, 100)
    assert later[0] == later.sum() == 100


def test_the_same_number_of_development_rows_of_each_stratum_chooses_the_epoch(bench):
    def development(data):
        found = data.filter(pc.equal(data["split"], "dev"))["stratum_id"].to_pylist()
        return {stratum: found.count(stratum) for stratum in set(found)}

    whole = arms.start(bench)
    data = first_development(whole, 2)
    assert development(data) == {stratum: min(2, rows) for stratum, rows in development(whole).items()}
    assert max(development(whole).values()) > 2
    assert learnt(data).equals(bench.shared.user)


def test_group_dro_and_just_train_twice_train_on_the_rows_of_equal_allocation(bench):
    for name in ("group_dro", "train_twice"):
        arms.ARMS[name](bench)
        assert bench.rounds[-1]["rows"] == bench.shared.budget


def test_runs_that_are_there_are_left_and_another_setting_is_refused(cell, tmp_path):
    output = tmp_path / "results"
    assert work.missing(output, cell, ["champion", "reseeded"], SETTING) == ["champion", "reseeded"]
    assert work.run(output, [cell], ["champion"], processes=1) == 0
    file = work.result_file(output, cell, "champion")
    written = file.stat().st_mtime_ns
    assert work.missing(output, cell, ["champion", "reseeded"], SETTING) == ["reseeded"]
    assert work.run(output, [cell], ["champion"], processes=1) == 0
    assert file.stat().st_mtime_ns == written
    result = json.loads(file.read_text())
    assert (result["arm"], result["figures"]["negative_flips"]) == ("champion", 0.0)
    with pytest.raises(BadInput, match="another setting"):
        work.missing(output, cell, ["champion"], Setting())
    with pytest.raises(BadInput, match="no runs"):
        summarise(tmp_path / "nothing")
