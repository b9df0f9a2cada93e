"""Numbers for Prometheus: requests, seconds by stage, tokens, the queue."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gar.serving.service import Record
from gar.serving.worker import Worker

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The numbers of one application.

    Args:
        worker: Its queue is shown.
    """

    def __init__(self, worker: Worker):
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("gar_requests", "Requests, by path and status", ["path", "status"], registry=registry)
        self._seconds = Histogram(
            "gar_request_seconds", "Seconds of a request", ["path"], buckets=_SECONDS, registry=registry
        )
        self._stages = Histogram(
            "gar_stage_seconds", "Seconds of a stage", ["stage"], buckets=_SECONDS, registry=registry
        )
        self._tokens = Counter("gar_tokens", "Tokens, read and written", ["kind"], registry=registry)
        self._regions = Counter("gar_regions", "Regions that were asked about", registry=registry)
        waiting = Gauge("gar_waiting", "Questions that wait", registry=registry)
        waiting.set_function(lambda: worker.waiting)
        running = Gauge("gar_running", "Questions that are being answered", registry=registry)
        running.set_function(lambda: worker.running)

    def note(self, path: str, status: int, seconds: float, record: Record) -> None:
        """Counts a request.

        Args:
            path: Its route, so that there are few.
            status: Of the response; 499 if the client went away before.
            seconds: In all.
            record: What else is known.
        """
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
        for stage, taken in record.seconds.items():
            self._stages.labels(stage).observe(taken)
        for kind, tokens in (("prompt", record.prompt_tokens), ("new", record.new_tokens)):
            self._tokens.labels(kind).inc(tokens or 0)
        self._regions.inc(record.regions or 0)

    def text(self) -> bytes:
        """All of them, in Prometheus' text form."""
        return generate_latest(self._registry)
