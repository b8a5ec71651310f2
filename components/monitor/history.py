"""Earlier windows: their profiles, what was found in them, and the references that are made of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.monitor.figures import Figure
from adsmu.monitor.findings import Window, read_findings
from adsmu.profile.columns import Column, Embedding
from adsmu.profile.file import read_profile
from adsmu.profile.profiles import Profile, merge
from adsmu.strategy import Reference
from adsmu.strategy.times import shown

PROFILE, FINDINGS = "profile.parquet", "findings.json"


@dataclass(frozen=True)
class Earlier:
    """A window that was looked at before.

    Attributes:
        window: Its time.
        profile: Its profile.
        findings: The content of its `findings.json`.
    """

    window: Window
    profile: Profile
    findings: dict[str, Any]

    @property
    def healthy(self) -> bool:
        """Whether its rows may stand for what is usual: a blocked window's may not."""
        return not self.findings["blocked"]


@dataclass(frozen=True)
class Compared:
    """A reference that a window is compared with.

    Attributes:
        name: `validation`, `fixed`, `season`, or `sliding` with its length.
        profile: The profile of its rows.
        begin: When its rows are from, as far as they have times.
        end: Up to when.
        windows: How many earlier windows it is made of; 0: a profile that was given.
    """

    name: str
    profile: Profile
    begin: datetime | None
    end: datetime | None
    windows: int

    def as_json(self) -> dict[str, Any]:
        """As it stands in `findings.json`."""
        return {
            "name": self.name,
            "from": self.begin.isoformat() if self.begin else None,
            "to": self.end.isoformat() if self.end else None,
            "rows": self.profile.rows,
            "windows": self.windows,
        }


def read_history(folder: str | Path, window: Window) -> list[Earlier]:
    """Reads the windows before one.

    Args:
        folder: A folder with a folder for each window, which holds `profile.parquet` and `findings.json`; one
            without the latter has not been looked at yet.
        window: The window; those that do not end before it are left out, so that it can be looked at again.

    Returns:
        The earlier windows in order of time.

    Raises:
        BadInput: There is no such folder, a window lacks its profile, or a file is of another form.
    """
    if not Path(folder).is_dir():
        raise BadInput("no such folder", file=folder)
    found = []
    for place in sorted(each.parent for each in Path(folder).glob(f"*/{FINDINGS}")):
        findings = read_findings(place / FINDINGS)
        try:
            of = Window(*(datetime.fromisoformat(findings["window"][name]) for name in ("from", "to")))
            float(findings["window"]["hours"])
        except (KeyError, TypeError, ValueError) as error:
            rule = "from and to are needed, as times, and hours, a share"
            raise BadInput(rule, file=place / FINDINGS, column="window") from error
        if of.end <= window.begin:
            found.append(Earlier(of, read_profile(place / PROFILE), findings))
    return sorted(found, key=lambda each: each.window.begin)


def references(
    wanted: Reference, window: Window, history: Sequence[Earlier], validation: Profile | None
) -> list[Compared]:
    """The references of a window.

    Args:
        wanted: What the strategy asks for.
        window: The window.
        history: Earlier windows; those that were blocked stand for nothing.
        validation: The profile of the rows that the model was evaluated on, or None.

    Returns:
        One, or with several sliding lengths one each, the shortest first; those for which there is no window
        yet are left out.

    Raises:
        BadInput: A validation reference is asked for, and its profile is not given.
    """
    healthy = [each for each in history if each.healthy]
    if wanted.kind == "validation":
        if validation is None:
            rule = (
                "a reference of kind validation needs the profile of the rows that the model was evaluated on"
            )
            raise BadInput(rule, file="reference")
        return [Compared("validation", validation, validation.first, validation.last, 0)]
    if wanted.kind == "fixed":
        begin, end = wanted.begin or datetime.min, wanted.end or datetime.max
        chosen = [each for each in healthy if begin <= each.window.begin and each.window.end <= end]
        return _merged("fixed", chosen)
    if wanted.kind == "season":
        then = window.begin - wanted.period
        near = min(healthy, key=lambda each: abs(each.window.begin - then), default=None)
        close = near and abs(near.window.begin - then) < (window.end - window.begin) / 2
        return _merged("season", [near] if near and close else [])
    found = []
    for length in sorted(wanted.lengths):
        chosen = [each for each in healthy if each.window.begin >= window.begin - length]
        found += _merged(f"sliding {shown(length)}", chosen)
    return found


def persisted(figure: Figure, history: Sequence[Earlier], windows: int) -> bool:
    """Whether a figure was beyond its threshold in the windows just before, too.

    Args:
        figure: A figure that is beyond its threshold.
        history: Earlier windows.
        windows: How many windows in a row it must be, this one counted.
    """
    before = list(history)[len(history) - (windows - 1) :] if windows > 1 else []
    return len(before) == windows - 1 and all(
        any(
            each["beyond"]
            and (each["signal"], each["column"], each["cohort"], each["reference"]) == figure.key
            for each in earlier.findings["figures"]
        )
        for earlier in before
    )


def past_series(history: Sequence[Earlier], name: str) -> dict[datetime, float]:
    """The figure of each step of a series over earlier windows; NaN where there was none."""
    found = {}
    for earlier in history:
        for step in earlier.findings["series"].get(name, []):
            value = step["value"]
            found[datetime.fromisoformat(step["time"])] = math.nan if value is None else value
    return found


def _alike(profiles: Sequence[Profile]) -> list[Profile]:
    """The columns that can be merged: the strategy, or what a service logs, may have changed since."""
    names = [
        name
        for name in profiles[0].columns
        if all(name in each.columns for each in profiles)
        and len({comparable(each.columns[name]) for each in profiles if each.columns[name].weight}) <= 1
    ]
    return [
        replace(each, strategy=None, columns={name: each.columns[name] for name in names})
        for each in profiles
    ]


def comparable(column: Column) -> tuple[object, ...]:
    """What must be the same for two profiles of a column to be merged or compared."""
    of = column.map if isinstance(column, Embedding) else None
    return type(column), *((of.dimension, of.bandwidth, of.seed) if of else ())


def _merged(name: str, chosen: Sequence[Earlier]) -> list[Compared]:
    if not chosen:
        return []
    profile = reduce(merge, _alike([each.profile for each in chosen]))
    return [Compared(name, profile, chosen[0].window.begin, chosen[-1].window.end, len(chosen))]
