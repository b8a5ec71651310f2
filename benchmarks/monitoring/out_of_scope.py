"""Texts of no known intent among those of all 150: how well they are told, though they form no class.

    python -m benchmarks.monitoring.out_of_scope

The reference is rows of the training part of CLINC150, the window its test part with the rows that are out of
scope. Beside the density ratio that `analyze` uses stand a model's lack of confidence and the distance to the
nearest text. Intervals are over resampled rows of the window.
"""

import argparse
import datetime
import gzip
import json
import logging
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from adsmu.analyze.case import ROWS
from adsmu.analyze.novelty import density
from adsmu.analyze.points import points
from benchmarks.monitoring.new_class import false_positive_rate
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.scenarios import DATA

BOOTSTRAP = 200
log = logging.getLogger(__name__)


def scores() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Which rows of the window are out of scope, and what each score says of them."""
    with gzip.open(DATA / "clinc150" / "clinc_data_full.json.gz") as file:
        content = json.load(file)
    train = content["train"]
    window = [text for part in ("test", "oos_test") for text, _ in content[part]]
    new = np.arange(len(window)) >= len(content["test"])
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit([text for text, _ in train])
    model = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=0)
    model.fit(words.transform([text for text, _ in train]), [label for _, label in train])
    drawn = np.random.default_rng(0).permutation(len(train))[:ROWS]
    tables = (pa.table({"text": each}) for each in ([train[place][0] for place in drawn], window))
    old, now = points(*tables, ["text"], ["text"])
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(old).kneighbors(now)[0][:, 0]
    return new, {
        "ratio": density(old, now).window,
        "one_minus_max": 1 - model.predict_proba(words.transform(window)).max(axis=1),
        "nearest_text": nearest,
    }


def main() -> None:
    """Measures and merges the record."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    new, told = scores()
    rng = np.random.default_rng(0)
    samples = [rng.integers(0, len(new), len(new)) for _ in range(BOOTSTRAP)]
    found: dict[str, Any] = {"rows": len(new), "out_of_scope": int(new.sum())}
    for name, score in told.items():
        again = [roc_auc_score(new[rows], score[rows]) for rows in samples]
        low, high = np.quantile(again, [0.025, 0.975])
        found[name] = {
            "auroc": round(float(roc_auc_score(new, score)), 4),
            "low": round(float(low), 4),
            "high": round(float(high), 4),
            "fpr95": false_positive_rate(new, score),
        }
        log.info("%s %s", name, json.dumps(found[name]))
    stamp = {"date": f"{datetime.date.today()}", "command": "python -m benchmarks.monitoring.out_of_scope"}
    merge({"out_of_scope": found | stamp})


if __name__ == "__main__":
    main()
