"""A trainer that is done in milliseconds: words vote for an intent, each has its most frequent tag.

Two words have their own way with the model: on `boom` it raises, on `wait` it takes a tenth of a second.
"""

import json
import time
from collections import Counter, defaultdict
from pathlib import Path

from adsmu.train.protocol import Predictions


class WordTrainer:
    def train(self, rows, output, *, base, mode, settings, checkpoints, seed):
        tags, votes = defaultdict(Counter), defaultdict(Counter)
        for row in rows.to_pylist():
            for token, tag in zip(row["tokens"], row["tags"], strict=True):
                tags[token][tag] += 1
                votes[token][row["domain"], row["intent"]] += 1
        learnt = {word: [votes[word].most_common(1)[0][0], tags[word].most_common(1)[0][0]] for word in tags}
        Path(output, "words.json").write_text(json.dumps(learnt, sort_keys=True))
        return {"words": float(len(learnt))}

    def load(self, folder):
        return WordPredictor(json.loads(Path(folder, "words.json").read_text()))


class WordPredictor:
    def __init__(self, words):
        self.words = words
        uses = [use for use, _ in words.values()]
        self.labels = {
            "domains": sorted({domain for domain, _ in uses}),
            "intents": sorted({intent for _, intent in uses}),
            "slots": sorted({tag[2:] for _, tag in words.values() if tag != "O"}),
        }

    def predict(self, tokens):
        for row in tokens:
            if "boom" in row:
                raise RuntimeError("boom")
            if "wait" in row:
                time.sleep(0.1)
        uses = [self.use(row) for row in tokens]
        return Predictions(
            [domain for domain, _ in uses],
            [intent for _, intent in uses],
            [[self.words.get(token, [None, "O"])[1] for token in row] for row in tokens],
        )

    def use(self, row):
        votes = Counter(tuple(self.words[token][0]) for token in row if token in self.words)
        return (
            max(sorted(votes), key=votes.get)
            if votes
            else (self.labels["domains"][0], self.labels["intents"][0])
        )
