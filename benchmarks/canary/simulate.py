"""Rollouts simulated side by side: our decision and what other tools do, on the same requests.

Every method sees the same requests and the same ramp, so they differ in nothing but what they conclude.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from adsmu.canary_deploy.decide import decide, findings
from adsmu.canary_deploy.plan import Evidence, Labels, Look, Plan, Served, Traffic
from adsmu.canary_deploy.state import Observed, begin, update
from benchmarks.measure import record

RESULTS = Path(__file__).parent / "results.json"

PLAN = Plan()
MARGIN = PLAN.margin
RIGHT, ERRORS, SLOW = 0.9, 0.01, 0.05
LOOKS = 48

Rates = Callable[[int, int], np.ndarray]
"""From a look, counted from 0, and the number of strata, to one number a stratum."""


@dataclass(frozen=True)
class Truth:
    """What is true in a simulation.

    Attributes:
        name: For the record.
        champion: Its accuracy.
        loss: How much lower the canary's is.
        mix: The share of the requests that each stratum has.
        delay: Looks after which a label is due.
    """

    name: str
    champion: Rates = lambda look, strata: np.full(strata, RIGHT)
    loss: Rates = lambda look, strata: np.zeros(strata)
    mix: Rates = lambda look, strata: np.full(strata, 1 / strata)
    delay: int = 0


def _one(size: float, begins: int = 0) -> Rates:
    return lambda look, strata: size * ((np.arange(strata) == 0) & (look >= begins))


def _all(size: float) -> Rates:
    return lambda look, strata: np.full(strata, size)


def _falling(look: int, strata: int) -> np.ndarray:
    return np.full(strata, max(RIGHT - 0.25 * look / LOOKS, 0.6))


def _rising(look: int, strata: int) -> np.ndarray:
    return np.full(strata, min(0.7 + 0.25 * look / LOOKS, 0.95))


def _changing(look: int, strata: int) -> np.ndarray:
    weights = np.linspace(1, 4, strata) ** np.cos(look / 4)
    return weights / weights.sum()


NONE, WITHHELD = "no difference", "ours, promotion withheld"
KAYENTA = "Mann-Whitney (Kayenta)"
LOST, AT_MARGIN = "-20 points in one stratum", "at the margin"
TRUTHS = (
    Truth(NONE),
    Truth(f"{NONE}, falling trend", champion=_falling),
    Truth(f"{NONE}, rising trend", champion=_rising),
    Truth(f"{NONE}, changing weights of strata", mix=_changing),
    Truth(f"{NONE}, labels 5 looks late, falling trend", champion=_falling, delay=5),
    Truth(LOST, loss=_one(0.2)),
    Truth(f"{LOST} from look 21 on", loss=_one(0.2, begins=20)),
    Truth(f"{LOST}, labels 5 looks late", loss=_one(0.2), delay=5),
    Truth("-2 points everywhere", loss=_all(0.02)),
    Truth(f"{AT_MARGIN}, everywhere", loss=_all(MARGIN)),
    Truth(f"{AT_MARGIN}, rising trend", champion=_rising, loss=_all(MARGIN)),
    Truth(f"{AT_MARGIN}, falling trend, labels 5 looks late", champion=_falling, loss=_all(MARGIN), delay=5),
)


class Ours:
    """`decide`, for all rollouts at once; where promotion is withheld, harm is looked for to the end."""

    def __init__(self, runs: int, strata: int, withheld: bool = False) -> None:
        self.state, self.withheld = begin(PLAN, strata, (runs,)), withheld

    def see(self, look: Observed, ready: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rollouts are rolled back now, and which are promoted."""
        self.state = update(self.state, look)
        found = findings(self.state)
        sound = ready & ~(found.harmed | found.split_wrong | found.coverage_wrong)
        proven = ~found.few.any(axis=-1) & found.proven & found.strata_proven.all(axis=-1)
        return found.harmed, sound & proven & (not self.withheld)


class ZTest:
    """A z-test in each stratum at each look, on all labels so far, with Bonferroni over strata."""

    def __init__(self, runs: int, strata: int) -> None:
        self.counts = np.zeros((3, 2, runs, strata))
        self.bar = special.ndtri(1 - PLAN.alpha / strata)

    def see(self, look: Observed, ready: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rollouts are rolled back now; none is promoted before the end."""
        self.counts = self.counts + look.labels.sum(axis=0)
        _, labelled, correct = self.counts
        with np.errstate(invalid="ignore", divide="ignore"):
            pooled = correct.sum(axis=0) / labelled.sum(axis=0)
            spread = np.sqrt(pooled * (1 - pooled) * (1 / labelled).sum(axis=0))
            rates = correct / labelled
            z = (rates[1] - rates[0]) / spread
        return (z > self.bar).any(axis=-1), np.zeros_like(ready)


class MannWhitney:
    """Kayenta's judge on each stratum's failure rates, look by look, as two series.

    The canary is rolled back when the lower bound of the 98 % interval of the shift between the series is
    above a quarter of its estimate, the classification `High` with the judge's own settings.
    """

    def __init__(self, runs: int, strata: int) -> None:
        self.series = np.empty((2, runs, strata, 0))

    def see(self, look: Observed, ready: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rollouts are rolled back now; none is promoted before the end."""
        nobody = np.zeros_like(ready)
        _, labelled, correct = look.labels.sum(axis=0)
        if not labelled.any():
            return nobody, nobody
        rates = 1 - np.where(labelled > 0, correct / np.maximum(labelled, 1), 1.0)
        self.series = np.concatenate([self.series, rates[..., None]], axis=-1)
        size = self.series.shape[-1]
        place = int(size**2 / 2 - special.ndtri(0.99) * np.sqrt(size**2 * (2 * size + 1) / 12))
        if place < 1:
            return nobody, nobody
        shifts = (self.series[0][..., :, None] - self.series[1][..., None, :]).reshape(*rates.shape[1:], -1)
        shifts = np.partition(shifts, (place - 1, size**2 // 2), axis=-1)
        low, middle = shifts[..., place - 1], shifts[..., size**2 // 2]
        return ((low > 0.25 * middle) & (low > 0)).any(axis=-1), nobody


class Threshold:
    """A check of the canary's accuracy in each look against a fixed bound, `allowed` failed checks in all."""

    def __init__(self, runs: int, strata: int, allowed: int) -> None:
        self.failed, self.allowed = np.zeros(runs, dtype=int), allowed

    def see(self, look: Observed, ready: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rollouts are rolled back now; none is promoted before the end."""
        _, labelled, correct = look.labels.sum(axis=0)[:, 0].sum(axis=-1)
        self.failed = self.failed + (correct < (RIGHT - MARGIN) * labelled)
        return self.failed > self.allowed, np.zeros_like(ready)


METHODS: dict[str, Callable[[int, int], Any]] = {
    "ours": Ours,
    WITHHELD: lambda runs, strata: Ours(runs, strata, withheld=True),
    "z-test at each look": ZTest,
    KAYENTA: MannWhitney,
    "threshold, 5 failed checks (Flagger)": lambda runs, strata: Threshold(runs, strata, 4),
    "threshold, first failed check (Argo Rollouts)": lambda runs, strata: Threshold(runs, strata, 0),
}


def simulated(
    truth: Truth, strata: int, requests: int, runs: int, looks: int = LOOKS, methods: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Simulates rollouts up to the last step before all traffic, which is held until the looks are used up.

    Args:
        truth: What is true.
        strata: How many.
        requests: A look, to both variants.
        runs: Rollouts.
        looks: How many each may take.
        methods: Which; all if none is named.

    Returns:
        A record for each method: the parts of the runs that ended either way, the median look at which those
        that were rolled back were, and the same of those promoted.
    """
    rng = np.random.default_rng([strata, requests, looks, *truth.name.encode()])
    judges = {name: METHODS[name](runs, strata) for name in methods or METHODS}
    ends = {name: (np.zeros(runs, dtype=int), np.zeros(runs, dtype=int)) for name in judges}
    seen = {name: np.zeros(runs, dtype=int) for name in judges}
    steps = np.array([step for step in PLAN.steps if step < 1])
    step, at_step, to_canary = (np.zeros(runs, dtype=int) for _ in range(3))
    total = np.zeros(runs, dtype=int)
    waiting: list[np.ndarray] = []
    for look in range(looks):
        share = steps[step]
        both = rng.multinomial(requests, truth.mix(look, strata), size=runs)
        canary = rng.binomial(both, share[:, None])
        counts = np.stack([canary, both - canary])
        right = truth.champion(look, strata)
        accuracy = np.stack([right - truth.loss(look, strata), right])[:, None]
        waiting.append(np.stack([counts, counts, rng.binomial(counts, accuracy)]))
        due = waiting[look - truth.delay] if look >= truth.delay else np.zeros((3, *counts.shape), dtype=int)
        traffic = np.stack([counts, rng.binomial(counts, ERRORS), rng.binomial(counts, SLOW)])
        new = Observed(share, traffic, due[None], np.zeros((3, *counts.shape[1:]), dtype=int))
        at_step, to_canary, total = at_step + 1, to_canary + canary.sum(axis=-1), total + canary.sum(axis=-1)
        done = (at_step >= PLAN.min_looks) & (to_canary >= PLAN.min_requests)
        last = step == len(steps) - 1
        for name, judge in judges.items():
            back, on = judge.see(new, done & last)
            rolled, promoted = ends[name]
            open_ = (rolled == 0) & (promoted == 0)
            rolled[open_ & back] = look + 1
            promoted[open_ & on & ~back] = look + 1
            if look == looks - 1 and not name.startswith("ours"):
                promoted[open_ & ~back] = look + 1
            seen[name] = np.where(open_, total, seen[name])
        moves = done & ~last
        step, at_step, to_canary = step + moves, np.where(moves, 0, at_step), np.where(moves, 0, to_canary)
    return [
        {
            "method": name,
            "truth": truth.name,
            "strata": strata,
            "requests_per_look": requests,
            "rolled_back": float((rolled > 0).mean()),
            "promoted": float((promoted > 0).mean()),
            "median_look": _median(rolled),
            "median_look_promoted": _median(promoted),
            "median_requests_to_canary": float(np.median(seen[name])),
            "looks": looks,
            "runs": runs,
        }
        for name, (rolled, promoted) in ends.items()
    ]


def _median(looks: np.ndarray) -> float | None:
    return float(np.median(looks[looks > 0])) if (looks > 0).any() else None


def speed() -> dict[str, float]:
    """Times `update` and `decide` on 142 strata, at the first of 1,000 looks and after them."""
    strata, looks = 142, 1000
    rng = np.random.default_rng(0)
    names = tuple(f"stratum {number}" for number in range(strata))

    def look() -> Look:
        arms, labels = [], []
        for requests in rng.poisson(7, (2, strata)):
            count, *parts = (
                tuple(each.tolist())
                for each in (requests, *(rng.binomial(requests, rate) for rate in (ERRORS, SLOW, RIGHT)))
            )
            arms.append(Traffic(count, *parts[:2]))
            labels.append(Labels(count, count, parts[2]))
        return Look(0.5, *arms, (Served(*labels),))

    evidence = Evidence(names, tuple(look() for _ in range(looks)))
    state, times = begin(PLAN, strata), []
    for each in evidence.looks:
        start = time.perf_counter()
        state = update(state, each)
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    decided = [decide(PLAN, evidence, state) for _ in range(20)]
    deciding = (time.perf_counter() - start) / 20
    if decided[0] != decide(PLAN, evidence):
        raise RuntimeError("the carried state and the evidence do not decide alike")
    return {
        "update_median_of_first_100_looks": float(np.median(times[:100])),
        "update_median_of_last_100_looks": float(np.median(times[-100:])),
        "decide": deciding,
        "one_decision": deciding + float(np.median(times[-100:])),
        "all_looks_from_the_start": float(np.sum(times)),
    }


def run() -> list[dict[str, Any]]:
    """Simulates every truth in every setting, and times a decision.

    Returns:
        A record of the simulations, one of the times. What each simulation gave goes to `results.json` here.
    """
    figures = []
    for truth in TRUTHS:
        for requests in (100, 1000):
            figures += simulated(
                truth, 5, requests, 2000, methods=tuple(name for name in METHODS if name != KAYENTA)
            )
            figures += simulated(truth, 5, requests, 100, methods=(KAYENTA,))
    for truth in TRUTHS[:1]:
        figures += simulated(truth, 5, 1000, 1000, looks=1000, methods=("z-test at each look", WITHHELD))
        figures += simulated(truth, 142, 1000, 100, looks=500, methods=("z-test at each look", WITHHELD))
    for truth in (TRUTHS[0], *(each for each in TRUTHS if each.name in (LOST, f"{AT_MARGIN}, everywhere"))):
        figures += simulated(truth, 142, 5000, 400, methods=("ours", "z-test at each look"))

    def ours(name: str, strata: int = 5) -> list[dict[str, Any]]:
        found = [each for each in figures if each["truth"].startswith(name) and each["strata"] >= strata]
        return [each for each in found if each["method"].startswith("ours")]

    lost = [
        each
        for each in ours(LOST)
        if each["truth"] == LOST and (each["strata"], each["requests_per_look"]) == (5, 1000)
    ]
    met = (
        all(each["rolled_back"] <= 0.01 for each in ours(NONE))
        and all(each["rolled_back"] >= 0.99 and each["median_look"] <= 4 for each in lost)
        and all(each["promoted"] <= 0.05 for each in ours(AT_MARGIN))
        and all(each["promoted"] <= 0.05 for each in ours(LOST) if " from look" not in each["truth"])
    )
    command = "python -m benchmarks.canary"
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    worst = {
        "no_difference_rolled_back_at_most": max(each["rolled_back"] for each in ours(NONE)),
        "20_points_lost_rolled_back_at_least": min(each["rolled_back"] for each in lost),
        "20_points_lost_median_look": max(each["median_look"] for each in lost),
        "at_the_margin_promoted_at_most": max(each["promoted"] for each in ours(AT_MARGIN)),
    }
    times = speed()
    return [
        record(
            f"rollouts simulated at alpha {PLAN.alpha:g}, margin {MARGIN:g}; requests and looks to decide",
            command,
            worst | {"all": f"benchmarks/canary/{RESULTS.name}"},
            "no difference: at most 1 % rolled back, however many looks; 20 points lost in one of 5 strata "
            "at 1,000 requests a look: at least 99 % rolled back, median look at most 4; at the margin, or "
            "with those 20 points lost: at most 5 % promoted",
            met,
        ),
        record(
            "one decision over 142 strata after 1,000 looks, seconds",
            command,
            times,
            "at most 10 ms, and no slower than after few looks",
            times["one_decision"] <= 0.01
            and times["update_median_of_last_100_looks"] <= 1.5 * times["update_median_of_first_100_looks"],
        ),
    ]
