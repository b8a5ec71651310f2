"""Performance by labels, of all rows and of cohorts; the estimate without labels; late labels; drill-down."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from monitored import default_signals, ids, look, plan, replay, with_column

from adsmu.errors import BadInput
from adsmu.monitor.conditions import cohorts, select
from adsmu.monitor.estimate import BLIND, estimated_accuracy
from adsmu.monitor.findings import ALERTS, ALERTS_OF_SIGNAL, Window, drill_down
from adsmu.monitor.labels import judged, newest_model
from adsmu.monitor.performance import clustered_mean, performance, rate
from adsmu.profile.observations import observations
from adsmu.strategy import Cohort, Columns, Contract, Signal

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(weeks=1)
FIRST, SECOND = Window(START, START + WEEK), Window(START + WEEK, START + 2 * WEEK)


def answers(labels: Any, right: Any, **others: Any) -> pa.Table:
    """Observations of a week, evenly spaced, whose answers are right where `right` says so."""
    labels, right = np.asarray(labels, dtype=object), np.asarray(right)
    step = WEEK / (len(labels) + 1)
    return observations(
        pa.table(
            {
                "id": [f"row {number}" for number in range(len(labels))],
                "time": pa.array(
                    [START + step * number for number in range(len(labels))], pa.timestamp("us", "UTC")
                ),
                "prediction": np.where(right, labels, "another").astype(object),
                "label": labels,
                **others,
            }
        )
    )


@pytest.fixture(scope="module")
def intents(snips: Path) -> np.ndarray:
    """The intents of 7,000 utterances, in the order of the corpus."""
    with gzip.open(snips, "rt") as lines:
        return np.array([json.loads(line)["intent"] for line in islice(lines, 7_000)], dtype=object)


def watched(table: pa.Table, **others: Any) -> Any:
    strategy = plan(task="classification", cohorts={"intent": Cohort("label")}, **others)
    return look(table, strategy, FIRST)


def test_one_corrupted_intent_of_snips_alerts_by_name_though_nearly_all_is_right(intents: np.ndarray) -> None:
    """Half of the answers to a rare intent are wrong, one in 150 of the others: more than 98 % are right."""
    random = np.random.default_rng(1)
    rare = (intents != "SearchCreativeWork") | (random.random(len(intents)) < 0.15)
    intents = intents[rare]
    corrupted = intents == "SearchCreativeWork"
    right = random.random(len(intents)) > np.where(corrupted, 0.5, 1 / 150)
    assert right.mean() > 0.98
    table = answers(intents, right)
    found = watched(table)
    assert found.findings["alerts"] == ["performance:accuracy:label=SearchCreativeWork"]
    rows = drill_down(table, found.findings["findings"][0])
    wrong = corrupted & ~right
    assert rows == table.filter(pa.array(wrong))["id"].to_pylist()


def test_where_two_cohorts_cross_an_alert_names_the_crossing_and_neither_of_the_two() -> None:
    language = np.resize(np.array(["de", "en"], dtype=object), 4_000)
    hour = np.repeat(np.arange(20), 200)
    right = ~((language == "de") & (hour >= 18) & (np.arange(4_000) % 3 > 0))
    table = answers(np.resize(["a", "b"], 4_000), right, language=language, hour=hour)
    declared = {
        "language": Cohort("language"),
        "evening": Cohort("hour", low=18),
        "both": Cohort("language", within="evening"),
        "german evening": Cohort("hour", low=18, within="german"),
        "german": Cohort("language", ("de",)),
    }
    signals = {"accuracy": Signal("accuracy", 0.6)}
    found = look(table, plan(task="classification", cohorts=declared, signals=signals), FIRST).findings
    assert {each["cohort"] for each in found["findings"]} == {"german evening", "language=de within evening"}
    behind = drill_down(table, found["findings"][0])
    assert behind == [f"row {row}" for row in np.flatnonzero(~right)]


def test_all_intents_healthy_alert_nobody(intents: np.ndarray) -> None:
    """False alerts of all cohorts together are as rare as the level says."""
    alerts = 0
    table, cohort = answers(intents[:1_400], [True] * 1_400), {"intent": Cohort("label")}
    signal = Signal("accuracy", 0.9)
    for seed in range(100):
        right = np.random.default_rng(seed).random(1_400) < 0.9  # at the threshold itself
        made = with_column(table, "prediction", np.where(right, intents[:1_400], "another").astype(object))
        found = performance("accuracy", signal, made, cohorts(cohort, made), 0.95)
        alerts += any(each.beyond for each in found)
    assert 0 < alerts <= 0.1 * 100  # of one side of two intervals of 95 %: all rows, and all cohorts together


def test_few_rows_of_a_cohort_say_nothing() -> None:
    labels = ["common"] * 2_000 + ["rare"] * 12
    found = watched(answers(labels, [True] * 2_000 + [False] * 12))
    assert not found.findings["alerts"]
    figure = next(each for each in found.findings["figures"] if each["cohort"] == "label=rare")
    assert figure["value"] == 0 and not figure["beyond"]


def test_a_cohort_that_was_bad_all_along_alerts_only_when_it_gets_worse() -> None:
    random = np.random.default_rng(2)
    labels = ["easy"] * 1_000 + ["hard"] * 1_000
    before = answers(labels, np.r_[np.ones(1_000), random.random(1_000) < 0.6] > 0)
    strategy = plan(
        task="classification",
        cohorts={"kind": Cohort("label")},
        signals={"accuracy": Signal("accuracy", 0.75, alert=True)},
    )
    same = answers(labels, np.r_[np.ones(1_000), random.random(1_000) < 0.6] > 0)
    worse = answers(labels, np.r_[np.ones(1_000), random.random(1_000) < 0.4] > 0)
    assert not ids(look(same, strategy, FIRST, validation=before))
    assert ids(look(same, strategy, FIRST)) == ["performance:accuracy:label=hard"]
    assert "performance:accuracy:label=hard" in ids(look(worse, strategy, FIRST, validation=before))


def test_labels_count_in_the_window_they_come_in_and_only_there() -> None:
    table = answers(["a"] * 600, [True] * 300 + [False] * 300)
    late = [START + timedelta(days=2)] * 300 + [START + timedelta(days=9)] * 300
    table = with_column(table, "label_time", pa.array(late, pa.timestamp("us", "UTC")))
    strategy = plan(task="classification")
    first, second = (look(table, strategy, window) for window in (FIRST, SECOND))
    figures = [
        next(each for each in found.findings["figures"] if each["signal"] == "accuracy")
        for found in (first, second)
    ]
    assert [(each["rows"], each["value"]) for each in figures] == [(300, 1.0), (300, 0.0)]
    assert len(drill_down(table, second.findings["findings"][0])) == 300


def test_answers_of_the_model_before_do_not_count() -> None:
    table = answers(["a"] * 400, [False] * 200 + [True] * 200)
    table = with_column(table, "model", ["old"] * 200 + ["new"] * 200)
    assert newest_model(table, FIRST.end) == "new"
    assert len(judged(table, "new", None, FIRST.end)) == 200
    assert not watched(table).findings["alerts"]


def test_the_estimate_is_of_the_newest_model_only() -> None:
    table = answers(["a"] * 400, [True] * 400, score=np.repeat([0.2, 0.9], 200))
    table = with_column(table, "model", ["old"] * 200 + ["new"] * 200)
    known = answers(["a"] * 400, np.arange(400) % 10 > 0, score=np.linspace(0.8, 1, 400))
    profiled = {"validation": known, "validation_profile": None}
    found = look(table, plan(task="classification"), FIRST, **profiled).findings["figures"]
    (estimated,) = [each for each in found if each["signal"] == "estimated_accuracy"]
    assert estimated["rows"] == 200 and estimated["value"] == pytest.approx(0.9, abs=0.03)


def test_weights_correct_for_sampling() -> None:
    """Wrong answers were kept always, right ones one time in ten."""
    right = np.r_[np.zeros(50), np.ones(95)] > 0
    weights = np.where(right, 10.0, 1.0)
    found = rate(right, weights, 0.95)
    assert found.value == pytest.approx(0.95) and found.low is not None and found.low < 0.93


@pytest.mark.parametrize("days", [10, 40])
def test_the_interval_of_clustered_errors_holds(days: int) -> None:
    """Hours of a day share most of their error; the mean over all days is 10."""
    random = np.random.default_rng(days)
    held = []
    for _ in range(600):
        daily = random.normal(10, 3, days)
        errors = (daily[:, None] + random.normal(0, 1, (days, 24))).ravel()
        found = clustered_mean(errors, np.ones(len(errors)), np.repeat(np.arange(days), 24), 0.95)
        assert found.low is not None and found.high is not None
        held.append(found.low <= 10 <= found.high)
    assert np.mean(held) >= 0.95 - 0.027


def test_the_estimate_holds_when_only_the_mix_of_scores_changes() -> None:
    random = np.random.default_rng(5)
    held = []
    for _ in range(400):
        known, new = random.beta(5, 2, 2_000), random.beta(3, 2, 1_000)  # easier cases before than now
        known_right, new_right = (random.random(len(each)) < each for each in (known, new))
        found = estimated_accuracy(new, np.ones(len(new)), known, known_right, 0.95)
        held.append(found.low <= new_right.mean() <= found.high)
    assert np.mean(held) >= 0.95 - 0.033


def test_the_estimate_is_blind_to_concept_change_and_says_so() -> None:
    random = np.random.default_rng(6)
    score = random.beta(8, 2, 4_000)
    right = random.random(4_000) < score
    table = answers(["a"] * 4_000, right, score=score)
    turned = table["time"].to_numpy() >= np.datetime64((START + WEEK / 2).replace(tzinfo=None))
    wrong = with_column(table, "prediction", np.where(right & ~turned, "a", "another").astype(object))
    window = Window(START + WEEK / 2, START + WEEK)
    figures = {
        each["signal"]: each for each in look(wrong, plan(task="classification"), window).findings["figures"]
    }
    assert figures["accuracy"]["value"] == 0.0
    assert figures["estimated_accuracy"]["low"] > 0.7  # it cannot see it
    shown = look(wrong, plan(task="classification"), window).findings["findings"]
    assert any(BLIND in each["text"] for each in shown if each["level"] == "estimate")


def test_only_the_first_few_alert() -> None:
    labels = [f"intent {number}" for number in range(8) for _ in range(150)]
    found = watched(
        answers(labels, [False] * len(labels)),
        columns=Columns("classification", contract={"score": Contract(missing=0.0)}),
    )
    assert len(ids(found, "performance")) == 9
    alerts = found.findings["alerts"]
    assert len(alerts) <= ALERTS and alerts[-1] == "quality:missing:score"
    assert sum("accuracy" in each for each in alerts) == ALERTS_OF_SIGNAL


def test_outcome_stands_before_performance(intents: np.ndarray) -> None:
    complaints = np.where(np.arange(700) % 5 == 0, "down", None)
    table = answers(intents[:700], [False] * 700, feedback=pa.array(complaints.tolist(), pa.string()))
    signals = default_signals(
        "classification", served=Signal("outcome", 0.9, columns=("feedback",), alert=True)
    )
    found = look(table, plan(task="classification", signals=signals), FIRST)
    assert found.findings["alerts"][:2] == ["outcome:served:feedback", "performance:accuracy"]
    assert len(drill_down(table, found.findings["findings"][0])) == 140


def test_a_signal_that_must_persist_waits() -> None:
    table = answers(["a"] * 900, [False] * 900)
    days = [Window(START + timedelta(days=day), START + timedelta(days=day + 1)) for day in range(3)]
    strategy = plan(
        task="classification", signals={"accuracy": Signal("accuracy", 0.9, persistence=3, alert=True)}
    )
    assert [len(found.findings["alerts"]) for found in replay(table, strategy, days)] == [0, 0, 1]


@pytest.mark.parametrize("finding", [{}, {"where": {"from": "x", "to": "y", "rows": []}}, {"where": []}])
def test_a_finding_of_another_form_cannot_be_drilled_into(finding: dict) -> None:
    with pytest.raises(BadInput, match="another form"):
        drill_down(answers(["a"], [True]), finding)


def test_too_many_values_for_cohorts_are_refused() -> None:
    with pytest.raises(BadInput, match="cohort of each is too many"):
        watched(answers([f"intent {number}" for number in range(300)], [True] * 300))


@pytest.mark.parametrize(
    ("cohort", "rows"),
    [
        (Cohort("x", (1,)), [False, True, True]),
        (Cohort("x", (1.5,)), [False, False, False]),
        (Cohort("text", (1,)), [False, False, False]),
        (Cohort("text", ("1", 2)), [True, False, False]),
        (Cohort("text", low=1), [False, False, False]),
        (Cohort("none", (1,)), [False, False, False]),
    ],
)
def test_a_cohort_holds_no_row_of_another_type(cohort: Cohort, rows: list[bool]) -> None:
    table = pa.table({"x": [0, 1, 1], "text": ["1", "2", None], "none": pa.nulls(3)})
    (conditions,) = cohorts({"of": cohort}, table).values()
    assert select(table, conditions).tolist() == rows


def test_an_outcome_that_is_missing_or_infinite_in_a_row_leaves_its_day_known() -> None:
    count = 700
    money = np.where(np.arange(count) == 3, np.nan, np.where(np.arange(count) == 5, np.inf, 2.0))
    table = answers(np.full(count, "a", dtype=object), np.ones(count, bool), money=money)
    signals = {"money": Signal("outcome", 1.0, columns=("money",))}
    found = look(table, plan(task="classification", signals=signals), FIRST).findings
    assert [each["value"] for each in found["series"]["money"]] == [2.0] * 7
    (figure,) = found["figures"]
    assert (figure["value"], figure["rows"]) == (2.0, 698)


def test_a_cohort_without_labels_in_the_window_is_named() -> None:
    first = answers(["a"] * 200, [True] * 200, language=["de", "en"] * 100)
    later = pa.array([f"later {number}" for number in range(200)])
    second = first.set_column(0, "id", later).set_column(
        1, "time", pc.add(first["time"], pa.scalar(WEEK, pa.duration("us")))
    )
    second = with_column(second, "language", ["de"] * 200)
    strategy = plan(task="classification", cohorts={"language": Cohort("language")})
    table = pa.concat_tables([first, second])
    assert look(table, strategy, FIRST).findings["unmeasured"] == []
    assert look(table, strategy, SECOND).findings["unmeasured"] == ["language=en"]


def test_classes_are_refused_where_the_task_is_regression() -> None:
    with pytest.raises(BadInput, match="column prediction: the strategy's task is regression"):
        look(answers(["a"] * 10, [True] * 10), plan(task="regression"), FIRST)
