"""Report cards: what is compared, what a policy needs, who signs, and which changes are noticed."""

import json

import pyarrow as pa
import pytest
from bike_models import SCORER, bike_rows, linear_model
from typer.testing import CliRunner

from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.sign_off.admission import card_refusals
from adsmu.sign_off.card import conditions
from adsmu.sign_off.evaluation_set import write_evaluation_set
from adsmu.sign_off.records import last_card, publish, read_signed
from adsmu.sign_off.run import card_files, sign_files
from adsmu.sign_off.signature import KEY_FILE, private_key, public_key
from adsmu.sign_off.step import sign_off_files
from adsmu.sign_off_command import app
from adsmu.store import open_store

STRATEGY = """
name: bike
columns: {task: regression}
cohorts: {wet: {column: rain, values: [1]}, warm: {column: warm, low: 0.5}, season: {column: season}}
signals: {}
confidence: 0.9
"""


@pytest.fixture
def strategy(tmp_path):
    (tmp_path / "strategy.yaml").write_text(STRATEGY)
    return tmp_path / "strategy.yaml"


@pytest.fixture
def card(tmp_path, models, evaluation_set, strategy):
    given = models.candidate, models.champion, evaluation_set, tmp_path / "card"
    return card_files(*given, strategy=strategy, scorer=SCORER)


def entry(card, group, figure="absolute_error"):
    return next(each for each in card["comparisons"] if (each["group"], each["figure"]) == (group, figure))


def met(card):
    return [condition.met for condition in conditions(card)]


def test_all_rows_and_each_cohort_are_compared_on_each_figure(card):
    groups = {(each["kind"], each["group"]) for each in card["comparisons"]}
    cohorts = {"wet", "warm", "season: summer", "season: winter"}
    assert groups == {("all", "all rows"), *(("cohort", name) for name in cohorts)}
    assert len(card["comparisons"]) == 2 * 5
    assert entry(card, "wet")["candidate"] < 5 < entry(card, "wet")["champion"]
    assert entry(card, "warm")["rows"] == entry(card, "season: summer")["rows"]
    assert card["confidence"] == 0.9
    assert all(met(card))


def test_a_cohort_without_rows_is_not_passed_over(tmp_path, models, evaluation_set, strategy):
    strategy.write_text(STRATEGY.replace("values: [1]", "values: [2]"))
    given = models.candidate, models.champion, evaluation_set, tmp_path / "card"
    card = card_files(*given, strategy=strategy, scorer=SCORER)
    unmet = [condition.text for condition in conditions(card) if not condition.met]
    assert unmet == ["cohorts without rows: 1 (wet); none may be"]


def test_strata_are_compared_where_rows_have_some(tmp_path, models):
    rows = bike_rows(40)
    rows = rows.append_column("stratum_id", pa.array(["a", "b", None, "a"] * 10))
    write_evaluation_set(rows, None, tmp_path / "strata")
    card = card_files(
        models.candidate, models.champion, tmp_path / "strata", tmp_path / "card", scorer=SCORER
    )
    strata = {each["group"]: each["rows"] for each in card["comparisons"] if each["kind"] == "stratum"}
    assert strata == {"a": 20, "b": 10}


def test_behavioural_tests_are_passed_old_and_new(card):
    rain, cold = card["tests"]
    assert (rain["kind"], rain["champion"], rain["candidate"], rain["rows"]) == ("directional", 0, 1, 2)
    assert (cold["kind"], cold["champion"], cold["candidate"]) == ("expectation", 1, 1)


def test_a_candidate_that_harms_one_cohort_is_not_signed_by_policy(tmp_path, evaluation_set, strategy, keys):
    champion = linear_model(tmp_path / "old", {"warm": 50.0, "rain": -20.0})
    worse = linear_model(tmp_path / "new", {"warm": 50.0, "rain": -12.0})
    card = card_files(worse, champion, evaluation_set, tmp_path / "card", strategy=strategy, scorer=SCORER)
    unmet = [condition.text for condition in conditions(card) if not condition.met]
    assert any(text.startswith("cohorts harmed") and "wet (absolute_error)" in text for text in unmet)
    signature = sign_files(tmp_path / "card", key=keys.ours.private)
    assert (signature["decision"], signature["kind"]) == ("refuse", "policy")
    assert card_refusals(read_signed(tmp_path / "card"), public_key(keys.ours.public), {}) == [
        f"conditions of the card refused it: {signature['reason']}"
    ]


def test_what_varies_too_much_between_retrainings_is_not_automated(tmp_path, models, evaluation_set, keys):
    value = {
        "model": digest(models.candidate),
        "runs": 5,
        "deviation": 0.03,
        "high": 0.07,
        "disagreement": 0.1,
        "limit": 0.02,
        "repeatable": False,
    }
    write_json(value, tmp_path / "repeated.json")
    given = models.candidate, models.champion, evaluation_set, tmp_path / "card"
    card = card_files(*given, scorer=SCORER, retraining=tmp_path / "repeated.json")
    assert met(card).count(False) == 1
    assert sign_files(tmp_path / "card", key=keys.ours.private)["decision"] == "refuse"
    write_json(value | {"model": digest(models.champion)}, tmp_path / "repeated.json")
    with pytest.raises(BadInput, match="column model: is of another model"):
        card_files(*given[:3], tmp_path / "other", scorer=SCORER, retraining=tmp_path / "repeated.json")


def test_a_card_on_which_nothing_was_compared_is_not_signed(card):
    unmet = [each.text for each in conditions(card | {"comparisons": []}) if not each.met]
    assert unmet == ["nothing was compared"]


def test_a_new_version_of_the_set_scores_both_models_again(tmp_path, models, evaluation_set, card):
    more = bike_rows(300, seed=9)
    write_evaluation_set(more, None, tmp_path / "second", evaluation_set)
    again = card_files(
        models.candidate, models.champion, tmp_path / "second", tmp_path / "card2", scorer=SCORER
    )
    first, second = entry(card, "all rows"), entry(again, "all rows")
    assert again["digests"]["evaluation_set"] != card["digests"]["evaluation_set"]
    assert (first["rows"], second["rows"]) == (400, 700)
    assert first["champion"] != second["champion"] and first["candidate"] != second["candidate"]


def test_rows_that_were_sampled_with_unequal_chances_are_weighed(tmp_path, models):
    rows = bike_rows()
    weight = [4.0 if wet else 1.0 for wet in rows["rain"].to_pylist()]
    write_evaluation_set(rows.append_column("weight", pa.array(weight)), None, tmp_path / "set")
    card = card_files(models.candidate, models.champion, tmp_path / "set", tmp_path / "card", scorer=SCORER)
    columns = (rows[name].to_pylist() for name in ("warm", "label"))
    lost = [w * abs(60 * x - y) for w, x, y in zip(weight, *columns, strict=True)]
    total = card["totals"][0]
    assert total["champion"]["total"] == pytest.approx(sum(lost))
    assert total["champion"]["low"] < total["champion"]["total"] < total["champion"]["high"]
    assert entry(card, "all rows")["champion"] == pytest.approx(sum(lost) / sum(weight))


def test_classes_are_compared_by_accuracy(tmp_path, models):
    rows = bike_rows()
    label = pa.array(["many" if each > 15 else "few" for each in rows["label"].to_pylist()])
    write_evaluation_set(rows.set_column(4, "label", label), None, tmp_path / "set")
    given = models.candidate, models.champion, tmp_path / "set", tmp_path / "card"
    card = card_files(*given, scorer="linear_scorer:LinearClasses")
    (whole,) = card["comparisons"]
    assert whole["figure"] == "accuracy" and not whole["lower_is_better"]
    assert whole["candidate"] > whole["champion"]


def test_a_person_signs_what_a_policy_would_not(tmp_path, models, evaluation_set, keys):
    card_files(models.champion, models.candidate, evaluation_set, tmp_path / "card", scorer=SCORER)
    signature = sign_files(
        tmp_path / "card", key=keys.ours.private, by="Ada", decision="approve", reason="a holiday"
    )
    assert (signature["kind"], signature["by"]) == ("person", "Ada")
    assert card_refusals(read_signed(tmp_path / "card"), public_key(keys.ours.public), {}) == []
    assert "Approved by Ada" in (tmp_path / "card" / "card.html").read_text()


def test_a_strategy_that_wants_a_person_is_not_signed_by_policy(
    tmp_path, models, evaluation_set, strategy, keys
):
    strategy.write_text(STRATEGY + "promotion: {sign_off: person}\n")
    given = models.candidate, models.champion, evaluation_set, tmp_path / "card"
    card_files(*given, strategy=strategy, scorer=SCORER)
    with pytest.raises(BadInput, match="wants a person to sign"):
        sign_files(tmp_path / "card", key=keys.ours.private)
    assert not (tmp_path / "card" / "card.sig.json").exists()


def test_a_policy_is_not_told_what_to_decide(tmp_path, card, keys):
    with pytest.raises(BadInput, match="a policy decides by itself"):
        sign_files(tmp_path / "card", key=keys.ours.private, decision="approve")


def test_the_key_is_named_by_the_environment(tmp_path, card, keys, monkeypatch):
    with pytest.raises(BadInput, match="no key to sign with"):
        private_key()
    monkeypatch.setenv(KEY_FILE, str(keys.ours.private))
    assert sign_files(tmp_path / "card")["decision"] == "approve"
    with pytest.raises(BadInput, match="not a private key"):
        private_key(keys.ours.public)
    with pytest.raises(BadInput, match="not a public key"):
        public_key(keys.ours.private)


def test_the_step_signs_by_policy_where_it_has_a_key(tmp_path, models, evaluation_set, keys, monkeypatch):
    store = open_store(tmp_path / "store")
    files = models.candidate, models.champion
    given = {"evaluation_set": evaluation_set, "store": store.uri, "scorer": SCORER}
    assert sign_off_files(*files, tmp_path / "a", tmp_path / "a.html", **given) == "unsigned"
    monkeypatch.setenv(KEY_FILE, str(keys.ours.private))
    assert sign_off_files(*files, tmp_path / "b", tmp_path / "b.html", **given) == "approve"
    found = last_card(store, digest(models.candidate))
    assert card_refusals(found, public_key(keys.ours.public), {"model": digest(models.candidate)}) == []


@pytest.fixture
def approved(tmp_path, card, keys):
    sign_files(tmp_path / "card", key=keys.ours.private, by="Ada", decision="approve", reason="good")
    return tmp_path / "card"


def refusals(folder, keys, **expected):
    return card_refusals(read_signed(folder), public_key(keys.ours.public), expected)


@pytest.mark.parametrize("bound", ["model", "champion", "data", "evaluation", "evaluation_set", "strategy"])
def test_a_digest_that_was_altered_in_the_card_is_noticed(approved, keys, bound):
    card = read_json(approved / "card.json")
    card["digests"][bound] = {"existing": "sha256:0"} if bound == "data" else "sha256:0"
    write_json(card, approved / "card.json")
    assert refusals(approved, keys) == ["the card was altered after it was signed"]


@pytest.mark.parametrize("bound", ["model", "champion", "data", "evaluation", "evaluation_set", "strategy"])
def test_a_card_of_another_thing_is_refused(approved, keys, card, bound):
    assert refusals(approved, keys, **card["digests"]) == []
    (reason,) = refusals(approved, keys, **(card["digests"] | {bound: "sha256:other"}))
    assert reason.startswith(f"the report card is of the {bound.replace('_', ' ')} ")


@pytest.mark.parametrize("part", ["decision", "kind", "by", "reason", "time", "card"])
def test_a_signature_that_was_altered_is_noticed(approved, keys, part):
    signature = read_json(approved / "card.sig.json")
    write_json(signature | {part: 1.5 if part == "time" else "other"}, approved / "card.sig.json")
    assert refusals(approved, keys) == ["the signature was altered"]


def test_a_signature_of_somebody_else_is_refused(approved, keys):
    sign_files(approved, key=keys.others.private, by="Mallory", decision="approve", reason="good")
    assert refusals(approved, keys) == ["the card was signed with another key"]
    signature = read_json(approved / "card.sig.json")
    ours = read_json(approved / "card.sig.json") | {"key": "sha256:0"}
    write_json(ours, approved / "card.sig.json")
    assert refusals(approved, keys) and signature["by"] == "Mallory"


@pytest.mark.parametrize("value", [None, [], {}, {"format": 1}, {"signature": "AAAA"}])
def test_what_is_no_signature_is_refused(approved, keys, value):
    write_json(value, approved / "card.sig.json")
    (reason,) = refusals(approved, keys)
    assert "not signed" in reason


def test_a_card_without_a_signature_and_none_at_all_are_refused(tmp_path, card, keys):
    assert "not signed" in refusals(tmp_path / "card", keys)[0]
    assert "there is none of this model" in card_refusals(None, public_key(keys.ours.public), {})[0]


def test_of_cards_in_the_store_the_last_one_counts(tmp_path, models, approved, keys):
    store = open_store(tmp_path / "store")
    assert last_card(store, digest(models.candidate)) is None
    publish(store, read_signed(approved))
    sign_files(
        approved, key=keys.ours.private, by="Ada", decision="refuse", reason="a fault", store=store.uri
    )
    found = last_card(store, digest(models.candidate))
    assert card_refusals(found, public_key(keys.ours.public), {}) == ["Ada refused it: a fault"]
    assert len(store.names("cards")) == 2


def test_an_evaluation_of_another_model_is_refused(tmp_path, models, evaluation_set):
    keys = ("round", "max_rounds", "reasons", "gate", "splits", "unseen_shapes", "existing", "champion")
    value = dict.fromkeys(keys) | {"format": 1, "verdict": "pass", "data": {}, "strata": [], "rounds": []}
    write_json(value | {"model": {"digest": "sha256:0"}}, tmp_path / "evaluation.json")
    given = models.candidate, models.champion, evaluation_set, tmp_path / "card"
    with pytest.raises(BadInput, match="is of another model"):
        card_files(*given, evaluation=tmp_path / "evaluation.json", scorer=SCORER)
    assert not (tmp_path / "card").exists()
    write_json(value | {"model": {"digest": digest(models.candidate)}}, tmp_path / "evaluation.json")
    card = card_files(*given, evaluation=tmp_path / "evaluation.json", scorer=SCORER)
    assert card["digests"]["evaluation"] == digest(tmp_path / "evaluation.json")


def test_text_of_the_data_is_escaped_on_the_page(tmp_path, models):
    rows = bike_rows(40).append_column("stratum_id", pa.array(["<script>alert(1)</script>"] * 40))
    write_evaluation_set(rows, None, tmp_path / "strata")
    card_files(models.candidate, models.champion, tmp_path / "strata", tmp_path / "card", scorer=SCORER)
    assert "<script" not in (tmp_path / "card" / "card.html").read_text()


def test_the_command_makes_signs_and_verifies(tmp_path, models, evaluation_set, strategy, keys):
    run, folder = CliRunner(), str(tmp_path / "card")
    made = run.invoke(app, [
        "make", str(models.candidate), "--champion", str(models.champion), "--evaluation-set",
        str(evaluation_set), "--output", folder, "--strategy", str(strategy), "--scorer", SCORER,
    ])  # fmt: skip
    assert made.exit_code == 0, made.output
    verify = ["verify", folder, "--key", str(keys.ours.public), "--model", str(models.candidate)]
    assert run.invoke(app, verify).exit_code == 3
    assert run.invoke(app, ["sign", folder, "--key", str(keys.ours.private)]).exit_code == 0
    assert run.invoke(app, [*verify, "--strategy", str(strategy)]).output == "approved\n"
    assert "decision approve" in run.invoke(app, ["show", folder]).output
    linear_model(models.candidate, {"warm": 1.0, "rain": 0.0})
    tampered = run.invoke(app, verify)
    assert tampered.exit_code == 3 and "is of the model" in tampered.output
    assert json.loads((tmp_path / "card" / "card.json").read_text())["format"] == 1
