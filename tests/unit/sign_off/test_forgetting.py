"""What is forgotten from batch to batch, and the gate on it."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier

from adsmu.sign_off.forgetting import backward_transfer, gate

BATCHES, INTENTS = 4, 5


def earlier(rates: list[list[float]], rows: int = 400, seed: int = 0) -> dict[str, tuple[np.ndarray, ...]]:
    """Rows that are right with stated rates, by stage and batch; a row keeps its luck from stage to stage."""
    random = np.random.default_rng(seed)
    luck = [random.uniform(size=rows) for _ in rates]
    return {
        f"batch {batch}": tuple(luck[batch] < rates[stage][batch] for stage in (batch, -1))
        for batch in range(len(rates) - 1)
    }


def test_transfer_is_the_mean_change_since_each_was_learnt() -> None:
    stages = [[0.9, 0.1, 0.0], [0.95, 0.8, 0.0], [0.7, 0.85, 0.9]]
    _, _, kept = gate(earlier(stages, rows=20_000), 0.05, 0.95)
    assert backward_transfer(kept) == pytest.approx(((0.7 - 0.9) + (0.85 - 0.8)) / 2, abs=0.01)


def test_a_model_that_keeps_what_it_learnt_passes() -> None:
    passes, together, kept = gate(earlier([[0.9, 0.1, 0], [0.9, 0.9, 0], [0.89, 0.9, 0.9]]), 0.05, 0.95)
    assert passes
    assert together.rows == 800 and together.low >= -0.05
    assert [each.forgotten for each in kept] == [False, False]


def test_one_forgotten_batch_among_kept_ones_is_blocked_and_named() -> None:
    stages = [[0.9 if batch <= stage else 0.0 for batch in range(6)] for stage in range(6)]
    stages[-1][2] = 0.7
    passes, _, kept = gate(earlier(stages), 0.05, 0.95)
    assert not passes
    assert [each.use_case for each in kept if each.forgotten] == ["batch 2"]


def test_too_few_rows_to_tell_do_not_pass() -> None:
    stages = [[0.9, 0.0], [0.9, 0.9]]
    assert not gate(earlier(stages, rows=20), 0.02, 0.95)[0]
    assert gate(earlier(stages, rows=2000), 0.02, 0.95)[0]


def test_a_gate_at_its_margin_lets_through_at_most_as_often_as_stated() -> None:
    passed = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        then = random.uniform(size=500) < 0.9
        now = then & ~(random.uniform(size=500) < 0.05 / 0.9)  # exactly the margin is lost
        passed += gate({"old": (then, now)}, 0.05, 0.95)[0]
    assert passed <= 12  # 2.5 % of 200, and three standard errors


def test_intents_that_arrive_in_batches_are_forgotten_without_history_and_kept_with_it(
    clinc150: Path,
) -> None:
    content = json.loads(gzip.decompress(clinc150.read_bytes()))
    intents = sorted({label for _, label in content["train"]})[:: 150 // (BATCHES * INTENTS)][
        : BATCHES * INTENTS
    ]
    batches = [intents[begin : begin + INTENTS] for begin in range(0, BATCHES * INTENTS, INTENTS)]
    words = HashingVectorizer(n_features=2**12, alternate_sign=False)

    def rows(part: str, names: list[str]) -> tuple[object, np.ndarray]:
        pairs = [pair for pair in content[part] if pair[1] in names]
        return words.transform([text for text, _ in pairs]), np.array([label for _, label in pairs])

    def train(history: bool) -> dict[str, tuple[np.ndarray, ...]]:
        model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
        stages = []
        for stage in range(BATCHES):
            seen = intents[: (stage + 1) * INTENTS] if history else batches[stage]
            x, y = rows("train", seen)
            order = np.random.default_rng(stage).permutation(len(y))
            for _ in range(3):
                model.partial_fit(x[order], y[order], classes=intents)
            stages.append([model.predict(x) == y for x, y in (rows("test", names) for names in batches)])
        last = stages[-1]
        return {f"batch {batch}": (stages[batch][batch], last[batch]) for batch in range(BATCHES - 1)}

    (lost, _, latest), (kept, _, mix) = (gate(train(history), 0.1, 0.95) for history in (False, True))
    assert backward_transfer(latest) < -0.3
    assert backward_transfer(mix) > -0.1
    assert (lost, kept) == (False, True)
