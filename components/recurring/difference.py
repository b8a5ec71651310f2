"""What stands between what Git declares and what the server holds: pure, from facts that were read before."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from adsmu.recurring.declared import Declared, Recurring

DESCRIPTION = re.compile(r"adsmu recurring, owner (\S+), content (sha256:[0-9a-f]{64})")
"""The server keeps no labels of a recurring run, and 255 characters of a description."""

TYPES: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}

Act = Literal["create", "replace", "enable", "disable", "delete", "keep"]


@dataclass(frozen=True)
class Version:
    """A version of a pipeline.

    Attributes:
        name: Its name.
        created: When the server got it, to the second.
        inputs: Its input parameters, as the compiled pipeline declares them.
    """

    name: str
    created: datetime
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline on the server.

    Attributes:
        id: Its id; another one after it was deleted and made again.
        versions: Newest first.
    """

    id: str
    versions: tuple[Version, ...]


@dataclass(frozen=True)
class Found:
    """A recurring run on the server.

    Attributes:
        id: Its id.
        experiment: Its experiment's id.
        held: What it does, as a file would declare it; the pipeline is an id here.
        description: Its description.
        pinned: The id of the version it is bound to; empty: each firing takes the newest.
    """

    id: str
    experiment: str
    held: Recurring
    description: str
    pinned: str = ""


@dataclass(frozen=True)
class Change:
    """What is to be done about one recurring run.

    Attributes:
        act: What.
        name: Its name.
        why: What differs, a clause each.
        found: What the server holds.
        declared: What Git declares.
    """

    act: Act
    name: str
    why: tuple[str, ...] = ()
    found: Found | None = None
    declared: Recurring | None = None


@dataclass(frozen=True)
class Difference:
    """All that is to be done.

    Attributes:
        changes: One for each recurring run that is declared or owned.
        refusals: What must be put right first, a sentence each; while there are any, nothing is to be done.
    """

    changes: tuple[Change, ...]
    refusals: tuple[str, ...]

    @property
    def settled(self) -> bool:
        """Whether the server holds what Git declares."""
        return not self.refusals and all(change.act == "keep" for change in self.changes)


def described(owner: str, recurring: Recurring) -> str:
    """The description that marks a recurring run: whose it is, and the digest of its content.

    >>> owned(described("nlu", Recurring("nightly", "update", period=60)), "nlu")
    True
    """
    return f"adsmu recurring, owner {owner}, content {recurring.content}"


def owned(description: str, owner: str) -> bool:
    """Whether a description is one that this owner's recurring runs bear."""
    found = DESCRIPTION.fullmatch(description)
    return bool(found) and found[1] == owner  # type: ignore[index]


def compare(
    declared: Declared,
    found: Iterable[Found],
    pipelines: Mapping[str, Iterable[Pipeline]],
    experiment: str | None,
) -> Difference:
    """Finds what is to be done.

    Args:
        declared: What Git holds.
        found: The recurring runs on the server.
        pipelines: For each pipeline that is named, those of that name.
        experiment: The experiment's id; None if there is none yet.
    """
    found = list(found)
    changes, refusals = [], []
    for recurring in declared.recurring:
        same = [f for f in found if f.experiment == experiment and f.held.name == recurring.name]
        named = list(pipelines.get(recurring.pipeline, ()))
        wrong = _unfit(recurring, named) + _taken(declared.owner, same)
        if wrong:
            refusals += [f"{recurring.name}: {each}" for each in wrong]
        elif not same:
            changes.append(Change("create", recurring.name, _told(recurring), None, recurring))
        else:
            changes.append(_change(recurring, same[0], named[0].id))
    kept = {recurring.name for recurring in declared.recurring}
    changes += [
        Change("delete", each.held.name, ("is not declared",), each)
        for each in found
        if owned(each.description, declared.owner)
        and not (each.experiment == experiment and each.held.name in kept)
    ]
    return Difference(tuple(changes), tuple(refusals))


def drifted(recurring: Recurring, found: Found, pipeline: str) -> tuple[str, ...]:
    """In what a recurring run on the server differs from its declaration, `enabled` aside.

    Args:
        recurring: The declaration.
        found: What the server holds.
        pipeline: The id that the pipeline has now.
    """
    held = found.held
    why = []
    if found.pinned:
        why.append("is bound to one version of its pipeline")
    if held.pipeline != pipeline:
        why.append("its pipeline was made anew or is another one")
    for name in ("cron", "period", "concurrency", "catch_up"):
        before, after = getattr(held, name), getattr(recurring, name)
        if before != after:
            why.append(f"{name} {_shown(before)} -> {_shown(after)}")
    for name in sorted(held.parameters.keys() | recurring.parameters.keys()):
        before, after = held.parameters.get(name), recurring.parameters.get(name)
        if not _same(before, after):
            why.append(f"{name} {_shown(before)} -> {_shown(after)}")
    return tuple(why)


def _change(recurring: Recurring, found: Found, pipeline: str) -> Change:
    why = drifted(recurring, found, pipeline)
    written = DESCRIPTION.fullmatch(found.description)
    if written and written[2] == recurring.content and why and found.held.pipeline == pipeline:
        why = ("was changed by hand", *why)
    elif written and written[2] != recurring.content and not why:
        why = ("its content digest is another one",)
    act: Act = "replace" if why else "keep"
    if not why and recurring.enabled != found.held.enabled:
        if not recurring.enabled:
            act, why = "disable", ("enabled true -> false",)
        elif recurring.catch_up:
            act, why = "enable", ("enabled false -> true: it fires at once for what it missed",)
        else:
            # A run that is enabled after a pause fires at once, even one that is not to catch up.
            act, why = "replace", ("enabled false -> true: made anew, or it would fire at once",)
    return Change(act, recurring.name, why, found, recurring)


def _taken(owner: str, same: list[Found]) -> list[str]:
    if len(same) > 1:
        ids = ", ".join(each.id for each in same)
        return [f"the server holds {len(same)} of this name ({ids}): delete all but one"]
    if same and not owned(same[0].description, owner):
        other = DESCRIPTION.fullmatch(same[0].description)
        whose = f"belongs to {other[1]}" if other else "was made by somebody else"
        return [f"the one on the server ({same[0].id}) {whose}: delete it, or choose another name"]
    return []


def _unfit(recurring: Recurring, named: list[Pipeline]) -> list[str]:
    """Why the newest version of the pipeline could not be run with these parameters."""
    if not named:
        return [f"there is no pipeline {recurring.pipeline!r}: apply it first"]
    if len(named) > 1:
        return [f"there are {len(named)} pipelines {recurring.pipeline!r}: names must be unique"]
    versions = named[0].versions
    if not versions:
        return [
            f"pipeline {recurring.pipeline!r} lists no version: apply one; a PipelineVersion that kubectl "
            "shows and the server does not list was applied while its webhooks were off"
        ]
    if len(versions) > 1 and versions[0].created == versions[1].created:
        return [
            f"versions {versions[0].name} and {versions[1].name} of {recurring.pipeline!r} were made in the "
            "same second, so that each firing would take either: keep one version in Git, with pruning on"
        ]
    return _wrong_parameters(recurring.parameters, versions[0])


def _wrong_parameters(parameters: Mapping[str, Any], version: Version) -> list[str]:
    wrong = [
        f"version {version.name} has no parameter {name!r}"
        for name in sorted(parameters.keys() - version.inputs)
    ]
    for name, declared in version.inputs.items():
        kind = declared.get("parameterType", "")
        if name not in parameters:
            if "defaultValue" not in declared and not declared.get("isOptional"):
                wrong.append(f"version {version.name} needs the parameter {name!r}")
        elif kind in TYPES and (
            not isinstance(parameters[name], TYPES[kind])
            or (isinstance(parameters[name], bool) and kind != "BOOLEAN")
        ):
            wrong.append(
                f"parameter {name!r} of version {version.name} is a {kind}, not {_shown(parameters[name])}"
            )
    return wrong


def _told(recurring: Recurring) -> tuple[str, ...]:
    when = f"cron {recurring.cron!r}" if recurring.cron else f"every {recurring.period} s"
    return (f"pipeline {recurring.pipeline}, {when}",) + (() if recurring.enabled else ("not enabled",))


def _same(held: Any, declared: Any) -> bool:
    """Whether a value came back as it was sent, or as its JSON text, which servers keep it as."""
    if type(held) is bool or type(declared) is bool:
        return held is declared or (isinstance(held, str) and held == json.dumps(declared))
    if held == declared:
        return True
    if not isinstance(held, str) or isinstance(declared, str) or declared is None:
        return False
    try:
        return bool(json.loads(held) == declared)
    except ValueError:
        return False


def _shown(value: Any) -> str:
    text = "none" if value in (None, "") else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
