"""A small world: two numbers, three classes, a model that knows them, and ways in which it goes wrong."""

import datetime

import numpy as np
import pyarrow as pa

from adsmu.strategy import Strategy
from adsmu.strategy.schema import Cohort, Columns

CENTRES = {"a": (0.0, 0.0), "b": (5.0, 0.0), "c": (0.0, 5.0)}
STRATEGY = Strategy("small", Columns(features=("x", "y")), cohorts={"place": Cohort("place")})
PLACES = np.array(["north", "south", "west"])


def world(
    seed: int,
    rows: int = 500,
    shares: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3),
    shift: float = 0.0,
    new: int = 0,
) -> dict[str, np.ndarray]:
    """Rows of the three classes, and `new` rows of a fourth one."""
    rng = np.random.default_rng(seed)
    label = np.r_[rng.choice(list(CENTRES), rows - new, p=shares), np.repeat("d", new)]
    centres = np.array([(CENTRES | {"d": (9.0, 9.0)})[name] for name in label]).reshape(-1, 2)
    points = centres + rng.normal(size=(rows, 2)) + shift
    return {"points": points, "label": label, "place": rng.choice(PLACES, rows)}


def predicted(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a model of nearest centres answers, and how sure it is."""
    distance = ((points[:, None] - np.array(list(CENTRES.values()))) ** 2).sum(axis=2)
    chance = np.exp(-(distance - distance.min(axis=1, keepdims=True)) / 2)
    chance /= chance.sum(axis=1, keepdims=True)
    return np.array(list(CENTRES))[chance.argmax(axis=1)], chance.max(axis=1)


def table(rows: dict[str, np.ndarray], labelled: bool = False, prefix: str = "w") -> pa.Table:
    size = len(rows["label"])
    prediction, score = predicted(rows["points"])
    return pa.table(
        {
            "id": [f"{prefix}{row}" for row in range(size)],
            "time": pa.array([datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)] * size),
            "prediction": prediction,
            "score": score,
            "label": pa.array(rows["label"].tolist() if labelled else [None] * size, pa.string()),
            "x": rows["points"][:, 0],
            "y": rows["points"][:, 1],
            "place": rows["place"],
        }
    )


def reference(seed: int = 0) -> pa.Table:
    return table(world(seed, 900), labelled=True, prefix="r")


def answers(rows: dict[str, np.ndarray]):
    """Someone who knows every label."""
    return lambda ids: [str(rows["label"][int(each[1:])]) for each in ids]
