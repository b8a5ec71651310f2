"""How well the model does without labels, by the confidence of its answers; and what that cannot see."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike
from scipy import special

from adsmu.monitor.figures import Figure, figure
from adsmu.strategy import Signal

BINS = 10
"""Bins of the score, of equally many calibration rows."""

FEWEST = 20
"""Calibration rows of a bin: with fewer there are fewer bins."""

BLIND = (
    "estimated from the confidence of the answers: blind to concept change, where answers stay as confident"
    " and are wrong more often; only labels show that"
)


@dataclass(frozen=True)
class Estimate:
    """An accuracy that was not measured.

    Attributes:
        value: The estimate.
        low: Lower bound of the accuracy that labels would show.
        high: Upper bound.
        calibration_rows: Labelled rows that it rests on.
    """

    value: float
    low: float
    high: float
    calibration_rows: int


def estimated_accuracy(
    scores: ArrayLike, weights: ArrayLike, known_scores: ArrayLike, known_right: ArrayLike, confidence: float
) -> Estimate:
    """Estimates an accuracy from the scores of rows without labels.

    Labelled rows say how often answers of each band of the score are right; between the mean scores of bands
    the rate is taken to go straight. The estimate is the mean of these rates over the new rows, Σ_b s_b r_b
    with s_b the part of the new rows that falls to a band. It holds as long as answers of one score are as
    often right as they were, whatever the mix of scores. Its variance is that of the rates, Σ s_b² r_b
    (1 - r_b) / n_b, and that of the new rows' own outcomes, Σ s_b r_b (1 - r_b) / n. Rates in the variance
    are (x + 1) / (n + 2), so that a band in which every answer was right has a variance too.

    Source: post-stratification, Cochran 1977, "Sampling Techniques", 5A.9; the use of confidence for it,
        Guillory
    et al. 2021, "Predicting with confidence on unseen distributions".

    Args:
        scores: Confidence of each new answer.
        weights: One over the chance that each new row was kept.
        known_scores: Confidence of each labelled answer.
        known_right: Whether each of these was right.
        confidence: Two-sided.

    >>> known = np.repeat([0.6, 0.9], 500)
    >>> right = np.concatenate([np.arange(500) < 300, np.arange(500) < 450])
    >>> found = estimated_accuracy([0.9] * 300 + [0.6] * 100, np.ones(400), known, right, 0.95)
    >>> round(found.value, 3), round(found.low, 2), round(found.high, 2)
    (0.825, 0.78, 0.87)
    """
    s, w = np.asarray(scores, dtype=float), np.asarray(weights, dtype=float)
    known, right = np.asarray(known_scores, dtype=float), np.asarray(known_right, dtype=float)
    bands = int(np.clip(len(known) // FEWEST, 1, BINS))
    edges = np.unique(np.quantile(known, np.arange(1, bands) / bands))
    band = np.unique(np.searchsorted(edges, known, side="right"), return_inverse=True)[1]
    rows = np.bincount(band)
    centres, good = (np.bincount(band, of) for of in (known, right))
    share = _shares(s, w, centres / rows)
    rates, smooth = good / rows, (good + 1) / (rows + 2)
    spread = smooth * (1 - smooth)
    effective = w.sum() ** 2 / (w @ w)
    variance = (share**2 * spread / rows).sum() + max((share * spread).sum(), 0.0) / effective
    value = float(np.clip(share @ rates, 0, 1))
    half = float(special.ndtri(0.5 + confidence / 2) * np.sqrt(variance))
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0), len(known))


def _shares(scores: np.ndarray, weights: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """How much the rate of each band counts: a score between two centres counts for both, the nearer more.

    Beyond the outer centres the line goes on, for as far as to the next centre.
    """
    if len(centres) == 1:
        return np.ones(1)
    found = np.zeros(len(centres))
    left = np.clip(np.searchsorted(centres, scores) - 1, 0, len(centres) - 2)
    part = np.clip((scores - centres[left]) / (centres[left + 1] - centres[left]), -1, 2)
    np.add.at(found, left, weights * (1 - part))
    np.add.at(found, left + 1, weights * part)
    return found / weights.sum()


def estimate(
    name: str, signal: Signal, rows: pa.Table, calibration: pa.Table, confidence: float
) -> list[Figure]:
    """Estimates the accuracy of a window.

    Args:
        name: The signal's name.
        signal: A signal of estimated accuracy.
        rows: The window's rows.
        calibration: Labelled rows of the same model from before the window, or of its validation.
        confidence: Two-sided.

    Returns:
        One figure; none without scores, or with fewer than `FEWEST` calibration rows.
    """
    scored = rows.filter(pc.is_valid(rows["score"]))
    known = calibration.filter(
        pc.and_(
            pc.is_valid(calibration["score"]),
            pc.and_(pc.is_valid(calibration["label"]), pc.is_valid(calibration["prediction"])),
        )
    )
    if not len(scored) or len(known) < FEWEST:
        return []
    found = estimated_accuracy(
        scored["score"].to_numpy(),
        scored["weight"].to_numpy(),
        known["score"].to_numpy(),
        pc.equal(known["prediction"], known["label"]).to_numpy(),
        confidence,
    )
    bounds = f"{100 * found.low:.1f} to {100 * found.high:.1f} %"
    text = (
        f"{name.replace('_', ' ')} is {100 * found.value:.1f} % ({bounds}) on {len(scored):,} rows, by"
        f" {found.calibration_rows:,} labelled ones; {BLIND}"
    )
    return [
        figure(
            name,
            signal,
            value=found.value,
            low=found.low,
            high=found.high,
            rows=len(scored),
            beyond=found.high < signal.threshold,
            text=text,
            conditions=({"column": "score", "is": "within", "low": None, "high": None},),
        )
    ]
