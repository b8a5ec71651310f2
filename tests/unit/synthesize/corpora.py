"""A small new use case that the tests of synthesize share."""

import pyarrow as pa

from adsmu.data.schema import SCHEMA, utterances

TITLES = [f"{a} {b}" for a in ("red", "blue", "Old") for b in ("moon", "river", "song", "hill", "door")]
PEOPLE = [f"ann{n}" for n in range(12)]
DAYS = ["monday", "tuesday", "sunday"]
CATALOG = {"title": [*TITLES, "let it go"], "person": PEOPLE, "day": DAYS}


def row(number: str, text: str, stratum: str | None, **more: object) -> dict:
    """A record of words, where `{slot:value}` (blanks as _) is a slot."""
    tokens, tags = [], []
    for piece in text.split():
        if piece.startswith("{"):
            slot, value = piece[1:-1].split(":")
            words = value.split("_")
            tokens += words
            tags += [f"B-{slot}", *[f"I-{slot}"] * (len(words) - 1)]
        else:
            tokens.append(piece)
            tags.append("O")
    base = {"source": "user", "split": "train", "intent": "Play", "domain": "music"}
    return {"id": number, "tokens": tokens, "tags": tags, "stratum_id": stratum} | base | more


USER = utterances(
    [
        row("u1", "play {title:red_moon} by {person:ann1}", "s1"),
        row("u2", "hear {title:blue_river} on {day:monday} please", "s2"),
        row("u3", "ask {person:ann2} about {title:let_it_go}", "s3", split="dev"),
        row("u4", "stop", "s4"),
        row("t1", "play {title:Old_moon} by {person:ann3}", "s1", split="test"),
    ]
)
EXISTING = utterances(
    [
        row("e1", "who sang {title:red_song}", None, source="existing", intent="Who"),
        row("e2", "play {title:red_song} by {person:ann4}", None, source="existing", split="test"),
    ]
)


def strata(*ids: str, status: str = "active") -> pa.Table:
    """A strata table of one train row each."""
    return pa.table(
        {
            "stratum_id": list(ids),
            "shape": list(ids),
            "domain": ["music"] * len(ids),
            "intent": ["Play"] * len(ids),
            "status": [status] * len(ids),
            "train": pa.array([1] * len(ids), pa.int32()),
            **{name: [0] * len(ids) for name in ("dev", "test")},
            "rule": ["exact"] * len(ids),
            "reason": [None] * len(ids),
            **{name: [[]] * len(ids) for name in ("slots", "conflict_with", "merged")},
        },
    )


EMPTY = SCHEMA.empty_table()
