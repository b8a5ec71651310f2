"""A service on one machine: Envoy in front of a predictor process for each variant.

All that a controller needs to know stands in the service folder, so one that was killed is replaced by
another that opens the same folder. Which models are deployed is written to `traffic.json` before it is done;
what the share is, Envoy is asked. `start` finishes what was left half done and starts again what died.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic import local_process
from adsmu.canary_deploy.traffic.envoy import HERE, TRY_SECONDS, Endpoint, Envoy
from adsmu.canary_deploy.traffic.port import Addresses
from adsmu.errors import BadInput, Refused
from adsmu.files import read_json, write_json

FORMAT = 1
WHOLE = 10_000
"""All requests, in Envoy's whole weights: a share is kept to 0.01 %."""

SERVE = (sys.executable, "-m", "adsmu.serve")
READY_SECONDS = 180.0
SETTLE_SECONDS = 0.5  # Envoy's threads take what its main thread has taken within milliseconds
DRAIN_SECONDS = 3 * TRY_SECONDS + 5.0  # Envoy gives no request longer


@dataclass(frozen=True)
class Predictor:
    """A variant's process.

    Attributes:
        release: What it serves.
        port: Where it listens, on this machine.
    """

    release: Release
    port: int


@dataclass(frozen=True)
class Deployed:
    """What is deployed, or is about to be: `traffic.json`.

    Attributes:
        port: Where the service listens.
        champion: In production; None before the first.
        candidate: Beside it; None without one.
        retired: Taken away, but its process may still live.
        share: The candidate's, as it was last set.
    """

    port: int
    champion: Predictor | None = None
    candidate: Predictor | None = None
    retired: Predictor | None = None
    share: float = 0.0


class LocalTraffic:
    """The backend `local` of `adsmu.canary_deploy.traffic.port.Traffic`.

    One controller at a time acts on a folder; any number may read.

    Args:
        folder: The service folder; made when missing.
        service: The service's name, by which requests name the model.
        events: Place of the store that predictors write their events to.
        port: Where a new service listens; 0 takes a free one. One that exists keeps its own.
        serve: How a predictor is started; its options are added.
    """

    finest = 1 / WHOLE

    def __init__(
        self, folder: str | Path, service: str, events: str, *, port: int = 0, serve: Sequence[str] = SERVE
    ) -> None:
        self.folder = Path(folder).absolute()
        self.service = service
        self._events = _absolute(events)
        self._serve = tuple(serve)
        self._file = self.folder / "traffic.json"
        if not self._file.exists():
            write_json(asdict(Deployed(port or local_process.free_port())) | {"format": FORMAT}, self._file)
        self._envoy = Envoy(self.folder, self._deployed().port)

    @property
    def address(self) -> str:
        """Where the service takes requests, as a base URL."""
        return _url(self._envoy.port)

    def start(self, champion: Release | None = None) -> None:
        """Starts the service, or what of it does not run; waits until its champion takes requests.

        Args:
            champion: The first champion. A service that has a model already keeps it.

        Raises:
            BadInput: Envoy is not installed.
            Refused: The champion or Envoy does not start.
        """
        deployed = self._deployed()
        if champion and not deployed.champion and not deployed.candidate:
            deployed = replace(deployed, champion=_predictor(champion))
        deployed = self._bury(deployed)
        self._keep(self._with_processes(deployed))
        self._await_champion()
        self._envoy.start(_endpoints(self._deployed()))

    def stop(self) -> None:
        """Ends Envoy and every predictor; what is deployed stays written, and `start` brings it back."""
        self._envoy.stop()
        deployed = self._deployed()
        for each in (deployed.champion, deployed.candidate, deployed.retired):
            if each:
                self._end(each)

    def obstacles(self) -> list[str]:
        """See the protocol."""
        found = []
        if not self._envoy.running():
            found.append("Envoy does not run; start the service")
        if why := self.sick():
            found.append(f"the champion is sick: {why}")
        return found

    def sick(self) -> str:
        """See the protocol."""
        champion = self._deployed().champion
        return self._why_unready(champion) if champion else ""

    def champion(self) -> str | None:
        """See the protocol."""
        return _digest(self._deployed().champion)

    def candidate(self) -> str | None:
        """See the protocol."""
        return _digest(self._deployed().candidate)

    def deploy(self, release: Release) -> None:
        """See the protocol. A candidate of the same digest whose process has died is started again."""
        deployed = self._deployed()
        if release.digest == _digest(deployed.champion):
            raise Refused(f"{release.name} is the champion already")
        if deployed.candidate and deployed.candidate.release.digest != release.digest:
            raise Refused(f"another candidate is there: {deployed.candidate.release.name}")
        deployed = self._bury(deployed)
        if not deployed.candidate:
            deployed = replace(deployed, candidate=_predictor(release), share=0.0)
        self._keep(self._with_processes(deployed))
        self._envoy.start(_endpoints(self._deployed()))

    def unready(self) -> str:
        """See the protocol."""
        candidate = self._deployed().candidate
        return self._why_unready(candidate) if candidate else "there is no candidate"

    def share(self) -> float:
        """See the protocol. Asked of Envoy; of the file where Envoy does not run."""
        deployed = self._deployed()
        if not deployed.candidate:
            return 0.0
        if not self._envoy.running():
            return deployed.share
        first = [each.endpoint for each in self._envoy.seen() if each.endpoint.priority == 0]
        total = sum(each.weight for each in first)
        return sum(each.weight for each in first if each.port == deployed.candidate.port) / (total or 1)

    def set_share(self, share: float) -> None:
        """See the protocol. Returns when Envoy says that it splits so."""
        deployed = self._deployed()
        if not 0 <= share <= 1:
            raise Refused(f"{share} is no share; it lies between 0 and 1")
        if not deployed.candidate:
            raise Refused("there is no candidate")
        if not deployed.champion and share not in (0, 1):
            raise Refused("there is no champion to take the rest; a first model gets all or nothing")
        self._keep(replace(deployed, share=float(share)))
        self._envoy.start(_endpoints(self._deployed()))

    def addresses(self) -> Addresses:
        """See the protocol."""
        deployed = self._deployed()
        champion, candidate = deployed.champion, deployed.candidate
        return Addresses(
            candidate=_url(candidate.port) if candidate else "",
            champion=_url(champion.port) if champion else "",
        )

    def promote(self) -> None:
        """See the protocol. The candidate's process goes on as it is; without a candidate it does nothing."""
        deployed = self._deployed()
        if not deployed.candidate:
            if not deployed.champion:
                raise Refused("there is no candidate")
            self._bury(deployed)
            return
        if self.share() != 1:
            raise Refused(f"the candidate has {self.share():.2%} of the requests, not all")
        if deployed.champion:
            self._envoy.drain(deployed.champion.port, DRAIN_SECONDS)
        promoted = Deployed(deployed.port, champion=deployed.candidate, retired=deployed.champion)
        self._keep(promoted)
        self._bury(promoted)

    def withdraw(self) -> None:
        """See the protocol. Without a champion the service is taken away with its candidate."""
        deployed = self._deployed()
        if deployed.candidate:
            if self.share() != 0:
                raise Refused(f"the candidate still gets {self.share():.2%} of the requests")
            deployed = replace(deployed, candidate=None, retired=deployed.candidate, share=0.0)
            self._keep(deployed)
        self._bury(deployed)
        if not deployed.champion:
            self._envoy.stop()

    def _bury(self, deployed: Deployed) -> Deployed:
        """Ends the process of what was taken away, after Envoy has let go of it."""
        if not deployed.retired:
            return deployed
        if self._envoy.running():
            self._envoy.use(_endpoints(deployed))
            time.sleep(SETTLE_SECONDS)
        self._end(deployed.retired)
        deployed = replace(deployed, retired=None)
        self._keep(deployed)
        return deployed

    def _with_processes(self, deployed: Deployed) -> Deployed:
        """Starts the predictors that do not run. Where each will be found is written before it is started."""
        starting = []
        for role in ("champion", "candidate"):
            predictor = getattr(deployed, role)
            if not predictor or self._processes(predictor):
                continue
            if not local_process.is_free(predictor.port):
                predictor = replace(predictor, port=local_process.free_port())
                deployed = replace(deployed, **{role: predictor})
            starting.append(predictor)
        self._keep(deployed)
        for predictor in starting:
            command = [*self._serve, "--release", predictor.release.uri, "--digest", predictor.release.digest]
            command += ["--variant", predictor.release.name, "--service", self.service]
            command += ["--events", self._events, "--log", str(self._ahead)]
            command += ["--port", str(predictor.port)]
            local_process.start(command, self._printed(predictor))
        return deployed

    def _await_champion(self) -> None:
        champion = self._deployed().champion
        deadline = time.monotonic() + READY_SECONDS
        while champion and (why := self._why_unready(champion)):
            if time.monotonic() > deadline or not self._processes(champion):
                why = self._why_unready(champion) or why  # of one that ended just now its log says more
                raise Refused(f"the champion {champion.release.name} does not start: {why}")
            time.sleep(0.1)

    def _why_unready(self, predictor: Predictor) -> str:
        if not self._processes(predictor):
            return f"its process has ended: {local_process.last_line(self._printed(predictor))}"
        try:
            status, _ = local_process.ask(f"{HERE}:{predictor.port}", "/v2/health/ready", timeout=10)
        except OSError as error:
            return f"it does not answer: {error}"
        return "" if status == 200 else f"it answers {status} when asked if it is ready"

    def _end(self, predictor: Predictor) -> None:
        local_process.stop(self._processes(predictor), patience=DRAIN_SECONDS)

    def _processes(self, predictor: Predictor) -> list[Any]:
        return local_process.find(("--digest", predictor.release.digest), ("--log", str(self._ahead)))

    @property
    def _ahead(self) -> Path:
        """Where predictors write ahead of the store: one folder, so that each finds what a dead one left."""
        return self.folder / "ahead"

    def _printed(self, predictor: Predictor) -> Path:
        return self.folder / f"{predictor.release.name}.log"

    def _keep(self, deployed: Deployed) -> None:
        write_json({"format": FORMAT} | asdict(deployed), self._file)

    def _deployed(self) -> Deployed:
        return _read(self._file)


def _read(file: Path) -> Deployed:
    value = read_json(file)
    if not isinstance(value, dict) or value.pop("format", None) != FORMAT:
        raise BadInput(f"not of format {FORMAT}", file=file)
    try:
        for role in ("champion", "candidate", "retired"):
            if value[role] is not None:
                value[role] = Predictor(Release(**value[role]["release"]), int(value[role]["port"]))
        return Deployed(**value)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"not what a service folder holds: {error}", file=file) from error


def _endpoints(deployed: Deployed) -> list[Endpoint]:
    """What Envoy is to do.

    Of a candidate without a share Envoy knows nothing, so that it gets nothing whatever happens to the
    champion. A champion without a share, at 1, is the one to fall back on.
    """
    champion, candidate, share = deployed.champion, deployed.candidate, deployed.share
    weight = min(max(round(share * WHOLE), 1), WHOLE - 1)
    found = []
    if champion:
        found.append(Endpoint(champion.port, WHOLE - weight, priority=int(bool(candidate) and share == 1)))
    if candidate and share > 0:
        found.append(Endpoint(candidate.port, weight))
    return found


def _predictor(release: Release) -> Predictor:
    return Predictor(replace(release, uri=_absolute(release.uri)), local_process.free_port())


def _absolute(uri: str) -> str:
    """A folder from wherever a later controller may run; a place in object storage as it is."""
    return uri if "://" in uri else str(Path(uri).absolute())


def _digest(predictor: Predictor | None) -> str | None:
    return predictor.release.digest if predictor else None


def _url(port: int) -> str:
    return f"http://{HERE}:{port}"
