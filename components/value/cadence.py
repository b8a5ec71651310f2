"""When to retrain: rules played on losses, and the best that hindsight could have done."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adsmu.errors import BadInput
from adsmu.value.losses import Losses


@dataclass(frozen=True)
class Seen:
    """What a rule knows before a window is served.

    Attributes:
        window: The window.
        trained: Before which windows models were trained and put into service, oldest first.
        known: Models by windows: the losses that are known by now, else NaN. Of the models that were trained
            all: one that was replaced is kept and tested on what comes in, at next to no cost. And those of
            a backtest of the windows before the rule began.
        retraining: What a retraining costs, in units of loss in one window.
        history: How many windows the backtest is of.
    """

    window: int
    trained: tuple[int, ...]
    known: np.ndarray
    retraining: float
    history: int


Rule = Callable[[Seen], bool]
"""Whether to retrain before the window."""


@dataclass(frozen=True)
class Played:
    """What came of a rule.

    Attributes:
        retrained: Before which windows.
        loss: Summed over the windows served.
        total: The same with what the retrainings cost.
    """

    retrained: tuple[int, ...]
    loss: float
    total: float


def play(losses: Losses, retraining: float, rule: Rule, begin: int = 0, late: int = 0) -> Played:
    """Plays a rule; it sees nothing that was not known at the time.

    The first model serves, and is paid for, from the start. Costs count from the window `begin` on, and so
    does the rule; of the windows before it knows the losses that each model would have had.

    Args:
        losses: The losses.
        retraining: What one costs, in units of loss in one window.
        rule: The rule.
        begin: The first window it decides on.
        late: For how many windows labels are waited for after a window has ended.

    >>> from adsmu.value.losses import losses_of
    >>> ageing = losses_of(9, lambda i: i, lambda i, j: np.arange(9.0 - j))
    >>> play(ageing, 2.0, every(2)), play(ageing, 2.0, never).total
    (Played(retrained=(2, 4, 6, 8), loss=4.0, total=12.0), 36.0)
    """
    known = np.full(losses.of.shape, np.nan)
    known[:begin, :begin] = losses.of[:begin, :begin]
    trained, total, labelled = [0], 0.0, 0
    for window in range(begin, len(losses)):
        since, labelled = labelled, max(window - late, 0)
        known[trained, since:labelled] = losses.of[trained, since:labelled]
        if window > 0 and rule(Seen(window, tuple(trained), known, retraining, begin)):
            trained.append(window)
        total += losses.of[trained[-1], window]
    return Played(tuple(trained[1:]), float(total), float(total + retraining * (len(trained) - 1)))


def never(seen: Seen) -> bool:
    """The first model for ever."""
    return False


def every(windows: int) -> Rule:
    """Retrains when the model has served so many windows."""
    return lambda seen: seen.window - seen.trained[-1] >= windows


def best_in_hindsight(losses: Losses, retraining: float, begin: int = 0) -> Played:
    """The cheapest choice of windows to retrain before, by dynamic programming from the last window back.

    Source: the optimal retrospective strategy that Mahadevan and Mathioudakis 2024 compare with, "Cost-aware
    retraining for machine learning", Knowledge-Based Systems 293 (arXiv 2310.04216).

    Args:
        losses: The losses.
        retraining: What one costs.
        begin: The first window that counts; the first model serves until a retraining.

    >>> from adsmu.value.losses import losses_of
    >>> ageing = losses_of(9, lambda i: i, lambda i, j: np.arange(9.0 - j))
    >>> best_in_hindsight(ageing, 4.0)
    Played(retrained=(3, 6), loss=9.0, total=17.0)
    """
    windows = len(losses)
    rest = np.zeros(
        windows + 1
    )  # by window: the least cost from it on, of the model that is trained before it
    following = np.full(windows, windows)
    for model in [*range(windows - 1, max(begin, 1) - 1, -1), 0]:
        first, soonest = (model, model + 1) if model else (begin, max(begin, 1))
        served = np.concatenate([[0.0], np.cumsum(losses.of[model, first:])])[soonest - first :]
        choices = (
            served + rest[soonest:] + np.where(np.arange(soonest, windows + 1) < windows, retraining, 0.0)
        )
        chosen = int(np.argmin(choices))
        rest[model], following[model] = choices[chosen], soonest + chosen
    retrained = []
    window = int(following[0])
    while window < windows:
        retrained.append(window)
        window = int(following[window])
    total = float(rest[0])
    return Played(tuple(retrained), total - retraining * len(retrained), total)


def best_period(losses: Losses, retraining: float, begin: int = 0) -> tuple[int, Played]:
    """The period that would have cost least, and what it costs; never is a period longer than all windows.

    Args:
        losses: The losses.
        retraining: What one costs.
        begin: The first window that counts.
    """
    windows = len(losses)
    served = np.concatenate([np.zeros((windows, 1)), np.nancumsum(losses.of, axis=1)], axis=1)

    def total(period: int) -> float:
        times = np.arange(max(begin, period), windows, period)
        models, ends = np.concatenate([[0], times]), np.concatenate([times, [windows]])
        begins = np.maximum(models, begin)
        return float((served[models, ends] - served[models, begins]).sum() + retraining * len(times))

    period = min(range(1, windows + 1), key=total)
    return period, play(losses, retraining, every(period), begin)


def cost_aware(losses: Losses, retraining: float, history: int, variant: str) -> Rule:
    """A rule whose one parameter is the best for the windows that came before.

    Source: CARA, Mahadevan and Mathioudakis 2024 (arXiv 2310.04216), in its three variants: the threshold
    retrains when the staleness of the model is above a bound, the cumulative one when its sum since the last
    retraining is, the periodic one after a number of windows. The bound is searched among what occurs. Their
    staleness weighs each row's loss by how near queries lie to it; labels of all rows are known here, so it
    is the loss itself, less that of the model in its first window.

    Args:
        losses: The losses; only windows before `history` are read.
        retraining: What one costs.
        history: How many windows are known.
        variant: threshold, cumulative or periodic.

    Raises:
        BadInput: The variant is none of these, or there are fewer than two windows to learn from.
    """
    if history < 2:
        raise BadInput(f"two windows or more are needed to learn from, not {history}", file="history")
    before = Losses(losses.of[:history, :history])
    excess = before.of - np.diag(before.of)[:, None]
    if variant == "periodic":
        return every(best_period(before, retraining)[0])
    if variant not in ("threshold", "cumulative"):
        raise BadInput(f"{variant!r} is not one of threshold, cumulative, periodic", file="variant")
    cumulative = variant == "cumulative"
    values = np.nancumsum(np.where(np.isnan(excess), 0.0, excess), axis=1) if cumulative else excess
    bounds = np.quantile(values[np.isfinite(excess)], np.linspace(0, 1, 41))
    tried = [_bound(float(bound), cumulative) for bound in [*bounds, np.inf]]
    return min(tried, key=lambda rule: play(before, retraining, rule).total)


def _bound(bound: float, cumulative: bool) -> Rule:
    def rule(seen: Seen) -> bool:
        model = seen.trained[-1]
        served = seen.known[model, model : seen.window]
        served = served[np.isfinite(served)]
        if not len(served):
            return False
        excess = served - served[0]
        return bool((excess.sum() if cumulative else excess[-1]) > bound)

    return rule
