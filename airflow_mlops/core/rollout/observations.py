"""Captured records as columns, in the order of time; what can't be used is set aside and counted.

Nothing in a record is trusted: whatever is doubled, misplaced or not a number must neither stop the judge nor
help the challenger.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from airflow_mlops.core.rollout.betting import Flags, Floats, Hashes, Indices
from airflow_mlops.core.rollout.scales import Objective
from airflow_mlops.core.rollout.table import Seen, Table
from airflow_mlops.core.times import in_utc

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.verdict import Stage
    from airflow_mlops.core.serving.capture import CaptureRecord

#: The role in which the challenger answers in each stage.
_CHALLENGER_ROLE = {"replay": "shadow", "shadow": "shadow", "canary": "challenger"}
_FIELDS = (
    *("at", "variant", "role", "chosen", "deployment", "event_id", "inference_id"),
    *("key", "status", "latency_ms", "predictions", "rows"),
)
#: Different values of a slice column that are told apart.
_MOST_VALUES = 10_000


@dataclass(frozen=True)
class Window:
    """Which records belong to the stage that is judged.

    :param started: seconds since the epoch; earlier answers don't count.
    :param deployment: number of the deployment-log entry that started the stage. With it, the entry under which a
        request was answered decides, and not the clocks of two machines.
    """

    stage: Stage
    champion: str
    challenger: str
    started: float
    deployment: int | None = None

    def reject(self, variant: str, role: str, chosen: str, deployment: int, at: float) -> str | None:
        """Why a record is set aside, None if it counts."""
        if variant not in (self.champion, self.challenger):
            return "fallback_answers" if role == "fallback" else "unknown_variant"
        wanted = "champion" if variant == self.champion else _CHALLENGER_ROLE[self.stage]
        if role != wanted:
            return "other_role"
        # what the hash did not assign is no fair sample; a shadow pair is fair whoever asked for the champion
        if chosen == "failover" or (chosen == "target" and self.stage == "canary"):
            return "not_assigned"
        early = at < self.started if self.deployment is None else deployment < self.deployment
        return "before_start" if early else None


def seconds(at: datetime) -> float:
    """Seconds since the epoch; a time without a zone is taken as UTC."""
    return in_utc(at).timestamp()


def hashes(names: Sequence[str]) -> Hashes:
    """A hash of each name, the same within this process only."""
    return np.fromiter(map(hash, names), dtype=np.int64, count=len(names)).view(np.uint64)


def row_ids(requests: Hashes, rows: Indices) -> Hashes:
    """One id for each row of a request."""
    return requests ^ (rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


class Intake:
    """Takes captured records, in any portions, and gives tables of the answers that count.

    Of several records with one event id, or answers with one inference id (a caller's retry), the first that comes
    counts; within a portion, the first in time. In pairs that is so for each of the two variants.

    :param columns: request columns whose values the judge needs, for slices.
    :param counts: gets what was set aside, by reason.
    """

    def __init__(
        self, window: Window, objective: Objective, columns: Sequence[str], counts: Counter[str]
    ) -> None:
        self.window, self.counts = window, counts
        #: Per column, the number of each value in the order of appearance.
        self.codes: dict[str, dict[str, int]] = {name: {} for name in columns}
        self.requests = Seen()
        self._objective = objective
        self._events = Seen()
        self._answers = (Seen(), Seen())
        self._later: list[CaptureRecord] = []

    def take(self, captures: Iterable[CaptureRecord], now: float) -> tuple[Table, Floats]:
        """One row per new answer, in the order of time, and the predictions of all of them one behind the other.

        Records from after ``now`` wait for their time.
        """
        records = [*self._later, *captures]
        self.counts["captures"] += len(records) - len(self._later)
        fields: list[list[Any]] = [list(map(attrgetter(name), records)) for name in _FIELDS]
        at = np.fromiter(map(seconds, fields[0]), dtype=np.float64, count=len(records))
        self._later = [record for record, due in zip(records, at <= now, strict=True) if not due]
        self.counts["after_now"] = len(self._later)
        kept = self._keep(fields, at, now)
        return self._arrange(fields, at, kept)

    def _keep(self, fields: list[list[Any]], at: Floats, now: float) -> Indices:
        """The places of the records that count, in the order of time (ties: of a hash of the event id)."""
        _, variant, role, chosen, deployment, event, request = fields[:7]
        places = []
        times = at.tolist()
        for place, one in enumerate(zip(variant, role, chosen, deployment, times, strict=True)):
            if times[place] > now:
                continue
            reason = self.window.reject(*one)
            if reason:
                self.counts[reason] += 1
            else:
                places.append(place)
        kept = np.array(places, dtype=np.int64)
        ties = np.array(
            [zlib.crc32(event[place].encode("utf-8", "replace")) for place in places], dtype=np.int64
        )
        kept = kept[np.lexsort((ties, at[kept]))]
        fresh = self._events.fresh(hashes([event[place] for place in kept.tolist()]))
        self.counts["duplicate_event_id"] += int((~fresh).sum())
        kept = kept[fresh]
        asked = hashes([request[place] for place in kept.tolist()])
        if (
            self.window.stage == "canary"
        ):  # one variant answers; a second one was asked by a retry under another key
            first = self._answers[0].fresh(asked)
        else:
            mine = np.array([variant[one] == self.window.challenger for one in kept.tolist()], dtype=np.bool_)
            first = np.ones(len(kept), dtype=np.bool_)
            for arm in (False, True):
                first[mine == arm] = self._answers[arm].fresh(asked[mine == arm])
        self.counts["duplicate_inference_id"] += int((~first).sum())
        self.requests.fresh(asked)
        return np.asarray(kept[first], dtype=np.int64)

    def _arrange(self, fields: list[list[Any]], at: Floats, kept: Indices) -> tuple[Table, Floats]:
        chosen = [[column[place] for place in kept.tolist()] for column in fields]
        _, variant, _, _, _, _, request, key, status_, latency_, predictions, rows = chosen
        given = [one or () for one in predictions]
        numbers = np.array([len(one) for one in given], dtype=np.int64)
        flat = np.array([value for one in given for value in one], dtype=np.float64)
        asked = np.array([len(one) for one in rows], dtype=np.int64)
        # clipped, as a status of 2^70 is no int64
        status = np.array([min(max(one, 0), 1000) for one in status_], dtype=np.int64)
        latency = np.array(latency_, dtype=np.float64)
        latency[~(np.isfinite(latency) & (latency >= 0))] = np.nan
        broken = self._broken(flat, numbers, asked)
        answered = (status < 400) & (numbers > 0)
        self.counts["invalid_predictions"] += int((answered & broken).sum())
        answered &= ~broken
        refused = (status >= 400) & (status < 500)
        table = Table(
            id=hashes(request),
            at=at[kept],
            mine=np.array([one == self.window.challenger for one in variant], dtype=np.bool_),
            failed=~answered & ~refused,
            refused=refused,
            latency=latency,
            key=_keys(key),
            asked=np.where(answered, numbers, np.maximum(asked, 1)),
            rows=np.where(answered, numbers, 0),
            first=np.cumsum(numbers) - numbers,
        )
        for name in self.codes:
            table[f"slice:{name}"] = self._code(name, [one[0] if one else {} for one in rows])
        self._count(table)
        return table, flat

    def _broken(self, predictions: Floats, rows: Indices, asked: Indices) -> Flags:
        """Which answers are none: a number is missing or infinite, no probability, or there are too few or many."""
        bad = ~np.isfinite(predictions)
        if self._objective == "binary":
            bad |= ~((predictions >= 0.0) & (predictions <= 1.0))
        owner = np.repeat(np.arange(len(rows)), rows)
        # a capture may leave its input out; then there is nothing to compare the number of predictions with
        miscounted = (asked > 0) & (asked != rows)
        return np.asarray((np.bincount(owner[bad], minlength=len(rows)) > 0) | miscounted, dtype=np.bool_)

    def _code(self, name: str, rows: list[dict[str, Any]]) -> Indices:
        """The number of each row's value; -1 where the column is missing, and for values beyond the first 10,000."""
        codes = self.codes[name]
        found = []
        for row in rows:
            value = row.get(name)
            if value is None or (len(codes) >= _MOST_VALUES and str(value) not in codes):
                found.append(-1)
            else:
                found.append(codes.setdefault(str(value), len(codes)))
        return np.array(found, dtype=np.int64)

    def _count(self, answers: Table) -> None:
        for name, who in (("champion", ~answers["mine"]), ("challenger", answers["mine"])):
            self.counts[name] += int(who.sum())
            self.counts[f"{name}_failed"] += int((answers["failed"] & who).sum())
            self.counts[f"{name}_client_errors"] += int((answers["refused"] & who).sum())
            self.counts[f"{name}_missing_latency"] += int((np.isnan(answers["latency"]) & who).sum())


def _keys(keys: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The hash that assigned each request. A key that is no hash of ours is hashed once more."""
    try:
        return np.array([int(key, 16) for key in keys], dtype=np.uint64)
    except (ValueError, OverflowError):
        return np.array([_key(key) for key in keys], dtype=np.uint64)


def _key(key: str) -> int:
    """One key, the same number whatever stands beside it."""
    with suppress(ValueError):
        number = int(key, 16)
        if 0 <= number < 2**64:
            return number
    return zlib.crc32(key.encode("utf-8", "replace"))
