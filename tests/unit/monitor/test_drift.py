"""Drift is recorded, its kind told, and nobody is called for it; references are what the strategy says."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from monitored import MONTHS, default_signals, ids, look, month, plan, replay, with_column
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier

from adsmu.errors import BadInput
from adsmu.monitor.drifts import debug_figure
from adsmu.monitor.findings import Window, drill_down
from adsmu.monitor.history import Earlier
from adsmu.profile.drift import drift
from adsmu.profile.observations import observations
from adsmu.profile.profiles import profile
from adsmu.strategy import Columns, Reference, Signal, read_strategy

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def weeks(columns: list[dict[str, Any]]) -> tuple[pa.Table, list[Window]]:
    """Observations whose columns are given week by week."""
    parts = []
    for number, of in enumerate(columns):
        rows = len(next(iter(of.values())))
        times = [START + number * WEEK + WEEK * row / rows for row in range(rows)]
        made = {
            "id": [f"{number} {row}" for row in range(rows)],
            "time": pa.array(times, pa.timestamp("us", "UTC")),
        }
        parts.append(pa.table(made | {name: pa.array(list(values)) for name, values in of.items()}))
    windows = [Window(START + number * WEEK, START + (number + 1) * WEEK) for number in range(len(columns))]
    return observations(pa.concat_tables(parts)), windows


def kinds(found: Earlier, column: str) -> set[str | None]:
    of = [each for each in found.findings["findings"] if each["column"] == column]
    return {each["kind"] for each in of} if of else set()


@pytest.mark.parametrize(
    ("shifts", "kind"),
    [
        ([0.0] * 7 + [1.5] * 4, "sudden"),
        ([0.0] * 5 + [0.3 * step for step in range(1, 7)], "gradual"),
        ([0.0, 1.5, 1.5, 0.0] * 3 + [0.0, 1.5], "periodic"),
        ([0.0] * 7 + [1.5, 0.0], "temporary"),
    ],
)
@pytest.mark.parametrize("column", ["number", "category", "vector"])
def test_the_kind_of_an_injected_drift_is_told(shifts: list[float], kind: str, column: str) -> None:
    random = np.random.default_rng(8)

    def of(shift: float) -> np.ndarray:
        if column == "number":
            return random.normal(shift, 1, 400)
        if column == "vector":
            return random.normal(shift / 2, 1, (400, 4))
        return np.where(random.random(400) < 0.2 + 0.25 * shift, "a", "b").astype(object)

    table, windows = weeks([{"x": of(shift)} for shift in shifts])
    reference = Reference("fixed", begin=START, end=START + WEEK)
    found = list(replay(table, plan(reference, "classification"), windows))
    assert kinds(found[-1], "x") == {kind}
    assert not any(each.findings["alerts"] for each in found)


def test_a_passed_drift_is_told_once() -> None:
    random = np.random.default_rng(9)
    table, windows = weeks([{"x": random.normal(shift, 1, 400)} for shift in [0.0] * 4 + [2.0, 0.0, 0.0]])
    reference = Reference("fixed", begin=START, end=START + WEEK)
    found = list(replay(table, plan(reference, "classification"), windows))
    assert [kinds(each, "x") for each in found[-3:]] == [{None}, {"temporary"}, set()]


def test_drift_without_loss_of_accuracy_pages_nobody(snips: Path) -> None:
    """A real classifier; from week 4 on other intents come, and it is as right as before."""
    with gzip.open(snips, "rt") as lines:
        records = [json.loads(line) for line in lines]
    text = np.array([" ".join(each["tokens"]) for each in records], dtype=object)
    intent = np.array([each["intent"] for each in records], dtype=object)
    vectors = HashingVectorizer(n_features=2**12).transform(text)
    order = np.random.default_rng(10).permutation(len(records))
    taught, rest = order[:5_000], order[5_000:]
    model = SGDClassifier(loss="log_loss", random_state=0).fit(vectors[taught], intent[taught])
    predicted, score = model.predict(vectors[rest]), model.predict_proba(vectors[rest]).max(axis=1)
    late = np.isin(intent[rest], ["PlayMusic", "GetWeather", "BookRestaurant"])
    early = np.flatnonzero(~late)
    rows = [*np.array_split(early[:3_000], 3), *np.array_split(np.flatnonzero(late)[:3_000], 3)]
    columns = [
        {
            "prediction": predicted[chosen].astype(object),
            "label": intent[rest][chosen],
            "score": score[chosen],
            "length": np.array([len(each.split()) for each in text[rest][chosen]], dtype=float),
        }
        for chosen in rows
    ]
    table, windows = weeks(columns)
    reference = Reference("fixed", begin=START, end=START + 3 * WEEK)
    signals = {
        name: each for name, each in default_signals("classification").items() if each.level != "quality"
    }
    found = list(replay(table, plan(reference, "classification", signals=signals), windows))
    accuracy = [
        next(each["value"] for each in one.findings["figures"] if each["signal"] == "accuracy")
        for one in found
    ]
    assert min(accuracy) > 0.94
    assert all("drift:psi:prediction:fixed" in ids(each, "drift") for each in found[3:])
    assert not any(each.findings["alerts"] or each.findings["blocked"] for each in found)


def test_a_projection_is_watched_like_a_column() -> None:
    """Utterances grow longer; the words themselves are no column that could drift."""
    table, windows = weeks(
        [{"tokens": [["word"] * (1 + row % length) for row in range(300)]} for length in (6, 18)]
    )
    columns = Columns("classification", projections={"length": "adsmu.profile.projections:token_count"})
    last = list(replay(table, plan(columns=columns), windows))[-1]
    assert {each["column"] for each in last.findings["findings"]} == {"length"} and not last.findings[
        "alerts"
    ]
    finding, of = last.findings["findings"][0], {"length": "adsmu.profile.projections:token_count"}
    longest = [f"1 {row}" for row in range(300) if 1 + row % 18 >= 6]
    assert drill_down(table, finding, of) == longest
    with pytest.raises(BadInput, match="column length: the column is missing"):
        drill_down(table, finding)


def test_a_text_is_watched_by_its_length_unless_it_is_ignored() -> None:
    table, windows = weeks(
        [{"query": ["word " * (1 + row % length) for row in range(300)]} for length in (6, 18)]
    )
    columns = Columns("classification", text=("query",))
    last = list(replay(table, plan(columns=columns), windows))[-1]
    assert {each["column"] for each in last.findings["findings"]} == {"query.words"}
    columns = Columns("classification", text=("query",), ignore=("query",))
    last = list(replay(table, plan(columns=columns), windows))[-1]
    assert not any(each["column"] for each in last.findings["figures"])


def test_a_text_that_is_absent_or_missing_is_a_broken_contract_and_a_new_one_is_not() -> None:
    queries = [[f"word {row % 20} {number}" for row in range(300)] for number in range(2)]
    table, windows = weeks([{"query": queries[0]}, {"query": queries[1]}])
    strategy = plan(columns=Columns("classification", text=("query",)))
    first = look(table, strategy, windows[0])
    assert not ids(look(table, strategy, windows[1], [first]), "quality")
    found = look(table.drop_columns("query"), strategy, windows[1], [first])
    assert ids(found, "quality") == ["quality:schema:query"]
    table = with_column(table, "query", table["query"].to_pylist(), np.arange(600) % 5 == 0)
    assert ids(look(table, strategy, windows[1], [first]), "quality") == ["quality:missing:query"]


def test_new_intents_show_in_answers_confidence_labels_and_embedding_and_not_in_the_schema(
    clinc150: Path,
) -> None:
    """A real classifier knows half of 30 intents; then all of them come."""
    content = json.loads(gzip.decompress(clinc150.read_bytes()))
    intents = sorted({label for _, label in content["train"]})[::5]
    pairs = [pair for part in ("train", "val", "test") for pair in content[part] if pair[1] in intents]
    text, intent = (np.array(each, dtype=object) for each in zip(*pairs, strict=True))
    words = HashingVectorizer(n_features=2**12, alternate_sign=False).transform(text)
    vector = words @ np.random.default_rng(0).normal(size=(2**12, 32)).astype(np.float32)
    order = np.random.default_rng(12).permutation(len(text))
    known = np.isin(intent[order], intents[::2])
    taught, *early = np.array_split(order[known], 4)
    model = SGDClassifier(loss="log_loss", random_state=0).fit(words[taught], intent[taught])
    rows = [*early[:2], np.concatenate([early[2], order[~known][: len(early[2])]])]
    columns = [
        {
            "prediction": model.predict(words[chosen]).astype(object),
            "score": model.predict_proba(words[chosen]).max(axis=1),
            "label": intent[chosen],
            "vector": vector[chosen],
        }
        for chosen in rows
    ]
    table, windows = weeks(columns)
    reference = Reference("fixed", begin=START, end=START + WEEK)
    of = Columns("classification", features=("vector",), embedding=("vector",))
    _, same, new = replay(table, plan(reference, "classification", columns=of), windows)
    assert not ids(same, "drift", "quality")
    assert {each["column"] for each in new.findings["findings"] if each["level"] == "drift"} == {
        "prediction",
        "score",
        "vector",
    }
    assert not ids(new, "quality")
    labels = next(each for each in drift(same.profile, new.profile) if each.signal == "label")
    assert labels.exceeds("psi", 0.25)


def test_the_same_month_of_last_year_differs_less_than_the_month_before(rented: pa.Table) -> None:
    """Bicycle rentals, April to September 2012: temperature drifts with the season, not with the year."""
    found: dict[str, list[float]] = {}
    for reference in (Reference("season"), Reference("sliding", lengths=(timedelta(days=35),))):
        strategy = plan(reference, signals={"w1": Signal("w1", 0.5)})
        months = list(replay(rented, strategy, [month(number) for number in range(21)]))[15:]
        compared = [each.findings["reference"]["compared"][0] for each in months]
        ends = [each["to"][:7] for each in compared]
        assert ends == (
            [f"2011-{number:02}" for number in range(5, 11)]
            if reference.kind == "season"
            else [f"2012-{number:02}" for number in range(4, 10)]
        )
        found[reference.kind] = [
            next(each["value"] for each in one.findings["figures"] if each["column"] == "temp")
            for one in months
        ]
    assert np.mean(found["season"]) < 0.5 * np.mean(found["sliding"])


def test_several_sliding_windows_are_compared_one_by_one(rented: pa.Table) -> None:
    lengths = (timedelta(days=35), timedelta(days=200))
    strategy = plan(Reference("sliding", lengths=lengths), signals={"w1": Signal("w1", 0.5)})
    last = list(replay(rented, strategy, [month(number) for number in range(8)]))[-1]
    assert [each["windows"] for each in last.findings["reference"]["compared"]] == [1, 6]
    names = {each["reference"] for each in last.findings["figures"] if each["column"] == "temp"}
    assert names == {"sliding 5w", "sliding 200d"}


def test_a_validation_reference_needs_its_profile(rented: pa.Table) -> None:
    with pytest.raises(BadInput, match="needs the profile"):
        look(rented, plan(Reference("validation")), month(3))
    given = profile(rented.slice(0, 2_000))
    found = look(rented, plan(Reference("validation")), month(3), validation_profile=given)
    assert found.findings["reference"]["compared"][0]["rows"] == 2_000


def test_a_blocked_window_is_no_reference(rented: pa.Table) -> None:
    strategy = plan(Reference("sliding", lengths=(timedelta(days=100),)))
    first, second = replay(rented, strategy, [month(0), month(1)])
    bad = replace(second, findings=second.findings | {"blocked": True})
    found = look(rented, strategy, month(2), [first, bad])
    assert found.findings["reference"]["compared"][0]["to"] == MONTHS[1].isoformat()


def test_ks_and_kl_are_figures_for_debugging_and_never_findings(rented: pa.Table) -> None:
    signals = {name: Signal(name, 0.01) for name in ("ks", "kl")}
    months = list(replay(rented, plan(signals=signals), [month(1), month(6)]))
    months[0].findings["blocked"] = False
    found = look(
        rented,
        plan(Reference("sliding", lengths=(timedelta(days=200),)), signals=signals),
        month(6),
        months[:1],
    )
    large = [each for each in found.findings["figures"] if each["value"] > 0.5]
    assert {each["signal"] for each in large} == {"ks", "kl"}
    assert not found.findings["findings"]


def test_ks_is_the_largest_distance_of_the_distribution_functions() -> None:
    from scipy import stats

    random = np.random.default_rng(11)
    a, b = random.normal(0, 1, 3_000), random.normal(0.3, 1.2, 2_000)
    one, other = (profile(pa.table({"x": x})).columns["x"] for x in (a, b))
    assert debug_figure("ks", one, other) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=5e-3)


def test_a_strategy_that_asks_for_a_p_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "strategy.yaml"
    path.write_text("name: test\nsignals: {ks: {p_value: 0.05}}\n", encoding="utf-8")
    with pytest.raises(BadInput, match="p-value is not taken"):
        read_strategy(path)


def test_images_that_are_inverted_are_seen_by_their_mean_pixel_and_along_a_random_direction(
    fashion_mnist: Path,
) -> None:
    with np.load(fashion_mnist) as files:
        images = files["x_train"].reshape(-1, 784)[:600] / 255
    pixels = [images[:300], 1 - images[300:]]
    table, windows = weeks([{"image": each.tolist()} for each in pixels])
    own = {name: f"adsmu.profile.projections:{name}:image" for name in ("mean_value", "random_direction")}
    of = Columns("classification", features=(), projections=own)
    last = list(replay(table, plan(columns=of), windows))[-1]
    assert {each["column"] for each in last.findings["findings"]} == set(own)
