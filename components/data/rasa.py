"""Rasa's training data: YAML with the slots marked in the text."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from adsmu.data.schema import labelled
from adsmu.data.text import NO_DOMAIN, read_text
from adsmu.errors import BadInput
from adsmu.files import written_whole

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARKED = re.compile(r"\[([^\[\]]+)\](?:\(([^()]+)\)|(\{[^{}]*\}))")
_SLOT = re.compile(r"[\w.+-]+")


def read_rasa(path: str | Path) -> pa.Table:
    """Reads the intents and their examples of a Rasa NLU file.

    A slot is marked `[value](slot)`, `[value](slot:synonym)` or `[value]{"entity": "slot"}`; a role or group
    is joined to the slot's name by a dot, a synonym is not read. Words are parted by blanks and at the marks.
    Entries other than intents (synonyms, lookups, regular expressions) are no utterances and are not read.

    Args:
        path: A YAML file with the key `nlu`.

    Returns:
        The utterance table. An id is the line, the domain is `all`.

    Raises:
        BadInput: It is not YAML of that form, or a row breaks a rule of the table; the line is named.
    """
    try:
        root = yaml.compose(read_text(path), Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise BadInput(f"not YAML: {problem}", file=path, row=mark.line + 1 if mark else None) from error
    entries = _entry(root, "nlu")
    if not isinstance(entries, SequenceNode):
        raise BadInput("a key nlu with a list of intents is needed", file=path)
    columns: dict[str, list[Any]] = {"id": [], "tokens": [], "tags": [], "intent": [], "domain": []}
    lines: list[int] = []
    for entry in entries.value:
        intent = _entry(entry, "intent")
        if intent is None:
            continue
        if not isinstance(intent, ScalarNode):
            line = intent.start_mark.line + 1
            raise BadInput("an intent is a text", file=path, row=line, column="intent")
        for line, text in _examples(entry, path):
            tokens, tags = _words(text, path, line)
            for name, value in zip(columns, (str(line), tokens, tags, intent.value, NO_DOMAIN), strict=True):
                columns[name].append(value)
            lines.append(line)
    if not lines:
        raise BadInput("holds no utterances", file=path)
    return labelled(columns, path, lines)


def _entry(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _examples(entry: Node, path: str | Path) -> Iterator[tuple[int, str]]:
    """Each example's line and text: lines `- text` of a block, or items of a list with a key text."""
    examples = _entry(entry, "examples")
    if isinstance(examples, ScalarNode) and examples.style == "|":
        for line, text in enumerate(examples.value.split("\n"), examples.start_mark.line + 2):
            if text.strip():
                if not text.startswith("- "):
                    raise BadInput("an example starts with '- '", file=path, row=line, column="examples")
                yield line, text[2:]
    elif isinstance(examples, SequenceNode):
        for item in examples.value:
            text_node = _entry(item, "text")
            line = item.start_mark.line + 1
            if not isinstance(text_node, ScalarNode):
                raise BadInput("an example has a text", file=path, row=line, column="examples")
            yield line, text_node.value.strip().removeprefix("- ")
    else:
        raise BadInput(
            "examples are a block '|' of lines or a list",
            file=path,
            row=entry.start_mark.line + 1,
            column="examples",
        )


def _words(text: str, path: str | Path, line: int) -> tuple[list[str], list[str]]:
    tokens: list[str] = []
    tags: list[str] = []
    end = 0
    for marked in _MARKED.finditer(text):
        plain = text[end : marked.start()].split()
        value = marked[1].split()
        slot = marked[2].partition(":")[0] if marked[2] else _slot_of(marked[3], path, line)
        tokens += plain + value
        tags += ["O"] * len(plain) + [f"B-{slot}", *[f"I-{slot}"] * (len(value) - 1)][: len(value)]
        end = marked.end()
    plain = text[end:].split()
    return tokens + plain, tags + ["O"] * len(plain)


def _slot_of(said: str, path: str | Path, line: int) -> str:
    try:
        entity = json.loads(said)
    except json.JSONDecodeError as error:
        raise BadInput(f"{said} is not JSON", file=path, row=line, column="examples") from error
    if not isinstance(entity.get("entity"), str):
        raise BadInput(f'{said} has no "entity"', file=path, row=line, column="examples")
    return ".".join(str(entity[key]) for key in ("entity", "role", "group") if key in entity)


def write_rasa(table: pa.Table, path: str | Path) -> None:
    """Writes rows as `read_rasa` reads them, whole or not at all; the rows of an intent come together.

    The form has place for tokens, tags and intent only.

    Args:
        table: An utterance table.
        path: The file to write.

    Raises:
        BadInput: A token holds a square bracket or a character that YAML has not, or a slot's name holds
            other characters than letters, digits and `_.+-`: the form cannot carry them.
    """
    by_intent: dict[str, list[str]] = {}
    for number, row in enumerate(table.select(["tokens", "tags", "intent"]).to_pylist(), 1):
        by_intent.setdefault(row["intent"], []).append(_marked(row["tokens"], row["tags"], number))
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as text:
        text.write('version: "3.1"\nnlu:\n')
        for intent, examples in by_intent.items():
            text.write(f"- intent: {json.dumps(intent, ensure_ascii=False)}\n  examples: |\n")
            text.writelines(f"    - {example}\n" for example in examples)


def _marked(tokens: list[str], tags: list[str], number: int) -> str:
    pieces: list[str] = []
    for token, tag in zip(tokens, tags, strict=True):
        if re.search(r"[\[\]]", token) or yaml.reader.Reader.NON_PRINTABLE.search(token):
            raise BadInput(f"{token!r}: the form cannot carry this token", row=number, column="tokens")
        if tag != "O" and not _SLOT.fullmatch(tag[2:]):
            raise BadInput(f"{tag!r}: the form cannot carry this slot", row=number, column="tags")
        if tag.startswith("I-"):
            pieces[-1] = pieces[-1].replace("](", f" {token}](")
        else:
            pieces.append(token if tag == "O" else f"[{token}]({tag[2:]})")
    return " ".join(pieces)
