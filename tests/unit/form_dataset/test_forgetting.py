"""What is forgotten from batch to batch, and the gate on it."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier

from adsmu.errors import BadInput
from adsmu.form_dataset.forgetting import accuracies, backward_transfer, forgetting, gate

BATCHES, INTENTS = 4, 5


def correctness(rates: list[list[float]], rows: int = 400, seed: int = 0) -> list[np.ndarray]:
    """Rows that are right with stated rates, stages x batches; a row keeps its luck from stage to stage."""
    random = np.random.default_rng(seed)
    return [
        random.uniform(size=rows)[None, :] < np.array([stage[batch] for stage in rates])[:, None]
        for batch in range(len(rates))
    ]


def test_transfer_and_forgetting_are_what_their_definitions_say() -> None:
    matrix = np.array([[0.9, 0.1, 0.0], [0.95, 0.8, 0.0], [0.7, 0.85, 0.9]])
    assert backward_transfer(matrix) == pytest.approx(((0.7 - 0.9) + (0.85 - 0.8)) / 2)
    assert forgetting(matrix) == pytest.approx(((0.95 - 0.7) + (0.8 - 0.85)) / 2)
    assert backward_transfer(np.array([[0.5]])) == forgetting(np.array([[0.5]])) == 0


def test_a_model_that_keeps_what_it_learnt_passes() -> None:
    passes, kept = gate(correctness([[0.9, 0.1, 0], [0.9, 0.9, 0], [0.89, 0.9, 0.9]]), 0.05, 0.95)
    assert passes
    assert [each.forgotten for each in kept] == [False, False]


def test_one_forgotten_batch_among_kept_ones_is_blocked_and_named() -> None:
    stages = [[0.9 if batch <= stage else 0.0 for batch in range(6)] for stage in range(6)]
    stages[-1][2] = 0.7
    passes, kept = gate(correctness(stages), 0.05, 0.95)
    assert not passes
    assert [each.forgotten for each in kept] == [False, False, True, False, False]


def test_too_few_rows_to_tell_do_not_pass() -> None:
    stages = [[0.9, 0.0], [0.9, 0.9]]
    assert not gate(correctness(stages, rows=20), 0.02, 0.95)[0]
    assert gate(correctness(stages, rows=2000), 0.02, 0.95)[0]


def test_a_gate_at_its_margin_lets_through_at_most_as_often_as_stated() -> None:
    passed = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        then = random.uniform(size=500) < 0.9
        now = then & ~(random.uniform(size=500) < 0.05 / 0.9)  # exactly the margin is lost
        last = np.ones((2, 10), dtype=bool)
        passed += gate([np.array([then, now]), last], 0.05, 0.95)[0]
    assert passed <= 12  # 2.5 % of 200, and three standard errors


def test_batches_of_another_number_of_stages_are_refused() -> None:
    with pytest.raises(BadInput, match="stages"):
        accuracies([np.ones((2, 5), bool), np.ones((3, 5), bool)])


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

    def train(history: bool) -> list[np.ndarray]:
        model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
        stages = []
        for stage in range(BATCHES):
            seen = intents[: (stage + 1) * INTENTS] if history else batches[stage]
            x, y = rows("train", seen)
            order = np.random.default_rng(stage).permutation(len(y))
            for _ in range(3):
                model.partial_fit(x[order], y[order], classes=intents)
            stages.append([model.predict(x) == y for x, y in (rows("test", names) for names in batches)])
        return [np.array([stage[batch] for stage in stages]) for batch in range(BATCHES)]

    latest, mix = train(history=False), train(history=True)
    assert backward_transfer(accuracies(latest)) < -0.3
    assert backward_transfer(accuracies(mix)) > -0.1
    assert [gate(each, 0.1, 0.95)[0] for each in (latest, mix)] == [False, True]
