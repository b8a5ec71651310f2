"""Reading a strategy, its digest, and the differences of two."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from adsmu import cli
from adsmu.errors import BadInput
from adsmu.strategy import MEASURES, canonical, read_strategy
from adsmu.strategy.difference import Change, difference
from adsmu.strategy.rule import holds, names
from adsmu.strategy.times import length, shown

KEYS = ["kind", "measure", "threshold", "columns", "any", "not", "low", "values", "every", "x"]
EXAMPLE = Path(__file__).parents[3] / "examples" / "strategy.yaml"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read_strategy(write(path / "strategy.yaml", text))
    assert str(caught.value.file) == str(path / "strategy.yaml")
    return caught.value


def shuffled(value: object, random_: random.Random) -> object:
    """The same strategy with its mappings and lists in another order."""
    if isinstance(value, dict):
        keys = list(value)
        random_.shuffle(keys)
        return {key: shuffled(value[key], random_) for key in keys}
    if isinstance(value, list):
        return random_.sample([shuffled(each, random_) for each in value], len(value))
    return value


def test_the_example_is_read_with_all_that_it_says() -> None:
    strategy = read_strategy(EXAMPLE)
    assert strategy.signals["mean_absolute_error"].threshold == 75
    assert strategy.triggers["monthly"].every == timedelta(weeks=4)
    assert strategy.cohorts["commuting"].high == 9
    assert strategy.columns.contract["weathersit"].values == (1, 2, 3, 4)


def test_the_example_shows_every_key_of_a_strategy() -> None:
    shown_keys = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert shown_keys.keys() == canonical(read_strategy(EXAMPLE)).keys()
    for section in ("columns", "dataset", "evaluation_set", "promotion", "costs"):
        assert shown_keys[section].keys() == canonical(read_strategy(EXAMPLE))[section].keys()


@pytest.mark.parametrize("seed", range(5))
def test_neither_order_nor_comments_change_the_digest(tmp_path: Path, seed: int) -> None:
    value = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    other = yaml.safe_dump(shuffled(value, random.Random(seed)), sort_keys=False)
    path = write(tmp_path / "other.yaml", f"# another order\n{other}")
    assert read_strategy(path).digest == read_strategy(EXAMPLE).digest


def test_a_default_spelled_out_does_not_change_the_digest(tmp_path: Path) -> None:
    short = read_strategy(write(tmp_path / "a.yaml", "name: x"))
    long = read_strategy(write(tmp_path / "b.yaml", "name: x\nwindow: 7d\ncatch_up: true\nsignals:\n"))
    assert short.digest == long.digest


def test_another_threshold_changes_the_digest_and_is_told(tmp_path: Path) -> None:
    before = read_strategy(write(tmp_path / "a.yaml", "name: x\nsignals: {psi: {}}"))
    after = read_strategy(write(tmp_path / "b.yaml", "name: x\nsignals: {psi: {threshold: 0.3}}"))
    assert before.digest != after.digest
    assert difference(before, after) == [Change("signals.psi.threshold", 0.25, 0.3)]


def test_without_signals_every_measure_with_a_default_is_watched(tmp_path: Path) -> None:
    signals = read_strategy(write(tmp_path / "a.yaml", "name: x")).signals
    assert {"accuracy", "psi", "missing"} <= signals.keys()
    assert not {"ks", "kl", "mean_absolute_error", "outcome"} & signals.keys()


def test_drift_calls_nobody_unless_it_is_asked_to(tmp_path: Path) -> None:
    signals = read_strategy(write(tmp_path / "a.yaml", "name: x")).signals
    assert {signal.level for signal in signals.values() if signal.alert} == {"performance", "quality"}
    asked = read_strategy(write(tmp_path / "b.yaml", "name: x\nsignals: {psi: {alert: true}}"))
    assert asked.signals["psi"].alert


@pytest.mark.parametrize(
    ("text", "column", "rule"),
    [
        ("name: x\ncolums: {}", "colums", "nearest known is 'columns'"),
        ("name: x\ncolumns: {txt: []}", "columns.txt", "nearest known is 'text'"),
        ("name: x\nsignals: {psy: {}}", "signals.psy.measure", "nearest known is 'psi'"),
        ("window: 7d", "name", "is missing"),
        ("name: x\nwindow: week", "window", "such as 7d"),
        ("name: x\nwindow: 0d", "window", "above 0"),
        ("name: x\ncatch_up: 1", "catch_up", "true or false"),
        ("name: x\nconfidence: .nan", "confidence", "a number"),
        ("name: x\nreference: {kind: golden}", "reference.kind", "validation, fixed, sliding, season"),
        ("name: x\nreference: {kind: fixed, begin: '2011-01-01'}", "reference.end", "fixed"),
        ("name: x\nsignals: {ks: {alert: true}}", "signals.ks.alert", "debugging"),
        (
            "name: x\nsignals: {mean_absolute_error: {threshold: 1}}",
            "signals.mean_absolute_error",
            "regression",
        ),
        ("name: x\nsignals: {outcome: {columns: [a]}}", "signals.outcome.threshold", "no default"),
        ("name: x\nsignals: {outcome: {threshold: 1}}", "signals.outcome.columns", "one column"),
        ("name: x\ntriggers: {a: {kind: periodic}}", "triggers.a.cron", "or every"),
        ("name: x\ntriggers: {a: {kind: periodic, cron: '0 3 * * 1'}}", "triggers.a.cron", "6"),
        ("name: x\ntriggers: {a: {kind: volume, every: 7d}}", "triggers.a.every", "left out"),
        ("name: x\ntriggers: {a: {kind: performance}}", "triggers.a.signal", "name of a signal"),
        ("name: x\ntriggers: {a: {kind: performance, signal: psi}}", "triggers.a.signal", "performance"),
        (
            "name: x\ntriggers: {a: {kind: drift, signals: [ps]}}",
            "triggers.a.signals",
            "nearest known is 'psi'",
        ),
        (
            "name: x\nsignals: {ks: {}}\ntriggers: {a: {kind: drift, signals: [ks]}}",
            "triggers.a.signals",
            "debug",
        ),
        ("name: x\ntriggers: {a: {kind: manual}}\ncombine: {any: [b]}", "combine", "nearest known is 'a'"),
        ("name: x\ncombine: {some: [a]}", "combine", "any, all, not"),
        ("name: x\ncombine: {any: []}", "combine", "at least one"),
        ("name: x\ndataset: {form: upsampled}", "dataset.by", "segments"),
        ("name: x\nwindow: 99999999w", "window", "at most 5200w"),
        ("name: x\ncalibrate_every: -1", "calibrate_every", "0 or more"),
        ("name: x\ncolumns: {projections: {length: len}}", "columns.projections.length", "package.module:"),
        ("name: x\ncohorts: {a: {column: b, within: c}}", "cohorts.a.within", "values or bounds"),
        (
            "name: x\ncohorts: {a: {column: b, within: c}, c: {column: d}}",
            "cohorts.a.within",
            "values or bounds, and that is within no other, not 'c'",
        ),
        ("name: x\ncosts: {retraining: -1}", "costs.retraining", "0 or more"),
    ],
)
def test_what_breaks_a_rule_is_named_by_key_and_rule(
    tmp_path: Path, text: str, column: str, rule: str
) -> None:
    found = refusal(tmp_path, text)
    assert found.column == column
    assert rule in found.rule


@pytest.mark.parametrize(
    "text",
    [
        "name: x\nsignals: {psi: {p_value: 0.05}}",
        "name: x\nsignals: {p_value: {threshold: 0.05}}",
        "name: x\nsignals: {drift: {measure: p_value, threshold: 0.05}}",
        "name: x\nsignificance: 0.05",
    ],
)
def test_a_threshold_on_a_p_value_is_refused_with_the_reason(tmp_path: Path, text: str) -> None:
    assert "p-value is not taken" in refusal(tmp_path, text).rule


def test_a_rule_inside_too_many_others_is_refused(tmp_path: Path) -> None:
    assert "inside each other" in refusal(tmp_path, f"name: x\ncombine: {'{not: ' * 40}a{'}' * 40}").rule


def test_a_key_that_stands_twice_is_refused_with_its_row(tmp_path: Path) -> None:
    assert refusal(tmp_path, "name: x\nname: y").row == 2


def test_a_signal_is_not_switched_off_by_a_word_that_means_nothing(tmp_path: Path) -> None:
    assert refusal(tmp_path, "name: x\nsignals: {psi: false}").column == "signals.psi"


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("7d")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where in a strategy something can be written."""
    inside = (
        [each for key in value for each in places(value[key], (*path, key))]
        if isinstance(value, dict)
        else []
    )
    return [*([path] if path else []), *inside]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_written_is_taken_or_refused_in_one_line(tmp_path: Path, data: st.DataObject) -> None:
    value = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    place = data.draw(st.sampled_from(places(value)))
    inside = value
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = data.draw(ANYTHING)
    path = write(tmp_path / "strategy.yaml", yaml.safe_dump(value, allow_unicode=True))
    try:
        assert read_strategy(path).digest.startswith("sha256:")
    except BadInput as refused:
        assert "\n" not in str(refused)


RULES = st.recursive(
    st.sampled_from("abc"),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda held: {"any": held}),
        st.lists(inner, min_size=1, max_size=3).map(lambda held: {"all": held}),
        inner.map(lambda held: {"not": held}),
    ),
    max_leaves=8,
)


@given(RULES, st.fixed_dictionaries({name: st.booleans() for name in "abc"}))
def test_not_of_any_is_all_of_not(rule: object, true: dict[str, bool]) -> None:
    inner = [rule, "a"]
    assert holds({"not": {"any": inner}}, true) == holds({"all": [{"not": each} for each in inner]}, true)
    assert set(names({"any": inner})) <= true.keys()


@given(st.integers(0, 10**8).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_length_is_read_as_it_was_written(value: timedelta) -> None:
    assert length(shown(value)) == value


def test_a_time_without_an_offset_is_utc(tmp_path: Path) -> None:
    text = "name: x\nreference: {kind: fixed, begin: '2011-01-01', end: '2011-02-01T01:00:00+01:00'}"
    reference = read_strategy(write(tmp_path / "a.yaml", text)).reference
    assert (reference.begin, reference.end) == (
        datetime(2011, 1, 1, tzinfo=UTC),
        datetime(2011, 2, 1, tzinfo=UTC),
    )


def test_the_command_prints_the_digest_and_the_differences(tmp_path: Path) -> None:
    other = write(
        tmp_path / "b.yaml", EXAMPLE.read_text(encoding="utf-8").replace("cool_down: 1d", "cool_down: 2d")
    )
    run = CliRunner().invoke
    assert read_strategy(EXAMPLE).digest in run(cli.app, ["strategy", "check", str(EXAMPLE)]).stdout
    printed = json.loads(run(cli.app, ["strategy", "diff", str(EXAMPLE), str(other), "--json"]).stdout)
    assert printed == [{"key": "cool_down", "before": "1d", "after": "2d"}]
    assert "the same" in run(cli.app, ["strategy", "diff", str(EXAMPLE), str(EXAMPLE)]).stdout


def test_every_measure_has_a_level_and_debug_ones_are_ks_and_kl() -> None:
    assert {name for name, measure in MEASURES.items() if measure.debug} == {"ks", "kl"}
