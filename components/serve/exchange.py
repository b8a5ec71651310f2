"""One request and its answer, and what is recorded of it: events, metrics, headers."""

import json
import time
from dataclasses import dataclass, field
from urllib.parse import quote

from adsmu.serve.events import WriteAhead
from adsmu.serve.metrics import Metrics
from adsmu.stratify.assign import OTHER


@dataclass(frozen=True)
class Answer:
    """What the model says of one utterance.

    Attributes:
        stratum: The utterance's stratum, whatever the model says.
        domain: A domain's name; None where the model failed, as all that follows.
        intent: An intent's name.
        tags: A BIO tag for each token.
    """

    stratum: str
    domain: str | None
    intent: str | None
    tags: list[str] | None


@dataclass
class Exchange:
    """A request on its way.

    Attributes:
        request_id: Its id; further utterances of it have `/1`, `/2` behind.
        utterances: The tokens of each, once they are read.
        answers: One an utterance, once there are any.
    """

    request_id: str
    utterances: list[list[str]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)

    def begin(self) -> None:
        """Starts the clock: what the caller took to send its bytes is not ours."""
        self._began = time.perf_counter()

    @property
    def strata(self) -> list[str]:
        """The stratum of each utterance; `other` for a request that could not be read."""
        return [answer.stratum for answer in self.answers] or [OTHER] * max(1, len(self.utterances))

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self._began


@dataclass(frozen=True)
class Recorder:
    """Who answers here, and where it is written down.

    Attributes:
        variant: champion, candidate, or another word.
        model: Digest of the model.
        log: The event log.
        metrics: What is counted.
        slow: Seconds; a later answer counts as slow.
    """

    variant: str
    model: str
    log: WriteAhead
    metrics: Metrics
    slow: float

    def record(self, exchange: Exchange, code: int) -> None:
        """Writes the events of a request and counts it. Comes before the answer goes out.

        Args:
            exchange: The request.
            code: The HTTP status of its answer.
        """
        seconds, now, good = exchange.seconds, time.time(), code < 400
        lines = []
        for number, stratum in enumerate(exchange.strata):
            answer = exchange.answers[number] if good else Answer(stratum, None, None, None)
            event = {
                "request_id": f"{exchange.request_id}/{number}" if number else exchange.request_id,
                "time": now,
                "variant": self.variant,
                "model": self.model,
                "stratum": stratum,
                "tokens": exchange.utterances[number] if exchange.utterances else [],
                "domain": answer.domain,
                "intent": answer.intent,
                "tags": answer.tags,
                "seconds": seconds,
                "code": code,
            }
            lines.append(json.dumps(event, separators=(",", ":")))
        self.metrics.count(self.variant, exchange.strata, code, seconds, slow=good and seconds > self.slow)
        self.log.append("events", lines)

    def record_labels(self, labels: list[dict[str, object]]) -> None:
        """Writes labels that came late.

        Args:
            labels: What `adsmu.serve.requests.labels` let pass.
        """
        now = time.time()
        self.log.append(
            "labels", [json.dumps({**each, "time": now}, separators=(",", ":")) for each in labels]
        )

    def headers(self, exchange: Exchange) -> dict[str, str]:
        """The headers of every response; the stratum is that of the first utterance, percent-encoded.

        Args:
            exchange: The request.

        Returns:
            By name.
        """
        return {
            "x-request-id": exchange.request_id,
            "x-adsmu-variant": quote(self.variant),
            "x-adsmu-model": self.model,
            "x-adsmu-stratum": quote(exchange.strata[0], safe=":"),
        }
