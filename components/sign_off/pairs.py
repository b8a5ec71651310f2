"""Behavioural tests: what must hold of an answer, or of two answers when the input is changed.

Source: Ribeiro, Wu, Guestrin and Singh 2020, "Beyond accuracy: behavioral testing of NLP models with
CheckList": minimum functionality (here: expectation), invariance and directional tests.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput

KINDS = {
    "equals": "expectation",
    "same": "invariance",
    "up": "directional",
    "down": "directional",
    "not_up": "directional",
    "not_down": "directional",
}
"""What may have to hold, and which kind of test it makes."""

KEYS = ("test", "input", "changed", "holds", "value", "at", "within")


@dataclass(frozen=True)
class Pair:
    """One pair, or one input with what is expected.

    Attributes:
        test: The test that it belongs to, such as `another city, same intent`.
        input: What the model reads, by column.
        changed: The same, changed; None for an expectation.
        holds: A key of `KINDS`.
        value: What an expectation expects.
        at: The part of the answer that is looked at; empty: all of it.
        within: By how much numbers may differ and still be the same.
    """

    test: str
    input: dict[str, Any]
    changed: dict[str, Any] | None
    holds: str
    value: Any = None
    at: str = ""
    within: float = 0.0

    @property
    def kind(self) -> str:
        """expectation, invariance or directional."""
        return KINDS[self.holds]

    def as_json(self) -> dict[str, Any]:
        """The line that it is read from, without what is left at its default."""
        every = {name: getattr(self, name) for name in KEYS}
        needed = ("test", "input", "holds", "value" if self.holds == "equals" else "changed")
        return {name: each for name, each in every.items() if name in needed or each}

    def kept(self, answer: Any, changed: Any) -> bool:
        """Whether a model keeps to it.

        Args:
            answer: To `input`.
            changed: To `changed`; not looked at for an expectation.

        Raises:
            BadInput: The answer has no such part, or is no number where numbers are compared.

        >>> rain = Pair("rain", {"rain": 0}, {"rain": 1}, "not_up")
        >>> rain.kept(80.0, 65.5), rain.kept(80.0, 91.0)
        (True, False)
        """
        first = self._part(answer)
        second = self.value if self.holds == "equals" else self._part(changed)
        if self.kind != "directional":
            if self.within and _number(first) and _number(second):
                return bool(abs(first - second) <= self.within)
            return bool(first == second)
        if not _number(first) or not _number(second):
            raise BadInput(f"the answer {first!r} is no number, so it cannot go {self.holds}", file=self.test)
        change = second - first
        return bool(
            {
                "up": change > self.within,
                "down": change < -self.within,
                "not_up": change <= self.within,
                "not_down": change >= -self.within,
            }[self.holds]
        )

    def _part(self, answer: Any) -> Any:
        if not self.at:
            return answer
        if not isinstance(answer, dict) or self.at not in answer:
            raise BadInput(f"the model's answer has no {self.at!r}", file=self.test, column="at")
        return answer[self.at]


def read_pairs(path: str | Path) -> list[Pair]:
    """Reads pairs.

    Args:
        path: JSON Lines: `test`, `input`, `holds`; `changed`, or for `equals` the `value`; optional `at` and
            `within`.

    Raises:
        BadInput: The file is missing, or a line breaks a rule.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path) from error
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", file=path) from error
    return [_pair(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]


def _pair(line: str, path: str | Path, row: int) -> Pair:
    def bad(rule: str, column: str | None = None) -> BadInput:
        return BadInput(rule, file=path, row=row, column=column)

    try:
        value = json.loads(line)
    except ValueError as error:
        raise bad("not JSON") from error
    if not isinstance(value, dict):
        raise bad("must be an object")
    if unknown := sorted(set(value) - set(KEYS)):
        raise bad(f"unknown; there are {', '.join(KEYS)}", unknown[0])
    absent: dict[str, Any] = {"test": "", "input": None, "changed": None, "holds": ""}
    pair = Pair(**(absent | value))
    if pair.holds not in KINDS:
        raise bad(f"must be one of {', '.join(KINDS)}, not {pair.holds!r}", "holds")
    expects = pair.holds == "equals"
    for name, holds, rule in (
        ("test", isinstance(pair.test, str) and pair.test, "must be text"),
        ("input", isinstance(pair.input, dict), "must be an object, what the model reads by column"),
        (
            "changed",
            (pair.changed is None) if expects else isinstance(pair.changed, dict),
            "must be an object, and left out of an expectation",
        ),
        ("value", ("value" in value) == expects, "must be given for equals, and only then"),
        ("at", isinstance(pair.at, str), "must be text"),
        ("within", _number(pair.within) and pair.within >= 0, "must be a number of 0 or more"),
    ):
        if not holds:
            raise bad(rule, name)
    return pair


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
