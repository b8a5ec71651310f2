"""The window that a run of the watch pipeline looks at, and what it leaves for the next one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.form_dataset.form import DATASET
from adsmu.monitor.findings import Window, read_findings
from adsmu.monitor.history import FINDINGS, PROFILE
from adsmu.profile.log import KIND, events_as_observations, read_log
from adsmu.profile.observations import write_observations
from adsmu.store import AlreadyThere, Store, download, open_store
from adsmu.strategy import Strategy, read_strategy
from adsmu.strategy.times import moment

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
"""Windows are counted from here, so that those of a week begin on Mondays."""

STAMP = "%Y%m%dT%H%M%S"


def newest_window(now: datetime, length: timedelta) -> Window:
    """The newest window that is over.

    Args:
        now: The time.
        length: Of a window.

    >>> found = newest_window(datetime(2026, 11, 21, tzinfo=UTC), timedelta(weeks=1))
    >>> f"{found.begin:%F} to {found.end:%F}"
    '2026-11-09 to 2026-11-16'
    """
    end = MONDAY + (now - MONDAY) // length * length
    return Window(end - length, end)


def open_window(
    store: str,
    service: str,
    strategy: str | Path,
    until: str,
    observations: str | Path,
    window: str | Path,
    history: str | Path,
    previous: str | Path,
) -> dict[str, Any]:
    """Takes what a run looks at out of the store.

    Args:
        store: Where services log what they saw, and where earlier runs left what they found.
        service: Whose log: observations that a program appended, else the events of a predictor.
        strategy: `strategy.yaml`.
        until: The time up to which windows are over, ISO 8601; empty: now.
        observations: The Parquet to write: all rows before the window's end.
        window: The Parquet to write: the window's rows.
        history: The folder to make: earlier windows, as `monitor` reads them.
        previous: The folder to make: the last dataset; empty where there was none.

    Returns:
        `begin` and `end` (ISO 8601), `labelled` (how many rows have a label), `digest` and `projections` of
        the strategy.

    Raises:
        BadInput: The log is damaged, or the window has no rows.
        StoreUnavailable: The storage does not answer.
    """
    plan, at = read_strategy(strategy), open_store(store)
    try:
        of = newest_window(moment(until) if until else datetime.now(UTC), plan.window)
    except ValueError as error:
        raise BadInput(str(error), file="until") from error
    read = read_log if at.names(f"{KIND}/{service}") else events_as_observations
    rows = read(at, service, end=of.end)
    here = rows.filter(pc.greater_equal(rows["time"], of.begin))
    if not len(here):
        rule = f"no rows from {of.begin.isoformat()} to {of.end.isoformat()}"
        raise BadInput(rule, file=f"{at.uri}, service {service}")
    write_observations(rows, observations)
    write_observations(here, window)
    for folder, prefix in ((history, f"windows/{plan.name}"), (previous, _last_dataset(at, plan))):
        Path(folder).mkdir(parents=True, exist_ok=True)
        if prefix and at.names(prefix):
            download(at, prefix, folder)
    return {
        "begin": of.begin.isoformat(),
        "end": of.end.isoformat(),
        "labelled": len(rows) - rows["label"].null_count,
        "digest": plan.digest,
        "projections": plan.columns.projected,
    }


def keep_window(store: str, strategy: str | Path, **files: str | Path) -> str:
    """Keeps what was found in a window, for the next run's history and for people; what stands is left.

    Args:
        store: As for `open_window`.
        strategy: `strategy.yaml`.
        files: `profile`, `findings`, `analysis` and `decision`.

    Returns:
        Where it stands in the store.

    Raises:
        BadInput: The findings are damaged.
        StoreUnavailable: The storage does not answer.
    """
    at, plan = open_store(store), read_strategy(strategy)
    begin = moment(read_findings(files["findings"])["window"]["from"])
    place = f"windows/{plan.name}/{begin.strftime(STAMP)}"
    names = {"profile": PROFILE, "findings": FINDINGS}
    for what, path in files.items():  # the findings last: with them the window counts as looked at
        if what != "findings":
            _create(at, f"{place}/{names.get(what, f'{what}.json')}", path)
    _create(at, f"{place}/{FINDINGS}", files["findings"])
    return f"{at.uri}/{place}"


def dataset_place(strategy: Strategy, end: str) -> str:
    """Where the dataset of a window's update stands in a store."""
    return f"datasets/{strategy.name}/{moment(end).strftime(STAMP)}"


def _last_dataset(store: Store, strategy: Strategy) -> str:
    """Where the newest dataset stands; empty: there is none."""
    names = [each for each in store.names(f"datasets/{strategy.name}") if each.endswith(f"/{DATASET}")]
    return names[-1].removesuffix(f"/{DATASET}") if names else ""


def _create(store: Store, name: str, path: str | Path) -> None:
    try:
        store.create(name, Path(path).read_bytes())
    except AlreadyThere:
        return
