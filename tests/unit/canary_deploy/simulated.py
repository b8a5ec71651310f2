"""A service in simulated time, for tests of the rollout: real storage and records, seeded requests."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from adsmu.canary_deploy.lease import Lease
from adsmu.canary_deploy.records import FileRecord
from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.rollout import Ports, Request
from adsmu.canary_deploy.traffic.port import Addresses
from adsmu.errors import Refused
from adsmu.files import digest
from adsmu.store import Store, open_store

WORDS = ("fly", "sleep", "ride")
ROWS = pa.table(
    {
        "tokens": [[word, "now"] for word in WORDS] * 400,
        "tags": [["O", "O"]] * 1200,
        "intent": list(WORDS) * 400,
        "domain": ["travel"] * 1200,
    }
)
STRATIFIER = {
    "format": 1,
    "strata": [
        *(
            {"stratum": f"s{number}", "shape": word, "golden": [word, "now"]}
            for number, word in enumerate(WORDS)
        ),
        {"stratum": "other", "shape": "", "golden": []},
    ],
    "carriers": [{"words": [word, None], "strata": [number]} for number, word in enumerate(WORDS)],
    "words": {word: [[number, 9]] for number, word in enumerate(WORDS)},
}
PLAN = {
    "look_seconds": 10,
    "label_seconds": 10,
    "settle_seconds": 2,
    "max_seconds": 5000,
    "ready_seconds": 60,
}


class Killed(BaseException):
    """The process ends here, as by kill -9: nothing is cleaned up."""


@dataclass
class World:
    """Everything outside of the process that carries the rollout on.

    Attributes:
        folder: Where storage, records and the model stand.
        accuracy: By variant, of each stratum.
        rate: Requests a second.
    """

    folder: Path
    accuracy: dict[str, tuple[float, ...]] = field(
        default_factory=lambda: {"champion": (0.9, 0.9, 0.9), "candidate": (0.9, 0.9, 0.9)}
    )
    rate: int = 120
    errors: dict[str, float] = field(default_factory=dict)
    now: float = 1000.0
    ticks: float = 0.0
    live: dict = field(
        default_factory=lambda: {"champion": "sha256:" + "c" * 64, "candidate": None, "share": 0.0}
    )
    ready_after: float = 3.0
    deployed_at: float = 0.0
    sick: str = ""
    dead: bool = False
    labelled: dict[str, float] = field(default_factory=dict)
    routed: Callable[[float], float] = float
    away: tuple[float, float] = (0.0, 0.0)
    events: dict[float, Callable[["World"], None]] = field(default_factory=dict)
    segment: int = 0
    served: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self):
        self.random = np.random.default_rng(0)
        self.store = open_store(self.folder / "store")
        model = self.folder / "model"
        model.mkdir(parents=True, exist_ok=True)
        (model / "model.json").write_text("{}")
        self.digest = digest(model)

    def request(self, **plan) -> Request:
        return Request(
            service="nlu",
            model=self.folder / "model",
            digest=self.digest,
            evaluation="sha256:" + "e" * 64,
            plan=PLAN | plan,
            accuracy=0.85,
            stratifier=STRATIFIER,
            rows=ROWS,
        )

    def pass_time(self, seconds: float) -> None:
        for due in sorted(self.events):
            if self.ticks >= due:
                self.events.pop(due)(self)
        self.now += seconds
        self.ticks += seconds
        if seconds > 0:
            self._serve(seconds)

    def _serve(self, seconds: float) -> None:
        """Requests of the time that has passed, with their labels; they go straight to the store's folder."""
        count = int(self.rate * min(seconds, 5))
        if not count:
            return
        share = self.routed(self.live["share"]) if self.live["candidate"] else 0.0
        if self.live["champion"] is None and not share:
            return
        events, labels = [], []
        strata = self.random.integers(3, size=count)
        to_candidate = self.random.random(count) < share
        right = self.random.random(count)
        for number, (stratum, candidate) in enumerate(
            zip(strata.tolist(), to_candidate.tolist(), strict=True)
        ):
            variant = "candidate" if candidate else "champion"
            model = self.live[variant]
            self.served.append((self.ticks, model))
            if candidate and self.dead:
                continue
            failed = self.random.random() < self.errors.get(variant, 0.0)
            request = f"{self.segment}-{number}"
            word = WORDS[stratum]
            answer = word if right[number] < self.accuracy[variant][stratum] else "none"
            said = {"domain": "travel", "intent": answer, "tags": ["O", "O"]}
            events.append(
                {"request_id": request, "time": self.now, "variant": "?", "model": model, "stratum": "?"}
                | {"tokens": [word, "now"], "seconds": 0.01, "code": 500 if failed else 200}
                | ({} if failed else said)
            )
            if self.random.random() < self.labelled.get(variant, 1.0):
                label = {"intent": word, "tags": ["O", "O"]}
                labels.append({"request_id": request, "time": self.now, "label": label})
        for kind, lines in (("events", events), ("labels", labels)):
            text = "".join(json.dumps(line) + "\n" for line in lines).encode()
            self.store.create(f"{kind}/nlu/writer/{self.segment:010d}.jsonl", text)
        self.segment += 1


@dataclass
class Traffic:
    """The service, as a controller sees it."""

    world: World
    finest: float = 0.01

    def obstacles(self):
        return []

    def sick(self):
        return self.world.sick

    def champion(self):
        return self.world.live["champion"]

    def candidate(self):
        return self.world.live["candidate"]

    def deploy(self, release: Release):
        if self.candidate() not in (None, release.digest):
            raise Refused("another candidate stands there")
        if self.candidate() is None:
            self.world.deployed_at = self.world.ticks
        self.world.live["candidate"] = release.digest

    def unready(self):
        if self.world.dead:
            return "connection refused"
        return "" if self.world.ticks - self.world.deployed_at >= self.world.ready_after else "still loading"

    def share(self):
        return self.world.live["share"] if self.world.live["candidate"] else 0.0

    def set_share(self, share: float):
        if self.candidate() is None:
            raise Refused("there is no candidate")
        self.world.live["share"] = share

    def addresses(self):
        return Addresses("", "")

    def promote(self):
        if self.candidate() is None:
            return
        if self.share() != 1:
            raise Refused("the candidate has not all requests")
        self.world.live |= {"champion": self.candidate(), "candidate": None, "share": 0.0}

    def withdraw(self):
        if self.candidate() and self.share() != 0 and self.champion():
            raise Refused("the candidate still gets requests")
        self.world.live |= {"candidate": None, "share": 0.0}


class Fault:
    """Kills the process at its n-th write, before it or just behind it; counts the writes."""

    def __init__(self, at: int = -1, behind: bool = False):
        self.at, self.behind, self.writes = at, behind, 0

    def around(self, act):
        def wrapped(*args, **kwargs):
            self.writes += 1
            if self.writes == self.at and not self.behind:
                raise Killed
            answer = act(*args, **kwargs)
            if self.writes == self.at:
                raise Killed
            return answer

        return wrapped


def ports(world: World, fault: Fault | None = None, holder: str = "one") -> Ports:
    """What a process touches; with a fault, every write of it goes past the fault."""
    fault = fault or Fault()
    traffic, record, lease = (
        Traffic(world),
        FileRecord(world.folder / "state.json"),
        FileRecord(world.folder / "lease.json"),
    )
    for thing, names in (
        (traffic, ("deploy", "set_share", "promote", "withdraw")),
        (record, ("write",)),
        (lease, ("write",)),
    ):
        for name in names:
            setattr(thing, name, fault.around(getattr(thing, name)))
    return Ports(
        traffic=traffic,
        store=FaultyStore(world.store.uri, world.store._at, fault, world),
        record=record,
        lease=Lease(lease, holder, seconds=15, clock=lambda: world.ticks),
        clock=lambda: world.now,
        sleep=world.pass_time,
    )


class FaultyStore(Store):
    """A store that can be away, and whose writes go past a fault."""

    def __init__(self, uri, at, fault, world):
        super().__init__(uri, at)
        object.__setattr__(self, "fault", fault)
        object.__setattr__(self, "world", world)

    def _check(self):
        from adsmu.errors import StoreUnavailable

        begin, end = self.world.away
        if begin <= self.world.ticks < end:
            raise StoreUnavailable("the storage does not answer")

    def create(self, name, content):
        self._check()
        return self.fault.around(super().create)(name, content)

    def read(self, name):
        self._check()
        return super().read(name)

    def names(self, prefix="", after=""):
        self._check()
        return super().names(prefix, after)

    def folders(self, prefix):
        self._check()
        return super().folders(prefix)

    def below(self, prefix):
        below = super().below(prefix)
        return FaultyStore(below.uri, below._at, self.fault, self.world)
