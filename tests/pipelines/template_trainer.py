"""A trainer that is done in milliseconds: it learns a sentence template once it has seen enough rows."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from adsmu.train.protocol import Predictions


class TemplateTrainer:
    """Setting `needed`: how many synthetic rows make it know a template; those of existing data it knows."""

    def train(
        self, rows, output, *, base, mode, settings: dict[str, Any], checkpoints, seed
    ) -> dict[str, float]:
        training = [row for row in rows.to_pylist() if row["split"] == "train"]
        seen = Counter(template(row) for row in training if row["source"] == "synthetic")
        known = {template(row) for row in training if row["source"] == "existing"}
        known |= {one for one, rows_seen in seen.items() if rows_seen >= settings.get("needed", 1)}
        Path(output, "templates.json").write_text(json.dumps(sorted(known)))
        return {"templates": float(len(known))}

    def load(self, folder) -> "TemplatePredictor":
        return TemplatePredictor(json.loads(Path(folder, "templates.json").read_text()))


def template(row: dict[str, Any]) -> tuple[str, str, str]:
    """Domain, intent, and the sentence with `{slot}` for each value."""
    words = []
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        if tag.startswith("B-"):
            words.append("{" + tag[2:] + "}")
        elif tag == "O":
            words.append(token)
    return row["domain"], row["intent"], " ".join(words)


class TemplatePredictor:
    """Takes the first template that fits."""

    def __init__(self, templates: list[list[str]]) -> None:
        self.templates = [(domain, intent, pattern(text)) for domain, intent, text in templates]
        self.labels = {
            "domains": sorted({domain for domain, _, _ in templates}),
            "intents": sorted({intent for _, intent, _ in templates}),
            "slots": sorted({slot for _, _, text in templates for slot in re.findall(r"{(\w+)}", text)}),
        }

    def predict(self, tokens) -> Predictions:
        found = [self._one(list(row)) for row in tokens]
        return Predictions(*(list(column) for column in zip(*found, strict=True)) if found else ([], [], []))

    def _one(self, tokens: list[str]) -> tuple[str, str, list[str]]:
        for domain, intent, compiled in self.templates:
            if match := compiled.fullmatch(" ".join(tokens)):
                tags = ["O"] * len(tokens)
                for slot, value in match.groupdict().items():
                    start = match.string[: match.start(slot)].count(" ")
                    tags[start] = f"B-{slot}"
                    for position in range(start + 1, start + len(value.split())):
                        tags[position] = f"I-{slot}"
                return domain, intent, tags
        return self.templates[0][0], self.templates[0][1], ["O"] * len(tokens)


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(text)))
