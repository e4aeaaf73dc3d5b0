"""The Prometheus metrics of one server, in a registry of its own."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_VARIANT = ("endpoint", "variant", "role")


class _Answered(NamedTuple):
    requests: Counter
    errors: Counter
    latency: Histogram


class Metrics:
    """Counts of requests, errors, latencies, captures and shadow answers. Safe to use from many threads."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "mlops_requests", "Answers by a variant, failed ones too.", _VARIANT, registry=self.registry
        )
        self._errors = Counter(
            "mlops_errors", "Answers that a variant failed to give.", _VARIANT, registry=self.registry
        )
        self._latency = Histogram(
            "mlops_latency_seconds",
            "From handing the rows to a variant until its answer.",
            _VARIANT,
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._refused = Counter(
            "mlops_refused", "Requests refused with a 4xx or 5xx.", ("status",), registry=self.registry
        )
        self._written = Counter(
            "mlops_captures_written", "Captured answers on the disk.", ("endpoint",), registry=self.registry
        )
        self._dropped = Counter(
            "mlops_captures_dropped", "Answers whose capture was lost.", ("endpoint",), registry=self.registry
        )
        self._spooled = Gauge(
            "mlops_capture_spool_bytes", "Bytes on the disk that wait for the store.", registry=self.registry
        )
        self._ship_failed = Counter(
            "mlops_capture_ship_failures",
            "Failed tries to bring captures to the store.",
            registry=self.registry,
        )
        self._shadow_dropped = Counter(
            "mlops_shadow_dropped",
            "Requests that the shadow did not get.",
            ("endpoint",),
            registry=self.registry,
        )
        self._answered: dict[tuple[str, str, str], _Answered] = {}

    def answered(self, endpoint: str, variant: str, role: str, seconds: float, failed: bool) -> None:
        """A variant answered, or failed to."""
        labels = (endpoint, variant, role)
        found = self._answered.get(labels)
        if found is None:
            found = self._answered[labels] = _Answered(
                self._requests.labels(*labels), self._errors.labels(*labels), self._latency.labels(*labels)
            )
        found.requests.inc()
        found.latency.observe(seconds)
        if failed:
            found.errors.inc()

    def refused(self, status: int) -> None:
        """A request was refused."""
        self._refused.labels(str(status)).inc()

    def captures_written(self, endpoint: str, count: int) -> None:
        """Captured answers are on the disk."""
        self._written.labels(endpoint).inc(count)

    def captures_dropped(self, endpoint: str, count: int) -> None:
        """Captured answers were lost: the disk or the spool is full."""
        self._dropped.labels(endpoint).inc(count)

    def shadow_dropped(self, endpoint: str, count: int) -> None:
        """Requests that the shadow did not get: its queue was full, or it was taken out."""
        self._shadow_dropped.labels(endpoint).inc(count)

    def ship_failed(self) -> None:
        """Captures could not be brought to the store; they stay on the disk."""
        self._ship_failed.inc()

    def spooled(self, size: int) -> None:
        """How many bytes wait on the disk for the store."""
        self._spooled.set(size)

    def page(self) -> bytes:
        """All metrics in the Prometheus text form."""
        return generate_latest(self.registry)
