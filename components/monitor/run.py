"""A window of production looked at, from files to files."""

from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import digest, write_json, written_whole
from adsmu.monitor.conditions import within
from adsmu.monitor.findings import Window
from adsmu.monitor.history import read_history
from adsmu.monitor.levels import Given, monitor
from adsmu.monitor.report import render_report
from adsmu.monitor.system import read_system
from adsmu.profile.file import read_profile
from adsmu.profile.observations import read_observations
from adsmu.strategy import LEVELS, read_strategy
from adsmu.strategy.times import moment


def monitor_files(
    observations: str | Path,
    profile: str | Path,
    strategy: str | Path,
    *,
    begin: str,
    end: str,
    findings: str | Path,
    report: str | Path,
    labels: str | Path | None = None,
    validation: str | Path | None = None,
    validation_profile: str | Path | None = None,
    history: str | Path | None = None,
    readings: str | Path | None = None,
) -> dict[str, Any]:
    """Looks at a window and writes what was found, and a page of it.

    Args:
        observations: Observations, Parquet: the window's rows, and earlier ones whose labels came late.
        profile: The profile of the window's rows.
        strategy: The strategy, YAML.
        begin: When the window begins, ISO 8601.
        end: When it ends.
        findings: The `findings.json` to write.
        report: The page to write.
        labels: Late labels, Parquet, or None.
        validation: Labelled observations that the model was evaluated on, or None.
        validation_profile: Their profile, or None.
        history: A folder of earlier windows, each a folder with `profile.parquet` and `findings.json`; or
            None.
        readings: Readings of the system, Parquet, or None.

    Returns:
        The content of `findings.json`.

    Raises:
        BadInput: An input breaks a rule; nothing is written.
    """
    plan = read_strategy(strategy)
    try:
        window = Window(moment(begin), moment(end))
    except ValueError as error:
        raise BadInput(str(error), file="begin, end") from error
    given = Given(
        rows=read_observations(observations, labels),
        profile=read_profile(profile),
        validation=read_observations(validation) if validation else None,
        validation_profile=read_profile(validation_profile) if validation_profile else None,
        history=read_history(history, window) if history else (),
        readings=read_system(readings) if readings else None,
    )
    rows = int(within(given.rows, "time", window.begin, window.end).sum())
    if given.profile.rows != rows:
        raise BadInput(f"is of {given.profile.rows:,} rows, the window has {rows:,}", file=profile)
    first, last = given.profile.first, given.profile.last
    if first and last and not window.begin <= first <= last < window.end:
        raise BadInput(f"is of {first.isoformat()} to {last.isoformat()}, not of the window", file=profile)
    result = monitor(given, plan, window)
    result["inputs"] = {"observations": digest(observations), "profile": digest(profile)}
    page = render_report(result, plan.name)
    with written_whole(report) as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_json(result, findings)
    return result


def counts(findings: dict[str, Any]) -> dict[str, float]:
    """How many findings a window has at each level, and the rows that were looked at.

    Args:
        findings: The content of a `findings.json`.

    >>> counts({"window": {"rows": 5}, "findings": [{"level": "drift"}]})["drift"]
    1.0
    """
    of = [each["level"] for each in findings["findings"]]
    return {"rows": float(findings["window"]["rows"]), **{level: float(of.count(level)) for level in LEVELS}}
