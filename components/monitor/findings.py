"""`findings.json`: what was found in a window, ranked, and the rows behind it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.files import read_json
from adsmu.monitor.conditions import select
from adsmu.monitor.figures import Figure
from adsmu.profile.projections import project
from adsmu.strategy import LEVELS

FORMAT = 1

ALERTS = 5
"""The most findings that call a person: the first few say what is wrong, the rest follow from it."""

ALERTS_OF_SIGNAL = 3
"""The most of one signal: what many cohorts share must not hide what stands behind it."""

MEASURED = (
    "signal",
    "level",
    "column",
    "cohort",
    "reference",
    "value",
    "low",
    "high",
    "threshold",
    "rows",
    "beyond",
)
"""What stands in `figures` of each figure."""


@dataclass(frozen=True)
class Window:
    """The time that is looked at.

    Attributes:
        begin: Where it begins.
        end: Where it ends; not in it.
    """

    begin: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.begin < self.end:
            raise BadInput(f"must be after {self.begin.isoformat()}, not {self.end.isoformat()}", file="end")


def ranked(figures: Iterable[Figure]) -> list[Figure]:
    """Findings in order of rank: by level, what blocks first, and then how far beyond the threshold."""
    return sorted(
        figures,
        key=lambda f: (LEVELS.index(f.level), not f.blocks, -f.severity, f.column or "", f.cohort or ""),
    )


def as_json(figures: Iterable[Figure], window: Window) -> dict[str, Any]:
    """Findings as they stand in `findings.json`.

    Args:
        figures: What was found, of any order.
        window: The window.

    Returns:
        `findings` in order of rank, `alerts`, the ids of those that call a person, at most `ALERTS`, and
        `blocked`.
    """
    order = ranked(figures)
    calling: list[Figure] = []
    for each in order:
        of_signal = sum(other.signal == each.signal for other in calling)
        if each.alerts and len(calling) < ALERTS and of_signal < ALERTS_OF_SIGNAL:
            calling.append(each)
    findings = [_finding(each, window, each in calling) for each in order]
    return {
        "findings": findings,
        "alerts": [each["id"] for each in findings if each["alert"]],
        "blocked": any(f.blocks for f in order),
    }


def measured(figure: Figure) -> dict[str, Any]:
    """A figure as it stands in `figures` of `findings.json`, found or not."""
    return {name: getattr(figure, name) for name in MEASURED}


def read_findings(path: str | Path) -> dict[str, Any]:
    """Reads a `findings.json`.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        BadInput: It is missing, not JSON, of another format, or lacks a part.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadInput(f"is not a findings.json of format {FORMAT}", file=path)
    parts = {
        "strategy": str,
        "window": dict,
        "figures": list,
        "findings": list,
        "alerts": list,
        "blocked": bool,
        "series": dict,
    }
    for name, kind in parts.items():
        if not isinstance(content.get(name), kind):
            raise BadInput(f"a {kind.__name__} is needed", file=path, column=name)
    _records(content["figures"], MEASURED, path, "figures")
    for of in content["series"].values():
        _records(of, ("time", "value"), path, "series")
    return content


def drill_down(
    observations: pa.Table, finding: Mapping[str, Any], projections: Mapping[str, str] | None = None
) -> list[str]:
    """Gives the rows behind a finding.

    Args:
        observations: Observations that hold the finding's times.
        finding: A finding of a `findings.json`.
        projections: Import paths by name, of the strategy (`Columns.projected`): a finding may be of one.

    Returns:
        Their ids, in order of the observations.

    Raises:
        BadInput: The finding has another form, or names a column that is missing; or a projection fails.

    >>> times = pa.array([0, 9], pa.timestamp("us", "UTC"))
    >>> table = pa.table({"id": ["a", "b"], "time": times, "x": [1.0, None]})
    >>> where = {"from": "1970-01-01T00:00:00+00:00", "to": "1970-01-02T00:00:00+00:00"}
    >>> drill_down(table, {"where": where | {"rows": [{"column": "x", "is": "missing"}]}})
    ['b']
    """
    try:
        where = finding["where"]
        named = {condition.get("column") for condition in where["rows"]}
        for name, path in (projections or {}).items():
            if name in named and name not in observations.column_names:
                observations = observations.append_column(name, project(observations, path, name))
        conditions = [
            {"column": "time", "is": "within", "low": where["from"], "high": where["to"]},
            *where["rows"],
        ]
        chosen = select(observations, conditions)
    except (AttributeError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise BadInput(f"where has another form: {error}", file="finding") from error
    return pc.filter(observations["id"], pa.array(chosen)).to_pylist()


def _records(records: Any, keys: tuple[str, ...], path: str | Path, column: str) -> None:
    whole = isinstance(records, list) and all(
        isinstance(each, dict) and all(key in each for key in keys) for each in records
    )
    if not whole:
        raise BadInput(f"a list of mappings with {', '.join(keys)} is needed", file=path, column=column)


def _finding(figure: Figure, window: Window, alert: bool) -> dict[str, Any]:
    place = (figure.level, figure.signal, figure.column, figure.cohort, figure.reference)
    begin, end = figure.times or (window.begin.isoformat(), window.end.isoformat())
    return {
        "id": ":".join(each for each in place if each),
        "level": figure.level,
        "signal": figure.signal,
        "column": figure.column,
        "cohort": figure.cohort,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "threshold": figure.threshold,
        "rows": figure.rows,
        "alert": alert,
        "blocks": figure.blocks,
        "kind": figure.kind,
        "reference": figure.reference,
        "text": figure.text,
        "where": {
            "cohort": figure.cohort,
            "column": figure.column,
            "from": begin,
            "to": end,
            "rows": [dict(each) for each in figure.conditions],
        },
    }
