"""Requests that failed: SageMaker captures none of them, but CloudWatch counts them.

For the judge of a canary each one becomes a record without rows. Its id follows from variant, minute and place in the
minute, so that two looks at the same minute give the same records.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.serving.base import Series
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.sagemaker.capture_lines import role_of
from airflow_mlops.core.serving.sagemaker.history import History
from airflow_mlops.core.serving.sagemaker.metrics import MINUTE, minute_of

#: How many failures were captured after all, by variant and minute.
Seen = Counter[tuple[str, datetime]]


def canaries(history: History, since: datetime, now: datetime) -> tuple[str, ...]:
    """The variants that shared the traffic of a canary since then; none without one."""
    proofs = history.proofs()
    variants: dict[str, None] = {}
    for place, proof in enumerate(proofs):
        until = proofs[place + 1].at if place + 1 < len(proofs) else now
        if proof.desired.mode == "canary" and until > since:
            variants |= dict.fromkeys((f"v{proof.desired.champion}", f"v{proof.desired.challenger}"))
    return tuple(variants)


def closed(since: datetime, now: datetime, delay: timedelta) -> tuple[datetime, datetime]:
    """The minutes from ``since`` on to which CloudWatch adds nothing any more.

    :param delay: how long after its end a minute's count may still change.
    """
    return minute_of(since), minute_of(now - delay)


def failures(
    name: str,
    errors: Mapping[str, Series],
    seen: Mapping[tuple[str, datetime], int],
    history: History,
    share: float = 1.0,
) -> Iterator[CaptureRecord]:
    """One record for each failed request that was not captured, as far as answers are captured at all.

    A failure counts for the newest deployment that gave its variant a place in that minute.

    :param name: of the endpoint.
    :param errors: failed requests a minute, by variant.
    :param share: of the requests that SageMaker captures: failures, which are all counted, are thinned to it.
    """
    for variant, series in errors.items():
        for minute, count in series:
            served = history.serving(minute + MINUTE - timedelta(microseconds=1), variant)
            if served is None or served.mode != "canary":
                continue
            for place in range(round(count) - seen.get((variant, minute), 0)):
                record = _record(f"{name}/{variant}/{minute:%Y%m%dT%H%M}/{place}", variant, minute, served)
                if int(record.key, 16) < share * 2**64:
                    yield record


def _record(event: str, variant: str, minute: datetime, served: Desired) -> CaptureRecord:
    return CaptureRecord(
        event_id=event,
        inference_id=event,
        variant=variant,
        role=role_of(variant, served),
        at=minute,
        latency_ms=float("nan"),
        status=500,
        key=hashlib.sha256(event.encode()).hexdigest()[:16],
        rows=(),
        predictions=None,
        deployment=served.number,
    )
