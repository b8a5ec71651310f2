"""The window that a run of the watch pipeline looks at, and what it leaves for the next one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adsmu.analyze.specification import specification, write_window
from adsmu.errors import BadInput
from adsmu.form_dataset.form import DATASET
from adsmu.monitor.findings import Window, read_findings
from adsmu.monitor.history import FINDINGS, PROFILE
from adsmu.monitor.system import answered_requests, read_readings
from adsmu.profile.log import KIND, events_as_observations, read_log
from adsmu.profile.observations import read_observations, write_observations
from adsmu.store import AlreadyThere, Store, download, open_store
from adsmu.store.evidence import to_bytes
from adsmu.strategy import Strategy, read_strategy
from adsmu.strategy.times import moment

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
"""Windows are counted from here, so that those of a week begin on Mondays."""

STAMP = "%Y%m%dT%H%M%S"

BEFORE = "before.txt"
"""Stands in each folder that a run takes over: object storage knows no empty folders, and would lose one."""


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
    readings: str | Path,
    history: str | Path,
    previous: str | Path,
    validation: str | Path,
) -> dict[str, Any]:
    """Takes what a run looks at out of the store.

    What an analysis needs of a window follows from the strategy and `validation`, and is kept in the store
    for whoever writes observations. A window that lacks it, or has no rows, is written all the same: that is
    for the monitor to find.

    Args:
        store: Where services log what they saw, and where earlier runs left what they found.
        service: Whose log: observations that a program appended, else the events of a predictor.
        strategy: `strategy.yaml`.
        until: The time up to which windows are over, ISO 8601; empty: now.
        observations: The Parquet to write: all rows before the window's end.
        window: The Parquet to write: the window's rows.
        readings: The Parquet to write: what the system used and how requests fared in the window.
        history: The folder to make: earlier windows, as `monitor` reads them.
        previous: The folder to make: the last dataset; empty where there was none.
        validation: Labelled observations, with the answers of the model in production.

    Returns:
        `begin` and `end` (ISO 8601), `labelled` (how many rows have a label), `digest` and `projections` of
        the strategy, and `unfit`: why the window cannot be analyzed; empty: it can.

    Raises:
        BadInput: The log is damaged, or nothing of this service was ever logged.
        StoreUnavailable: The storage does not answer.
    """
    plan, at = read_strategy(strategy), open_store(store)
    try:
        of = newest_window(moment(until) if until else datetime.now(UTC), plan.window)
    except ValueError as error:
        raise BadInput(str(error), file="until") from error
    used = [read_readings(at, service, of.begin, of.end)]
    if at.names(f"{KIND}/{service}"):
        rows = read_log(at, service, end=of.end)
    else:
        events = events_as_observations(at, service, end=of.end)
        used.append(answered_requests(events.filter(pc.greater_equal(events["time"], of.begin))))
        rows = events.filter(pc.is_valid(events["prediction"]))  # a request that failed is a reading
    if not len(rows):
        rule = f"nothing was logged before {of.end.isoformat()}"
        raise BadInput(rule, file=f"{at.uri}, service {service}")
    here = rows.filter(pc.greater_equal(rows["time"], of.begin))
    write_observations(rows, observations)
    pq.write_table(pa.concat_tables(used), readings)
    needs = specification(read_observations(validation), plan)
    _create(at, f"specifications/{plan.name}/{plan.digest.removeprefix('sha256:')}.json", to_bytes(needs))
    unfit = _written(here, window, needs)
    for folder, prefix in ((history, f"windows/{plan.name}"), (previous, _last_dataset(at, plan))):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / BEFORE).write_text(f"What stood here before {of.end.isoformat()}.\n")
        if prefix and at.names(prefix):
            download(at, prefix, folder)
    return {
        "begin": of.begin.isoformat(),
        "end": of.end.isoformat(),
        "labelled": len(rows) - rows["label"].null_count,
        "digest": plan.digest,
        "projections": plan.columns.projected,
        "unfit": unfit,
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
            _create(at, f"{place}/{names.get(what, f'{what}.json')}", Path(path).read_bytes())
    _create(at, f"{place}/{FINDINGS}", Path(files["findings"]).read_bytes())
    return f"{at.uri}/{place}"


def dataset_place(strategy: Strategy, end: str) -> str:
    """Where the dataset of a window's update stands in a store."""
    return f"datasets/{strategy.name}/{moment(end).strftime(STAMP)}"


def _last_dataset(store: Store, strategy: Strategy) -> str:
    """Where the newest dataset stands; empty: there is none."""
    names = [each for each in store.names(f"datasets/{strategy.name}") if each.endswith(f"/{DATASET}")]
    return names[-1].removesuffix(f"/{DATASET}") if names else ""


def _written(rows: pa.Table, window: str | Path, needs: dict[str, Any]) -> str:
    """Writes a window's rows; why they cannot be analyzed, or nothing."""
    try:
        if not len(rows):
            raise BadInput("the window has no rows")
        write_window(rows, window, needs)
        return ""
    except BadInput as error:
        write_observations(rows, window)
        return str(BadInput(error.rule, row=error.row, column=error.column))


def _create(store: Store, name: str, content: bytes) -> None:
    try:
        store.create(name, content)
    except AlreadyThere:
        return
