"""Reading what SageMaker has captured of an endpoint, and what it has not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.captures import captures_prefix
from airflow_mlops.core.serving.hours import Cursor, OnBroken, children, read_lines, report_broken
from airflow_mlops.core.serving.loading import Contract
from airflow_mlops.core.serving.sagemaker.capture_lines import Captured, Place, read_capture
from airflow_mlops.core.serving.sagemaker.failures import Seen, canaries, closed, failures
from airflow_mlops.core.serving.sagemaker.history import History
from airflow_mlops.core.serving.sagemaker.layout import LIVE
from airflow_mlops.core.serving.sagemaker.metrics import VariantMetrics, minute_of
from airflow_mlops.core.store import Store

#: CloudWatch keeps values by the minute for so long.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
_MINUTES_KEPT = timedelta(days=15)


@dataclass
class CaptureReader:
    """Reads the captures of one endpoint.

    :param name: of the endpoint; SageMaker puts its captures below it.
    :param contract: of a version.
    :param guardrail: whether all versions answer under one variant's name.
    :param share: of the requests that are captured.
    :param delay: how long after its end a minute's count of failures may still change.
    """

    store: Store
    model: str
    name: str
    history: History
    contract: Callable[[int | None], Contract]
    metrics: VariantMetrics
    guardrail: bool
    delay: timedelta
    share: float = 1.0

    def read(
        self,
        since: datetime,
        now: datetime,
        cursor: Cursor | None = None,
        on_broken: OnBroken = report_broken,
    ) -> Iterator[CaptureRecord]:
        """Answers from ``since`` (aware) on, oldest first within a variant; then failed requests of a canary.

        SageMaker tells times by whole seconds: what was answered in the second of ``since`` is in it.
        """
        first = since.replace(microsecond=0)
        seen = cursor.failures if cursor is not None else Seen()
        self.history.proofs()
        for variant in children(self.store, captures_prefix(self.name)):
            for captured in self._lines(variant, since, cursor, on_broken):
                for record in captured.records:
                    if record.at >= first:
                        yield record
                if captured.failed:
                    record = captured.records[0]
                    seen[record.variant, minute_of(record.at)] += 1
        yield from self._failed(since, now, cursor, seen)

    def _lines(
        self, variant: str, since: datetime, cursor: Cursor | None, on_broken: OnBroken
    ) -> Iterator[Captured]:
        place = Place(self.model, variant, self.history.serving, self.contract)
        prefix = f"{captures_prefix(self.name)}{variant}/"
        return read_lines(
            self.store, prefix, since, lambda line: read_capture(line, place), on_broken, cursor
        )

    def _failed(
        self, since: datetime, now: datetime, cursor: Cursor | None, seen: Seen
    ) -> Iterator[CaptureRecord]:
        since = max(since, now - _MINUTES_KEPT)
        variants = canaries(self.history, since, now)
        if not variants or self.guardrail or LIVE in variants:
            return
        errors = self.metrics.series("errors", variants, *closed(since, now, self.delay))
        place = f"failures/{self.name}/"
        for record in failures(self.name, errors, seen, self.history, self.share):
            if cursor is None or cursor.is_new(place, record.event_id):
                yield record
