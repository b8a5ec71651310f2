"""From files to files: `findings.json`, the page, and what is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsmu.errors import BadInput
from adsmu.files import digest, write_json
from adsmu.monitor.findings import drill_down, read_findings
from adsmu.monitor.report import render_report
from adsmu.monitor.run import counts, monitor_files
from adsmu.profile.file import write_profile
from adsmu.profile.observations import observations, write_observations
from adsmu.profile.profiles import profile
from adsmu.strategy import read_strategy

START = datetime(2026, 1, 5, tzinfo=UTC)
STRATEGY = """
name: test
window: 1w
cohorts: {language: {column: language}}
reference: {kind: sliding, lengths: [3w]}
"""
ROWS = 1_000


def week(number: int, seed: int = 0, **others: Any) -> pa.Table:
    """A week of healthy observations, 95 % right, with other columns where they are given."""
    random = np.random.default_rng([seed, number])
    labels = random.choice(["play", "stop", "<b>next</b>"], ROWS).astype(object)
    right = random.random(ROWS) < 0.95
    times = [START + timedelta(weeks=number) + timedelta(weeks=1) * row / ROWS for row in range(ROWS)]
    columns = {
        "id": [f"{number}-{row}" for row in range(ROWS)],
        "time": pa.array(times, pa.timestamp("us", "UTC")),
        "prediction": np.where(right, labels, "none").astype(object),
        "label": labels,
        "score": random.beta(18, 1, ROWS),
        "language": random.choice(["de", "en"], ROWS).astype(object),
        "length": random.normal(7, 2, ROWS),
    }
    return observations(pa.table(columns | others))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs the step on a week, with the weeks before it in the history."""
    (tmp_path / "strategy.yaml").write_text(STRATEGY, encoding="utf-8")
    strategy = read_strategy(tmp_path / "strategy.yaml")

    def on(number: int, table: pa.Table, **others: Any) -> dict[str, Any]:
        place = tmp_path / "history" / str(number)
        place.mkdir(parents=True, exist_ok=True)
        write_observations(table, tmp_path / "observations.parquet")
        write_profile(profile(table, strategy=strategy.digest), place / "profile.parquet")
        given = {
            "begin": (START + timedelta(weeks=number)).isoformat(),
            "end": (START + timedelta(weeks=number + 1)).isoformat(),
            "findings": place / "findings.json",
            "report": place / "page.html",
            "history": tmp_path / "history",
        }
        return monitor_files(
            tmp_path / "observations.parquet",
            place / "profile.parquet",
            tmp_path / "strategy.yaml",
            **(given | others),
        )

    return on


def test_a_week_is_looked_at_from_files_to_files(run: Callable, tmp_path: Path) -> None:
    for number in range(2):
        run(number, week(number))
    language = np.array(week(2)["language"].to_pylist(), dtype=object)
    wrong = np.where(language == "de", "none", week(2)["label"].to_pylist()).astype(object)
    table = week(2, prediction=wrong, length=np.where(np.arange(ROWS) < 300, np.nan, 7.0))
    result = run(2, table)
    place = tmp_path / "history" / "2"
    assert read_findings(place / "findings.json") == json.loads(json.dumps(result))
    assert result["strategy"] == read_strategy(tmp_path / "strategy.yaml").digest
    assert result["inputs"]["observations"] == digest(tmp_path / "observations.parquet")
    assert result["reference"]["compared"][0]["windows"] == 2
    assert result["blocked"] and "quality:missing:length" in result["alerts"]
    assert "performance:accuracy:language=de" in result["alerts"]
    assert counts(result)["performance"] == 2
    for finding in result["findings"]:
        assert drill_down(table, finding), finding["id"]
    german = next(each for each in result["findings"] if each["cohort"] == "language=de")
    assert drill_down(table, german) == table.filter(pa.array(language == "de"))["id"].to_pylist()


def test_looking_again_gives_the_same_findings(run: Callable, tmp_path: Path) -> None:
    run(0, week(0))
    first = run(1, week(1))
    assert run(1, week(1)) == first


def test_history_of_another_strategy_with_fewer_columns_is_still_a_reference(
    run: Callable, tmp_path: Path
) -> None:
    run(0, week(0))
    (tmp_path / "strategy.yaml").write_text(STRATEGY + "cool_down: 3d\n", encoding="utf-8")
    run(1, week(1, weather=np.full(ROWS, "dry", dtype=object)))
    found = run(2, week(2, weather=np.full(ROWS, "wet", dtype=object)))
    assert found["reference"]["compared"][0]["windows"] == 2
    assert not [
        each for each in found["findings"] if each["column"] == "weather"
    ]  # not in all of the reference


def test_ids_of_findings_are_unique_and_ranked_by_level(run: Callable) -> None:
    run(0, week(0))
    found = run(1, week(1, length=np.full(ROWS, 900.0), prediction=np.full(ROWS, "none", dtype=object)))
    identities = [each["id"] for each in found["findings"]]
    levels = [each["level"] for each in found["findings"]]
    assert len(set(identities)) == len(identities) and len(set(levels)) >= 3
    order = ["outcome", "performance", "estimate", "quality", "drift", "system"]
    assert levels == sorted(levels, key=order.index)


def test_the_system_is_read_when_its_readings_are_given(run: Callable, tmp_path: Path) -> None:
    time = pa.array([START + timedelta(hours=1)] * 2 + [START - timedelta(days=1)], pa.timestamp("us", "UTC"))
    readings = pa.table(
        {
            "time": time,
            "pod": ["predictor-0", "predictor-1", "old"],
            "metric": ["memory", "cpu", "memory"],
            "value": [9.6e8, 0.2, 1e12],
            "limit": [1e9, 1.0, 1e9],
        }
    )
    pq.write_table(readings, tmp_path / "readings.parquet")
    found = run(0, week(0), readings=tmp_path / "readings.parquet")
    (finding,) = [each for each in found["findings"] if each["level"] == "system"]
    assert finding["signal"] == "memory" and "predictor-0" in finding["text"] and not finding["alert"]
    assert finding["value"] == pytest.approx(0.96)


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_findings_and_lets_no_markup_of_the_data_through(
    run: Callable, tmp_path: Path
) -> None:
    run(0, week(0))
    run(1, week(1, prediction=np.full(ROWS, "<script>alert(1)</script>", dtype=object)))
    page = Page((tmp_path / "history" / "1" / "page.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags and "b" in page.tags
    assert "Drift from sliding 3w" in page.text and "language=de" in page.text
    assert "<script>alert(1)</script>" in page.text


def test_a_first_window_has_a_page_too(run: Callable, tmp_path: Path) -> None:
    result = run(0, week(0))
    assert result["reference"]["compared"] == []
    assert "There is no sliding reference yet" in Page(render_report(result, "test")).text


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"begin": "2026-02-31"}, "begin, end: must be a date or time"),
        ({"end": START.isoformat()}, "must be after"),
        ({"end": (START + timedelta(days=3)).isoformat()}, "is of 1,000 rows, the window has 429"),
        ({"history": "nowhere"}, "nowhere: no such folder"),
        ({"readings": "nowhere"}, "nowhere: no such file"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    run: Callable, tmp_path: Path, others: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message) as error:
        run(0, week(0), **others)
    assert "\n" not in str(error.value)
    assert [each.name for each in (tmp_path / "history" / "0").iterdir()] == ["profile.parquet"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"figures": None},
        {"figures": [{"signal": "psi"}]},
        {"series": {"rows": [1]}},
        {"window": {"from": "soon"}},
    ],
)
def test_a_history_of_another_form_is_refused(run: Callable, tmp_path: Path, change: dict[str, Any]) -> None:
    content = run(0, week(0))
    write_json(content | change, tmp_path / "history" / "0" / "findings.json")
    with pytest.raises(BadInput, match=r"history/0/findings\.json"):
        run(1, week(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": pa.array([0.0])}, "row 1, column limit"),
        ({"pod": None}, "column pod: the column is missing"),
        ({"value": pa.array(["much"])}, "is not of the table's types"),
        ({"value": pa.array([float("nan")])}, "row 1, column value: a finite number"),
    ],
)
def test_readings_of_another_form_are_refused(
    run: Callable, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    good = {
        "time": pa.array([START], pa.timestamp("us", "UTC")),
        "pod": pa.array(["a"]),
        "metric": pa.array(["cpu"]),
        "value": pa.array([0.1]),
        "limit": pa.array([1.0]),
    }
    table = {name: column for name, column in (good | change).items() if column is not None}
    pq.write_table(pa.table(table), tmp_path / "readings.parquet")
    with pytest.raises(BadInput, match=message):
        run(0, week(0), readings=tmp_path / "readings.parquet")


def test_the_profile_of_another_window_is_refused(run: Callable, tmp_path: Path) -> None:
    run(0, week(0))
    run(1, week(1))
    window = {"begin": START.isoformat(), "end": (START + timedelta(weeks=1)).isoformat()}
    outputs = {"findings": tmp_path / "found.json", "report": tmp_path / "page.html"}
    write_observations(week(0), tmp_path / "observations.parquet")
    with pytest.raises(BadInput, match="not of the window"):
        monitor_files(
            tmp_path / "observations.parquet",
            tmp_path / "history" / "1" / "profile.parquet",
            tmp_path / "strategy.yaml",
            **window,
            **outputs,
        )
    assert not outputs["findings"].exists()
