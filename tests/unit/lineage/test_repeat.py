"""How far trainings with other seeds lie apart decides whether they may be left to themselves."""

import numpy as np
import pytest

from adsmu.errors import BadInput
from adsmu.files import digest, read_json
from adsmu.lineage.repeat import repeat_files, spread
from adsmu.lineage_command import TRAINER


def test_the_bound_lies_above_the_true_deviation_as_often_as_stated():
    random = np.random.default_rng(5)
    rows, deviation, covered = 4000, 0.02, 0
    for _ in range(400):
        level = random.normal(0.8, deviation, size=5)
        right = np.arange(rows) < (level * rows).round()[:, None]
        covered += spread(right, 0.1).high >= deviation
    assert 0.92 <= covered / 400 <= 0.98


def test_trainings_that_agree_are_repeatable_and_others_are_not():
    same = np.ones((3, 50), dtype=bool)
    assert spread(same, 0.001).repeatable
    other = same.copy()
    other[1, :25] = False
    found = spread(other, 0.05)
    assert not found.repeatable
    assert found.disagreement == pytest.approx(2 / 3 * 0.5)


def test_disagreement_is_the_mean_over_pairs():
    right = np.random.default_rng(1).random((4, 30)) < 0.6
    pairs = [(right[a] != right[b]).mean() for a in range(4) for b in range(a)]
    assert spread(right, 1.0).disagreement == pytest.approx(np.mean(pairs))


def test_retrainings_of_a_model_are_measured(generations, tmp_path):
    found = repeat_files(
        generations.models[0], generations.existing, None, None, generations.existing, tmp_path / "r.json",
        seeds=2, limit=0.001, trainer=TRAINER, scratch=tmp_path,
    )  # fmt: skip
    said = read_json(tmp_path / "r.json")
    assert (said["runs"], said["rows"], tuple(said["frames"])) == (2, 12, found.frames)
    assert said["model"] == digest(generations.models[0])
    assert said["repeatable"] == (said["high"] <= 0.001)


def test_one_training_says_nothing_of_how_they_vary():
    with pytest.raises(BadInput, match="two trainings or more"):
        spread(np.ones((1, 9), dtype=bool), 0.1)
