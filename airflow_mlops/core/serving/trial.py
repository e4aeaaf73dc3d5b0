"""Trying a version before it gets traffic: it answers requests that were captured, here and now."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import FeatureError, IntegrityError, KeyMissing, RegistryError, StoreError
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.loading import Answering, load_warm
from airflow_mlops.core.serving.refusal import one_line

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.core.store import Store

#: Requests that a version is tried on, and how far back they are looked for.
MOST_REQUESTS = 200
LOOK_BACK = timedelta(days=1)
#: What keeps a version from being loaded for good; everything else of a store may be over at the next try.
_BROKEN = (KeyMissing, IntegrityError)

Rows = tuple[dict[str, Any], ...]


class Trial(Record):
    """What came of trying a version.

    :param asked: captured requests that it was asked; ``failed``: those that it refused, failed on, or answered with
        something that is no number.
    """

    version: int
    healthy: bool
    asked: int = 0
    failed: int = 0
    reason: str


def captured_requests(endpoint: Endpoint, until: datetime) -> tuple[Rows, ...]:
    """The newest captured requests, whoever answered them, each once; the newest first.

    :param until: requests from here on do not count.
    """
    newest: list[tuple[datetime, str]] = []
    rows: dict[str, Rows] = {}
    for record in endpoint.captures(until - LOOK_BACK):
        if not record.rows or record.at >= until or record.inference_id in rows:
            continue
        rows[record.inference_id] = record.rows
        heapq.heappush(newest, (record.at, record.inference_id))
        if len(newest) > MOST_REQUESTS:
            del rows[heapq.heappop(newest)[1]]
    return tuple(rows[name] for _, name in sorted(newest, reverse=True))


def try_version(
    store: Store, model: str, version: int, requests: Sequence[Rows], *, max_error_rate: float
) -> Trial:
    """Load a version and let it answer captured requests. It changes nothing, and no caller sees an answer.

    :param max_error_rate: share of failed requests from which it is unhealthy.
    :raises StoreError: if the store can't be reached, so that nothing is known of the version.
    """
    try:
        predictor = load_warm(store, Registry(store, model).get(version).trained)
    except Exception as error:  # whatever its feature code raises
        if isinstance(error, StoreError) and not isinstance(error, _BROKEN):
            raise
        return Trial(
            version=version, healthy=False, reason=f"version {version} can't be loaded: {one_line(error)}"
        )
    if not requests:
        return Trial(
            version=version, healthy=True, reason=f"version {version} loads; no request to try it on"
        )
    wrong = [said for rows in requests if (said := _wrong(predictor, rows))]
    failed, asked = len(wrong), len(requests)
    told = f"version {version} answers {asked - failed} of {asked} captured requests"
    return Trial(
        version=version,
        healthy=failed < max_error_rate * asked,
        asked=asked,
        failed=failed,
        reason=f"{told}; it fails with: {wrong[0]}" if wrong else told,
    )


def is_broken(store: Store, model: str, version: int) -> bool:
    """Whether a version can't be loaded here, whatever it is asked. :raises StoreError: as :func:`try_version`."""
    return not try_version(store, model, version, (), max_error_rate=1.0).healthy


#: Errors of bringing an endpoint to a version that may be the version's own.
OF_A_VERSION = (*_BROKEN, FeatureError, RegistryError)


def _wrong(predictor: Answering, rows: Rows) -> str:
    """Why a request can't be answered; empty when it can."""
    try:
        predictor.check_rows(rows)
        answers = [float(one) for one in predictor.predict(rows)]
    except Exception as error:  # whatever its feature code raises
        return one_line(error)
    if len(answers) != len(rows) or not all(map(math.isfinite, answers)):
        return "an answer that is no finite number"
    return ""
