"""A bad batch is blocked, and column and rule are named; a healthy one is not."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from monitored import FIRST, default_signals, ids, inside, look, month, of, plan, replay, with_column

from adsmu.errors import BadInput
from adsmu.monitor.contract import check_contract, contract_schema, rules
from adsmu.monitor.findings import Window, drill_down
from adsmu.monitor.history import Earlier
from adsmu.monitor.units import CONVERSIONS, SHARES, unit_change
from adsmu.profile.observations import observations, write_observations
from adsmu.profile.profiles import profile
from adsmu.strategy import Columns, Contract, Reference, Signal

LAST = 22
WEEK = timedelta(weeks=1)


def last_month(table: pa.Table, history: list[Earlier], **others: object) -> Earlier:
    return look(table, plan(**others), month(LAST), history[:LAST])


def finding(found: Earlier, identity: str) -> dict:
    return next(each for each in found.findings["findings"] if each["id"] == identity)


def test_no_healthy_month_is_blocked(healthy_months: list[Earlier]) -> None:
    """Each against the one before. The one alert is true: a hurricane closed the service for 36 hours."""
    assert not any(each.findings["blocked"] for each in healthy_months)
    alerts = {each.window.begin.strftime("%Y-%m"): each.findings["alerts"] for each in healthy_months}
    assert {name: found for name, found in alerts.items() if found} == {"2012-10": ["quality:volume"]}


@pytest.mark.parametrize(
    "reference",
    [Reference("season"), Reference("sliding", lengths=(timedelta(days=400),))],
    ids=["season", "all before"],
)
def test_no_healthy_month_is_blocked_against_another_reference(
    rented: pa.Table, reference: Reference
) -> None:
    months = replay(rented, plan(reference), [month(number) for number in range(24)])
    assert not any(each.findings["blocked"] for each in months)


def test_injected_nulls_block_and_name_the_column(rented: pa.Table, healthy_months: list[Earlier]) -> None:
    gone = np.zeros(len(rented), dtype=bool)
    gone[np.flatnonzero(inside(rented, month(LAST)))[100:200]] = True
    table = with_column(rented, "hum", rented["hum"].to_numpy(), gone)
    found = last_month(table, healthy_months)
    assert found.findings["blocked"] and found.findings["alerts"] == ["quality:missing:hum"]
    assert ids(found, "quality") == ["quality:missing:hum"]
    rows = drill_down(table, finding(found, "quality:missing:hum"))
    assert rows == table.filter(pa.array(gone))["id"].to_pylist()


@pytest.mark.parametrize("number", range(1, 24))
def test_degrees_in_another_unit_block_in_any_month(
    rented: pa.Table, healthy_months: list[Earlier], number: int
) -> None:
    fahrenheit = rented["temp"].to_numpy().copy()
    chosen = inside(rented, month(number))
    fahrenheit[chosen] = 1.8 * fahrenheit[chosen] + 32
    table = with_column(rented, "temp", fahrenheit)
    found = look(table, plan(), month(number), healthy_months[:number])
    assert found.findings["blocked"]
    assert "degrees Celsius to Fahrenheit" in finding(found, "quality:unit_change:temp")["text"]


def test_a_share_instead_of_percent_blocks(rented: pa.Table, healthy_months: list[Earlier]) -> None:
    shares = np.where(inside(rented, month(LAST)), rented["hum"].to_numpy() / 100, rented["hum"].to_numpy())
    found = last_month(with_column(rented, "hum", shares), healthy_months)
    assert (
        found.findings["blocked"] and "percent, backward" in finding(found, "quality:unit_change:hum")["text"]
    )


def test_a_new_category_blocks_and_is_named(rented: pa.Table, healthy_months: list[Earlier]) -> None:
    weather = np.array(rented["weathersit"].to_pylist(), dtype=object)
    weather[np.flatnonzero(inside(rented, month(LAST)))[:60]] = "fog"
    table = with_column(rented, "weathersit", weather)
    found = last_month(table, healthy_months)
    assert found.findings["blocked"]
    assert "('fog')" in finding(found, "quality:new_category:weathersit")["text"]
    assert len(drill_down(table, finding(found, "quality:new_category:weathersit"))) == 60


def test_a_category_seen_in_two_rows_is_not_yet_a_bad_batch(
    rented: pa.Table, healthy_months: list[Earlier]
) -> None:
    weather = np.array(rented["weathersit"].to_pylist(), dtype=object)
    weather[np.flatnonzero(inside(rented, month(LAST)))[:2]] = "fog"
    assert not last_month(with_column(rented, "weathersit", weather), healthy_months).findings["blocked"]


def test_dropped_hours_block_and_the_gap_is_told(rented: pa.Table, healthy_months: list[Earlier]) -> None:
    rows = np.flatnonzero(inside(rented, month(LAST)))
    kept = np.ones(len(rented), dtype=bool)
    kept[rows[240:360]] = False
    found = last_month(rented.filter(pa.array(kept)), healthy_months)
    assert found.findings["blocked"]
    gap = finding(found, "quality:dropped")
    assert (
        "120 hours" in gap["text"]
        and "2012-11-11" in gap["text"]
        and gap["where"]["from"] < gap["where"]["to"]
    )
    assert "quality:volume" in found.findings["alerts"]


def test_a_window_without_rows_is_stale(rented: pa.Table, healthy_months: list[Earlier]) -> None:
    empty = rented.filter(pa.array(~inside(rented, month(LAST))))
    found = last_month(empty, healthy_months)
    assert "quality:staleness" in found.findings["alerts"] and found.findings["window"]["rows"] == 0


def test_a_column_that_is_missing_or_of_another_type_blocks(
    rented: pa.Table, healthy_months: list[Earlier]
) -> None:
    words = np.array([str(each) for each in rented["temp"].to_pylist()], dtype=object)
    table = with_column(rented, "temp", words).drop_columns(["windspeed"])
    found = last_month(table, healthy_months)
    assert ids(found, "quality") == ["quality:schema:temp", "quality:schema:windspeed"]
    assert found.findings["blocked"]


def test_a_declared_contract_is_kept_to_the_letter(rented: pa.Table, healthy_months: list[Earlier]) -> None:
    contract = {
        "temp": Contract(low=-10, high=10),
        "weathersit": Contract(values=("1", "2")),
        "hum": Contract(missing=0.0),
    }
    gone = np.zeros(len(rented), dtype=bool)
    gone[np.flatnonzero(inside(rented, month(LAST)))[0]] = True
    table = with_column(rented, "hum", rented["hum"].to_numpy(), gone)
    found = last_month(table, healthy_months, columns=Columns("regression", contract=contract))
    assert set(ids(found, "quality")) == {
        "quality:out_of_range:temp",
        "quality:new_category:weathersit",
        "quality:missing:hum",
    }


def test_a_declared_column_of_the_wrong_type_is_broken(
    rented: pa.Table, healthy_months: list[Earlier]
) -> None:
    contract = {"weathersit": Contract(low=1, high=4), "cloud": Contract(missing=0.0)}
    found = last_month(rented, healthy_months, columns=Columns("regression", contract=contract))
    assert set(ids(found, "quality")) == {"quality:out_of_range:weathersit", "quality:missing:cloud"}


def test_duplicate_ids_are_bad_input_with_row_and_column(rented: pa.Table, tmp_path: Path) -> None:
    again = pa.concat_tables([of(rented, month(1)), of(rented, month(1)).slice(5, 1)])
    with pytest.raises(BadInput, match=f"row {len(again)}, column id"):
        write_observations(again, tmp_path / "rows.parquet")


def test_the_contract_is_a_pandera_schema(rented: pa.Table) -> None:
    kept = rules(profile(of(rented, month(0))), {}, ["temp", "weathersit"])
    schema = contract_schema(kept, default_signals(), 0.95)
    assert {name: [check.name for check in column.checks] for name, column in schema.columns.items()} == {
        "temp": ["schema", "out_of_range", "missing"],
        "weathersit": ["schema", "new_category", "missing"],
    }


@pytest.mark.parametrize("rows", [100, 1_000])
def test_healthy_batches_of_few_rows_break_no_inferred_rule(rows: int) -> None:
    """Two in a hundred values are missing, one in a hundred is a category that the reference has not seen."""
    random = np.random.default_rng(3)

    def batch(count: int) -> pa.Table:
        x = random.normal(0, 1, count)
        kinds = np.where(random.random(count) < 0.005, "rare", random.choice(["a", "b"], count))
        return pa.table({"x": pa.array(x, mask=random.random(count) < 0.02), "kind": kinds.astype(object)})

    kept = rules(profile(batch(5_000).filter(pa.array(np.ones(5_000, bool)))), {}, ["x", "kind"])
    signals = {"missing": Signal("missing", 0.05), "new_category": Signal("new_category", 0.01)}
    assert not any(check_contract(batch(rows), kept, signals, 0.95) for _ in range(100))


@pytest.mark.parametrize("name", ["degrees Celsius to Fahrenheit", "a share to percent", "hours to seconds"])
def test_a_conversion_is_undone(name: str) -> None:
    random = np.random.default_rng(4)
    before, now = (np.quantile(random.normal(12, 6, 800), SHARES) for _ in range(2))
    times, add = CONVERSIONS[name]
    found = unit_change(before, times * now + add)
    assert found is not None and found.name == name and found.undone > 0.9
    assert unit_change(before, now) is None


def hourly(rows: np.ndarray) -> pa.Table:
    """A row at each of some hours from the first on."""
    times = [FIRST + timedelta(hours=int(hour)) for hour in rows]
    return observations(pa.table({"id": [str(hour) for hour in rows], "time": times, "x": rows / 7 % 1}))


def weeks(table: pa.Table, count: int) -> list[Earlier]:
    window = [Window(FIRST + n * WEEK, FIRST + (n + 1) * WEEK) for n in range(count)]
    return list(replay(table, plan(Reference("sliding", lengths=(4 * WEEK,))), window))


def test_hours_that_are_dropped_block_though_few_rows_are_left() -> None:
    hours = np.arange(4 * 168)
    found = weeks(hourly(hours[(hours < 3 * 168) | (hours % 168 < 84)]), 4)
    assert found[3].findings["window"]["rows"] == 84
    assert [each.findings["blocked"] for each in found] == [False, False, False, True]
    assert "quality:dropped" in ids(found[3])


def test_a_stream_that_rests_at_weekends_is_not_blocked_for_it() -> None:
    hours = np.arange(4 * 168)
    worked = hours[(hours // 24 % 7 < 5) & (hours % 24 < 8)]
    assert not any(each.findings["blocked"] for each in weeks(hourly(worked), 4)[1:])
    gone = worked[(worked < 3 * 168) | (worked // 24 % 7 < 2)]
    assert weeks(hourly(gone), 4)[3].findings["blocked"]


def test_rows_on_a_day_that_never_had_any_are_a_finite_change() -> None:
    hours = np.arange(20 * 168)
    known = hours[(hours // 24 % 7 < 5) & (hours % 24 < 20)]
    sunday = 19 * 168 + 6 * 24 + np.arange(20)
    found = weeks(hourly(np.concatenate([known, sunday])), 20)[19]
    (change,) = [each for each in found.findings["findings"] if each["signal"] == "volume"]
    assert change["value"] == 20


def test_the_signal_that_names_a_column_counts_whatever_the_order() -> None:
    kept = rules(None, {"x": Contract(low=0)}, ["x"])
    table = pa.table({"x": [*np.ones(95), *-np.ones(5)]})
    signals = {"any": Signal("out_of_range", 0.5), "x": Signal("out_of_range", 0.01, columns=("x",))}
    for order in (signals, dict(reversed(signals.items()))):
        assert [each.signal for each in check_contract(table, kept, order, 0.95)] == ["x"]
