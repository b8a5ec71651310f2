"""BIO files in columns, as the CoNLL shared tasks wrote them."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from adsmu.data.schema import labelled
from adsmu.data.text import NO_DOMAIN, read_text
from adsmu.errors import BadInput
from adsmu.files import written_whole

_SAID = ("id", "intent", "domain", "source", "split")
_TOKEN_HASH = re.compile(r"#\s+(O|[BI]-\S+)\s*")  # the word "#" and its tag
_COMMENT = re.compile(r"#\s+([\w-]+)\s*[:=]\s*(.*)")


def read_conll(path: str | Path) -> pa.Table:
    """Reads blocks of one `token tag` a line, parted by empty lines.

    Lines `# name: value` before a block say its intent, and may say id, domain, source and split; other lines
    that start with `# ` are comments. Without an id an utterance is called by its first line, without a
    domain it is of the domain `all`.

    Args:
        path: A UTF-8 text file; token and tag stand apart by a tab or blanks.

    Returns:
        The utterance table.

    Raises:
        BadInput: A line has another form, an utterance no intent, or a row breaks a rule of the table.
    """
    columns: dict[str, list[Any]] = {name: [] for name in (*_SAID, "tokens", "tags")}
    starts: list[int] = []
    said: dict[str, str] = {}
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*read_text(path).split("\n"), ""], 1):
        fields = line.split()
        if line.startswith("# ") and not _TOKEN_HASH.fullmatch(line):
            if tokens:
                raise BadInput("a comment stands before its utterance, not inside it", file=path, row=number)
            if comment := _COMMENT.fullmatch(line.rstrip()):
                said[comment[1].lower()] = comment[2]
        elif fields:
            if len(fields) != 2:
                raise BadInput(
                    f"a token and its tag are needed, not {len(fields)} fields", file=path, row=number
                )
            if not tokens:
                starts.append(number)
            tokens.append(fields[0])
            tags.append(fields[1])
        else:
            if tokens:
                if "intent" not in said:
                    raise BadInput(
                        "a line '# intent: name' is needed", file=path, row=starts[-1], column="intent"
                    )
                row = {"id": str(starts[-1]), "domain": NO_DOMAIN, **said, "tokens": tokens, "tags": tags}
                for name, values in columns.items():
                    values.append(row.get(name))
            said, tokens, tags = {}, [], []
    if not starts:
        raise BadInput("holds no utterances", file=path)
    return labelled(columns, path, starts)


def write_conll(table: pa.Table, path: str | Path) -> None:
    """Writes rows as `read_conll` reads them, whole or not at all.

    The form has no place for `stratum_id`, `round` and `weight`.

    Args:
        table: An utterance table.
        path: The file to write.
    """
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as text:
        for batch in table.to_batches(10_000):
            for row in batch.to_pylist():
                text.writelines(f"# {name}: {row[name]}\n" for name in _SAID if row[name] is not None)
                text.writelines(
                    f"{token}\t{tag}\n" for token, tag in zip(row["tokens"], row["tags"], strict=True)
                )
                text.write("\n")
