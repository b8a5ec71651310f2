"""From files to files, with a trainer that knows some texts by heart."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsmu.data.evaluation import KEYS
from adsmu.data.schema import SCHEMA
from adsmu.errors import BadInput
from adsmu.stratified_evaluate import predictions
from adsmu.stratified_evaluate.evaluate import Evaluated, evaluate_files
from adsmu.stratified_evaluate.gate import judge_round
from adsmu.train.protocol import Predictions

TRAINER = f"{__name__}:LookUp"


class LookUp:
    """A predictor that knows some texts by heart and is wrong on every other; also its own trainer."""

    def __init__(self, known: dict[str, list[Any]] | None = None, labels: dict[str, list[str]] | None = None):
        self.known, self.labels = known or {}, labels

    def load(self, folder: Path) -> "LookUp":
        return LookUp(
            json.loads((folder / "known.json").read_text()),
            json.loads((folder / "model.json").read_text())["labels"],
        )

    def predict(self, tokens: Sequence[Sequence[str]]) -> Predictions:
        found = [self.known.get(" ".join(t), ["none", "none", ["O"] * len(t)]) for t in tokens]
        return Predictions(*(list(part) for part in zip(*found, strict=True)))


def utterance(id: str, text: str, tags: str, intent: str, **more: Any) -> dict[str, Any]:
    row = {
        "domain": "media",
        "source": "user",
        "split": "dev",
        "stratum_id": None,
        "round": None,
        "weight": 1.0,
    }
    return {"id": id, "tokens": text.split(), "tags": tags.split(), "intent": intent} | row | more


def write_rows(rows: list[dict[str, Any]], path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return path


def write_strata(strata: list[dict[str, Any]], path: Path) -> Path:
    schema = pa.schema(
        [(name, pa.string()) for name in ("stratum_id", "shape", "domain", "intent", "rule")]
        + [("slots", pa.list_(pa.string()))]
        + [(name, pa.int32()) for name in ("train", "dev", "test")]
        + [("status", pa.string()), ("reason", pa.string())]
        + [(name, pa.list_(pa.string())) for name in ("conflict_with", "merged")]
    )
    defaults = {"domain": "media", "intent": "add", "rule": "exact", "slots": ["title"], "train": 1, "dev": 0,
                "test": 1, "status": "active", "reason": None, "conflict_with": [], "merged": []}  # fmt: skip
    pq.write_table(pa.Table.from_pylist([defaults | stratum for stratum in strata], schema), path)
    return path


def write_model(rows: list[dict[str, Any]], folder: Path, mode: str) -> Path:
    """A model that is right on `rows`."""
    folder.mkdir()
    known = {" ".join(row["tokens"]): [row["domain"], row["intent"], row["tags"]] for row in rows}
    (folder / "known.json").write_text(json.dumps(known))
    labels = {
        name: sorted({row[column] for row in rows})
        for name, column in (("domains", "domain"), ("intents", "intent"))
    }
    labels["slots"] = ["title"]
    model = {"format": 1, "trainer": TRAINER, "parent": None, "data": {}, "mode": mode, "settings": {},
             "seed": 0, "labels": labels, "figures": {}}  # fmt: skip
    (folder / "model.json").write_text(json.dumps(model))
    return folder


OLD = [
    utterance(f"old-{i}", f"play song {i}", "O O B-title", "play", source="existing", split="test")
    for i in range(200)
]
DEV = [
    utterance(
        f"{s}-dev-{i}", f"{s} tune {i}", "O O B-title", "add", source="synthetic", round=0, stratum_id=s
    )
    for s in ("add", "put")
    for i in range(80)
]
TEST = [
    utterance(f"{s}-test-{i}", f"{s} real {i}", "O O B-title", "add", split="test", stratum_id=s)
    for s in ("add", "put")
    for i in range(40)
]
UNSEEN = [utterance("unseen", "kindly add this 1", "O O O B-title", "add", split="test")]
MADE = [
    utterance(f"made-{i}", f"add made {i}", "O O B-title", "add", source="synthetic", split="train", round=1,
              stratum_id="add")
    for i in range(4)
]  # fmt: skip


@dataclass
class Place:
    """Where a test's files stand."""

    path: Path

    def run(self, name: str, right: list[dict[str, Any]], mode: str = "full", **settings: Any) -> Evaluated:
        given = {
            "data": write_rows(DEV + TEST + UNSEEN + MADE, self.path / "data.parquet"),
            "strata": write_strata(
                [
                    {"stratum_id": "add", "shape": "add {title}"},
                    {"stratum_id": "put", "shape": "put {title}"},
                ],
                self.path / "strata.parquet",
            ),
            "existing": write_rows(OLD, self.path / "existing.parquet"),
        }
        folder = self.path / name
        folder.mkdir()
        outputs = {key: folder / key for key in ("evaluation", "predictions", "report")}
        rules = {"target": 0.95, "margin": 0.02, "confidence": 0.95, "patience": 2, "max_rounds": 2}
        given |= {"round": 0, "champion_predictions": None, "previous": None, "churn_floor": None} | rules
        return evaluate_files(
            write_model(right, folder / "model", mode), **(given | outputs | {"trainer": TRAINER} | settings)
        )

    def read(self, name: str) -> dict[str, Any]:
        return json.loads((self.path / name / "evaluation").read_text())

    def after(self, name: str) -> dict[str, Path]:
        folder = self.path / name
        return {"champion_predictions": folder / "predictions", "previous": folder / "evaluation"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_champion_that_knows_nothing_of_the_new_use_case_is_to_be_refined(place: Place) -> None:
    assert place.run("champion", OLD).verdict == "refine"
    found = place.read("champion")
    assert found["gate"]["measured_on"] == "test"
    assert found["splits"]["test"]["mean"] == 0
    assert found["existing"]["frame"] == 1
    assert found["existing"]["difference"] is None and found["champion"] is None
    assert [stratum["verdict"] for stratum in found["strata"]] == ["fail", "fail"]
    assert found["strata"][0]["examples"][0]["predicted_intent"] == "none"
    assert found["unseen_shapes"]["rows"] == 1
    shown = [example["tokens"][1] for stratum in found["strata"] for example in stratum["examples"]]
    assert shown == ["tune"] * 6  # of development rows; held-out ones say "real"


def test_a_candidate_that_knows_every_row_passes(place: Place) -> None:
    place.run("champion", OLD)
    result = place.run("candidate", OLD + DEV + TEST + UNSEEN, round=1, **place.after("champion"))
    assert result.verdict == "pass"
    found = place.read("candidate")
    assert found["verdict"] == "pass"
    assert [entry["round"] for entry in found["rounds"]] == [0, 1]
    assert found["rounds"][1]["added"] == 4
    assert [stratum["added"] for stratum in found["strata"]] == [4, 0]
    assert found["champion"]["mean"] == 0 and found["champion"]["error_change"] == -1
    assert found["unseen_shapes"]["frame"] == 1
    assert found["strata"][0]["history"] == [0, 1]


def test_a_champion_that_already_passes_needs_no_round(place: Place) -> None:
    assert place.run("champion", OLD + DEV + TEST).verdict == "pass"


def test_a_candidate_that_loses_an_existing_use_case_does_not_pass(place: Place) -> None:
    place.run("champion", OLD)
    result = place.run("candidate", OLD[:160] + DEV + TEST, round=1, **place.after("champion"))
    assert result.verdict == "refine"
    found = place.read("candidate")
    assert found["existing"]["negative_flips"] == 0.2
    assert found["existing"]["intents"][0]["harmed"]
    assert len(found["reasons"]) == 2 and all("existing" in reason for reason in found["reasons"])


def test_a_stratum_given_up_on_a_scout_is_judged_anew_on_a_whole_model(place: Place) -> None:
    place.run("champion", OLD)
    other = [row for row in DEV + TEST if row["stratum_id"] == "add"]
    rules = {"patience": 1, "max_rounds": 3}
    place.run("scout", OLD + other, mode="scout", round=1, **rules, **place.after("champion"))
    assert [stratum["verdict"] for stratum in place.read("scout")["strata"]] == ["pass", "give_up"]
    most = [row for row in DEV if row["stratum_id"] == "put"][:-2]
    after = place.after("champion") | {"previous": place.path / "scout" / "evaluation"}
    for name, mode, verdict in (("again", "scout", "give_up"), ("whole", "full", "undecided")):
        place.run(name, OLD + other + most, mode=mode, round=2, **rules, **after)
        assert place.read(name)["strata"][1]["verdict"] == verdict


def test_rows_that_are_held_out_must_agree(place: Place) -> None:
    place.run("champion", OLD)
    assert place.run("candidate", OLD + DEV, round=1, **place.after("champion")).verdict == "refine"
    found = place.read("candidate")
    assert [stratum["verdict"] for stratum in found["strata"]] == ["pass", "pass"]
    assert "real held-out rows" in found["reasons"][0]


def test_the_last_round_allowed_ends_exhausted(place: Place) -> None:
    place.run("champion", OLD)
    place.run("one", OLD + DEV, round=1, **place.after("champion"))
    last = place.after("champion") | {"previous": place.path / "one" / "evaluation"}
    assert place.run("two", OLD + DEV, round=2, **last).verdict == "exhausted"
    assert len(place.read("two")["rounds"]) == 3


def test_the_verdict_can_be_recomputed_from_what_was_written(place: Place) -> None:
    place.run("champion", OLD)
    found = place.read("champion")
    assert judge_round(found) == (found["verdict"], found["reasons"])


def test_predictions_hold_a_row_for_every_measured_utterance(place: Place) -> None:
    place.run("champion", OLD)
    place.run("candidate", DEV[:10] + OLD, round=1, **place.after("champion"))
    table = predictions.read_predictions(place.path / "candidate" / "predictions")
    assert table["id"].to_pylist() == [row["id"] for row in DEV + TEST + UNSEEN + OLD]
    assert sum(table["frame_correct"].to_pylist()) == 210
    assert sum(table["champion_frame_correct"].to_pylist()) == 200


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": 0.0}, "target: must be above 0"),
        ({"target": 1.01}, "target: must be above 0"),
        ({"target": float("nan")}, "target: must be above 0"),
        ({"margin": -0.1}, "margin: must be from 0"),
        ({"confidence": 1.0}, "confidence: must be from 0.5"),
        ({"patience": 0}, "patience: must be 1"),
        ({"churn_floor": 1.5}, "churn_floor: must be a share"),
    ],
)
def test_a_rule_without_sense_is_refused_before_anything_is_written(
    place: Place, settings: dict[str, float], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        place.run("champion", OLD, **settings)
    assert sorted(path.name for path in (place.path / "champion").iterdir()) == ["model"]


def test_files_that_break_a_rule_are_named(place: Place) -> None:
    path = place.path
    unknown = [row | {"stratum_id": "gone"} for row in DEV[1:2]]
    idle = [{"stratum_id": "add", "shape": "add {title}", "status": "set_aside"}]
    cases: list[tuple[dict[str, Path], str]] = [
        ({"data": write_rows(DEV[:1] + unknown, path / "u")}, "row 2, column stratum_id: 'gone' is not in"),
        ({"strata": write_strata(idle, path / "i")}, "no stratum is active"),
        ({"strata": write_rows(OLD, path / "s")}, "column shape: missing"),
        (
            {"strata": write_strata([{"stratum_id": "add", "shape": "x"}] * 2, path / "d")},
            "a stratum stands twice",
        ),
        ({"strata": path / "none"}, "none: no such file"),
        (
            {"strata": write_strata([{"stratum_id": None, "shape": "x"}], path / "n")},
            "stratum_id: must not be null",
        ),
        ({"data": write_rows(TEST, path / "t")}, "no development row"),
        ({"existing": write_rows(DEV, path / "e")}, "no rows of split test"),
        ({"champion_predictions": write_rows(OLD, path / "c")}, "column domain_correct: missing"),
    ]
    for number, (given, words) in enumerate(cases):
        with pytest.raises(BadInput, match=words):
            place.run(f"case-{number}", OLD, **given)


def test_a_champion_measured_on_other_rows_is_refused(place: Place) -> None:
    place.run("champion", OLD, existing=write_rows(OLD[:50], place.path / "half"))
    with pytest.raises(BadInput, match="lacks 150 of the 200 held-out rows"):
        place.run("candidate", OLD, round=1, **place.after("champion"))


def test_a_model_of_other_intents_is_refused(place: Place) -> None:
    with pytest.raises(BadInput, match="knows none of the intents"):
        place.run("champion", DEV)


def test_an_evaluation_of_a_later_round_cannot_be_carried_on(place: Place) -> None:
    place.run("champion", OLD)
    with pytest.raises(BadInput, match="is 0, not a round before 0"):
        place.run("again", OLD, **place.after("champion"))


def test_an_evaluation_that_is_none_cannot_be_carried_on(place: Place) -> None:
    whole = dict.fromkeys(KEYS, 0) | {"format": 1, "strata": [], "rounds": []}
    for number, (content, words) in enumerate(
        [
            ("[]", "not an evaluation of format 1"),
            (json.dumps(whole | {"format": 2}), "not an evaluation of format 1"),
            ('{"format": 1, "round": 0}', "column max_rounds: missing"),
            (json.dumps(whole | {"strata": [{}]}), "column strata: must be a list"),
            (json.dumps(whole | {"rounds": 3}), "column rounds: must be a list"),
            ("{", "not JSON"),
        ]
    ):
        path = place.path / f"previous-{number}.json"
        path.write_text(content)
        with pytest.raises(BadInput, match=words):
            place.run(f"case-{number}", OLD, round=1, previous=path)
