"""When to retrain, decided as it goes: how fast models went stale so far, told from late labels alone."""

import math
from dataclasses import dataclass

import numpy as np

from adsmu.value.cadence import Rule, Seen, best_period
from adsmu.value.losses import Losses


@dataclass(frozen=True)
class Degradation:
    """A rule that weighs what staleness will cost against what a retraining costs.

    The excess of a model is its loss above the floor, the level that fresh models reach. It is expected to
    last for the horizon: half as long as the model has served, or as long as models served before, whichever
    is longer. When excess grows evenly that is the best moment, the one at which what was lost since the last
    retraining equals what a retraining costs. When excess jumps, the horizon is long and the answer is
    prompt. A training then learns from old windows too, so waiting for more new ones is weighed against what
    they cost.

    When losses repeat themselves, a model that was trained in the right season serves the others too. So the
    rule finds the length of a season in the losses of the models it kept. Where the backtest holds a whole
    one, and the model that did best over a season would have cost less in it than the best period, it then
    retrains only in seasons that gave one as good.

    Its numbers were chosen on generated streams (`python -m benchmarks.monitoring.cadence`).

    Attributes:
        memory: How many windows a training learns from at most.
        smooth: Windows that the present excess is averaged over.
        first: Windows that a model is expected to serve while nothing is known yet.
        fresh: Windows that show the level of a fresh model.
        repeats: The correlation from season to season from which losses are taken to repeat themselves.
        seasons: How many seasons a model trained in the right one is expected to serve.
    """

    memory: int
    smooth: int = 2
    first: int = 14
    fresh: int = 5
    repeats: float = 0.85
    seasons: float = 3.0

    def __call__(self, seen: Seen) -> bool:
        """Whether to retrain before the window."""
        model = seen.trained[-1]
        served = _known(seen.known[model, model : seen.window])
        if len(served) < self.smooth:
            return False
        floor = self._floor(seen, served)
        excess = served - floor
        now = float(excess[-self.smooth :].mean())
        sure = math.sqrt(2 * math.log(len(served) + 1))
        if now <= 0 or now < sure * _noise(served) / math.sqrt(self.smooth):
            return False
        season = season_of(_known(seen.known[seen.trained[0], : seen.window]), self.repeats)
        if season and (found := self._in_season(seen, season, now + floor)) is not None:
            return found
        served_before = np.diff(seen.trained)[-5:]
        horizon = max(len(served), served_before.mean() if len(served_before) else self.first) / 2
        since = len(excess) - int(np.flatnonzero(excess <= now / 2).max(initial=-1)) - 1
        memory = min(self.memory, seen.window)
        if _better_to_wait(since, horizon, memory):
            return False
        return now * (1 - _old(since, memory)) * horizon >= seen.retraining

    def _floor(self, seen: Seen, served: np.ndarray) -> float:
        """The lowest level that one of the last five models had when it was fresh."""
        ends = [*seen.trained[1:], seen.window]
        lives = [
            _known(seen.known[i, i:end])[: self.fresh] for i, end in zip(seen.trained, ends, strict=True)
        ]
        levels = [life.mean() for life in lives if len(life) >= self.smooth]
        return float(min(levels[-5:], default=served[: self.fresh].mean()))

    def _in_season(self, seen: Seen, season: int, level: float) -> bool | None:
        """Whether it is the season to retrain in; None: that does not pay, is not known to, or all is new."""
        if seen.history < season:
            return None
        models = np.flatnonzero(np.isfinite(seen.known).sum(axis=1) >= season)
        losses = seen.known[models, : seen.window]
        finite = np.isfinite(losses)
        last = finite & (finite[:, ::-1].cumsum(axis=1)[:, ::-1] <= season)
        if level > 1.2 * losses[last].max():
            return None
        means = np.where(last, losses, 0.0).sum(axis=1) / season
        best = float(means.min())
        year = slice(seen.history - season, seen.history)
        _, regular = best_period(Losses(seen.known[year, year]), seen.retraining)
        if best * season > regular.total + seen.retraining:  # it begins with a model that was paid for
            return None
        stale, fresh = (
            self._of_season(means, models - when, season) for when in (seen.trained[-1], seen.window)
        )
        gain = stale - fresh
        return gain > 0.9 * (stale - best) and gain * self.seasons * season >= seen.retraining

    def _of_season(self, means: np.ndarray, away: np.ndarray, season: int) -> float:
        """What models that were trained in a season lost in the mean over a whole one."""
        near = np.minimum(away % season, -away % season) <= self.smooth
        return float(means[near].mean()) if near.any() else float(means.max())


def online(memory: int) -> Rule:
    """The rule, for trainings that learn from so many windows."""
    return Degradation(memory)


def season_of(losses: np.ndarray, repeats: float) -> int:
    """After how many windows losses repeat themselves.

    It is the first peak of the autocorrelation that reaches the bar, behind the first lag at which it is
    negative: what merely changes slowly is no season. One and a half seasons must have been seen.

    Args:
        losses: Of one model, in windows that follow each other.
        repeats: The correlation that is asked for.

    Returns:
        The length in windows; 0: they do not repeat themselves.

    >>> season_of(np.sin(np.arange(70) * 2 * np.pi / 40), 0.85), season_of(np.arange(70.0), 0.85)
    (40, 0)
    """
    if len(losses) < 30:
        return 0
    x = _smoothed(losses, 5)
    x = x - x.mean()
    lags = np.arange(1, int(len(x) / 1.5) + 1)
    pairs = len(x) - lags
    sums, squares = (np.concatenate([[0.0], np.cumsum(each)]) for each in (x, x * x))
    early, late = sums[pairs] / pairs, (sums[-1] - sums[lags]) / pairs
    spread = (squares[pairs] / pairs - early**2) * ((squares[-1] - squares[lags]) / pairs - late**2)
    products = np.correlate(x, x, "full")[len(x) - 1 :][lags]
    correlation = (products / pairs - early * late) / np.sqrt(np.maximum(spread, 1e-12))
    negative = np.flatnonzero(correlation < 0)
    if not len(negative):
        return 0
    correlation[: negative[0]] = -1.0
    reached = np.flatnonzero(correlation >= max(repeats, correlation.max() - 0.1))
    if not len(reached):
        return 0
    peak = int(reached[0])
    while peak + 1 < len(correlation) and correlation[peak + 1] >= correlation[peak]:
        peak += 1
    return int(lags[peak])


def _old(since: int, memory: int) -> float:
    """The share of the excess that a training of now would keep: its weights lie between old and new."""
    return max(1 - since / memory, 0.0) ** 2


def _better_to_wait(since: int, horizon: float, memory: int) -> bool:
    """Whether a window more to learn from saves more than the excess of that window costs."""
    saved = (_old(since, memory) - _old(since + 1, memory)) * horizon
    return saved > 1 - _old(since, memory)


def _known(losses: np.ndarray) -> np.ndarray:
    return losses[np.isfinite(losses)]


def _smoothed(losses: np.ndarray, windows: int) -> np.ndarray:
    return np.convolve(losses, np.full(windows, 1 / windows), "valid")


def _noise(losses: np.ndarray) -> float:
    """The standard deviation from window to window; a fifth of the loss while too few are known."""
    return float(np.diff(losses).std() / math.sqrt(2)) if len(losses) > 3 else 0.2 * float(losses.mean())
