"""Sentence patterns that stand for many sentences, and their expansion."""

import re
from collections.abc import Mapping, Sequence
from itertools import product

_PIECE = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|\$(\w+)|([^()\[\]$]+)")


def expand(pattern: str, words: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Lists every text that a pattern stands for, in order, each once.

    Args:
        pattern: Text with `(a|b)` for one of, `[a|b]` for one of or nothing, `$name` for a word of a list.
            Brackets do not nest; `{slot}` is ordinary text here.
        words: The word lists, by name.

    Returns:
        The texts, with single spaces.

    >>> expand("[please] (play|start) {song}")
    ['play {song}', 'start {song}', 'please play {song}', 'please start {song}']
    >>> expand("the $color door", {"color": ["red", "blue"]})
    ['the red door', 'the blue door']
    """
    choices: list[list[str]] = []
    for one_of, maybe, name, text in _PIECE.findall(pattern):
        if name:
            choices.append(list((words or {})[name]))
        elif text:
            choices.append([text])
        else:
            inner = [found for part in (one_of or maybe).split("|") for found in expand(part, words)]
            choices.append(inner if one_of else ["", *inner])
    return list(dict.fromkeys(" ".join("".join(picked).split()) for picked in product(*choices)))
