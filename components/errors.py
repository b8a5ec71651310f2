"""What can go wrong, and what the command answers: exit codes and the one error that users cause."""

from pathlib import Path

EXIT_PASS = 0
EXIT_FAULT = 1
EXIT_BAD_INPUT = 2
EXIT_EXHAUSTED = 3


class BadInput(Exception):
    """Input that breaks a stated rule; its text is the one line that the user sees.

    Args:
        rule: What is wrong and what would be right, in one line.
        file: The file (or option) that holds it.
        row: The row, counted from 1 as an editor counts lines; for a table, from 1 at its first row.
        column: The column or key.

    >>> print(BadInput("a tag I-city needs B-city before it", file="a.jsonl", row=7, column="tags"))
    a.jsonl, row 7, column tags: a tag I-city needs B-city before it
    """

    def __init__(
        self, rule: str, *, file: str | Path | None = None, row: int | None = None, column: str | None = None
    ) -> None:
        self.rule, self.file, self.row, self.column = rule, file, row, column
        place = [str(file)] if file is not None else []
        place += [f"row {row}"] if row is not None else []
        place += [f"column {column}"] if column is not None else []
        super().__init__(f"{', '.join(place)}: {rule}" if place else rule)


class StepFailed(Exception):
    """A step of a pipeline ended with a fault; the text names the step and where its words are."""


class StoreUnavailable(Exception):
    """The object storage does not answer, or refuses; trying again later may help."""


class Refused(Exception):
    """A cluster or a service does not do what it was asked to, and says why; trying again later may help."""


class Conflict(Exception):
    """What should be written over has been changed since it was read; nothing was written."""
