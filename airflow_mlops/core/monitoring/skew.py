"""Training/serving skew: captured requests go through the training path again, and nothing may differ."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from airflow_mlops.core.errors import MlopsError, SpecError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import Record, utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.base import Endpoint
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.core.training.artifact import InputColumn, Signature
    from airflow_mlops.core.training.predictor import Predictor
    from airflow_mlops.spec import ModelSpec


class SkewedFeature(Record):
    """A feature that has another value at the endpoint than in training, for the same row.

    :param inference_id, row: the first request that shows it, and its row.
    :param endpoint, training: the two values; numbers to two digits, categories by their number, so that no value of a
        request stands in a record.
    """

    feature: str
    rows: int
    inference_id: str
    row: int
    endpoint: str
    training: str


class SkewReport(Record):
    """What came out when captured requests were computed again.

    :param requests, rows: how many were compared.
    :param features: those that differ, most rows first.
    :param answers: rows whose captured answer is not what the version answers here.
    :param set_aside: captured records of the time that were not compared, by reason.
    """

    model: str
    champion: int | None
    since: datetime
    until: datetime
    requests: int = 0
    rows: int = 0
    features: tuple[SkewedFeature, ...] = ()
    answers: int = 0
    first_answer: str | None = None
    outcome: Literal["equal", "skew", "inconclusive"]
    reason: str
    set_aside: dict[str, int] = Field(default_factory=dict)


def check_skew(
    store: Store,
    endpoint: Endpoint,
    spec: ModelSpec,
    *,
    requests: int,
    until: datetime | None = None,
    progress: Progress = ignore,
) -> SkewReport:
    """Compute the features of the champion's newest captured requests on both paths, and compare them bit for bit.

    One path is the endpoint's: each request alone, from its JSON rows. The other is that of training: all rows in one
    frame, as they are read from stored Parquet. The answers of the version are held against the captured ones: they
    differ where the endpoint's process computes something else than this one, for example in another time zone.

    :param requests: how many, of the last ``monitoring.window`` before ``until``.
    :param until: now without one.
    :raises SpecError: if ``requests`` is less than one.
    """
    from airflow_mlops.core.training.predictor import Predictor

    if requests < 1:
        raise SpecError("monitoring.skew_requests compares nothing", given=requests, expected="at least 1")
    until = until or utc_now()
    since = until - spec.monitoring.window
    champion = DeploymentLog(store, spec.name).champion()
    if champion is None:
        return _inconclusive(spec, None, since, until, "no champion serves", {})
    set_aside: Counter[str] = Counter()
    taken = _newest(endpoint.captures(since), f"v{champion}", since, until, requests, set_aside)
    progress(f"{len(taken):,} captured requests of {spec.name} v{champion} are computed again")
    if not taken:
        reason = f"no answered request of version {champion} was captured"
        return _inconclusive(spec, champion, since, until, reason, dict(set_aside))
    predictor = Predictor.load(store, Registry(store, spec.name).get(champion).trained)
    features = _skewed_features(predictor, taken)
    answers, first = _other_answers(predictor, taken)
    return SkewReport(
        model=spec.name,
        champion=champion,
        since=since,
        until=until,
        requests=len(taken),
        rows=sum(len(one.rows) for one in taken),
        features=features,
        answers=answers,
        first_answer=first,
        outcome="skew" if features or answers else "equal",
        reason=_reason(features, answers, first),
        set_aside=dict(set_aside),
    )


def explain(report: SkewReport) -> str:
    """The report in one line."""
    if report.outcome == "inconclusive":
        return f"{report.model}: nothing to compare: {report.reason}"
    what = f"{report.model} v{report.champion}: {report.requests:,} captured requests ({report.rows:,} rows)"
    return f"{what}: {report.reason}"


def _inconclusive(
    spec: ModelSpec,
    champion: int | None,
    since: datetime,
    until: datetime,
    reason: str,
    set_aside: dict[str, int],
) -> SkewReport:
    return SkewReport(
        model=spec.name,
        champion=champion,
        since=since,
        until=until,
        outcome="inconclusive",
        reason=reason,
        set_aside=set_aside,
    )


def _newest(
    captures: Iterable[CaptureRecord],
    variant: str,
    since: datetime,
    until: datetime,
    most: int,
    set_aside: Counter[str],
) -> list[CaptureRecord]:
    """The newest answered requests of the variant, oldest first; the memory does not grow with the traffic."""
    fitting = _fitting(captures, variant, since, until, set_aside)
    return heapq.nlargest(most, fitting, key=lambda one: (one.at, one.event_id))[::-1]


def _fitting(
    captures: Iterable[CaptureRecord],
    variant: str,
    since: datetime,
    until: datetime,
    set_aside: Counter[str],
) -> Iterator[CaptureRecord]:
    for record in captures:
        if not since <= record.at < until:
            continue
        reason = ""
        if record.variant != variant:
            reason = "other version"
        elif record.predictions is None or record.status != 200:
            reason = "failed"
        elif not record.rows:
            reason = "captured without rows"
        if reason:
            set_aside[reason] += 1
        else:
            yield record


def _skewed_features(predictor: Predictor, taken: Sequence[CaptureRecord]) -> tuple[SkewedFeature, ...]:
    import numpy as np

    signature = predictor.trained.signature
    at_endpoint = np.concatenate([predictor.matrix(one.rows) for one in taken])
    rows = [row for one in taken for row in one.rows]
    in_training = predictor.matrix_of_frame(stored_frame(rows, signature.inputs))
    places = [(one.inference_id, number) for one in taken for number in range(len(one.rows))]
    differ = ~((at_endpoint == in_training) | (np.isnan(at_endpoint) & np.isnan(in_training)))
    found = []
    for column, name in enumerate(signature.features):
        where = np.flatnonzero(differ[:, column])
        if not len(where):
            continue
        first = int(where[0])
        inference_id, row = places[first]
        pair = at_endpoint[first, column], in_training[first, column]
        endpoint, training = (masked(name, float(value), signature) for value in pair)
        found.append(
            SkewedFeature(
                feature=name,
                rows=len(where),
                inference_id=inference_id,
                row=row,
                endpoint=endpoint,
                training=training,
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.rows, one.feature)))


def stored_frame(rows: Sequence[dict[str, Any]], inputs: Sequence[InputColumn]) -> pd.DataFrame:
    """Rows of requests as a dataset version has them: typed columns that were written as Parquet and read again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {column.name: _stored([row.get(column.name) for row in rows], column.type) for column in inputs}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    frame: pd.DataFrame = pq.read_table(pa.BufferReader(sink.getvalue())).to_pandas(date_as_object=False)
    return frame


def _stored(values: Sequence[Any], kind: str) -> Any:
    import pyarrow as pa

    from airflow_mlops.core.data.event_time import to_utc

    if kind == "number":
        whole = all(value is None or (isinstance(value, int) and abs(value) < 2**53) for value in values)
        if not whole:
            values = [None if value is None else float(value) for value in values]
        return pa.array(values, pa.int64() if whole else pa.float64(), from_pandas=True)
    if kind == "time":
        return to_utc(pa.array(values, pa.string(), from_pandas=True))
    return pa.array(values, pa.bool_() if kind == "boolean" else pa.string(), from_pandas=True)


def masked(feature: str, value: float, signature: Signature) -> str:
    """A feature's value as it may stand in a log: rounded, or the number of its category."""
    import math

    if math.isnan(value):
        return "missing"
    if feature in signature.categories:
        return f"category {int(value) + 1} of {len(signature.categories[feature])}"
    return f"about {value:.2g}"


def _other_answers(predictor: Predictor, taken: Sequence[CaptureRecord]) -> tuple[int, str | None]:
    """Rows whose captured answer differs from the version's answer here, and the first such request."""
    import numpy as np

    count, first = 0, None
    for one in taken:
        captured: NDArray[np.float64] = np.asarray(one.predictions, dtype=np.float64)
        try:
            here = predictor.predict(one.rows)
        except MlopsError:
            here = np.full(len(captured), np.nan)
        if differ := len(here) if len(here) != len(captured) else int((here != captured).sum()):
            count, first = count + differ, first or one.inference_id
    return count, first


def _reason(features: Sequence[SkewedFeature], answers: int, first: str | None) -> str:
    told = [
        f"{one.feature} differs in {one.rows:,} rows (request {one.inference_id}, row {one.row}: {one.endpoint} at the "
        f"endpoint, {one.training} in training)"
        for one in features[:5]
    ]
    if len(features) > len(told):
        told.append(f"{len(features) - len(told)} more features differ")
    if answers:
        told.append(f"{answers:,} captured answers are not what the version answers here (request {first})")
    return "; ".join(told) or "features and answers are equal on both paths"
