"""Utterance rows spelt in one line: `play [title: let it go] now`."""

import re

import pyarrow as pa

from adsmu.data.schema import utterances

_PIECE = re.compile(r"\[(\w+): ([^\]]+)\]|(\S+)")


def row(spelt: str, number: int, **more) -> dict:
    tokens, tags = [], []
    for slot, value, word in _PIECE.findall(spelt):
        if word:
            tokens.append(word)
            tags.append("O")
        else:
            words = value.split()
            tokens += words
            tags += [f"B-{slot}"] + [f"I-{slot}"] * (len(words) - 1)
    labels = {"id": f"row-{number}", "intent": "Play", "domain": "music", "source": "user"}
    return {**labels, "tokens": tokens, "tags": tags, **more}


def rows(*spelt: str, first: int = 0, **more) -> pa.Table:
    return utterances([row(line, first + number, **more) for number, line in enumerate(spelt)])


def held(*spelt: str, **more) -> pa.Table:
    return rows(*spelt, first=10_000, split="test", **more)
