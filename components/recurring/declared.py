"""`recurring.yaml`: the recurring runs of one owner, as Git holds them.

    owner: nlu-team             # whose recurring runs these are: no others are touched, and these are pruned
    experiment: update
    recurring:
      - name: nightly
        pipeline: update        # by name; each firing takes the newest version
        cron: "0 0 3 * * *"     # second, minute, hour, day of the month, month, day of the week
        parameters: {max_rounds: 4}

A run has `cron` or `period` (seconds). `concurrency` (1), `catch_up` (false) and `enabled` (true) may be left
out. Words are read as `adsmu.yaml_files` reads them.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adsmu.cron import check_cron
from adsmu.errors import BadInput
from adsmu.yaml_files import read_yaml

SHORTEST = 60
"""Seconds of the shortest period: the server's controller looks no more often."""

MOST_AT_ONCE = 10
"""The largest concurrency that the server takes."""

NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_. ]{0,61}[A-Za-z0-9])?")
OWNER = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Recurring:
    """A recurring run.

    Attributes:
        name: Its name, unique within the experiment.
        pipeline: The pipeline's name.
        cron: Six fields or `@daily` and the like; empty with a period.
        period: Seconds from one firing to the next; 0 with a cron.
        parameters: Of the pipeline; JSON values.
        concurrency: How many of its runs may be under way at once.
        catch_up: Whether firings that were missed are made up for.
        enabled: Whether it fires.
    """

    name: str
    pipeline: str
    cron: str = ""
    period: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    concurrency: int = 1
    catch_up: bool = False
    enabled: bool = True

    @property
    def content(self) -> str:
        """The digest of all that only a new object can change: all but the name and `enabled`.

        >>> nightly = Recurring("nightly", "update", period=60)
        >>> nightly.content == Recurring("paused", "update", period=60, enabled=False).content
        True
        """
        content = [self.pipeline, self.cron, self.period, self.parameters, self.concurrency, self.catch_up]
        return f"sha256:{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}"


@dataclass(frozen=True)
class Declared:
    """What `recurring.yaml` says.

    Attributes:
        owner: Whose recurring runs these are.
        experiment: The name of the experiment that they belong to.
        recurring: The recurring runs.
    """

    owner: str
    experiment: str
    recurring: tuple[Recurring, ...]


def read_declared(path: str | Path) -> Declared:
    """Reads `recurring.yaml`.

    Args:
        path: The file.

    Raises:
        BadInput: It is missing, no YAML, or breaks a rule; the rule and its place are named.
    """
    value = read_yaml(path)
    top = _Part(path, "", value, {"owner", "experiment", "recurring"})
    owner = top.text("owner")
    if not OWNER.fullmatch(owner):
        top.refuse("owner", "must be lower-case letters, digits and hyphens, 63 at most")
    items = top.value.get("recurring")
    if not isinstance(items, list):
        top.refuse("recurring", "must be a list; [] for none")
    declared = Declared(
        owner, _named(top, "experiment"), tuple(_recurring(path, i, item) for i, item in enumerate(items))
    )
    names = [each.name for each in declared.recurring]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{name!r} stands twice: the server would keep both", file=path, column="name")
    return declared


class _Part:
    """A mapping of the file, and where it stands."""

    def __init__(self, path: str | Path, place: str, value: Any, keys: set[str]) -> None:
        self.path, self.place, self.value = path, place, value
        if not isinstance(value, dict):
            raise BadInput("must be a mapping", file=path, column=place or None)
        for key in value.keys() - keys:
            self.refuse(key, f"is not one of {', '.join(sorted(keys))}")

    def refuse(self, key: str, rule: str) -> None:
        raise BadInput(rule, file=self.path, column=f"{self.place}{key}")

    def text(self, key: str, default: str | None = None) -> str:
        found = self.value.get(key, default)
        if not isinstance(found, str) or (default is None and not found):
            self.refuse(key, "must be text" if key in self.value else "is missing")
        return str(found)

    def number(self, key: str, default: int, least: int, most: int) -> int:
        found = self.value.get(key, default)
        if type(found) is not int or not (least <= found <= most):
            self.refuse(key, f"must be a whole number from {least} to {most}, not {found!r}")
        return int(found)

    def truth(self, key: str, default: bool) -> bool:
        found = self.value.get(key, default)
        if not isinstance(found, bool):
            self.refuse(key, f"must be true or false, not {found!r}")
        return bool(found)


def _named(part: _Part, key: str) -> str:
    name = part.text(key)
    if not NAME.fullmatch(name):
        part.refuse(key, "must be 1 to 63 letters, digits, spaces and -_., a letter or digit at both ends")
    return name


def _recurring(path: str | Path, index: int, value: Any) -> Recurring:
    keys = set(Recurring.__dataclass_fields__)
    part = _Part(path, f"recurring[{index}].", value, keys)
    if ("cron" in value) == ("period" in value):
        part.refuse("cron", "give cron or period, one of them: without either it fires once, at once")
    cron = part.text("cron") if "cron" in value else ""
    if cron:
        try:
            check_cron(cron)
        except ValueError as error:
            part.refuse("cron", str(error))
    parameters = value.get("parameters", {})
    if not isinstance(parameters, dict):
        part.refuse("parameters", "must be a mapping")
    if not _is_json(parameters):
        part.refuse(
            "parameters", "must hold JSON values; whole numbers beyond 2^53 lose digits on the server"
        )
    return Recurring(
        name=_named(part, "name"),
        pipeline=_named(part, "pipeline"),
        cron=cron,
        period=part.number("period", 0, SHORTEST, 10**9) if "period" in value else 0,
        parameters=parameters,
        concurrency=part.number("concurrency", 1, 1, MOST_AT_ONCE),
        catch_up=part.truth("catch_up", False),
        enabled=part.truth("enabled", True),
    )


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(each) for key, each in value.items())
    if isinstance(value, list):
        return all(_is_json(each) for each in value)
    if isinstance(value, int | float):
        return abs(value) <= 2**53 if isinstance(value, int) else math.isfinite(value)
    return value is None or isinstance(value, str)
