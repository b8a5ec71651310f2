"""Images of a class that no model has seen: how well its rows are told from the others, class by class.

Each class of a part of Fashion-MNIST is held out in turn: the reference is the training part without it, the
window the whole test part. Beside the density ratio that `analyze` uses stand a model's lack of confidence
and the distance to the nearest image. The ratio sees the whole window at once, the other two a row at a time.
"""

import argparse
import datetime
import json
import logging
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from adsmu.analyze.novelty import cluster, density
from adsmu.analyze.points import points
from benchmarks.monitoring.record import merge
from benchmarks.monitoring.scenarios import DATA

BAR = 0.9
SHARES = (0.05, 0.02)
SEEDS = 5
BOOTSTRAP = 1000


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images and labels of the training part, then of the test part."""
    with np.load(DATA / "fashion_mnist" / "fashion_mnist_3583.npz", allow_pickle=False) as files:
        train, test = (files[name].reshape(-1, 784).astype(np.float32) for name in ("x_train", "x_test"))
        return train, files["y_train"], test, files["y_test"]


def scored(reference: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The density ratio about each row of the window, and the rows of the cluster."""
    tables = (
        pa.table({"image": pa.FixedSizeListArray.from_arrays(x.ravel(), 784)}) for x in (reference, window)
    )
    old, new = points(*tables, ["image"], [])
    ratio = density(old, new)
    return ratio.window, cluster(ratio, new).rows


def held_out(name: int) -> dict[str, Any]:
    """Every score for one class.

    Args:
        name: The class.

    Returns:
        AUROC of each score, that of the ratio with an interval over resampled rows, and at smaller shares of
        the new class; the false positives of the ratio; precision and recall of the cluster.
    """
    train, labels, window, truth = images()
    reference, known = train[labels != name], labels[labels != name]
    new = truth == name
    ratio, found = scored(reference, window)
    rng = np.random.default_rng(name)
    samples = [rng.integers(0, len(new), len(new)) for _ in range(BOOTSTRAP)]
    again = [roc_auc_score(new[rows], ratio[rows]) for rows in samples]
    low, high = np.quantile(again, [0.025, 0.975])
    model = LogisticRegression(C=0.05, max_iter=200).fit(reference / 255, known)
    nearest = NearestNeighbors(n_neighbors=1).fit(reference).kneighbors(window)[0][:, 0]
    return {
        "class": name,
        "rows": int(new.sum()),
        "ratio": round(float(roc_auc_score(new, ratio)), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "fpr95": false_positive_rate(new, ratio),
        "one_minus_max": round(
            float(roc_auc_score(new, 1 - model.predict_proba(window / 255).max(axis=1))), 4
        ),
        "pixel_neighbour": round(float(roc_auc_score(new, nearest)), 4),
        "cluster": {
            "rows": len(found),
            "precision": round(float(new[found].mean()), 4) if len(found) else None,
            "recall": round(float(new[found].sum() / new.sum()), 4),
        },
        **{f"ratio_at_{share}": rarer(reference, window, new, share) for share in SHARES},
    }


def false_positive_rate(new: np.ndarray, score: np.ndarray) -> float:
    """The share of the other rows above the score that 95 % of the new ones reach (FPR95)."""
    return round(float((score[~new] >= np.quantile(score[new], 0.05)).mean()), 4)


def rarer(reference: np.ndarray, window: np.ndarray, new: np.ndarray, share: float) -> float:
    """The mean AUROC where the new class is a smaller share of the window."""
    found = []
    for seed in range(SEEDS):
        few = round(share / (1 - share) * int((~new).sum()))
        kept = np.random.default_rng(seed).permutation(np.flatnonzero(new))[:few]
        rows = np.sort(np.r_[np.flatnonzero(~new), kept])
        found.append(roc_auc_score(new[rows], scored(reference, window[rows])[0]))
    return round(float(np.mean(found)), 4)


def summary(classes: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over classes; the interval is Student's, over the classes."""
    ratios = np.array([each["ratio"] for each in classes])
    half = stats.t.ppf(0.975, len(ratios) - 1) * ratios.std(ddof=1) / np.sqrt(len(ratios))
    names = ("fpr95", "one_minus_max", "pixel_neighbour", *(f"ratio_at_{share}" for share in SHARES))
    return {
        "mean": round(float(ratios.mean()), 4),
        "low": round(float(ratios.mean() - half), 4),
        "high": round(float(ratios.mean() + half), 4),
        **{name: round(float(np.mean([each[name] for each in classes])), 4) for name in names},
        "classes": classes,
        "bar": BAR,
        "met": bool(ratios.mean() >= BAR),
        "date": f"{datetime.date.today()}",
        "command": "python -m benchmarks.monitoring.new_class",
    }


def main() -> None:
    """Holds out each class and merges the figures into the record."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    classes = []
    for name in range(10):
        classes.append(held_out(name))
        logging.getLogger(__name__).info("%s", json.dumps(classes[-1]))
    found = summary(classes)
    merge({"new_class_auroc": found["mean"], "new_class": found})


if __name__ == "__main__":
    main()
