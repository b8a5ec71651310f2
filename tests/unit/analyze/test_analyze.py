import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsmu.analyze.analyze import analyze, analyze_files
from adsmu.analyze.case import Case
from adsmu.analyze.labelled import suspicion
from adsmu.errors import BadInput
from adsmu.strategy import Strategy
from adsmu.strategy.schema import Cohort, Columns

from .tables import CENTRES, STRATEGY, answers, reference, table, world

SEEDS = range(3)


def told(rows, seed, change=lambda window: window, labelled=False, supplied=None):
    window = change(table(supplied or rows, labelled))
    return analyze(reference(seed + 100), window, STRATEGY, None, answers(rows), seed)


def with_column(window, name, values):
    return window.set_column(window.column_names.index(name), name, pa.array(values))


def moved(label, among):
    """The next class, where a row is among those whose meaning has moved."""
    names = list(CENTRES)
    following = dict(zip(names, names[1:] + names[:1], strict=True))
    return np.array([following[name] if hit else name for name, hit in zip(label, among, strict=True)])


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_done_where_nothing_has_happened(seed):
    found = told(world(seed), seed)
    assert (found["diagnosis"], found["recommendation"]["action"]) == ("none", "nothing")
    assert found["confidence"] >= 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broken_column_is_named_with_its_rule_and_rows_without_asking_for_a_label(seed):
    rows = world(seed)
    hit = np.random.default_rng(seed).random(500) < 0.2

    def damage(window):
        return with_column(window, "y", np.where(hit, 900.0, window["y"].to_numpy()))

    found = told(rows, seed, damage)
    assert (found["diagnosis"], found["recommendation"]["action"]) == ("quality", "mend_data")
    assert found["where"]["column"] == "y"
    assert "the number lies from" in found["where"]["rule"]
    assert found["rows"] == [f"w{row}" for row in np.flatnonzero(hit)]
    assert found["labels_asked"] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_other_frequencies_of_classes_ask_for_a_new_mix_of_those_that_grew(seed):
    found = told(world(seed, shares=(0.7, 0.2, 0.1)), seed)
    assert (found["diagnosis"], found["recommendation"]["action"]) == ("label_shift", "new_mix")
    assert found["recommendation"]["dataset"]["parameters"]["segments"] == ["a"]
    assert found["where"]["weights"]["a"] == pytest.approx(2.1, abs=0.25)


@pytest.mark.parametrize("seed", SEEDS)
def test_shifted_inputs_are_told_from_other_frequencies(seed):
    assert told(world(seed, shift=1.2), seed)["diagnosis"] == "covariate"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_new_class_is_named_with_its_rows(seed):
    rows = world(seed, new=50)
    found = told(rows, seed)
    assert (found["diagnosis"], found["recommendation"]["action"]) == ("new_class", "new_class")
    new = {f"w{row}" for row in range(450, 500)}
    assert len(new & set(found["rows"])) >= 45
    assert len(set(found["rows"]) - new) <= 3
    assert f"these {len(found['rows'])} rows form one new class" in found["recommendation"]["reason"]


@pytest.mark.parametrize("seed", SEEDS)
def test_another_meaning_everywhere_asks_for_retraining(seed):
    rows = world(seed)
    rows["label"] = moved(rows["label"], np.random.default_rng(seed).random(500) < 0.5)
    found = told(rows, seed)
    assert (found["diagnosis"], found["recommendation"]["action"]) == ("concept", "retrain")


@pytest.mark.parametrize("seed", SEEDS)
def test_harm_to_one_cohort_is_told_with_its_name(seed):
    rows = world(seed)
    hurt = (rows["place"] == "south") & (np.random.default_rng(seed).random(500) < 0.6)
    rows["label"] = moved(rows["label"], hurt)
    found = told(rows, seed)
    assert (found["diagnosis"], found["recommendation"]["action"]) == ("cohort", "new_mix")
    assert found["where"] == {"cohort": "place=south"}
    assert found["recommendation"]["dataset"]["parameters"]["segments"] == ["south"]


def test_of_a_large_window_all_rows_are_named_that_the_diagnosis_is_about(monkeypatch):
    monkeypatch.setattr("adsmu.analyze.case.ROWS", 900)
    rows = world(1, 2_500, new=250)
    found, new = told(rows, 1), {f"w{row}" for row in range(2_250, 2_500)}
    assert found["diagnosis"] == "new_class"
    assert len(new & set(found["rows"])) >= 225
    assert len(set(found["rows"]) - new) <= 15

    rows, random = world(2, 2_500), np.random.default_rng(2)
    hit = random.random(2_500) < 0.2
    found = told(rows, 2, lambda w: with_column(w, "y", np.where(hit, 900.0, w["y"].to_numpy())))
    assert found["rows"] == [f"w{row}" for row in np.flatnonzero(hit)]

    south = rows["place"] == "south"
    rows["label"] = moved(rows["label"], south & (random.random(2_500) < 0.6))
    found = told(rows, 2)
    assert found["where"] == {"cohort": "place=south"}
    assert found["rows"] == [f"w{row}" for row in np.flatnonzero(south)]

    found = told(world(3, 2_500, shares=(0.7, 0.2, 0.1)), 3)
    often = table(world(3, 2_500, shares=(0.7, 0.2, 0.1))).to_pandas().query("prediction == 'a'")["id"]
    assert found["diagnosis"] == "label_shift"
    assert found["rows"] == often.tolist()


@pytest.mark.parametrize(
    ("column", "cohort", "segments"),
    [
        ("hour", Cohort("hour", low=6, high=8), ["6", "7"]),
        ("hour", Cohort("hour", (6, 7)), ["6", "7"]),
        ("share", Cohort("share", low=0.25, high=0.5), None),
    ],
)
def test_harm_to_a_range_asks_for_its_values_or_where_it_measures_for_no_dataset(column, cohort, segments):
    rows, random = world(1), np.random.default_rng(1)
    hours = [random.integers(0, 12, size) for size in (900, 500)]
    of = {"hour": hours, "share": [(each + random.random(len(each))) / 12 for each in hours]}[column]
    low, high = (6, 8) if column == "hour" else (0.25, 0.5)
    inside = (of[1] >= low) & (of[1] < high)
    rows["label"] = moved(rows["label"], inside & (random.random(500) < 0.8))
    strategy = Strategy("ranges", STRATEGY.columns, cohorts={"some": cohort})
    old = reference(7).append_column(column, pa.array(of[0]))
    new = table(rows).append_column(column, pa.array(of[1]))
    found = analyze(old, new, strategy, None, answers(rows), 1)
    assert (found["diagnosis"], found["where"]) == ("cohort", {"cohort": "some"})
    dataset = found["recommendation"]["dataset"]
    assert dataset is None if segments is None else dataset["parameters"]["segments"] == segments


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_altered_in_one_cohort_are_stopped_and_nothing_learns_from_them(seed):
    rows = world(seed, rows=1000)
    altered = (rows["place"] == "west") & (np.random.default_rng(seed).random(1000) < 0.05)
    supplied = rows | {"label": moved(rows["label"], altered)}
    found = told(rows, seed, labelled=True, supplied=supplied)
    assert (found["diagnosis"], found["recommendation"]["action"]) == ("poisoned", "mend_data")
    assert found["where"]["cohort"] == "place=west"
    assert set(found["rows"]) <= {f"w{row}" for row in np.flatnonzero(altered)}


def test_of_labels_that_contradict_as_sure_an_answer_the_rarer_confusion_is_the_more_suspicious():
    rows = world(5, 6)
    old, window = reference(), table(rows, labelled=True)
    label = np.array(old["label"].to_pylist())
    label[np.flatnonzero(np.array(old["prediction"].to_pylist()) == "a")[:40]] = "b"
    window = with_column(window, "prediction", ["a"] * 6)
    window = with_column(window, "score", [0.9, 0.9, 0.6, 1.0, 0.9, 0.9])
    window = with_column(window, "label", ["b", "c", "c", "c", "d", "a"])
    case = Case(with_column(old, "label", label), window, STRATEGY)
    found = suspicion(case, np.arange(5))
    assert found[0] < found[1] < found[4]
    assert found[2] < found[1] < found[3] < np.inf


def test_true_labels_of_a_batch_are_not_taken_for_altered_ones():
    rows = world(5, rows=1000)
    assert told(rows, 5, labelled=True)["diagnosis"] == "none"


def test_a_finding_that_blocks_is_a_diagnosis_of_quality():
    rows = world(1)
    finding = {
        "level": "quality",
        "blocks": True,
        "column": "x",
        "text": "hours are missing",
        "value": 0.5,
    }
    found = analyze(reference(), table(rows), STRATEGY, {"findings": [finding]}, answers(rows))
    assert found["diagnosis"] == "quality"
    assert found["where"] == {"column": "x", "rule": "hours are missing"}


def test_without_anyone_to_ask_nothing_is_claimed_that_labels_would_have_to_tell():
    found = analyze(reference(), table(world(1)), STRATEGY)
    assert found["confidence"] < 0.9
    assert found["recommendation"]["action"] == "nothing"
    assert "not settled" in found["recommendation"]["reason"]
    assert not {"random_labels", "cohort_labels"} & {test["name"] for test in found["tests"]}


def test_numbers_are_analyzed_by_the_error_that_they_have():
    rng = np.random.default_rng(0)

    def made(rows, slope, prefix):
        x = rng.normal(size=rows)
        made = table(world(0, rows), labelled=True, prefix=prefix).select(["id", "time", "place"])
        columns = {"x": x, "prediction": 2 * x, "label": slope * x + rng.normal(size=rows)}
        for name, values in columns.items():
            made = made.append_column(name, pa.array(values))
        return made

    strategy = Strategy("numbers", Columns("regression", features=("x",)), cohorts={"place": Cohort("place")})
    old = made(800, 2.0, "r")
    assert analyze(old, made(500, 2.0, "w"), strategy)["diagnosis"] == "none"
    found = analyze(old, made(500, -1.0, "w"), strategy)
    assert found["diagnosis"] == "concept"
    assert not {"label_shift", "new_cluster"} & {test["name"] for test in found["tests"]}


def test_files_come_further_with_the_labels_that_were_wanted(tmp_path):
    rows = world(2)
    (tmp_path / "strategy.yaml").write_text(
        "name: small\ncolumns: {features: [x, y]}\ncohorts: {place: {column: place}}\n", encoding="utf-8"
    )
    pq.write_table(reference(), tmp_path / "reference.parquet")
    pq.write_table(table(rows), tmp_path / "window.parquet")
    inputs = [tmp_path / name for name in ("reference.parquet", "window.parquet", "strategy.yaml")]
    first = analyze_files(*inputs, analysis=tmp_path / "analysis.json")
    assert first["confidence"] < 0.9
    assert first == json.loads((tmp_path / "analysis.json").read_text(encoding="utf-8"))
    wanted = first["labels_wanted"]
    assert wanted
    labels = pa.table(
        {
            "id": wanted,
            "label": answers(rows)(wanted),
            "label_time": table(rows)["time"].take([0] * len(wanted)),
        }
    )
    pq.write_table(labels, tmp_path / "labels.parquet")
    second = analyze_files(*inputs, analysis=tmp_path / "analysis.json", labels=tmp_path / "labels.parquet")
    assert (second["diagnosis"], second["labels_wanted"]) == ("none", [])
    assert second["confidence"] >= 0.9


def test_the_same_case_is_analyzed_the_same_twice():
    rows = world(3, shift=1.0)
    assert told(rows, 3) == told(rows, 3)


@pytest.mark.parametrize("column", ["label", "prediction"])
def test_a_reference_without_labels_or_predictions_is_refused(column):
    broken = reference()
    broken = with_column(broken, column, [None, *broken[column].to_pylist()[1:]])
    with pytest.raises(BadInput, match=f"reference, column {column}: each row of a reference needs a value"):
        analyze(broken, table(world(0)), STRATEGY)


def test_a_cohort_whose_column_is_missing_is_refused():
    with pytest.raises(BadInput, match="column place: the column of a cohort is missing"):
        analyze(reference(), table(world(0)).drop_columns(["place"]), STRATEGY)


def test_of_cohorts_with_many_values_the_largest_are_looked_at():
    rows = world(0) | {"place": np.array([f"p{min(row % 40, 30)}" for row in range(500)])}
    known = table(world(1, 900) | {"place": np.array([f"p{row % 31}" for row in range(900)])}, labelled=True)
    groups = Case(known, table(rows), Strategy("many", cohorts={"place": Cohort("place")})).groups
    assert len(groups) == 12
    assert groups[0].name == "place=p30"


def test_sampled_rows_count_as_those_that_were_left_out():
    rows = world(0)
    window = table(rows).append_column("weight", pa.array(np.where(rows["label"] == "a", 9.0, 1.0)))
    case = Case(reference(), window, STRATEGY, ask=answers(rows))
    chosen = case.labelled(np.ones(500, bool), 60)
    assert (rows["label"][chosen] == "a").mean() > 0.65


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_window_of_very_few_rows_is_analyzed_and_settles_little(size):
    found = analyze(reference(), table(world(0)).slice(0, size), STRATEGY)
    assert found["recommendation"]["action"] == "nothing"


def test_a_column_of_vectors_that_is_all_missing_is_broken():
    old, new = reference(), table(world(0))
    old = old.append_column("v", pa.array([[1.0, 2.0]] * len(old)))
    new = new.append_column("v", pa.nulls(len(new), pa.list_(pa.float64())))
    found = analyze(old, new, Strategy("vectors", Columns(features=("v",))))
    assert (found["diagnosis"], found["where"]["column"]) == ("quality", "v")


def test_classes_are_refused_where_the_task_is_regression():
    with pytest.raises(BadInput, match="reference, column prediction: the strategy's task is regression"):
        analyze(reference(), table(world(0)), Strategy("numbers", Columns("regression", features=("x",))))


BLIND = replace(STRATEGY, columns=replace(STRATEGY.columns, features=()))
"""Watches the answers alone."""


@pytest.mark.parametrize(
    ("change", "diagnosis"),
    [({}, "none"), ({"new": 50}, "new_class"), ({"shares": (0.8, 0.15, 0.05)}, "label_shift")],
)
def test_a_strategy_that_watches_no_feature_is_analyzed_by_answers_and_labels(change, diagnosis):
    rows = world(3, **change)
    window = table(rows).drop_columns(["x", "y"])
    found = analyze(reference(), window, BLIND, ask=answers(rows))
    assert found["diagnosis"] == diagnosis
    assert not {each["name"] for each in found["tests"]} & {
        "column_drift", "domain_classifier", "new_cluster", "cluster_labels",
    }  # fmt: skip
    assert found["belief"]["covariate"] == 0
    assert {each[0] for each in found["rows"]} <= {"w"}


@pytest.mark.parametrize("seed", SEEDS)
def test_without_features_nothing_is_laid_on_inputs_that_are_not_looked_at(seed):
    rows = world(seed, shift=1.2)
    found = analyze(reference(), table(rows), BLIND, ask=answers(rows))
    assert found["diagnosis"] != "covariate"
