"""A trainer of another kind, to show that the port holds: bags of words and logistic regression."""

import json

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from adsmu.errors import BadInput
from adsmu.train.protocol import Predictions

STAGES = ("domain", "intent", "tag")


def texts_of(tokens):
    return [" ".join(row) for row in tokens]


def contexts_of(tokens):
    """One text a token: itself and its neighbours, marked by place."""
    padded = [["<", *row, ">"] for row in tokens]
    return [f"0{row[at]} p{row[at - 1]} n{row[at + 1]}" for row in padded for at in range(1, len(row) - 1)]


def repaired(tags):
    """An I without its B becomes a B."""
    out = []
    for tag in tags:
        follows = out and out[-1][2:] == tag[2:]
        out.append(f"B-{tag[2:]}" if tag.startswith("I-") and not follows else tag)
    return out


class SklearnPredictor:
    def __init__(self, stages):
        self.stages = stages
        self.labels = {
            "domains": stages["domain"]["classes"],
            "intents": stages["intent"]["classes"],
            "slots": sorted({tag[2:] for tag in stages["tag"]["classes"] if tag != "O"}),
        }

    def _choose(self, stage, texts):
        part = self.stages[stage]
        counter = TfidfVectorizer(vocabulary=part["words"], token_pattern=r"\S+")
        counter.idf_ = part["idf"]
        scores = counter.transform(texts) @ part["weights"].T + part["offsets"]
        return [part["classes"][index] for index in scores.argmax(axis=1)]

    def predict(self, tokens):
        flat = iter(self._choose("tag", contexts_of(tokens)))
        tags = [repaired([next(flat) for _ in row]) for row in tokens]
        texts = texts_of(tokens)
        return Predictions(self._choose("domain", texts), self._choose("intent", texts), tags)


class SklearnTrainer:
    def train(self, rows, output, *, base, mode, settings, checkpoints, seed):
        if unknown := set(settings) - {"strength"}:
            raise BadInput("no such setting; known: strength", file="settings", column=sorted(unknown)[0])
        learnt = [row for row in rows.to_pylist() if row["split"] == "train"]
        tokens = [row["tokens"] for row in learnt]
        names, arrays = {}, {}
        for stage in STAGES:
            texts = contexts_of(tokens) if stage == "tag" else texts_of(tokens)
            wanted = (
                [tag for row in learnt for tag in row["tags"]]
                if stage == "tag"
                else [row[stage] for row in learnt]
            )
            counter = TfidfVectorizer(token_pattern=r"\S+")
            model = LogisticRegression(C=settings.get("strength", 10.0), random_state=seed)
            model.fit(counter.fit_transform(texts), wanted)
            weights = model.coef_ if len(model.classes_) > 2 else np.vstack([-model.coef_, model.coef_])
            offsets = (
                model.intercept_
                if len(model.classes_) > 2
                else np.hstack([-model.intercept_, model.intercept_])
            )
            names[stage] = {
                "classes": model.classes_.tolist(),
                "words": {w: int(i) for w, i in counter.vocabulary_.items()},
            }
            arrays |= {
                f"{stage}.weights": np.ascontiguousarray(weights),
                f"{stage}.offsets": offsets,
                f"{stage}.idf": counter.idf_,
            }
        (output / "names.json").write_text(json.dumps(names, sort_keys=True))
        save_file(arrays, output / "arrays.safetensors")
        return {"rows": float(len(learnt))}

    def load(self, folder):
        names = json.loads((folder / "names.json").read_text())
        arrays = load_file(folder / "arrays.safetensors")
        return SklearnPredictor(
            {
                stage: names[stage] | {key: arrays[f"{stage}.{key}"] for key in ("weights", "offsets", "idf")}
                for stage in STAGES
            }
        )
