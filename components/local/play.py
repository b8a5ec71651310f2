"""A strategy played on what production saw: window by window, with the very steps of the pipeline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.analyze.analyze import analyze_files
from adsmu.decide.decide import decide_files
from adsmu.errors import BadInput
from adsmu.files import digest
from adsmu.form_dataset.form import form_dataset_files, read_dataset
from adsmu.imports import load
from adsmu.local.champion import Champion, answered, into_service, loss, mean_loss
from adsmu.local.learners import Train, train
from adsmu.local.windows import read_stream, windows
from adsmu.monitor.conditions import within
from adsmu.monitor.findings import Window
from adsmu.monitor.history import FINDINGS, PROFILE
from adsmu.monitor.run import monitor_files
from adsmu.profile.observations import TIME, write_observations
from adsmu.profile.run import profile_files
from adsmu.sign_off.paired import compare_pairs
from adsmu.strategy import read_strategy

FEWEST = 40
"""Fewer labelled rows teach nothing that could be measured."""

LABELS = 200
"""The most rows, of those that an analysis points to, whose labels are asked for on its word."""

ARMS = ("followed", "always", "never")
"""Follow the strategy; retrain after every window on all that is labelled; keep the first model."""


@dataclass(frozen=True)
class Played:
    """What came of one window.

    Attributes:
        window: Its time.
        rows: Rows with a label, by which arms are compared.
        findings: The content of `findings.json`.
        analysis: The content of `analysis.json`; None: the window has no rows.
        decision: The content of `decision.json`.
        bought: Labels that a person was asked for.
        update: `form`, `rows` and `warnings` of the dataset, whether a model was `trained`, how it
            `compared`, whether it was `promoted` and `why`; None: no update.
        loss: By arm, the mean loss on the rows: of classes the share that is wrong, of numbers the absolute
            error; None where no row is labelled.
    """

    window: Window
    rows: int
    findings: dict[str, Any]
    analysis: dict[str, Any] | None
    decision: dict[str, Any]
    bought: int
    update: dict[str, Any] | None
    loss: dict[str, float | None]


class Play:
    """A strategy on its way through a stream.

    Args:
        strategy: The file.
        stream: Observations after the reference, in order of time, with every label that there will ever be.
        reference: Labelled observations from before.
        folder: Where the files of each window go; made here.
        train: Trains a model.
        seed: Of what is random.
    """

    def __init__(
        self, strategy: Path, stream: pa.Table, reference: pa.Table, folder: Path, train: Train, seed: int
    ) -> None:
        self.strategy, self.plan = strategy, read_strategy(strategy)
        self.stream, self.reference = stream, reference
        self.folder, self.train, self.seed = folder, train, seed
        self.asked, self.drawn = np.zeros(len(stream), bool), np.zeros(len(stream), bool)
        self.seen: list[pa.Table] = []
        self.source = folder / "reference.parquet"
        write_observations(reference, self.source)
        self.champion = self._into_service(reference, digest(self.source), folder / "champion")
        self.first = self.always = self.champion.answer
        self.dataset: Path | None = None

    def step(self, window: Window) -> Played:
        """Goes through the next window.

        Args:
            window: It follows the one before.
        """
        place = self.folder / "windows" / f"{window.begin:%Y%m%dT%H%M%S}"
        inside = within(self.stream, "time", window.begin, window.end)
        rows = self.stream.filter(pa.array(inside))
        labelled = rows.filter(pc.is_valid(rows["label"]))
        answers = (self.champion.answer, self.always, self.first)
        lost = {name: mean_loss(labelled, answer) for name, answer in zip(ARMS, answers, strict=True)}
        self.seen.append(answered(rows, self.champion))
        findings = self._find(place, window)
        analysis = self._analyze(place, window) if len(rows) else None
        decision = self._decide(place, window, analysis)
        update = None
        if decision["action"] == "update":
            named = analysis["rows"][:LABELS] if analysis else []
            self._label(named)
            update = self._update(place, window)
        came = pc.coalesce(rows["label_time"], rows["time"])
        waited = pc.greater_equal(came, pa.scalar(window.end, TIME)).to_numpy()
        bought = int((self.asked[inside] & waited).sum())
        self._always_retrain(inside, bought, window.end)
        return Played(window, len(labelled), findings, analysis, decision, bought, update, lost)

    def _find(self, place: Path, window: Window) -> dict[str, Any]:
        known = self._known(window.end)
        here = pa.array(within(known, "time", window.begin, window.end))
        late = pa.array(within(known, "label_time", window.begin, window.end))
        write_observations(known.filter(here), place / "window.parquet")
        write_observations(known.filter(pc.or_(here, late)), place / "observations.parquet")
        profile_files(
            place / "window.parquet",
            place / PROFILE,
            like=self.champion.profile,
            projections=self.plan.columns.projected,
            strategy=self.plan.digest,
        )
        return monitor_files(
            place / "observations.parquet",
            place / PROFILE,
            self.strategy,
            begin=window.begin.isoformat(),
            end=window.end.isoformat(),
            findings=place / FINDINGS,
            report=place / "report.html",
            validation=self.champion.validation,
            validation_profile=self.champion.profile,
            history=place.parent,
        )

    def _analyze(self, place: Path, window: Window) -> dict[str, Any]:
        return analyze_files(
            self.champion.validation,
            place / "window.parquet",
            self.strategy,
            analysis=place / "analysis.json",
            findings=place / FINDINGS,
            labels=self._label,
            seed=self.seed,
        )

    def _decide(self, place: Path, window: Window, analysis: dict[str, Any] | None) -> dict[str, Any]:
        known = self._known(window.end)
        return decide_files(
            place / FINDINGS,
            self.strategy,
            store=self.folder / "store",
            time=window.end.isoformat(),
            decision=place / "decision.json",
            analysis=place / "analysis.json" if analysis else None,
            labelled=sum(len(each) - each["label"].null_count for each in (self.reference, known)),
        )

    def _label(self, ids: Sequence[str]) -> list[Any]:
        """Asks a person for the labels of rows: those that the stream will have, sooner or later."""
        places = pc.index_in(pa.array(ids, pa.string()), value_set=self.stream["id"].combine_chunks())
        self.asked[places.to_numpy()] = True
        labels: list[Any] = self.stream["label"].take(places).to_pylist()
        return labels

    def _update(self, place: Path, window: Window) -> dict[str, Any]:
        """Forms the dataset, trains, and promotes what does not surely lose more on the newest rows."""
        known = self._known(window.end, self.asked)
        write_observations(known, place / "seen.parquet")
        formed = form_dataset_files(
            [self.source, place / "seen.parquet"],
            self.strategy,
            place / "dataset",
            decision=place / "decision.json",
            previous=self.dataset,
            until=window.end.isoformat(),
        )
        self.dataset = place / "dataset"
        told: dict[str, Any] = {
            "form": formed["form"],
            "rows": formed["rows"],
            "warnings": formed["warnings"],
        }
        if formed["rows"] < FEWEST:
            return told | {
                "trained": False,
                "promoted": False,
                "why": f"fewer than {FEWEST} rows to learn from",
            }
        told["trained"] = True
        _, rows = read_dataset(self.dataset)
        candidate = self._into_service(rows, formed["id"], place / "champion")
        held = within(known, "time", window.end - self.plan.evaluation_set.hold_out, window.end)
        newest = known.filter(pc.and_(pa.array(held), pc.is_valid(known["label"])))
        if len(newest):
            before, after = (loss(newest, each.answer(newest)[0]) for each in (self.champion, candidate))
            weight = newest["weight"].to_numpy()
            compared = compare_pairs(before, after, weight, True, self.plan.confidence)
            told["compared"] = {
                "rows": compared.rows,
                "difference": compared.difference,
                "low": compared.low,
                "high": compared.high,
            }
            if compared.low is not None and compared.low > 0:
                return told | {"promoted": False, "why": "it surely loses more on the newest rows"}
        self.champion = candidate
        return told | {"promoted": True, "why": "it does not surely lose more on the newest rows"}

    def _always_retrain(self, inside: np.ndarray, bought: int, end: datetime) -> None:
        """The rival: as many labels, of rows at random, and a model of all that is labelled."""
        open_ = np.flatnonzero(inside & self.stream["label"].is_valid().to_numpy())
        lot = np.random.default_rng(self.seed).permutation(open_)
        self.drawn[lot[:bought]] = True
        rows = self._known(end, self.drawn)
        rows = pa.concat_tables([self.reference, rows], promote_options="permissive")
        self.always = self.train(rows.filter(pc.is_valid(rows["label"])), self.plan.columns, self.seed)

    def _known(self, end: datetime, also: np.ndarray | None = None) -> pa.Table:
        """What was seen, with the labels that had come by a time, and those of some rows besides."""
        seen = pa.concat_tables(self.seen)
        came = pc.coalesce(seen["label_time"], seen["time"])
        known = pc.less(came, pa.scalar(end, TIME))
        if also is not None:
            known = pc.or_(known, pa.array(also[: len(seen)]))
        for name in ("label", "label_time"):
            there = pc.if_else(known, seen[name], pa.scalar(None, seen[name].type))
            seen = seen.set_column(seen.column_names.index(name), name, there)
        return seen

    def _into_service(self, rows: pa.Table, name: str, folder: Path) -> Champion:
        return into_service(rows, name, folder, self.plan, self.train, self.seed)


def play(
    strategy: str | Path,
    observations: str | Path,
    output: str | Path,
    *,
    reference: str | Path | None = None,
    window: str = "",
    model: str = "",
    seed: int = 0,
    told: Callable[[Played], None] = lambda played: None,
) -> list[Played]:
    """Plays a strategy on what production saw.

    In each window the model answers; then the steps of the pipeline find, analyze and decide, with the labels
    that had come by the window's end. On a decision to update a model is trained on the dataset that was
    formed, and answers from the next window on. Two rivals go the same way beside it.

    Args:
        strategy: `strategy.yaml`.
        observations: Parquet, or a folder of such; labels with their `label_time`. Answers of the file are
            not looked at: the models trained here give theirs.
        output: Where the files of each window go.
        reference: Labelled observations from before, Parquet; None: the first window's.
        window: `month`, `week` or a number of rows; empty: as the strategy says.
        model: Import path of a function like `adsmu.local.learners.train`; empty: that one.
        seed: Of what is random.
        told: Is told of each window when it is done.

    Returns:
        The windows, in order.

    Raises:
        BadInput: An input breaks a rule.
    """
    plan, stream = read_strategy(strategy), read_stream(observations)
    cut = windows(stream["time"], window, plan.window)
    learn: Train = load(model, "--model") if model else train
    if reference is not None:
        before = read_stream(reference)
    else:
        begins = pa.array(within(stream, "time", cut[0].begin, cut[0].end))
        before, stream, cut = stream.filter(begins), stream.filter(pc.invert(begins)), cut[1:]
    before = before.filter(pc.is_valid(before["label"]))
    if len(before) < FEWEST:
        rule = f"{len(before)} labelled rows to begin with; {FEWEST} are the fewest"
        raise BadInput(rule, file=reference or observations)
    if not cut:
        raise BadInput("one window alone: there is nothing to watch", file=observations)
    going = Play(Path(strategy), stream, before, Path(output), learn, seed)
    played = []
    for each in cut:
        played.append(going.step(each))
        told(played[-1])
    return played
