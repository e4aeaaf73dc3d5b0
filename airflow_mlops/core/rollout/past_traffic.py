"""The champion's own captured traffic, as columns: what a rollout is planned from."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.errors import DataError, RegistryError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.judge import gates_of
from airflow_mlops.core.rollout.labelling import Labels, rows_of
from airflow_mlops.core.rollout.observations import Intake, Window
from airflow_mlops.core.rollout.slices import columns_of
from airflow_mlops.core.rollout.table import Table
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.ground_truth import read_ground_truth

if TYPE_CHECKING:
    from airflow_mlops.core.serving.capture import CaptureRecord
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import ModelSpec

#: Fewer answers of the champion say too little about anything.
LEAST = 30
#: The newest so many answers are looked at; all of them count for the requests per second.
_MOST = 50_000
_TOLD_EVERY = 20_000


@dataclass(frozen=True)
class PastTraffic:
    """What the champion has answered, and how often and how late its truth was known.

    :param champion: its version.
    :param requests: its answers, in the order of time; ``rows``: the rows of them; ``labelled``: those whose truth is
        known.
    :param codes: per request column, the number of each value.
    :param rate: requests per second, whoever answered them.
    :param delay: seconds until the truth of a row is known: median, and 90 %; None without ground truth.
    :param label_share: share of the rows whose truth comes at all, among those old enough for it.
    """

    champion: int
    requests: Table
    rows: Table
    labelled: Table
    codes: Mapping[str, Mapping[str, int]]
    rate: float
    delay: tuple[float, float] | None
    label_share: float


def read_past_traffic(
    store: Store, spec: ModelSpec, window: timedelta, now: datetime, progress: Progress = ignore
) -> PastTraffic:
    """The traffic and ground truth of the present champion in the last ``window``.

    :raises RegistryError: if the model has no champion.
    :raises DataError: if fewer than :data:`LEAST` of its answers were captured.
    """
    champion = DeploymentLog(store, spec.name).desired(now).champion
    if champion is None:
        raise RegistryError(
            f"{spec.name} has no champion to plan with",
            remedy="release a first version; it is not judged on traffic",
        )
    progress(f"reading what version {champion} of {spec.name} has answered")
    records, times = _read(store, spec.name, f"v{champion}", now - window, now, progress)
    if len(records) < LEAST:
        raise DataError(
            f"too little captured traffic of version {champion} of {spec.name} to plan with",
            given=f"{len(records)} answers in the last {window.total_seconds() / 3600:g} h",
            expected=f"at least {LEAST}",
            remedy="wait for traffic, or widen the window",
        )
    return _arrange(store, spec, champion, records, times, now)


def _read(
    store: Store, model: str, champion: str, since: datetime, now: datetime, progress: Progress
) -> tuple[deque[CaptureRecord], array[float]]:
    """The champion's newest answers, and when each live request of the time since its first one was answered."""
    records: deque[CaptureRecord] = deque(maxlen=_MOST)
    times, first = array("d"), float("inf")
    for number, record in enumerate(read_captures(store, model, since), start=1):
        if number % _TOLD_EVERY == 0:
            progress(f"read {number:,} captured answers")
        if record.chosen != "split" or record.role == "shadow" or record.at > now:
            continue
        times.append(record.at.timestamp())
        if record.variant == champion and record.role == "champion":
            records.append(record)
            first = min(first, times[-1])
    return records, array("d", (at for at in times if at >= first))


def _arrange(
    store: Store,
    spec: ModelSpec,
    champion: int,
    records: deque[CaptureRecord],
    times: array[float],
    now: datetime,
) -> PastTraffic:
    gates = [gate for stage, weight in spec.rollout.stages for gate in gates_of(stage, spec.rollout, weight)]
    counts: Counter[str] = Counter()
    objective = spec.training.objective
    window = Window("canary", f"v{champion}", "", 0.0)
    intake = Intake(window, objective, columns_of(gates, ()), counts)
    answers, predictions = intake.take(records, now.timestamp())
    answers["elapsed"] = answers["at"] - answers["at"].min()
    answers["known"] = answers["at"]
    rows = rows_of(answers, predictions)
    since = min(record.at for record in records)
    labelled = Labels(objective, counts).add(
        rows, read_ground_truth(store, spec.name, since), now.timestamp()
    )
    # neighbours in time, as a stage sees them, whenever their truth became known
    labelled = labelled.take(np.argsort(labelled["at"], kind="stable").astype(np.int64))
    delay, share = _delay_and_share(rows, labelled, now.timestamp())
    span = max(max(times) - min(times), 1e-3)
    rate = (len(times) - 1) / span
    return PastTraffic(champion, answers, rows, labelled, intake.codes, rate, delay, share)


def _delay_and_share(rows: Table, labelled: Table, now: float) -> tuple[tuple[float, float] | None, float]:
    if not labelled.rows:
        return None, 0.0
    late = np.maximum(labelled["known"] - labelled["at"], 0.0)
    middle, most = (float(one) for one in np.quantile(late, (0.5, 0.9)))
    # rows that are too young for their truth say nothing about how many get one
    old, known = (int((table["at"] <= now - most).sum()) for table in (rows, labelled))
    return (middle, most), known / old if known else labelled.rows / rows.rows
