"""The report of a rollout: one page that needs neither a network nor JavaScript."""

import functools
import hashlib
from pathlib import Path

from jinja2 import Environment, UndefinedError

from adsmu.canary_deploy.report import drawing, figures, words
from adsmu.canary_deploy.report.story import MALFORMED, gather
from adsmu.errors import BadInput
from adsmu.files import written_whole
from adsmu.pages import environment, sorting_script
from adsmu.store.evidence import Entry, to_bytes
from adsmu.stratified_evaluate.report import change, rate

FOLDER = Path(__file__).parent


def write_report(entries: list[Entry], path: str | Path) -> None:
    """Writes the report of a rollout.

    Args:
        entries: All its entries, as `EvidenceLog.read` gives them; none: the page says that there are none.
        path: The page to write, whole or not at all.

    Raises:
        BadInput: An entry is not what this version writes.
    """
    page = render_report(entries)
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def render_report(entries: list[Entry]) -> str:
    """A rollout as a page.

    Args:
        entries: As for `write_report`.

    Returns:
        HTML. Everything that comes from the entries is escaped.

    Raises:
        BadInput: As `write_report`.
    """
    templates = _templates()
    if not entries:
        return templates.get_template("no_rollout.html.j2").render()
    story = gather(entries)
    script, script_hash = sorting_script()
    found = story.progress
    try:
        return templates.get_template("rollout.html.j2").render(
            s=story,
            p=found,
            plan=found.plan,
            begin=story.begin,
            headline=words.headline(story),
            conditions=words.conditions(story),
            ramp=drawing.ramp(
                story.begin["time"],
                entries[-1]["time"],
                story.shares,
                story.events,
                [(words.PHASES[name], time) for name, time in story.phases if name in words.PHASES],
            ),
            told=[words.told(entry, not found.champion) for entry in entries],
            last=story.figures[-1] if story.figures else None,
            totals=story.traffic().sum(axis=(0, 3)),
            labels=story.labels(),
            panels=figures.panels(story),
            proof=figures.proof(story),
            shares=figures.by_share(story),
            strata=figures.strata(story),
            reference=words.reference(found.plan),
            settings=words.settings(story),
            head=f"sha256:{hashlib.sha256(to_bytes(entries[-1])).hexdigest()}",
            script=script,
            script_hash=script_hash,
        )
    except (*MALFORMED, UndefinedError) as error:
        raise BadInput(f"an entry is not what this version writes: {error!r}", file="evidence") from error


@functools.cache
def _templates() -> Environment:
    return environment(
        FOLDER,
        {
            "rate": rate,
            "change": change,
            "e": words.e_value,
            "order": words.order,
            "moment": words.moment,
            "clock": drawing.elapsed,
            "lasting": words.lasting,
        },
    )
