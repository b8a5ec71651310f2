"""Whether following an analysis beats refitting on whatever is at hand, on intents of CLINC150.

Both arms may have as many labels of the window. The naive one spends them on rows chosen at random and refits
on all it has, as a cron job does. The other spends what the analysis asks for, the rest on the rows that it
points to, and does what it recommends. Both are measured on rows of the window whose labels neither used;
where inputs or labels of the window are damaged, on the same rows undamaged. Harm to one cohort is left out:
the texts do not tell the cohort, so no refit could learn it.
"""

import argparse
import datetime
import json
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from adsmu.analyze.analyze import analyze
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.scenarios import Drawn, draw, sources
from benchmarks.monitoring.summaries import mean

SEEDS = 5
LABELS = 250
SCENARIOS = ("concept", "new_class", "label_shift", "poisoned", "quality", "none", "covariate")
STRENGTH = {"concept": 2.0}
"""Nine rows of ten mean another class; where fewer than half do, as in the bank, old answers stay best."""


def spent(asked: Sequence[int], pointed: Sequence[int], rows: int) -> np.ndarray:
    """The rows whose labels an arm has: those asked for, then those pointed to, then any, `LABELS` in all."""
    others = np.random.default_rng(0).permutation(rows)
    order = np.r_[np.array(asked, int), np.random.default_rng(1).permutation(np.array(pointed, int)), others]
    return order[np.sort(np.unique(order, return_index=True)[1])][:LABELS]


def followed(drawn: Drawn, recommendation: dict[str, Any], rows: np.ndarray, truth: np.ndarray) -> Any:
    """Trains as an analysis recommends.

    Args:
        drawn: The scenario.
        recommendation: What the analysis recommends.
        rows: The rows of the window that have labels.
        truth: The label of each row of the window.

    Returns:
        What `Source.fit` gives.
    """
    text, label = drawn.train
    if recommendation["dataset"] is None:
        return drawn.source.fit(text, label)
    texts, labels = np.r_[text, drawn.inputs[rows]], np.r_[label, truth[rows]]
    new = np.arange(len(texts)) >= len(text)
    form, parameters = recommendation["dataset"]["form"], recommendation["dataset"]["parameters"]
    times = np.ones(len(texts))
    if form == "upsampled":
        times[np.isin(labels, parameters["segments"])] = parameters["factor"]
    elif form == "sliding":
        times[~new] = 0
    elif form == "mix":
        times[new] = (1 - parameters["history"]) / parameters["history"] * len(text) / len(rows)
    times = np.rint(times).astype(int)
    return drawn.source.fit(np.repeat(texts, times), np.repeat(labels, times))


def one(scenario: str, seed: int) -> dict[str, Any]:
    """Accuracy of both arms, and of the champion, in one scenario."""
    source = next(each for each in sources() if each.name == "clinc150")
    drawn = draw(source, scenario, seed, STRENGTH.get(scenario, 1.0))
    truth = np.array(list(drawn.truth.values()))
    asked: list[int] = []

    def ask(ids: Sequence[str]) -> list[str]:
        asked.extend(int(each[1:]) for each in ids)
        return drawn.labels(ids)

    found = analyze(drawn.reference, drawn.window, source.strategy, None, ask, seed)
    pointed = [int(each[1:]) for each in found["rows"]]
    ours = spent(list(dict.fromkeys(asked)), pointed, len(truth))
    theirs = np.random.default_rng(seed).permutation(len(truth))[:LABELS]
    supplied = drawn.window["label"].to_pylist() if scenario == "poisoned" else truth.tolist()
    text, label = drawn.train
    naive = source.fit(np.r_[text, drawn.inputs[theirs]], np.r_[label, np.array(supplied)[theirs]])
    models = {
        "followed": followed(drawn, found["recommendation"], ours, truth),
        "naive": naive,
        "champion": source.fit(text, label),
    }
    whole = draw(source, "none", seed).inputs if scenario == "quality" else drawn.inputs
    unseen = np.setdiff1d(np.arange(len(truth)), np.r_[ours, theirs])
    return {
        name: float((classes[predict(whole[unseen]).argmax(axis=1)] == truth[unseen]).mean())
        for name, (predict, classes) in models.items()
    }


def paired(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means, and the difference of the arms with Student's interval of 95 % over seeds."""
    of = mean([row["followed"] - row["naive"] for row in rows])
    return {
        **{name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]},
        "difference": of["mean"],
        "low": of["low"],
        "high": of["high"],
    }


def main() -> None:
    """Measures every scenario and merges the figures into the record."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--begin", type=int, default=0, help="the first seed")
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--print", action="store_true", help="print the figures, and record nothing")
    given = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    warnings.filterwarnings("ignore", module="sklearn")
    found: dict[str, Any] = {}
    for name in SCENARIOS:
        found[name] = paired([one(name, seed) for seed in range(given.begin, given.begin + given.seeds)])
        logging.getLogger(__name__).info("%s %s", name, json.dumps(found[name]))
        if not given.print:
            merge(
                {
                    "advice": found
                    | {
                        "date": f"{datetime.date.today()}",
                        "seeds": given.seeds,
                        "command": f"python -m benchmarks.monitoring.advice --seeds {given.seeds}",
                    }
                }
            )


if __name__ == "__main__":
    main()
