"""A plan that demands a report card lets nothing pass without one that is signed and of these very files."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adsmu.canary_deploy.release import crown
from adsmu.canary_deploy.roll_out import roll_out_files
from adsmu.errors import BadInput
from adsmu.files import digest, read_json, write_json
from adsmu.sign_off.card import CARD, KEYS, SIGNATURE
from adsmu.sign_off.records import SignedCard, publish
from adsmu.sign_off.signature import sign
from adsmu.store import open_store

STRATEGY = "sha256:" + "5" * 64
KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PLAN = {"card_key": PUBLIC, "card_strategy": STRATEGY}


class Update:
    """A model with its evaluation and data, a champion in a store, and a card of all of it."""

    def __init__(self, folder):
        self.folder, self.store = folder, open_store(folder / "store")
        self.model, self.evaluation = folder / "model", folder / "evaluation.json"
        self.data, self.existing = folder / "data.parquet", folder / "existing.parquet"
        self.data.write_bytes(b"rows of the new use case")
        self.existing.write_bytes(b"existing rows")
        learnt = {"existing": digest(self.existing), "data": digest(self.data)}
        empty = dict.fromkeys(("trainer", "parent", "mode", "settings", "seed", "labels", "figures"))
        write_json(empty | {"format": 1, "data": learnt}, self.model / "model.json")
        self.measured("pass")
        crown(self.store, "speaker", "sha256:champion", "", 0.0)
        self.digests = {
            "model": digest(self.model),
            "champion": "sha256:champion",
            "data": learnt,
            "evaluation": digest(self.evaluation),
            "evaluation_set": "sha256:set",
            "strategy": STRATEGY,
        }

    def measured(self, verdict):
        value = {"format": 1, "verdict": verdict, "model": {"digest": digest(self.model)}}
        write_json(value, self.evaluation)

    def signed(self, key=KEY, decision="approve", altered=None, folder=None):
        """Publishes a card, or with a folder writes it there as sign-off does."""
        card = dict.fromkeys(KEYS) | {
            "format": 1,
            "digests": self.digests,
            "confidence": 0.95,
            "margin": 0.02,
        }
        card |= {"unmeasured": [], "comparisons": [], "totals": [], "tests": [], "change": {}}
        content = json.dumps(card).encode()
        signature = sign(content, key, decision=decision, kind="person", by="Ada", reason="seen")
        content = altered(content) if altered else content
        if folder is None:
            publish(self.store, SignedCard(content, signature, "card"))
            return
        folder.mkdir()
        (folder / CARD).write_bytes(content)
        write_json(signature, folder / SIGNATURE)

    def rolled_out(self, plan=PLAN, **given):
        """Without a backend: what is let through, and what is not, and why."""
        outcome = self.folder / "outcome.json"
        nowhere = {"backend": "", "serving": {}, "trainer": "", "verdict": "pass", "plan": plan}
        files = self.model, self.evaluation, self.data, self.existing, None, outcome
        named = {"service": "speaker", "store": self.store.uri}
        roll_out_files(*files, self.folder / "page.html", **(nowhere | named | given))
        found = read_json(outcome)
        return found["admitted"], found["reasons"]


@pytest.fixture
def update(tmp_path):
    return Update(tmp_path)


def test_a_signed_card_of_these_files_lets_a_model_through(update):
    update.signed()
    assert update.rolled_out() == (True, ["the model is admitted, but no serving backend was named"])


def test_a_card_that_is_handed_in_counts_until_one_is_published(update, tmp_path):
    update.signed(folder=tmp_path / "handed")
    assert update.rolled_out(card=tmp_path / "handed", store="")[0]
    assert update.rolled_out(card=tmp_path / "handed")[0]
    update.signed(decision="refuse")
    admitted, (reason,) = update.rolled_out(card=tmp_path / "handed")
    assert not admitted and "Ada refused it" in reason


def test_a_card_that_is_handed_in_altered_or_unsigned_is_refused(update, tmp_path):
    update.signed(folder=tmp_path / "altered", altered=lambda content: content + b" ")
    admitted, (reason,) = update.rolled_out(card=tmp_path / "altered")
    assert not admitted and "altered after it was signed" in reason
    (tmp_path / "altered" / SIGNATURE).unlink()
    admitted, (reason,) = update.rolled_out(card=tmp_path / "altered")
    assert not admitted and "the card is not signed" in reason


def test_without_a_key_in_the_plan_no_card_is_looked_at(update):
    assert update.rolled_out(plan={})[0]


def test_without_a_card_nothing_passes(update):
    admitted, (reason,) = update.rolled_out()
    assert not admitted and "there is none of this model" in reason
    admitted, (reason,) = update.rolled_out(store="")
    assert not admitted and "no store is named" in reason


def test_a_refusal_that_was_signed_is_a_refusal(update):
    update.signed()
    update.signed(decision="refuse")
    assert update.rolled_out() == (False, ["Ada refused it: seen"])


def test_a_card_that_somebody_else_signed_is_refused(update):
    update.signed(key=Ed25519PrivateKey.generate())
    assert update.rolled_out() == (False, ["the card was signed with another key"])


def test_a_card_that_was_altered_is_refused(update):
    update.signed(altered=lambda content: content.replace(b"0.02", b"0.99"))
    assert update.rolled_out() == (False, ["the card was altered after it was signed"])


def change_model(update):
    (update.model / "weights").write_bytes(b"other weights")
    update.measured("pass")


def change_data(update):
    update.data.write_bytes(b"other rows")


def change_existing(update):
    update.existing.write_bytes(b"other rows")


def change_evaluation(update):
    update.evaluation.write_text(update.evaluation.read_text() + "\n")


def change_champion(update):
    crown(update.store, "speaker", "sha256:another", "", 1.0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (change_model, "there is none of this model"),
        (change_data, "is of the data"),
        (change_existing, "is of the data"),
        (change_evaluation, "is of the evaluation"),
        (change_champion, "is of the champion"),
    ],
)
def test_a_file_that_was_changed_after_signing_is_refused(update, change, word):
    update.signed()
    change(update)
    admitted, reasons = update.rolled_out()
    assert not admitted and any(word in reason for reason in reasons)


def test_a_card_of_another_model_is_none_of_this_one(update):
    update.digests["model"] = "sha256:" + "0" * 64
    update.signed()
    other = f"cards/{'0' * 64}/000000.json"
    update.store.create(f"cards/{digest(update.model)[7:]}/000000.json", update.store.read(other))
    admitted, (reason,) = update.rolled_out()
    assert not admitted and "is of the model" in reason


def test_a_card_of_another_strategy_is_refused(update):
    update.signed()
    other = PLAN | {"card_strategy": "sha256:" + "6" * 64}
    admitted, (reason,) = update.rolled_out(plan=other)
    assert not admitted and "is of the strategy" in reason


def test_an_override_of_the_evaluation_does_not_stand_in_for_a_signature(update):
    update.measured("exhausted")
    update.digests["evaluation"] = digest(update.evaluation)
    admitted, reasons = update.rolled_out(verdict="exhausted", override="Ada: a holiday")
    assert not admitted and "there is none of this model" in reasons[-1]
    update.signed()
    assert update.rolled_out(verdict="exhausted", override="Ada: a holiday")[0]


@pytest.mark.parametrize("verdict", ["refine", "exhausted", ""])
def test_a_signed_card_does_not_stand_in_for_a_passed_gate(update, verdict):
    update.signed()
    assert not update.rolled_out(verdict=verdict)[0]


@pytest.mark.parametrize("backend", ["local", "gateway", "kserve", "knative"])
def test_nothing_reaches_serving_without_what_is_demanded(update, backend, monkeypatch):
    """Neither a failed gate nor a missing card gets as far as opening a service, whatever serves it."""
    monkeypatch.setattr("adsmu.canary_deploy.roll_out.opened", pytest.fail)
    monkeypatch.setattr("adsmu.canary_deploy.roll_out.labelled_requests", pytest.fail)
    assert not update.rolled_out(backend=backend)[0]
    update.signed()
    assert not update.rolled_out(backend=backend, verdict="exhausted")[0]
    assert not update.store.names("models") and len(update.store.names("champions")) == 1


def test_a_key_that_cannot_be_read_is_bad_input(update):
    with pytest.raises(BadInput, match="no such file"):
        update.rolled_out(plan={"card_key": str(update.folder / "nowhere.pem")})
    with pytest.raises(BadInput, match="not a public key"):
        update.rolled_out(plan={"card_key": "-----BEGIN PUBLIC KEY-----\n"})
    with pytest.raises(BadInput, match="needs a card_key"):
        update.rolled_out(plan={"card_strategy": STRATEGY})
