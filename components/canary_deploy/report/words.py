"""The words of a rollout's report."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adsmu.canary_deploy.plan import Plan, to_json
from adsmu.canary_deploy.report.story import Story
from adsmu.canary_deploy.state import others_in
from adsmu.store.evidence import Entry
from adsmu.stratified_evaluate.report import change, rate

PHASES = {
    "register": "register",
    "dark_launch": "dark launch",
    "shadow": "shadow",
    "ramp": "ramp",
    "bake": "bake",
    "promote": "promote",
    "roll_back": "roll back",
}


def headline(story: Story) -> dict[str, str]:
    """The outcome and why, in one sentence: `sign`, `tone`, `title`, `why`."""
    found = story.progress
    reasons = "; ".join(map(str, found.reasons)) or "no look has been taken yet"
    serves = (
        "the champion answers all requests" if found.champion else "nothing is in production, as before it"
    )
    if found.phase != "ended":
        doing = {"promoted": "being promoted"}.get(found.outcome, "going back") if found.outcome else ""
        at = doing or f"{PHASES[found.phase]} at {100 * found.share:g} %"
        waits = f"; waits for approval of the {found.asks}" if found.asks else ""
        return {"sign": "↻", "tone": "refine", "title": f"Under way: {at}", "why": f"{reasons}{waits}."}
    if found.outcome == "promoted":
        why = f"The candidate answers all requests: {reasons}."
        return {"sign": "✓", "tone": "pass", "title": "Promoted", "why": why}
    if found.outcome == "rolled_back":
        why = f"{serves.capitalize()}: {reasons}."
        return {"sign": "✕", "tone": "fail", "title": "Rolled back", "why": why}
    shown = not found.plan.steps and _all_proven(story)
    title = "Inconclusive"
    if not found.plan.steps:
        title = f"Shadow run: {'proven not worse' if shown else 'nothing proven'}"
    looks = [entry for entry in story.entries if entry["kind"] == "look"]
    if story.entries[-1]["kind"] == "end" and looks and any(e["kind"] == "stop" for e in story.entries):
        reasons += f". At the last look: {'; '.join(map(str, looks[-1]['decision']['reasons']))}"
    why = f"{serves.capitalize()}: {reasons}."
    sign, tone = ("✓", "pass") if shown else ("?", "undecided")
    return {"sign": sign, "tone": tone, "title": title, "why": why}


def conditions(story: Story) -> list[tuple[bool, str]]:
    """What a promotion needs, and whether it was there at the last look."""
    if not story.figures:
        return []
    last, plan = story.figures[-1], story.progress.plan
    others = others_in(story.progress.strata)
    asked = last["strata"][: len(last["strata"]) - others]
    proven = sum(each["proven"] for each in asked)
    rows = [
        (
            last["rollback"] < last["bar"],
            f"no harm: the e-values of all strata and metrics add up to {e_value(last['rollback'])} at most; "
            f"harm is found at {e_value(last['bar'])}",
        )
    ]
    if story.split:
        rows += [
            (
                last["split"] < last["bar"],
                f"the candidate gets the share that was set: e-value against it {e_value(last['split'])}, "
                f"bar {e_value(last['bar'])}",
            ),
            (
                last["coverage"] < last["bar"],
                "labels come in alike for both: e-value against it "
                f"{e_value(last['coverage'])}, bar {e_value(last['bar'])}",
            ),
        ]
    what = {"live": "labels of each variant", "shadow": "shadow pairs", "limit": "labels"}[plan.proof]
    mean = "nothing to compare yet"
    if last["difference"] is not None:
        low = change(last["difference_low"])
        goal = change(-plan.margin)
        mean = f"{change(last['difference'])} points, at least {low}; proven once that is above {goal}"
    return [
        *rows,
        (last["labels_enough"], f"evidence enough: {plan.min_labels} {what} in each stratum"),
        (
            last["proven"],
            f"mean accuracy over strata {reference(plan)}: {mean}",
        ),
        (
            proven == len(asked),
            f"accuracy in each stratum {reference(plan)} proven no lower by {rate(plan.floor)} points: "
            f"{proven} of {len(asked)} strata",
        ),
    ]


@dataclass(frozen=True)
class Told:
    """An entry in words.

    Attributes:
        what: What happened.
        why: Why, or what it held.
        tone: `change` for what moved the rollout on, `fault` for what went wrong, else empty.
        counts: What came in, if anything did.
    """

    what: str
    why: str
    tone: str = ""
    counts: str = ""


def told(entry: Entry, first: bool) -> Told:
    """An entry in words.

    Args:
        entry: One that `gather` took.
        first: Whether there was no champion.
    """
    reasons = "; ".join(map(str, entry.get("decision", entry).get("reasons", ())))
    match entry["kind"]:
        case "look":
            return _look(entry, reasons, first)
        case "begin":
            strategy = entry["plan"].get("strategy", "canary")
            none = "; there is no champion yet" if first else ""
            said = Told("begun", f"strategy {strategy}, {len(entry['strata'])} strata{none}")
        case "share":
            to_none = "but some requests still went to the variant that is to get none"
            follows = "the requests follow" if entry["followed"] else to_none
            said = Told(f"share of {percent(entry['share'])} holds", f"read back, and {follows}", "change")
        case "lost":
            found = f"{percent(entry['seen'])} found instead of {percent(entry['share'])}; it is set again"
            said = Told("share changed by somebody else", found, "fault")
        case "unreadable":
            said = Told(f"look not readable: {_action(entry)}", reasons, "fault")
        case "approved":
            said = Told(f"{entry['gate']} approved", f"by {entry['by']}", "change")
        case "stop":
            said = Told(f"stopped: {entry['cause']}", reasons, "fault")
        case "registered":
            said = Told("model registered", str(entry["release"]))
        case "end":
            said = Told("ended", str(entry["outcome"]).replace("_", " "), "change")
        case other:
            said = {
                "ready": Told("candidate ready", "it answers in every stratum, and gets no requests yet"),
                "promoted": Told("promoted", "the candidate takes the champion's place", "change"),
                "withdrawn": Told("withdrawn", "the candidate is taken away", "change"),
            }[other]
    return said


def _look(entry: Entry, reasons: str, first: bool) -> Told:
    look = entry["look"]
    requests = [sum(look[variant]["requests"]) for variant in ("canary", "champion")]
    counts = {
        "requests": " and ".join(f"{each:,}" for each in requests[: 1 if first else 2])
        if any(requests)
        else 0,
        "pairs": sum(look["shadow"]["compared"]) if look["shadow"] else 0,
        "left out": entry.get("left_out", 0),
        "refused": sum(entry.get("refused", {}).values()),
    }
    action = _action(entry)
    return Told(
        f"look at {percent(look['share'])}: {action}",
        reasons,
        "" if action == "hold" else "change",
        ", ".join(f"{count} {name}" for name, count in counts.items() if count),
    )


def _action(entry: Entry) -> str:
    return str(entry["decision"]["action"]).replace("_", " ")


def percent(share: float) -> str:
    """A share.

    >>> percent(0.05)
    '5\u00a0%'
    """
    return f"{100 * share:g}\N{NO-BREAK SPACE}%"


def reference(plan: Plan) -> str:
    """What the candidate is compared with."""
    return (
        f"less the limit of {rate(plan.min_accuracy)} %" if plan.proof == "limit" else "less the champion's"
    )


def settings(story: Story) -> list[tuple[str, str]]:
    """The plan and the times in full, defaults included."""
    found = story.progress
    values = to_json(found.plan) | vars(found.schedule)
    return [(name.replace("_", " "), _setting(value)) for name, value in values.items()]


def e_value(log10: float | None) -> str:
    """An e-value, of its decimal logarithm.

    >>> e_value(1.30103), e_value(-0.5), e_value(8.3), e_value(-7)
    ('20', '0.32', '10⁸', '< 0.001')
    """
    if log10 is None or log10 == -math.inf:
        return "\N{EN DASH}"
    if log10 < -3:
        return "< 0.001"
    if log10 >= 4:
        return "10" + str(int(log10)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    value = 10**log10
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2g}"


def order(value: float | None) -> int:
    """A number as a whole one that sorts alike, also where it is read digit by digit.

    >>> order(-0.5) < order(0.25) < order(3)
    True
    """
    return 0 if value is None else round((min(max(value, -1e6), 1e6) + 1e6) * 1e6) + 1


def moment(time: float) -> str:
    """A point in time.

    >>> moment(1_795_000_000)
    '2026-11-18 11:06:40'
    """
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}"


def lasting(seconds: float) -> str:
    """How long something took, in words.

    >>> lasting(9), lasting(75), lasting(7320), lasting(180_000)
    ('9 s', '1 min 15 s', '2 h 2 min', '2 d 2 h')
    """
    whole = round(seconds)
    for size, unit, small, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {lesser}"
    return f"{whole} s"


def _all_proven(story: Story) -> bool:
    return bool(story.figures) and all(met for met, _ in conditions(story))


def _setting(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
