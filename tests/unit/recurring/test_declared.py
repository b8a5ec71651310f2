"""`recurring.yaml`: what it says, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.cron import FIELDS, check_cron
from adsmu.errors import BadInput
from adsmu.recurring.declared import Recurring, read_declared

HEAD = "owner: nlu\nexperiment: update\nrecurring:\n"


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "recurring.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(path):
    with pytest.raises(BadInput) as caught:
        read_declared(path)
    return str(caught.value).removeprefix(str(path)).lstrip(", :")


def test_a_file_says_what_runs_there_are(written):
    declared = read_declared(
        written(
            HEAD + '  - {name: nightly, pipeline: update, cron: "0 0 3 * * *"}\n'
            "  - name: hourly\n    pipeline: update\n    period: 3600\n"
            "    parameters: {n: 1, y: [true, 0.5]}\n"
            "    concurrency: 2\n    catch_up: true\n    enabled: false\n"
        )
    )
    assert (declared.owner, declared.experiment) == ("nlu", "update")
    assert declared.recurring == (
        Recurring("nightly", "update", cron="0 0 3 * * *"),
        Recurring("hourly", "update", "", 3600, {"n": 1, "y": [True, 0.5]}, 2, True, False),
    )


def test_words_of_yaml_1_1_are_text(written):
    path = written(
        HEAD + "  - {name: a, pipeline: update, period: 60, parameters: "
        "{on: yes, when: 2026-11-21, at: 12:30, nan: .nan, hex: 0x1F}}\n"
    )
    (each,) = read_declared(path).recurring
    assert each.parameters == {"on": "yes", "when": "2026-11-21", "at": "12:30", "nan": ".nan", "hex": "0x1F"}


def test_an_empty_list_is_no_run(written):
    assert read_declared(written("owner: nlu\nexperiment: update\nrecurring: []\n")).recurring == ()


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        ("{name: a, pipeline: p}", "give cron or period"),
        ("{name: a, pipeline: p, period: 60, cron: '@daily'}", "give cron or period"),
        ("{name: a, pipeline: p, period: 20}", "from 60 to"),
        ("{name: a, pipeline: p, period: '60'}", "from 60 to"),
        ("{name: a, pipeline: p, cron: ''}", "must be text"),
        ("{name: a, pipeline: p, cron: '0 3 * * 1'}", "has 5 fields, must have 6"),
        ("{name: a, pipeline: p, period: 60, concurrency: 0}", "from 1 to 10, not 0"),
        ("{name: a, pipeline: p, period: 60, concurrency: 11}", "from 1 to 10, not 11"),
        ("{name: a, pipeline: p, period: 60, enabled: yes}", "must be true or false, not 'yes'"),
        ("{name: a, pipeline: p, period: 60, catchup: true}", "is not one of"),
        ("{name: a, pipeline: p, period: 60, parameters: [1]}", "must be a mapping"),
        ("{name: a, pipeline: p, period: 60, parameters: {n: 9007199254740993}}", "lose digits"),
        ("{name: a, pipeline: p, period: 60, parameters: {n: !!timestamp 2026-01-01}}", "must hold JSON"),
        ("{name: a, pipeline: p, period: 60, parameters: {n: 1, n: 2}}", "'n' stands twice"),
        ("{name: a, pipeline: p, period: 60, parameters: {1: 2}}", "the key 1 must be text"),
        ("{name: a, pipeline: p, period: 60, parameters: &x {n: [*x]}}", "aliases are not taken"),
        ("{name: a, pipeline: p, period: 60, parameters: !!python/name:os.system {}}", "not taken as YAML"),
        ("{name: '', pipeline: p, period: 60}", "must be text"),
        ("{name: a/b, pipeline: p, period: 60}", "must be 1 to 63 letters"),
        ("{name: a, period: 60}", "is missing"),
        ("text", "must be a mapping"),
        ("{name: a", "not taken as YAML"),
    ],
)
def test_what_the_server_would_misread_is_refused_with_its_place(written, item, rule):
    line = refusal(written(f"{HEAD}  - {item}\n"))
    assert rule in line
    assert "\n" not in line
    assert line.startswith(("column recurring[0]", "row "))


def test_a_name_that_stands_twice_is_refused(written):
    item = "  - {name: a, pipeline: p, period: 60}\n"
    assert "'a' stands twice" in refusal(written(HEAD + item + item))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be a mapping"),
        ("owner: nlu\nexperiment: e\n", "must be a list"),
        ("owner: N L U\nexperiment: e\nrecurring: []\n", "lower-case letters"),
        ("experiment: e\nrecurring: []\n", "is missing"),
        ("owner: nlu\nexperiment: e\nrecurring: []\nextra: 1\n", "is not one of"),
        ("a: \x00", "not YAML"),
    ],
)
def test_a_file_that_is_no_declaration_is_refused(written, text, rule):
    assert rule in refusal(written(text))


def test_a_missing_file_and_one_that_is_not_text_are_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    assert "not UTF-8" in refusal(tmp_path / "bytes.yaml")


def test_the_content_changes_with_what_only_a_new_object_can_change():
    base = Recurring("a", "update", period=60, parameters={"n": 1, "m": 2})
    assert base.content == Recurring("a", "update", period=60, parameters={"m": 2, "n": 1}).content
    others = [
        Recurring("a", "other", period=60, parameters=base.parameters),
        Recurring("a", "update", period=61, parameters=base.parameters),
        Recurring("a", "update", cron="@daily", parameters=base.parameters),
        Recurring("a", "update", period=60, parameters={"n": 1, "m": True}),
        Recurring("a", "update", period=60, parameters=base.parameters, concurrency=2),
        Recurring("a", "update", period=60, parameters=base.parameters, catch_up=True),
    ]
    assert len({base.content, *(each.content for each in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    "text", ["@daily", "0 0 3 * * *", "30 */5 0-6,12 1 JAN-mar mon-fri", "0 5/10 * ? * 0", "59 59 23 31 12 6"]
)
def test_a_cron_of_six_fields_is_taken(text):
    check_cron(text)


@pytest.mark.parametrize(
    "text",
    [
        "0 3 * * 1",
        "0 0 3 * * * 2027",
        "@every 5m",
        "@Daily",
        "* * * * * *",
        "*/20 * * * * *",
        "60 0 0 * * *",
        "0 60 0 * * *",
        "0 0 24 * * *",
        "0 0 0 0 * *",
        "0 0 0 1 13 *",
        "0 0 0 * * 7",
        "0 0 9-5 * * *",
        "0 */0 * * * *",
        "0 0 0 L * *",
        "0 ٣ 0 * * *",
        "",
    ],
)
def test_another_cron_is_refused(text):
    with pytest.raises(ValueError, match=r"must|is no|not one of"):
        check_cron(text)


@given(st.data())
def test_numbers_in_range_are_taken_and_those_beyond_are_refused(data):
    parts = [str(data.draw(st.integers(low, high))) for _, low, high, _ in FIELDS]
    check_cron(" ".join(parts))
    index = data.draw(st.integers(0, 5))
    parts[index] = str(FIELDS[index][2] + data.draw(st.integers(1, 100)))
    with pytest.raises(ValueError, match="is no"):
        check_cron(" ".join(parts))
