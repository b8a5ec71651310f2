"""Choosing rows for labels: proportions, complaints, likeness to errors, five scores."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity

from adsmu.curate.curate import WAYS, curate_files
from adsmu.curate.scores import SCORES, Pool, different, impact, nearest, representative, uncertainty
from adsmu.curate.select import flagged_first, lift, similar_to_errors, stratified, worth_a_label
from adsmu.curate.vectors import vectors
from adsmu.errors import BadInput
from adsmu.profile.observations import observations, write_observations
from adsmu.strategy import Columns

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int = 200, **of: Any) -> pa.Table:
    columns = {
        "id": [f"r{n}" for n in range(count)],
        "time": [BEGIN + n * timedelta(hours=1) for n in range(count)],
        "kind": np.resize(["a", "a", "a", "a", "b", "b", "b", "c"], count).tolist(),
    }
    return observations(pa.table({**columns, **of}))


def points(count: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of directions, as rows of length one."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    x = random.normal(size=(count, 8)) + 3 * np.eye(8)[labels]
    return x / np.linalg.norm(x, axis=1, keepdims=True), labels.astype(str)


def test_proportions_are_met_to_the_row_and_weights_stand_for_all() -> None:
    table = rows()
    chosen = stratified(table, "kind", 40, {"a": 0.25, "b": 0.25, "c": 0.5})
    kinds = np.array(table["kind"].to_pylist())[chosen.rows]
    assert dict(zip(*np.unique(kinds, return_counts=True), strict=True)) == {"a": 10, "b": 10, "c": 20}
    assert chosen.weights[kinds == "a"].sum() == pytest.approx(100)
    assert chosen.weights.sum() == pytest.approx(200)


def test_without_proportions_every_value_is_kept() -> None:
    table = rows()
    chosen = stratified(table, "kind", 7)
    kinds, counts = np.unique(np.array(table["kind"].to_pylist())[chosen.rows], return_counts=True)
    assert (kinds.tolist(), sorted(counts.tolist())) == (["a", "b", "c"], [2, 2, 3])


@pytest.mark.parametrize(
    ("shares", "rule"),
    [({"a": 0.5}, "sum to 1"), ({"a": 0.5, "z": 0.5}, "no row has the value 'z'"), ({"a": "x"}, "numbers")],
)
def test_proportions_that_cannot_be_met_are_refused(shares: dict[str, Any], rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        stratified(rows(), "kind", 10, shares)


def test_complaints_come_first_and_the_newest_of_them_first() -> None:
    feedback = [None] * 200
    for place in (5, 50, 150):
        feedback[place] = "down"
    feedback[60] = "up"
    chosen = flagged_first(rows(feedback=feedback), ["down"], 10)
    assert chosen.rows[:3].tolist() == [150, 50, 5]
    assert len(set(chosen.rows.tolist())) == 10
    assert np.isnan(chosen.weights).all()


def test_with_fewer_places_than_complaints_only_complaints_are_taken() -> None:
    feedback = ["down" if n % 2 else None for n in range(200)]
    assert (flagged_first(rows(feedback=feedback), ["down"], 100).rows % 2 == 1).all()


def test_the_nearest_row_is_that_of_scikit_learn() -> None:
    x, _ = points()
    found = nearest(x[:100], x[100:])
    assert found == pytest.approx(cosine_similarity(x[:100], x[100:]).max(axis=1))


def test_uncertainty_is_one_less_the_margin() -> None:
    x, labels = points()
    model = LogisticRegression(C=10.0, max_iter=200).fit(x[:60], labels[:60])
    ordered = np.sort(model.predict_proba(x[60:]), axis=1)
    found = uncertainty(Pool(x[:60], labels[:60], x[60:], 10))
    assert found == pytest.approx(1 - (ordered[:, 2] - ordered[:, 1]))


def test_each_different_row_is_the_furthest_from_all_before_it() -> None:
    x, labels = points()
    scores = different(Pool(x[:60], labels[:60], x[60:], 5))
    known, order = list(range(60)), np.argsort(-scores)[:5]
    for place in order:
        alike = cosine_similarity(x[60:], x[known]).max(axis=1)
        assert alike.argmin() == place
        assert scores[place] == pytest.approx(1 - alike[place])
        known.append(60 + place)
    assert (np.delete(scores, order) == 0).all()


def test_representatives_come_from_as_many_groups() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), [80, 60, 40, 30, 20, 10, 6, 4])
    x = np.eye(8)[groups] + 0.05 * random.normal(size=(250, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    known = np.array([0, 81])  # of the two largest groups
    rest = np.setdiff1d(np.arange(250), known)
    scores = representative(Pool(x[known], np.array(["a", "b"]), x[rest], 6))
    chosen = groups[rest[np.argsort(-scores)[:6]]]
    assert len(set(chosen.tolist())) >= 5
    assert {2, 3, 4} <= set(chosen.tolist())


def test_impact_is_the_mean_length_of_the_gradients() -> None:
    x, labels = points()
    pool = Pool(x[:60], labels[:60], x[60:70], 5)
    wanted = []
    for row, chances in zip(x[60:70], pool.chances, strict=True):
        lengths = [np.linalg.norm(np.outer(chances - np.eye(3)[k], row)) for k in range(3)]
        wanted.append(float(chances @ lengths))
    assert impact(pool) == pytest.approx(wanted)


@pytest.mark.parametrize("score", SCORES)
def test_a_score_takes_no_row_twice_and_does_not_depend_on_chance(score: str) -> None:
    x, labels = points()
    chosen = [worth_a_label(Pool(x[:60], labels[:60], x[60:], 50), score, np.arange(60, 300)) for _ in "ab"]
    assert chosen[0].rows.tolist() == chosen[1].rows.tolist()
    assert len(set(chosen[0].rows.tolist())) == 50
    assert (np.diff(chosen[0].scores) <= 0).all()
    assert chosen[0].rows.min() >= 60


def test_uncertain_rows_are_wrong_more_often_than_others() -> None:
    x, labels = points(1500, seed=3)
    pool = Pool(x[:60], labels[:60], x[60:], 150)
    wrong = pool.probe.predict(x) != labels
    taken = worth_a_label(pool, "uncertainty", np.arange(60, 1500)).rows
    _, low, _ = lift(int(wrong[taken].sum()), 150, int(wrong[60:].sum()), 1440)
    assert low > 1.5


def test_a_row_of_an_unseen_kind_is_the_most_different() -> None:
    x, labels = points()
    strange = -x[:60].mean(axis=0, keepdims=True)
    strange /= np.linalg.norm(strange)
    pool = Pool(x[:60], labels[:60], np.vstack([x[60:], strange]), 5)
    assert int(different(pool).argmax()) == 240


def test_the_interval_of_the_lift_covers() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        _, low, high = lift(int(random.binomial(100, 0.3)), 100, 100, 1000)
        covered += low <= 3 <= high
    assert covered >= 372  # 95 % of 400, less two standard errors


def test_rows_like_known_errors_hold_more_errors(clinc150: Path) -> None:
    content = json.loads(gzip.decompress(clinc150.read_bytes()))
    random = np.random.default_rng(0)
    intents = random.choice(sorted({label for _, label in content["train"]}), 30, replace=False)
    pairs = [pair for pair in content["train"] if pair[1] in intents]
    pairs = [pairs[place] for place in random.permutation(len(pairs))]
    labels = np.array([label for _, label in pairs])
    space = vectors(pa.table({"text": [text for text, _ in pairs]}), Columns(text=("text",)))
    model = Pool(space[:300], labels[:300], space[300:], 200).probe
    wrong = np.flatnonzero(model.predict(space) != labels)
    seeds = wrong[(wrong >= 300) & (wrong < 600)]
    chosen = similar_to_errors(space, seeds, np.arange(600, len(pairs)), 200).rows
    later = wrong[wrong >= 600]
    _, low, _ = lift(int(np.isin(chosen, later).sum()), 200, len(later), len(pairs) - 600)
    assert low > 1


# From files to files


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "strategy.yaml"
    path.write_text("name: nlu\ncolumns: {text: [text]}\n", encoding="utf-8")
    return path


def logged(folder: Path) -> Path:
    """Half of the rows labelled, a third of these answered wrongly; complaints among the others."""
    words = [f"{'play song' if n % 2 else 'set alarm'} number {n % 10}" for n in range(200)]
    labels = ["play" if n % 2 else "alarm" for n in range(200)]
    answers = [each if n % 3 else "alarm" for n, each in enumerate(labels)]
    known = [each if n < 100 else None for n, each in enumerate(labels)]
    feedback = ["down" if n in (120, 140) else None for n in range(200)]
    table = rows(text=words, label=known, prediction=answers, feedback=feedback)
    write_observations(table, folder / "seen.parquet")
    return folder / "seen.parquet"


def run(folder: Path, strategy: Path, way: str, **of: Any) -> tuple[dict[str, Any], pa.Table]:
    paths = {"chosen": folder / "chosen.parquet", "curation": folder / "curation.json"}
    made = curate_files(logged(folder), strategy, way=way, **{**paths, "budget": 20, **of})
    assert json.loads(paths["curation"].read_text()) == made
    return made, pq.read_table(paths["chosen"])


@pytest.mark.parametrize("way", WAYS)
def test_only_unlabelled_rows_are_chosen_each_once_in_every_way(
    tmp_path: Path, strategy: Path, way: str
) -> None:
    made, chosen = run(tmp_path, strategy, way, by="kind")
    places = [int(each.removeprefix("r")) for each in chosen["id"].to_pylist()]
    assert (made["chosen"], len(set(places))) == (20, 20)
    assert min(places) >= 100
    assert made["by_lot"] == (way == "stratified")
    assert (chosen["weight"].null_count == 0) == (way == "stratified")


def test_complaints_reach_the_file_first(tmp_path: Path, strategy: Path) -> None:
    _, chosen = run(tmp_path, strategy, "feedback")
    assert chosen["id"].to_pylist()[:2] == ["r140", "r120"]


def test_late_labels_are_not_asked_for_again(tmp_path: Path, strategy: Path) -> None:
    late = {"id": [f"r{n}" for n in range(100, 190)], "label": ["play"] * 90, "label_time": [BEGIN] * 90}
    pq.write_table(pa.table(late), tmp_path / "late.parquet")
    made, chosen = run(tmp_path, strategy, "uncertainty", labels=tmp_path / "late.parquet")
    assert made["unlabelled"] == 10
    assert pc.min(pc.cast(pc.utf8_slice_codeunits(chosen["id"], 1), pa.int64())).as_py() == 190


@pytest.mark.parametrize(
    ("of", "rule"),
    [
        ({"way": "guess"}, "is not one of stratified"),
        ({"way": "impact", "budget": 0}, "1 or more"),
        ({"way": "stratified", "by": "nothing"}, "column is missing"),
    ],
)
def test_what_cannot_be_chosen_is_refused_and_nothing_is_written(
    tmp_path: Path, strategy: Path, of: dict[str, Any], rule: str
) -> None:
    with pytest.raises(BadInput, match=rule):
        run(tmp_path, strategy, **of)
    assert not (tmp_path / "chosen.parquet").exists()


def test_what_is_missing_is_no_reason_to_fail_or_to_choose_a_row() -> None:
    count = 60
    random = np.random.default_rng(0)
    given = [None if n == 7 else [float(n % 3), float("nan") if n == 9 else 1.0] for n in range(count)]
    kelvin = [float("inf") if n == 8 else None if n == 9 else 290 + random.normal() for n in range(count)]
    table = pa.table({"vector": given, "kelvin": kelvin, "said": pa.nulls(count, pa.string())})
    table = table.append_column("wind", pa.array(random.normal(size=count)))
    chosen = {"vector": ("vector",), "kelvin": ("kelvin", "wind"), "said": ("said",)}
    made = {name: vectors(table, Columns(features=of, text=("said",))) for name, of in chosen.items()}
    assert all(np.isfinite(each).all() for each in made.values())
    assert not made["said"].any() and not made["vector"][7].any()
    assert made["kelvin"][9, 0] == pytest.approx(0)  # the mean, and not absolute zero


def test_names_of_people_do_not_fill_all_memory() -> None:
    made = vectors(pa.table({"user": [f"user {n}" for n in range(5_000)]}), Columns())
    assert made.shape == (5_000, 200)


def test_classes_may_be_numbers(tmp_path: Path, strategy: Path) -> None:
    table = rows(
        text=[f"{'play' if n % 2 else 'stop'} {n}" for n in range(200)],
        label=pa.array([n % 2 if n < 40 else None for n in range(200)], pa.int64()),
    )
    write_observations(table, tmp_path / "seen.parquet")
    paths = {"chosen": tmp_path / "chosen.parquet", "curation": tmp_path / "curation.json"}
    made = curate_files(tmp_path / "seen.parquet", strategy, way="uncertainty", budget=5, **paths)
    assert made["chosen"] == 5


def test_what_was_chosen_before_is_not_chosen_again_while_people_label_it(
    tmp_path: Path, strategy: Path
) -> None:
    _, first = run(tmp_path, strategy, "uncertainty")
    (tmp_path / "before").mkdir()
    (tmp_path / "chosen.parquet").rename(tmp_path / "before" / "1.parquet")
    made, second = run(tmp_path, strategy, "uncertainty", earlier=tmp_path / "before")
    assert (made["earlier"], made["unlabelled"], len(second)) == (20, 80, 20)
    assert not set(first["id"].to_pylist()) & set(second["id"].to_pylist())
    assert run(tmp_path, strategy, "uncertainty", earlier=tmp_path / "before" / "1.parquet")[1] == second


def test_when_all_were_chosen_before_that_is_said(tmp_path: Path, strategy: Path) -> None:
    every = pa.table({"id": [f"r{n}" for n in range(200)]})
    pq.write_table(every, tmp_path / "before.parquet")
    with pytest.raises(BadInput, match="every row without a label was chosen before"):
        run(tmp_path, strategy, "feedback", earlier=tmp_path / "before.parquet")
    pq.write_table(every.rename_columns(["name"]), tmp_path / "before.parquet")
    with pytest.raises(BadInput, match="column id: the column is missing"):
        run(tmp_path, strategy, "feedback", earlier=tmp_path / "before.parquet")


def test_rows_can_be_alike_by_a_projection_of_the_users_own() -> None:
    table = rows(6, query=["play it"] * 3 + ["play it again and again please"] * 3)
    path = "adsmu.profile.projections:token_count:query"
    space = vectors(table, Columns(features=(), projections={"length": path}))
    assert space.shape == (6, 1)
    assert space[0] == space[2] == -space[3]
