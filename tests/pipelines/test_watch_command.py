"""A strategy played on small streams, to which one thing happens or nothing."""

import json
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from adsmu import cli
from adsmu.decide.decide import decide_files
from adsmu.local.windows import windows
from adsmu.profile.observations import write_observations

CENTRES = {"a": (0.0, 0.0), "b": (6.0, 0.0), "c": (0.0, 6.0), "d": (6.0, 6.0)}
START = datetime(2026, 1, 5, tzinfo=UTC)
STRATEGY = """
name: small
columns: {features: [x, y]}
window: 1w
triggers:
  accuracy: {kind: performance, signal: accuracy}
  drifted: {kind: drift}
evaluation_set: {hold_out: 0s}
"""
WEEK, ROWS = timedelta(weeks=1), 300


def week(number: int, new: int = 0, factor: float = 1.0) -> pa.Table:
    """The rows of a week: of the first three classes, and `new` of the fourth."""
    rng = np.random.default_rng(number)
    label = np.r_[rng.choice(list("abc"), ROWS - new), np.repeat("d", new)]
    points = np.array([CENTRES[name] for name in label]) + rng.normal(size=(ROWS, 2))
    times = [START + number * WEEK + WEEK * row / ROWS for row in range(ROWS)]
    return pa.table(
        {
            "id": [f"{number}-{row}" for row in range(ROWS)],
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "label": label[order := rng.permutation(ROWS)],
            "x": factor * points[order, 0],
            "y": points[order, 1],
        }
    )


@pytest.fixture
def watch(tmp_path, monkeypatch, capsys):
    def run(weeks: list[pa.Table], *more: str) -> tuple[int, dict]:
        (tmp_path / "strategy.yaml").write_text(STRATEGY)
        folder = tmp_path / "seen"
        folder.mkdir()
        for number, rows in enumerate(weeks):
            write_observations(rows, folder / f"{number}.parquet")
        given = ["--strategy", str(tmp_path / "strategy.yaml"), "--observations", str(folder)]
        given += ["--model", "centroids:train", "--output", str(tmp_path / "out"), "--json", *more]
        monkeypatch.setattr(sys, "argv", ["adsmu", "watch", *given])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out = capsys.readouterr().out
        return ended.value.code, json.loads(out) if out else {}

    return run


def actions(watched: dict) -> list[str]:
    return [each["decision"]["action"] for each in watched["windows"]]


def test_nothing_is_updated_while_nothing_changes(watch, tmp_path):
    code, watched = watch([week(number) for number in range(5)])
    assert code == 0
    assert actions(watched) == ["do_not_update"] * 4
    assert watched["worth"]["arms"]["followed"]["retrainings"] == 0
    assert watched["worth"]["less"]["never"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    page = (tmp_path / "out" / "watch.html").read_text()
    assert "Following it lost neither surely more nor less than never retraining" in page
    assert page.count("do not update</b>") == 4


def test_a_batch_in_another_unit_is_blocked_and_its_column_named(watch, tmp_path):
    code, watched = watch([week(0), week(1), week(2, factor=1000.0)])
    assert code == 3
    assert actions(watched) == ["do_not_update", "blocked"]
    last = watched["windows"][-1]
    assert last["blocked"]
    assert last["decision"]["reason"].startswith("x:") or " x " in last["decision"]["reason"]
    assert not (tmp_path / "out" / "windows" / "20260119T000000" / "dataset").exists()


def test_a_new_class_is_found_learnt_and_answered_from_then_on(watch):
    code, watched = watch([week(0), week(1), week(2, new=60), week(3, new=60)])
    assert code == 0
    assert actions(watched)[:2] == ["do_not_update", "update"]
    update = watched["windows"][1]
    assert update["analysis"]["diagnosis"] == "new_class"
    assert update["update"]["form"] == "all" and update["update"]["promoted"]
    loss = [each["loss"]["followed"] for each in watched["windows"]]
    assert loss[1] >= 0.2 and loss[2] < 0.02
    assert watched["windows"][2]["loss"]["never"] >= 0.2


def test_a_window_that_is_delivered_again_finds_its_first_decision(watch, tmp_path):
    watch([week(0), week(1), week(2, new=60)])
    out = tmp_path / "out"
    place = sorted((out / "windows").iterdir())[-1]
    before = json.loads((place / "decision.json").read_text())
    again = decide_files(
        place / "findings.json",
        tmp_path / "strategy.yaml",
        store=out / "store",
        time="2030-01-01",
        decision=tmp_path / "again.json",
        analysis=place / "analysis.json",
    )
    assert again == before and before["action"] == "update"
    assert len(list((out / "store" / "decisions" / "small").iterdir())) == 2


def test_labels_that_never_come_by_themselves_are_asked_for_and_counted(watch):
    weeks = [week(0), week(1), week(2, new=60)]
    never = pa.array([datetime(2100, 1, 1, tzinfo=UTC)] * ROWS, pa.timestamp("us", "UTC"))
    weeks[1:] = [each.append_column("label_time", never) for each in weeks[1:]]
    weeks[0] = weeks[0].append_column("label_time", weeks[0]["time"])
    code, watched = watch(weeks)
    assert code == 0
    assert 0 < watched["windows"][1]["labels"] < ROWS
    assert watched["worth"]["arms"]["always"]["labels"] == watched["worth"]["arms"]["followed"]["labels"]
    assert watched["worth"]["arms"]["never"]["labels"] == 0


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        (["--window", "year"], "must be month, week or a number of rows"),
        (["--window", "900"], "one window alone"),
        (["--model", "centroids:missing"], "has no 'missing'"),
    ],
)
def test_what_cannot_be_played_is_bad_input(watch, more, rule, tmp_path, capsys, monkeypatch):
    (tmp_path / "strategy.yaml").write_text(STRATEGY)
    write_observations(week(0), tmp_path / "seen.parquet")
    given = ["--strategy", str(tmp_path / "strategy.yaml"), "--observations", str(tmp_path / "seen.parquet")]
    monkeypatch.setattr(sys, "argv", ["adsmu", "watch", *given, "--output", str(tmp_path / "out"), *more])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert rule in " ".join(capsys.readouterr().err.split())


def test_a_run_and_a_strategy_are_not_watched_at_once(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["adsmu", "watch"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "name a run of a cluster, or --strategy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "edges"),
    [
        ("", ["2026-01-07", "2026-01-17", "2026-01-27", "2026-02-06"]),
        ("week", ["2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26", "2026-02-02"]),
        ("month", ["2026-01-01", "2026-02-01"]),
    ],
)
def test_windows_of_time_follow_the_calendar(wanted, edges):
    times = pa.chunked_array([[START + timedelta(days=2, hours=5), START + timedelta(days=25)]])
    cut = windows(times, wanted, timedelta(days=10))
    assert [f"{each.begin:%F}" for each in cut] == edges[:-1]
    assert f"{cut[-1].end:%F}" == edges[-1]


def test_windows_of_rows_keep_the_rows_of_one_time_together():
    hours = [0, 1, 1, 1, 2, 3, 4, 5, 6]
    times = pa.chunked_array([[START + timedelta(hours=hour) for hour in hours]])
    cut = windows(times, "3", timedelta(1))
    counted = [sum(each.begin <= time < each.end for time in times.to_pylist()) for each in cut]
    assert sum(counted) == len(hours)
    assert counted == [1, 5, 3]
