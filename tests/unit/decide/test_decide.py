"""When an update is opened, when not, and that each event is decided once."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adsmu.cron import check_cron, latest_firing
from adsmu.decide.decide import decide, decide_files
from adsmu.decide.record import decisions, record
from adsmu.decide.triggers import Situation, grown, latest_due
from adsmu.errors import BadInput
from adsmu.store import open_store
from adsmu.strategy import Cohort, Signal, Strategy, Trigger, read_strategy

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)

ACCURACY = Signal("accuracy", 0.9)
PSI = Signal("psi", 0.25)


def strategy(combine: Any = None, **of: Any) -> Strategy:
    triggers = {
        "weekly": Trigger("periodic", every=7 * DAY),
        "wrong": Trigger("performance", signal="accuracy"),
        "weak": Trigger("segment", signal="accuracy", cohort="language"),
        "more": Trigger("volume"),
        "drifted": Trigger("drift"),
        "asked": Trigger("manual"),
    }
    settings: dict[str, Any] = {
        "triggers": triggers,
        "signals": {"accuracy": ACCURACY, "psi": PSI, "ks": Signal("ks", 0.1)},
        "cohorts": {"language": Cohort("language")},
        "combine": combine or {"any": list(triggers)},
    }
    return Strategy("nlu", **{**settings, **of})


def figure(signal: str, value: float, low: float, high: float, cohort: str | None = None) -> dict[str, Any]:
    level = "drift" if signal in ("psi", "ks") else "performance"
    names = {"signal": signal, "level": level, "value": value, "low": low, "high": high, "cohort": cohort}
    measured = {"column": None, "reference": None, "threshold": 0.9, "rows": 500, "beyond": True}
    return {**names, **measured, "kind": "sudden", "blocks": False, "text": f"{signal} {value}"}


def accuracy(value: float, cohort: str | None = None) -> dict[str, Any]:
    return figure("accuracy", value, value - 0.02, value + 0.02, cohort)


def findings(
    *found: dict[str, Any], blocked: bool = False, seen: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    return {"findings": list(found), "figures": [*found, *seen], "blocked": blocked}


def analysis(action: str, dataset: Any = None) -> dict[str, Any]:
    return {"recommendation": {"action": action, "reason": f"advice: {action}", "dataset": dataset}}


class History:
    """Decisions one after another, each knowing those before it, as the store keeps them."""

    def __init__(self, plan: Strategy) -> None:
        self.plan = plan
        self.entries: list[dict[str, Any]] = []

    def decide(self, time: datetime, found: dict[str, Any] | None = None, **of: Any) -> dict[str, Any]:
        situation = Situation(time, found or findings(), past=self.entries, **of)
        made = decide(self.plan, situation)
        self.entries.append(
            {
                **made,
                "time": time.timestamp(),
                "labelled": of.get("labelled"),
                "event": str(len(self.entries)),
            }
        )
        return made


def said(decision: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in decision["triggers"] if each["name"] == name)


def test_without_anything_found_nothing_is_updated_and_the_reason_is_told() -> None:
    made = History(strategy()).decide(NOON)
    assert (made["action"], made["reason"], made["dataset"]) == ("do_not_update", "no trigger fired", None)
    assert {each["name"] for each in made["triggers"]} == strategy().triggers.keys()


def test_a_schedule_fires_at_its_time_and_not_before() -> None:
    history = History(strategy(combine="weekly"))
    actions = [history.decide(NOON + n * DAY)["action"] for n in range(15)]
    assert [n for n, action in enumerate(actions) if action == "update"] == [7, 14]


def test_after_an_outage_a_schedule_is_caught_up_exactly_once() -> None:
    history = History(strategy(combine="weekly"))
    history.decide(NOON)
    after = [history.decide(NOON + 40 * DAY + n * timedelta(hours=30))["action"] for n in range(4)]
    assert after == ["update", "do_not_update", "update", "do_not_update"]  # day 42 brings the next firing


def test_without_catch_up_a_missed_firing_is_let_go() -> None:
    history = History(strategy(combine="weekly", catch_up=False, window=DAY))
    history.decide(NOON)
    assert history.decide(NOON + 40 * DAY)["action"] == "do_not_update"
    assert history.decide(NOON + 42 * DAY)["action"] == "update"


def test_a_schedule_waits_for_the_rest_of_its_rule() -> None:
    history = History(strategy(combine={"all": ["weekly", "more"]}))
    history.decide(NOON, labelled=100)
    assert history.decide(NOON + 7 * DAY, labelled=104)["action"] == "do_not_update"
    assert history.decide(NOON + 9 * DAY, labelled=105)["action"] == "update"


def test_an_update_is_opened_at_five_percent_more_labels_and_not_below() -> None:
    history = History(strategy(combine="more"))
    history.decide(NOON, labelled=10_000)
    assert history.decide(NOON + 2 * DAY, labelled=10_499)["action"] == "do_not_update"
    assert history.decide(NOON + 4 * DAY, labelled=10_500)["action"] == "update"
    assert history.decide(NOON + 6 * DAY, labelled=11_024)["action"] == "do_not_update"  # 5 % of 10,500
    assert history.decide(NOON + 8 * DAY, labelled=11_025)["action"] == "update"


def test_growth_is_exact_where_binary_fractions_are_not() -> None:
    assert grown(1000, 1070, 0.07)
    assert not grown(0, 0, 0.05)
    assert grown(0, 1, 0.05)


def test_performance_fires_only_with_its_whole_interval_below_the_threshold() -> None:
    assert History(strategy()).decide(NOON, findings(accuracy(0.889)))["action"] == "do_not_update"
    made = History(strategy()).decide(NOON, findings(accuracy(0.87)))
    assert (made["action"], said(made, "wrong")["fired"]) == ("update", True)


def test_an_error_fires_with_its_whole_interval_above_the_threshold() -> None:
    plan = strategy(signals={"accuracy": Signal("mean_absolute_error", 50)})
    assert not said(History(plan).decide(NOON, findings(figure("accuracy", 55, 49, 60))), "wrong")["fired"]
    assert said(History(plan).decide(NOON, findings(figure("accuracy", 55, 51, 60))), "wrong")["fired"]


def test_a_segment_fires_for_a_weak_cohort_while_the_whole_is_well() -> None:
    made = History(strategy()).decide(NOON, findings(accuracy(0.5, "language=de"), seen=[accuracy(0.99)]))
    assert (said(made, "weak")["fired"], said(made, "wrong")["fired"]) == (True, False)
    other = History(strategy()).decide(NOON, findings(accuracy(0.5, "country=de")))
    assert not said(other, "weak")["fired"]


HYSTERESIS = {
    "wrong": Trigger("performance", signal="accuracy", hysteresis=0.03),
    "asked": Trigger("manual"),
}


@pytest.mark.parametrize(
    ("values", "updates"),
    [
        ([0.87, 0.87, 0.87], [0]),  # the same fall opens one update
        ([0.87, 0.91, 0.87], [0]),  # back above the threshold, and not by the hysteresis
        ([0.87, 0.94, 0.87], [0, 2]),  # it had come back
        ([0.87, 0.86, 0.83], [0, 2]),  # a further fall
    ],
)
def test_hysteresis_opens_one_update_a_fall(values: list[float], updates: list[int]) -> None:
    history = History(strategy(triggers=HYSTERESIS, combine={"any": ["wrong", "asked"]}))
    actions = []
    for n, value in enumerate(values):
        found = findings(accuracy(value)) if value < 0.88 else findings(seen=[accuracy(value)])
        actions.append(history.decide(NOON + 7 * n * DAY, found)["action"])
    assert [n for n, action in enumerate(actions) if action == "update"] == updates


def test_the_cool_down_keeps_a_second_update_back_but_not_a_person() -> None:
    history = History(strategy(combine={"any": ["wrong", "asked"]}))
    assert history.decide(NOON, findings(accuracy(0.8)))["action"] == "update"
    held = history.decide(NOON + DAY / 2, findings(accuracy(0.8)))
    assert held["action"] == "do_not_update"
    assert "too recent" in held["reason"]
    assert history.decide(NOON + DAY / 2, asked="a new feature")["action"] == "update"
    assert history.decide(NOON + 1.5 * DAY, findings(accuracy(0.8)))["action"] == "update"


def test_drift_alone_opens_nothing_without_an_analysis_that_recommends_it() -> None:
    drifted = findings(figure("psi", 0.5, 0.4, 0.6))
    assert History(strategy()).decide(NOON, drifted)["action"] == "do_not_update"
    assert (
        History(strategy()).decide(NOON, drifted, analysis=analysis("nothing"))["action"] == "do_not_update"
    )
    assert History(strategy()).decide(NOON, drifted, analysis=analysis("retrain"))["action"] == "update"


@pytest.mark.parametrize(
    ("actions", "opening"), [((), {"retrain", "new_mix", "new_class"}), (("new_class",), {"new_class"})]
)
def test_what_an_analysis_recommends_opens_an_update_where_the_strategy_wants_it(
    actions: tuple[str, ...], opening: set[str]
) -> None:
    plan = strategy(triggers={"told": Trigger("analysis", actions=actions)}, combine="told")
    assert History(plan).decide(NOON)["action"] == "do_not_update"
    for action in ("nothing", "retrain", "new_mix", "new_class"):
        made = History(plan).decide(NOON, analysis=analysis(action))
        assert (made["action"] == "update") == (action in opening), action
        assert said(made, "told")["reason"] == f"the analysis: advice: {action}"
    assert History(plan).decide(NOON, analysis=analysis("mend_data"))["action"] == "do_not_update"


def test_a_trigger_on_a_recommendation_that_no_update_follows_is_refused() -> None:
    with pytest.raises(BadInput, match="must be of retrain, new_mix, new_class"):
        Trigger("analysis", actions=("mend_data",))


def test_drift_that_was_temporary_or_is_for_debugging_opens_nothing() -> None:
    temporary = figure("psi", 0.5, 0.4, 0.6) | {"kind": "temporary"}
    debug = figure("ks", 0.5, 0.4, 0.6)
    made = History(strategy()).decide(NOON, findings(temporary, debug), analysis=analysis("retrain"))
    assert made["action"] == "do_not_update"


def test_rows_that_must_not_be_learnt_from_block_even_a_person() -> None:
    bad = figure("accuracy", 0.2, 0.1, 0.3) | {"blocks": True, "text": "temp: out of range"}
    made = History(strategy()).decide(NOON, findings(bad, blocked=True), asked="please")
    assert (made["action"], made["dataset"]) == ("blocked", None)
    assert "temp: out of range" in made["reason"]
    mend = History(strategy()).decide(NOON, findings(accuracy(0.5)), analysis=analysis("mend_data"))
    assert mend["action"] == "blocked"


def test_a_person_is_asked_when_performance_falls_and_the_analysis_finds_nothing() -> None:
    made = History(strategy()).decide(NOON, findings(accuracy(0.8)), analysis=analysis("nothing"))
    assert made["action"] == "ask"


def test_an_update_learns_from_what_the_analysis_asks_for_else_from_what_the_strategy_says() -> None:
    request = {"form": "mix", "parameters": {"history": 0.5}}
    asked = History(strategy()).decide(NOON, findings(accuracy(0.8)), analysis=analysis("new_mix", request))
    assert asked["dataset"] == request
    plain = History(strategy()).decide(NOON, findings(accuracy(0.8)))
    assert plain["dataset"]["form"] == "all"


def test_an_update_by_any_trigger_serves_the_schedule_too() -> None:
    history = History(strategy(combine={"any": ["weekly", "wrong"]}))
    history.decide(NOON)
    assert history.decide(NOON + 7 * DAY, findings(accuracy(0.8)))["action"] == "update"
    assert history.decide(NOON + 9 * DAY)["action"] == "do_not_update"


def test_a_model_is_updated_once_after_what_it_is_built_on_was() -> None:
    built = {"triggers": {"base": Trigger("dependency")}, "combine": "base", "needs": ("words", "images")}
    history = History(strategy(**built))
    champions = [
        {"words": None, "images": "sha256:a"},
        {"words": None, "images": "sha256:a"},
        {"words": "sha256:b", "images": "sha256:a"},
        {"words": "sha256:b", "images": "sha256:a"},
        {"words": "sha256:b", "images": "sha256:c"},
    ]
    made = [history.decide(NOON + 2 * n * DAY, champions=each) for n, each in enumerate(champions)]
    assert [each["action"] == "update" for each in made] == [False, False, True, False, True]
    assert made[2]["reason"] == "base: built on words, updated since"


def test_a_promotion_that_came_within_the_cool_down_is_not_forgotten() -> None:
    built = {"triggers": {"base": Trigger("dependency")}, "combine": "base", "needs": ("words",)}
    history = History(strategy(**built, cool_down=3 * DAY))
    for n, words in enumerate("abc"):
        history.decide(NOON + n * DAY, champions={"words": words})
    waited = history.decide(NOON + 5 * DAY, champions={"words": "c"})
    assert [each["action"] for each in history.entries] == [
        "do_not_update", "update", "do_not_update", "update",
    ]  # fmt: skip
    assert waited["action"] == "update"


def test_a_cron_fires_like_an_interval() -> None:
    trigger = Trigger("periodic", cron="0 0 3 * * mon")
    assert latest_due(trigger, NOON) == NOON.replace(hour=3)
    assert latest_due(trigger, NOON.replace(hour=2)) == NOON.replace(hour=3) - 7 * DAY


@pytest.mark.parametrize(
    ("text", "fired"),
    [
        ("@monthly", "2026-11-01T00:00:00"),
        ("0 30 */6 * * *", "2026-11-16T06:30:00"),
        ("0 0 0 29 2 *", "2024-02-29T00:00:00"),
        ("0 0 0 13 * fri", "2026-11-13T00:00:00"),  # either day is enough
        ("15 10/25 9-10 * nov ?", "2026-11-16T10:35:15"),
        ("0 0 0 30 2 *", None),
    ],
)
def test_the_latest_firing_of_an_expression(text: str, fired: str | None) -> None:
    check_cron(text)
    found = latest_firing(text, NOON)
    assert (found and found.replace(tzinfo=None).isoformat()) == fired


# From files to files


def write_findings(folder: Path, plan: Strategy, *found: dict[str, Any], day: int = 1) -> Path:
    window = {"from": f"2026-11-{day:02d}T00:00:00+00:00", "to": f"2026-11-{day + 1:02d}T00:00:00+00:00"}
    content = {"format": 1, "strategy": plan.digest, "window": window, "alerts": [], "series": {}}
    path = folder / f"findings-{day}.json"
    path.write_text(json.dumps({**content, **findings(*found)}), encoding="utf-8")
    return path


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "strategy.yaml"
    text = "name: nlu\ntriggers: {wrong: {kind: performance, signal: accuracy}, asked: {kind: manual}}"
    path.write_text(text, encoding="utf-8")
    return path


def run(folder: Path, plan: Path, found: Path, **of: Any) -> dict[str, Any]:
    settings = {"time": "2026-11-16T12:00:00Z", "decision": folder / "decision.json", **of}
    return decide_files(found, plan, store=folder / "store", **settings)


def test_an_event_that_is_delivered_again_finds_the_first_decision(tmp_path: Path, plan: Path) -> None:
    found = write_findings(tmp_path, read_strategy(plan), accuracy(0.8))
    first = run(tmp_path, plan, found)
    again = [run(tmp_path, plan, found, time=f"2026-11-{day}T12:00:00Z") for day in (17, 20, 28)]
    assert first["action"] == "update"
    assert again == [first] * 3
    assert json.loads((tmp_path / "decision.json").read_text()) == first
    assert len(decisions(open_store(tmp_path / "store"), read_strategy(plan)).read()) == 1


def test_an_analysis_that_comes_later_is_decided_upon_and_opens_one_update(
    tmp_path: Path, plan: Path
) -> None:
    text = "name: nlu\ntriggers: {drifted: {kind: drift}, asked: {kind: manual}}"
    plan.write_text(text, encoding="utf-8")
    read = read_strategy(plan)
    found = write_findings(tmp_path, read, figure("psi", 0.5, 0.4, 0.6))
    analyses = [tmp_path / f"analysis-{action}.json" for action in ("nothing", "retrain", "new_mix")]
    for path in analyses:
        content = analysis(path.stem.removeprefix("analysis-")) | {"strategy": read.digest, "findings": None}
        path.write_text(json.dumps(content), encoding="utf-8")
    made = [run(tmp_path, plan, found)]
    made += [run(tmp_path, plan, found, analysis=path) for path in (analyses[0], *analyses)]
    assert [each["action"] for each in made] == ["do_not_update"] * 3 + ["update"] * 2
    assert made[1] == made[2] != made[0] and made[3] == made[4]
    assert run(tmp_path, plan, found) == made[-1]
    assert len(decisions(open_store(tmp_path / "store"), read).read()) == 3


def test_every_decision_is_stored_with_the_digests_of_what_it_rests_on(tmp_path: Path, plan: Path) -> None:
    read = read_strategy(plan)
    first = run(tmp_path, plan, write_findings(tmp_path, read))
    second = run(tmp_path, plan, write_findings(tmp_path, read, accuracy(0.8), day=2), labelled=7)
    assert [first["action"], second["action"]] == ["do_not_update", "update"]
    assert decisions(open_store(tmp_path / "store"), read).read() == [first, second]
    assert second["inputs"]["findings"].startswith("sha256:")
    assert (second["strategy"], second["labelled"]) == (read.digest, 7)


def test_the_champions_that_a_decision_knows_are_those_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "strategy.yaml"
    path.write_text("name: nlu\nneeds: [words]\ntriggers: {base: {kind: dependency}}\n")
    plan, store = read_strategy(path), open_store(tmp_path / "store")
    made = []
    for day, digest in ((1, "a"), (2, "b"), (3, "b")):
        if day < 3:
            store.create(f"champions/words/00000{day}.json", json.dumps({"model": digest}).encode())
        found = write_findings(tmp_path, plan, day=day)
        made.append(run(tmp_path, path, found, time=f"2026-11-1{2 * day}T00:00:00Z"))
    assert [each["action"] for each in made] == ["do_not_update", "update", "do_not_update"]


def test_a_person_asks_about_a_window_that_was_decided_already(tmp_path: Path, plan: Path) -> None:
    found = write_findings(tmp_path, read_strategy(plan))
    assert run(tmp_path, plan, found)["action"] == "do_not_update"
    assert run(tmp_path, plan, found, asked="a new feature")["action"] == "update"
    assert run(tmp_path, plan, found, asked="a new feature")["number"] == 1


def test_processes_that_decide_at_once_open_one_update(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    def taken(earlier: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {"action": "do_not_update" if earlier else "update"}

    def one(event: str) -> dict[str, Any]:
        return record(decisions(store, strategy()), event, taken, 1.0)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(one, ["a", "b", "c", "d"] * 4))
    entries = decisions(store, strategy()).read()
    assert len(entries) == 4
    assert [entry["action"] for entry in entries].count("update") == 1
    assert {entry["event"]: entry for entry in entries} == {entry["event"]: entry for entry in made}


def test_findings_of_another_strategy_are_refused_and_nothing_is_stored(tmp_path: Path, plan: Path) -> None:
    found = write_findings(tmp_path, strategy())
    with pytest.raises(BadInput) as caught:
        run(tmp_path, plan, found)
    assert caught.value.column == "strategy"
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "decision.json").exists()


def test_findings_that_lack_a_part_are_refused(tmp_path: Path, plan: Path) -> None:
    part = accuracy(0.8)
    del part["text"]
    found = write_findings(tmp_path, read_strategy(plan), part)
    with pytest.raises(BadInput) as caught:
        run(tmp_path, plan, found)
    assert (caught.value.file, caught.value.column) == (found, "findings")


def test_an_analysis_of_other_findings_is_refused(tmp_path: Path, plan: Path) -> None:
    read = read_strategy(plan)
    other = tmp_path / "analysis.json"
    content = analysis("retrain") | {"strategy": read.digest, "findings": "sha256:0"}
    other.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BadInput, match="other findings"):
        run(tmp_path, plan, write_findings(tmp_path, read), analysis=other)


def test_nobody_can_ask_where_the_strategy_has_no_manual_trigger(tmp_path: Path) -> None:
    path = tmp_path / "strategy.yaml"
    path.write_text("name: nlu\ntriggers: {more: {kind: volume}}", encoding="utf-8")
    with pytest.raises(BadInput, match="no manual trigger"):
        run(tmp_path, path, write_findings(tmp_path, read_strategy(path)), asked="please")
