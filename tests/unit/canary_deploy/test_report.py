"""The page about a rollout: whole, self-contained, safe, and true to the evidence."""

import copy
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import World, ports

from adsmu.canary_deploy import rollout as module
from adsmu.canary_deploy.deploy import deploy
from adsmu.canary_deploy.plan import Pairs
from adsmu.canary_deploy.progress import after, look_decision, replay
from adsmu.canary_deploy.report.drawing import BOTTOM, LEFT, RIGHT, TOP, Scale, elapsed, ramp, steps
from adsmu.canary_deploy.report.page import render_report, write_report
from adsmu.canary_deploy.report.words import e_value, order
from adsmu.errors import BadInput
from adsmu.store import open_store
from adsmu.store.evidence import EvidenceLog

HOSTILE = '"><script>alert("{title}")</script><img src=x onerror=alert(1)>'
WORSE = {"champion": (0.9, 0.9, 0.9), "candidate": (0.9, 0.6, 0.9)}


def rolled_out(folder, plan=None, first=False, **world):
    """The entries of a rollout in the simulated world."""
    world = World(folder, **world)
    if first:
        world.live["champion"] = None
    result = deploy(world.request(**(plan or {})), ports(world))
    return EvidenceLog(world.store.below(f"rollouts/nlu/{result['rollout']}")).read()


def shadow_of(accuracies):
    """Shadow pairs drawn with these accuracies."""
    random = np.random.default_rng(0)

    def pairs(addresses, service, rows, groups, count):
        size = np.bincount(groups, minlength=count)
        old, new = (random.binomial(size, (*accuracies[name], 1)) for name in ("champion", "candidate"))
        both = np.minimum(old, new)
        return Pairs(*(tuple(each.tolist()) for each in (size, old - both, new - both)))

    return pairs


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory):
    """Rollouts of every kind, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "shadow_pairs", shadow_of(World(tmp_path_factory.mktemp("w")).accuracy))
        made = {
            name: rolled_out(tmp_path_factory.mktemp(name), **settings)
            for name, settings in {
                "promoted": {},
                "rolled_back": {"accuracy": WORSE},
                "inconclusive": {"plan": {"max_seconds": 100}, "labelled": {"champion": 0.0}},
                "shadow": {"plan": {"strategy": "shadow"}},
                "blue_green": {"plan": {"strategy": "blue_green"}},
                "first": {"first": True},
                "never_ready": {"ready_after": 1e9},
            }.items()
        }
    return made


class Page(HTMLParser):
    """Collects tags, attributes and text; fails where a tag is closed that is not open."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text, self.rows = [], [], "", 0
        self.feed(page)
        self.text = " ".join(self.text.replace("\N{NO-BREAK SPACE}", " ").split())
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.text += " "
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data

    def classed(self, name):
        return [attrs for _, attrs in self.tags if name in (attrs.get("class") or "").split()]


def written(folder, names, looks, plan=None, service="nlu", **said):
    """The evidence of a rollout whose looks are given, with decisions as they follow from them."""
    log, found = EvidenceLog(open_store(folder)), None
    begin = {"service": service, "plan": plan or {}, "accuracy": 0.8, "override": said.get("override", "")}
    begin |= {"strata": [{"name": name, "strata": [name]} for name in names], "evaluation": "sha256:e"}
    entries = [{"kind": "begin", **begin, "candidate": "sha256:new", "champion": "sha256:old"}]
    entries += [{"kind": "registered", "release": said.get("release", "models/new")}]
    entries += [{"kind": "ready", "cursor": {}}, {"kind": "share", "share": 0.05, "followed": True}]
    for number, content in enumerate([*entries, *looks]):
        decided = {}
        if content["kind"] == "look":
            decided = {"decision": look_decision(found, content["look"]).to_json()}
        entry = log.append(content | decided, 1_795_000_000 + 60 * number)
        found = after(found, entry)
    return log.read()


def look(count, wrong=0):
    """A look at which each stratum had 100 labelled requests of the champion, 20 of the candidate."""
    traffic = [{"requests": [n] * count, "errors": [0] * count, "slow": [0] * count} for n in (20, 100)]
    labels = [
        {"due": [n] * count, "labelled": [n] * count, "correct": [right] * (count - 1) + [last]}
        for n, right, last in ((20, 18, 18 - wrong), (100, 90, 90))
    ]
    value = {"share": 0.05, "canary": traffic[0], "champion": traffic[1], "shadow": None}
    value["labels"] = [{"canary": labels[0], "champion": labels[1]}]
    return {"kind": "look", "look": value, "due": [], "left_out": 3, "refused": {HOSTILE: 2}}


def test_the_outcome_and_why_stand_at_the_top(rollouts):
    for name, words in {
        "promoted": "Promoted The candidate answers all requests: accuracy is proven no lower",
        "rolled_back": "Rolled back The champion answers all requests: the canary is worse: wrong in sleep.",
        "inconclusive": "not decided after 100 seconds. At the last look: labels of canary and champion",
        "shadow": "Shadow run: proven not worse The champion answers all requests",
        "first": "Promoted The candidate answers all requests",
        "never_ready": "the candidate was not ready after 60 seconds: still loading.",
    }.items():
        text = Page(render_report(rollouts[name])).text
        assert words in text[:400], name


def test_the_figures_are_those_of_the_evidence(rollouts):
    looks = [entry["look"] for entry in rollouts["rolled_back"] if entry["kind"] == "look"]
    page = Page(render_report(rollouts["rolled_back"])).text
    assert (
        f"Requests to the candidate {sum(sum(each['canary']['requests']) for each in looks):,} 0 failed"
        in page
    )
    sleep = [
        sum(each["canary"]["requests"][1] for each in looks),
        sum(each["champion"]["requests"][1] for each in looks),
    ]
    assert f"sleep {sleep[0]:,} / {sleep[1]:,} 0 / 0" in page
    left_out = sum(entry["left_out"] for entry in rollouts["rolled_back"] if entry["kind"] == "look")
    assert f"{left_out:,} requests were left out" in page


def test_the_harmed_stratum_stands_first_and_is_named_in_words(rollouts):
    page = render_report(rollouts["rolled_back"])
    strata = re.findall(r'class="text shape whole">([^<]+)<', page)
    assert strata[0] == "sleep" and len(strata) == 4
    assert "✕ worse" in Page(page).text and "over the bar" in Page(page).text


def test_every_entry_stands_in_the_timeline(rollouts):
    for name, entries in rollouts.items():
        page = Page(render_report(entries))
        numbers = [attrs for attrs in page.classed("number") if attrs.get("scope") == "row"]
        assert len(numbers) == len(entries), name


def test_a_rollout_has_a_page_at_every_moment(rollouts):
    for entries in (rollouts["promoted"], rollouts["shadow"]):
        for number in range(1, len(entries)):
            text = Page(render_report(entries[:number])).text
            assert "Under way" in text


def test_a_skipped_rollout_has_a_page(tmp_path):
    write_report([], tmp_path / "report.html")
    assert "No rollout has begun" in Page((tmp_path / "report.html").read_text()).text


def test_a_shadow_run_shows_pairs_and_no_requests(rollouts):
    text = Page(render_report(rollouts["shadow"])).text
    assert re.search(r"Shadow pairs [5-9]\d\d", text) and "Only one right" in text
    assert "Requests to the candidate" not in text and "share that was set" not in text


def test_a_first_deployment_is_compared_with_its_limit(rollouts):
    text = Page(render_report(rollouts["first"])).text
    assert "less the limit of 85.0 %" in text and "none: the first deployment" in text
    assert "less the champion's" not in text and "Candidate / champion" not in text


def test_a_rollout_without_a_look_says_that_nothing_was_measured(rollouts):
    text = Page(render_report(rollouts["never_ready"])).text
    assert "Nothing: it ended before the first look" in text and "e-value" not in text


def test_what_comes_from_entries_is_text_and_never_markup(tmp_path):
    names = [f"{HOSTILE} {number}" for number in range(7)]
    entries = written(
        tmp_path,
        names,
        [
            look(7),
            {"kind": "lost", "share": 0.05, "seen": 0.4},
            {"kind": "approved", "gate": HOSTILE, "by": HOSTILE},
            {"kind": "stop", "cause": HOSTILE, "outcome": "rolled_back", "reasons": [HOSTILE]},
        ],
        service=HOSTILE,
        override=HOSTILE,
        release=HOSTILE,
    )
    page = Page(render_report(entries))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1 and "img" not in tags
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.text.count(HOSTILE) > 15


def test_the_page_asks_the_network_for_nothing(rollouts):
    page = render_report(rollouts["promoted"])
    assert not re.search(r"https?:|url\(|@import|\b(src|href)=[\"']", page)
    assert "default-src 'none'" in page


def test_a_decision_that_does_not_follow_is_said_at_the_top_and_its_figures_are_not_believed(rollouts):
    entries = copy.deepcopy(rollouts["rolled_back"])
    last = next(entry for entry in reversed(entries) if entry["kind"] == "look")
    last["decision"]["figures"]["rollback"] = -1.5
    text = Page(render_report(entries)).text
    assert (
        "1 of its decisions do not follow" in text[:500] and f"entry {last['number']}: says roll_back" in text
    )
    assert "Evidence of harm 0.032" not in text
    assert "all follow" in Page(render_report(rollouts["rolled_back"])).text


def test_harm_found_at_the_first_look_has_its_panel(tmp_path):
    first = look(3)
    first["look"]["canary"]["errors"] = [15] * 3
    entries = written(tmp_path / "harmed", ["a", "b", "c"], [first])
    calm = written(tmp_path / "calm", ["a", "b", "c"], [look(3)])
    panels = [re.findall(r"<h3>([^<]+)</h3>", render_report(each)) for each in (entries, calm)]
    assert [panel for panel in panels[0] if panel not in panels[1]] == ["Errors", "Too many errors"]


def test_an_override_is_said_at_the_top(tmp_path):
    entries = written(tmp_path, ["a"], [], override="ann: the test data is known to be wrong")
    text = Page(render_report(entries)).text
    assert "Admitted without a passing evaluation. ann: the test data" in text[:400]


def test_many_strata_and_looks_make_a_page_of_bearable_size(tmp_path):
    names = [f"stratum {number}" for number in range(142)]
    entries = written(tmp_path, names, [look(142) for _ in range(30)] + [look(142, wrong=18)])
    assert replay(entries) == []
    page = render_report(entries)
    assert len(page) < 400_000
    wrong = page[page.index("<h3>Wrong</h3>") :]
    named = re.findall(
        r"<span>(stratum \d+|the highest of \d+ others)</span>", wrong[: wrong.index("</figure>")]
    )
    assert named[0] == "stratum 141" and len(named) == 5 and named[-1] == "the highest of 138 others"


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_entries_that_are_not_of_the_stated_form_are_refused_or_shown_safely(rollouts, data):
    entries = copy.deepcopy(rollouts[data.draw(st.sampled_from(["rolled_back", "never_ready"]))])
    place = data.draw(st.sampled_from(entries))
    for _ in range(data.draw(st.integers(0, 2))):
        inner = [each for each in place.values() if isinstance(each, dict) and each]
        place = data.draw(st.sampled_from(inner)) if inner else place
    key = data.draw(st.sampled_from(sorted(place)))
    wrong = st.sampled_from([None, 7, -1, 1e300, float("nan"), HOSTILE, [], {}, [HOSTILE], {"a": 1}])
    if data.draw(st.booleans()):
        del place[key]
    else:
        place[key] = data.draw(wrong)
    try:
        page = render_report(entries)
    except BadInput:
        return
    assert [tag for tag, _ in Page(page).tags].count("script") == 1


def test_a_refused_entry_leaves_no_page(rollouts, tmp_path):
    entries = json.loads(json.dumps(rollouts["promoted"]))
    entries[4]["look"]["canary"]["requests"][0] = "many"
    with pytest.raises(BadInput):
        write_report(entries, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


VALUES = st.one_of(st.none(), st.floats(-30, 30))


@given(st.lists(VALUES, max_size=30))
def test_a_line_goes_from_left_to_right_within_its_panel(line):
    path = steps(line, Scale(-3.0, 2.0))
    across = [float(x) for x in re.findall(r"[MH]([\d.]+)", path)]
    down = [float(y) for pair in re.findall(r"M[\d.]+ ([\d.]+)|V([\d.]+)", path) for y in pair if y]
    assert across == sorted(across) and all(LEFT <= x <= RIGHT for x in across)
    assert all(TOP <= y <= BOTTOM for y in down)
    assert bool(path) == any(value is not None for value in line)


@given(st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=9))
def test_numbers_sort_by_their_order_as_by_themselves(values):
    ranks = [order(value) for value in sorted(values)]
    assert ranks == sorted(ranks) and min(ranks) > order(None)


@given(st.floats(-400, 2000))
def test_an_e_value_is_always_short(log10):
    assert 0 < len(e_value(log10)) <= 8


def test_a_rollout_of_no_length_and_one_of_a_month_have_an_axis():
    for length in (0.0, 30 * 86400.0):
        drawn = ramp(5.0, 5.0 + length, [(5.0, 0.0)], [], [("ramp", 5.0)])
        assert 1 <= len(drawn.ticks) <= 7
    assert elapsed(30 * 86400) == "30 d 0:00:00"
