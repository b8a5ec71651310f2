"""What a predictor counts for Prometheus. Dashboards look at it; decisions are made of the event log."""

from prometheus_client import Counter, Gauge, Histogram

from adsmu.serve.events import WriteAhead

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of a process, in the registry that `/metrics` shows.

    Args:
        log: The event log, whose state is among them.
    """

    def __init__(self, log: WriteAhead) -> None:
        self._requests = Counter(
            "canary_requests", "Utterances answered or refused", ["variant", "stratum", "code"]
        )
        self._slow = Counter(
            "canary_slow", "Utterances answered later than the objective for latency", ["variant", "stratum"]
        )
        self._seconds = Histogram(
            "canary_request_seconds",
            "From the last byte of a request to the first of its answer",
            ["variant"],
            buckets=SECONDS,
        )
        lost = Gauge("canary_events_lost", "Events in no file, for want of room on this machine")
        waiting = Gauge("canary_events_waiting_bytes", "Bytes of events that the storage does not have yet")
        lost.set_function(lambda: log.lost)
        waiting.set_function(lambda: log.waiting)

    def count(self, variant: str, strata: list[str], code: int, seconds: float, *, slow: bool) -> None:
        """Counts a request.

        Args:
            variant: Who answered.
            strata: The stratum of each of its utterances.
            code: The HTTP status of the answer.
            seconds: How long it took.
            slow: Whether that was too long.
        """
        for stratum in strata:
            self._requests.labels(variant, stratum, code).inc()
            if slow:
                self._slow.labels(variant, stratum).inc()
        self._seconds.labels(variant).observe(seconds)
