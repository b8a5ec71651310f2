"""The bank of scenarios: real rows, a model trained on some, and a window to which one thing has happened."""

import datetime
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from adsmu.strategy import Strategy
from adsmu.strategy.schema import Cohort, Columns

DATA = Path("../shared/data")
SCENARIOS = ("none", "quality", "covariate", "label_shift", "new_class", "concept", "cohort")
CHANNELS = np.array(["app", "kiosk", "phone", "web"])
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
Features = Any
"""A data frame, an array of texts, or an array of images: what a model of the data set takes."""

Model = tuple[Callable[[Features], np.ndarray], np.ndarray]
"""A function from features to the probability of each class, and the classes."""


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        name: Its name.
        features: All rows.
        label: The class of each row.
        sizes: Rows to train on, of the reference, and of the window.
        classes: How many classes a seed chooses; 0: all.
        fit: Trains a model on features and labels.
        columns: Features as columns of observations.
        damage: Breaks the quality of a window in one of several ways.
        change: Changes the inputs of a window, not what they mean; gives features and which rows to prefer.
        strategy: What the columns are, and the cohorts.
    """

    name: str
    features: Features
    label: np.ndarray
    sizes: tuple[int, int, int]
    classes: int
    fit: Callable[[Features, np.ndarray], Model]
    columns: Callable[[Features], dict[str, Any]]
    damage: Callable[[Features, np.random.Generator], Features]
    change: Callable[[Features, np.random.Generator], tuple[Features, np.ndarray]]
    strategy: Strategy


@dataclass(frozen=True)
class Drawn:
    """A scenario with its truth.

    Attributes:
        reference: Observations with labels.
        window: Observations; without labels unless they are supplied.
        truth: The label of each id of the window.
        source: The data set.
        train: Features and labels that the model learnt from.
        inputs: Features of the window.
        held: The class that is new, or None.
    """

    reference: pa.Table
    window: pa.Table
    truth: dict[str, str]
    source: Source
    train: tuple[Features, np.ndarray]
    inputs: Features
    held: str | None

    def labels(self, ids: Sequence[str]) -> list[str]:
        """Answers as someone who knows."""
        return [self.truth[each] for each in ids]


def _cohort(features: Features, channel: np.ndarray) -> np.ndarray:
    return features["season"].to_numpy() if isinstance(features, pd.DataFrame) else channel


def draw(source: Source, scenario: str, seed: int, strength: float = 1.0) -> Drawn:
    """Draws a scenario.

    Args:
        source: The data set.
        scenario: One of `SCENARIOS`, or `poisoned`.
        seed: Chooses rows, classes, and the kind and place of what happens.
        strength: How strong it is, 1 as in the bank: shares of rows that are new, are preferred or have
            another meaning. What is done to a row's own inputs is not weakened.

    Returns:
        The scenario.
    """
    rng = np.random.default_rng([seed, sum(map(ord, source.name))])
    names = np.unique(source.label)
    if source.classes:
        names = rng.choice(names, source.classes, replace=False)
    rows = rng.permutation(np.flatnonzero(np.isin(source.label, names)))
    held = str(rng.choice(names))
    channel = rng.choice(CHANNELS, len(source.label))
    new = scenario == "new_class"
    known = rows[source.label[rows] != held] if new else rows
    train, reference, window = source.sizes
    predict, classes = _model(source, tuple(known[:train].tolist()))
    pool = known[train + reference :]
    old = known[train : train + reference]
    features, label = source.features, source.label.copy()

    if new:
        few = rng.permutation(rows[source.label[rows] == held])[: int(strength * window / 10)]
        chosen = np.r_[pool[: window - len(few)], few]
    elif scenario == "label_shift":
        often = rng.choice(names, max(1, len(names) // 5), replace=False)
        chosen = _preferred(pool, np.where(np.isin(label[pool], often), 8.0**strength, 1.0), window, rng)
    elif scenario == "covariate":
        changed, prefer = source.change(_take(features, pool), rng)
        place = _preferred(np.arange(len(pool)), prefer**strength, window, rng)
        chosen = pool[place]
    else:
        chosen = pool[: 2 * window if scenario == "poisoned" else window]  # a batch to learn from is larger
    taken = _take(changed, place) if scenario == "covariate" else _take(features, chosen)
    if scenario == "quality":
        taken = source.damage(taken, rng)
    now = label[chosen]
    group = _cohort(taken, channel[chosen])
    if scenario == "concept":
        now = _relabel(now, np.ones(len(now), bool), 0.45 * strength, names, rng)
    if scenario == "cohort":
        hurt = group == rng.choice(np.unique(group))
        now = _relabel(now, hurt, 0.6 * strength, names, rng)
    supplied = None
    if scenario == "poisoned":
        supplied = _relabel(now, group == rng.choice(np.unique(group)), 0.05, names, rng)
    ids = [f"w{i}" for i in range(len(chosen))]
    return Drawn(
        _observed(source, _take(features, old), channel[old], predict, classes, label[old], "r"),
        _observed(source, taken, channel[chosen], predict, classes, supplied, "w"),
        dict(zip(ids, now.tolist(), strict=True)),
        source,
        (_take(features, known[:train]), label[known[:train]]),
        taken,
        held if new else None,
    )


def _preferred(rows: np.ndarray, weight: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    return rows[np.argsort(rng.exponential(size=len(rows)) / weight)[:size]]


def _relabel(
    label: np.ndarray, among: np.ndarray, share: float, names: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Gives a share of rows the next class: what a class means has moved."""
    order = np.sort(names)
    moved = order[(np.searchsorted(order, label) + 1) % len(order)]
    return np.where(among & (rng.random(len(label)) < share), moved, label)


def _take(features: Features, rows: np.ndarray) -> Features:
    return (
        features.iloc[rows].reset_index(drop=True) if isinstance(features, pd.DataFrame) else features[rows]
    )


def _observed(
    source: Source,
    features: Features,
    channel: np.ndarray,
    predict: Callable[[Features], np.ndarray],
    classes: np.ndarray,
    label: np.ndarray | None,
    prefix: str,
) -> pa.Table:
    chance = predict(features)
    size = len(chance)
    return pa.table(
        {
            "id": [f"{prefix}{i}" for i in range(size)],
            "time": pa.array([NOW] * size),
            "prediction": classes[chance.argmax(axis=1)].astype(str),
            "score": chance.max(axis=1).astype(float),
            "label": pa.nulls(size, pa.string()) if label is None else label.astype(str),
            **source.columns(features),
            **({} if source.name == "bike" else {"channel": channel}),
        }
    )


_MODELS: dict[tuple[str, int], Model] = {}
"""Models that were trained, by data set and rows: most scenarios of a seed share one."""


def _model(source: Source, rows: tuple[int, ...]) -> Model:
    key = source.name, hash(rows)
    if key not in _MODELS:
        if len(_MODELS) > 8:
            _MODELS.clear()
        index = np.array(rows)
        _MODELS[key] = source.fit(_take(source.features, index), source.label[index])
    return _MODELS[key]


# --- bike

CATEGORY = {
    "weathersit": ["clear", "mist", "rain", "storm"],
    "season": ["winter", "spring", "summer", "autumn"],
}


def _bike() -> Source:
    frame = pd.read_csv(DATA / "bike" / "bike_hour.csv.gz")
    label = np.searchsorted([25, 120, 250, 450], frame["cnt"], "right")
    frame["season"] = frame["season"].map(dict(enumerate(CATEGORY["season"], 1)))
    frame["weathersit"] = frame["weathersit"].map(dict(enumerate(CATEGORY["weathersit"], 1)))
    features = frame[
        ["hr", "weekday", "workingday", "yr", "temp", "hum", "windspeed", "weathersit", "season"]
    ]
    names = np.array([f"level {level}" for level in label])
    columns = Columns(features=tuple(features.columns))
    return Source(
        "bike", features, names, (3000, 1200, 600), 0, _fit_bike,
        lambda rows: dict(zip(rows, pa.Table.from_pandas(rows, preserve_index=False).columns, strict=True)),
        _damage_bike, _change_bike, Strategy("bike", columns, cohorts={"season": Cohort("season")}),
    )  # fmt: skip


def _design(frame: pd.DataFrame) -> np.ndarray:
    coded = frame.copy()
    for name, values in CATEGORY.items():
        coded[name] = pd.Categorical(frame[name], values).codes
    return coded.to_numpy(float)


def _fit_bike(features: pd.DataFrame, label: np.ndarray) -> Model:
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(_design(features), label)
    return (lambda rows: model.predict_proba(_design(rows))), model.classes_


def _damage_bike(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    frame, hit = frame.copy(), rng.random(len(frame)) < rng.uniform(0.1, 1.0)
    kind = rng.integers(4)
    if kind == 0:
        frame.loc[hit, "hum"] = np.nan
    elif kind == 1:
        frame.loc[hit, "temp"] = frame["temp"] * 41 * 1.8 + 32  # stored as a part of 41 °C
    elif kind == 2:
        frame.loc[hit & (frame["weathersit"] != "clear"), "weathersit"] = "unknown"
    else:
        frame.loc[rng.random(len(frame)) < rng.uniform(0.3, 1.0), "windspeed"] = 0.1642
    return frame


def _change_bike(frame: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    name = rng.choice(["temp", "hum", "hr"])
    z = (frame[name] - frame[name].mean()) / frame[name].std()
    return frame, np.exp(rng.choice([-2.0, 2.0]) * z.to_numpy())


# --- clinc150

LEAD_INS = ("hey there could you please tell me ", "um so i was wondering ", "hello good morning assistant ")


def _clinc() -> Source:
    with gzip.open(DATA / "clinc150" / "clinc_data_full.json.gz") as file:
        whole = json.load(file)
    rows = [row for part in ("train", "val", "test") for row in whole[part]]
    text = np.array([text for text, _ in rows], object)
    columns = Columns(features=("text",), text=("text",))
    return Source(
        "clinc150", text, np.array([label for _, label in rows]), (1800, 1000, 500), 30, _fit_clinc,
        lambda f: {"text": pa.array(f.tolist(), pa.string())}, _damage_clinc, _change_clinc,
        Strategy("clinc150", columns, cohorts={"channel": Cohort("channel")}),
    )  # fmt: skip


def _fit_clinc(text: np.ndarray, label: np.ndarray) -> Model:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit([row or "" for row in text])
    model = LogisticRegression(C=20, max_iter=60).fit(words.transform([row or "" for row in text]), label)
    return (lambda rows: model.predict_proba(words.transform([r or "" for r in rows]))), model.classes_


def _damage_clinc(text: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    hit = np.flatnonzero(rng.random(len(text)) < rng.uniform(0.05, 0.5))
    made, kind = text.copy(), rng.integers(3)
    for row in hit:
        made[row] = (None, "", "".join("\ufffd" if c in "aeiou" else c for c in text[row]))[kind]
    return made


def _change_clinc(text: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if rng.random() < 0.5:
        lead = rng.choice(LEAD_INS)
        hit = rng.random(len(text)) < rng.uniform(0.4, 0.9)
        return np.array([lead + t if h else t for t, h in zip(text, hit, strict=True)], object), np.ones(
            len(text)
        )
    size = np.array([len(t.split()) for t in text], float)
    return text, np.exp(rng.choice([-2.0, 2.0]) * (size - size.mean()) / size.std())


# --- Fashion-MNIST


def _fashion() -> Source:
    files = np.load(DATA / "fashion_mnist" / "fashion_mnist_3583.npz", allow_pickle=False)
    images = np.concatenate([files["x_train"], files["x_test"]]).reshape(-1, 784).astype(np.float32)
    label = np.r_[files["y_train"], files["y_test"]].astype(str)
    columns = Columns(features=("image",), embedding=("image",))
    return Source(
        "fashion_mnist", images, label, (1300, 1000, 600), 0, _fit_fashion,
        lambda f: {"image": pa.FixedSizeListArray.from_arrays(f.ravel().astype(np.float32), 784)},
        _damage_fashion, _change_fashion,
        Strategy("fashion_mnist", columns, cohorts={"channel": Cohort("channel")}),
    )  # fmt: skip


def _fit_fashion(images: np.ndarray, label: np.ndarray) -> Model:
    axes = PCA(40, random_state=0).fit(images)
    scale = axes.transform(images).std()
    model = LogisticRegression(C=0.5, max_iter=100, tol=1e-2).fit(axes.transform(images) / scale, label)
    return (lambda rows: model.predict_proba(axes.transform(np.nan_to_num(rows)) / scale)), model.classes_


def _damage_fashion(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    hit, made = rng.random(len(images)) < rng.uniform(0.05, 0.6), images.copy()
    kind = rng.integers(3)
    if kind == 0:
        made[hit] = 0
    elif kind == 1:
        made[hit] /= 255
    else:
        made[np.ix_(hit, np.arange(392, 784))] = np.nan
    return made


def _change_fashion(images: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    square = images.reshape(-1, 28, 28)
    kind = rng.integers(3)
    if kind == 0:
        square = square * rng.uniform(0.4, 0.7)
    elif kind == 1:
        square = np.roll(square, rng.choice([-3, 3]), axis=rng.integers(1, 3))
    else:
        square = 255 * (square / 255) ** rng.choice([0.5, 2.0])
    return square.reshape(-1, 784).astype(np.float32), np.ones(len(images))


@cache
def sources() -> tuple[Source, ...]:
    """The three data sets."""
    return _bike(), _clinc(), _fashion()
