"""The page: whole, self-contained, safe."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from adsmu.stratified_evaluate.assess import assess
from adsmu.stratified_evaluate.correctness import FIGURES, Marks, mark
from adsmu.stratified_evaluate.examples import add_examples
from adsmu.stratified_evaluate.gate import Rule
from adsmu.stratified_evaluate.predictions import predictions_table
from adsmu.stratified_evaluate.report import marked, render_report
from adsmu.train.protocol import Predictions

HOSTILE = '"><script>alert("{title}")</script>'
TOKENS = ["add", "<img", "src=x", "onerror=alert(1)>"]
TAGS = ["O", "B-<b>slot", "I-<b>slot", "O"]


def rows(number: int, split: str, stratum: int) -> dict[str, list[Any]]:
    return {
        "id": [f"{split}-{stratum}-{i}" for i in range(number)],
        "stratum_id": [f"s{stratum}"] * number,
        "split": [split] * number,
        "source": ["user"] * number,
        "intent": ["<u>add"] * number,
        "domain": ["media"] * number,
        "tokens": [TOKENS] * number,
        "tags": [TAGS] * number,
    }


@pytest.fixture(scope="module")
def rounds() -> list[dict[str, Any]]:
    """Two evaluations of 40 strata with hostile names: the champion's and a candidate's."""
    strata = pa.table(
        {
            "stratum_id": [f"s{i}" for i in range(40)],
            "shape": [f"{HOSTILE} {i}" for i in range(40)],
            "intent": ["<u>add"] * 40,
            **{split: pa.array([1] * 40, pa.int32()) for split in ("train", "dev", "test")},
            "conflict_with": [["s1"] if i == 0 else [] for i in range(40)],
        }
    )
    new = pa.concat_tables(
        pa.table(rows(number, split, i)) for i in range(40) for number, split in ((20, "dev"), (3, "test"))
    )
    old = pa.table(rows(50, "test", 99)).set_column(1, "stratum_id", pa.nulls(50, pa.string()))
    all_right: Marks = {figure: np.ones(50, dtype=bool) for figure in FIGURES}
    evaluations: list[dict[str, Any]] = []
    champion = None
    for round in range(2):
        # The candidate is wrong throughout on strata 0 to 2 alone.
        wrong = [round == 0 or int(id.split("-")[1]) < 3 for id in new["id"].to_pylist()]
        predicted = Predictions(
            ["media"] * len(new),
            ["<i>none" if w else "<u>add" for w in wrong],
            [["O"] * 4 if w else TAGS for w in wrong],
        )
        marks = mark(new, predicted)
        table = predictions_table(new, marks, old, all_right, champion)
        found = assess(
            table,
            strata,
            old["domain"],
            Rule(0.95, 0.02, 0.95, 2, 3),
            round=round,
            mode="full",
            added=pa.chunked_array([["s0"] * round], pa.string()),
            previous=evaluations[-1] if evaluations else None,
            churn_floor=0.021,
        )
        found |= {"model": {"digest": "sha256:m"}, "data": {"data": "sha256:d", "strata": "sha256:s"}}
        add_examples(found["strata"], new, predicted, marks)
        evaluations.append(json.loads(json.dumps(found, allow_nan=False)))
        champion = table
    return evaluations


class Tags(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_comes_from_data_is_text_and_never_markup(rounds: list[dict[str, Any]]) -> None:
    page = Tags(render_report(rounds[1]))
    assert page.open == []
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 1 and not {"img", "u", "i"} & set(names)
    assert HOSTILE in page.text and "onerror=alert(1)>" in page.text and "<b>slot" in page.text
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_the_page_asks_the_network_for_nothing(rounds: list[dict[str, Any]]) -> None:
    page = render_report(rounds[1])
    assert not re.search(r"https?:|url\(|@import|\b(src|href)=[\"']", page)
    assert "default-src 'none'" in page


def test_the_policy_lets_only_the_own_script_run(rounds: list[dict[str, Any]]) -> None:
    import base64
    import hashlib

    page = render_report(rounds[1])
    script = re.search(r"<script>(.*?)</script>\n</body>", page, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_strata_stand_worst_first_and_all_of_them(rounds: list[dict[str, Any]]) -> None:
    classes = [
        attributes.get("class") for tag, attributes in Tags(render_report(rounds[1])).tags if tag == "tr"
    ]
    verdicts = [name[3:] for name in classes if name]
    assert verdicts == ["fail"] * 2 + ["give_up"] + ["undecided"] * 37


def test_failing_strata_show_what_was_expected_and_what_was_predicted(rounds: list[dict[str, Any]]) -> None:
    by_verdict = {stratum["verdict"]: stratum["examples"] for stratum in rounds[1]["strata"]}
    assert by_verdict["undecided"] == []
    assert len(by_verdict["fail"]) == len(by_verdict["give_up"]) == 3
    assert "<i>none" in Tags(render_report(rounds[1])).text


def test_the_reasons_and_both_changes_are_printed(rounds: list[dict[str, Any]]) -> None:
    text = " ".join(Tags(render_report(rounds[1])).text.replace("\N{NO-BREAK SPACE}", " ").split())
    assert all(" ".join(reason.split()) in text for reason in rounds[1]["reasons"])
    assert "Accuracy change" in text and "Error change" in text and "churn floor 2.1 %" in text


def test_a_champion_has_a_page_of_its_own(rounds: list[dict[str, Any]]) -> None:
    text = Tags(render_report(rounds[0])).text
    assert "The champion, before any round" in text and "beside champion" not in text


def test_spans_are_cut_as_conlleval_reads_them() -> None:
    assert marked(["a", "b", "c", "d"], ["I-x", "I-x", "B-x", "I-y"]) == [
        ("a b", "x"),
        ("c", "x"),
        ("d", "y"),
    ]


def test_a_change_from_nothing_is_said_in_words(rounds: list[dict[str, Any]]) -> None:
    assert rounds[1]["champion"]["accuracy_change"] is None
    assert "from 0" in Tags(render_report(rounds[1])).text
