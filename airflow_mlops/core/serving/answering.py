"""How one request to a model is answered: who is asked, who steps in, and what is captured.

* The hash of the key assigns the request; a target variant overrides it.
* The champion's signature is the contract with callers. What the champion accepts and the challenger refuses
  or fails on is the challenger's failure: it is captured as status 500, and the champion answers the caller.
* When the champion fails, the fallback rule answers; without a rule the caller gets a 500. Both are captured.
* In shadow a copy of each request goes to the challenger, under the same inference id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.applied import Applied, Ready, State
from airflow_mlops.core.serving.batching import ModelError
from airflow_mlops.core.serving.capture import Chosen, Role
from airflow_mlops.core.serving.fallback import VARIANT as FALLBACK
from airflow_mlops.core.serving.fallback import answer_by_rule
from airflow_mlops.core.serving.ids import Ids
from airflow_mlops.core.serving.lines import Captured, capture_line
from airflow_mlops.core.serving.loading import check_rows
from airflow_mlops.core.serving.metrics import Metrics
from airflow_mlops.core.serving.refusal import RefusedError, one_line
from airflow_mlops.core.serving.shadow import ShadowQueue
from airflow_mlops.core.serving.split import key_of, takes_challenger

#: Copies that are checked, or captured, before arrived requests are let through: about 0.1 ms.
_IN_A_ROW = 4

_log = logging.getLogger(__name__)

#: Takes a model, a variant and a captured line.
Capture = Callable[[str, str, bytes], None]


@dataclass(frozen=True)
class Call:
    """One parsed request, and the state of the endpoint that it met."""

    rows: list[dict[str, Any]]
    inference_id: str
    target: str | None
    applied: Applied
    key: str


@dataclass(frozen=True)
class Answer:
    """The predictions for a request and the variant that gave them."""

    predictions: list[float]
    variant: str


@dataclass(frozen=True)
class _Attempt:
    variant: str
    role: Role
    chosen: Chosen


class AnsweringModel:
    """Answers the requests for one model.

    :param idle: whether no live request is on its way through the server.
    """

    def __init__(self, state: State, capture: Capture, metrics: Metrics, idle: Callable[[], bool]) -> None:
        self.state = state
        self._capture = capture
        self._metrics = metrics
        self._ids = Ids()
        self.shadow: ShadowQueue[Call] = ShadowQueue(
            self._answer_copies, idle, lambda count: metrics.shadow_dropped(state.model, count)
        )

    def applied(self) -> Applied:
        """What serves at this moment, leases considered."""
        now = self.state.now
        return self.state.settle() if now.expired() else now

    def call(
        self, applied: Applied, rows: list[dict[str, Any]], inference_id: str, target: str | None
    ) -> Call:
        """A request that is ready to be answered."""
        key = key_of(self.state.model, rows[0], applied.contract.serving.key, inference_id)
        return Call(rows, inference_id, target, applied, key)

    async def answer(self, call: Call) -> Answer:
        """Answer a request.

        :raises RequestError: if the rows are not what the champion is called with.
        :raises RefusedError: 400 for a target variant that does not serve, 500 if the model fails and there is no
            rule, 503 if there is neither a model nor a rule.
        """
        applied = call.applied
        champion, challenger = applied.champion, applied.challenger
        if call.target is not None:
            self._require_live(call)
        if champion is None:
            return self._by_rule(call, "target" if call.target else "split", 503, "no model is deployed")
        chosen: Chosen = "split" if call.target is None else "target"
        if (
            applied.serves.mode == "canary"
            and challenger is not None
            and self._goes_to_challenger(call, challenger)
        ):
            try:
                return await self._ask_challenger(call, champion, challenger, chosen)
            except ModelError as failure:
                if chosen == "target":
                    raise RefusedError(
                        500, f"{challenger.version.variant} failed: {one_line(failure)}"
                    ) from None
                chosen = "failover"
        return await self._ask_champion(call, champion, chosen)

    def _require_live(self, call: Call) -> None:
        serves, live = call.applied.serves, [FALLBACK]
        if serves.mode != "fallback":
            live = [f"v{serves.champion}"] + ([f"v{serves.challenger}"] if serves.mode == "canary" else [])
        if call.target not in live:
            raise RefusedError(
                400, "no such variant serves", given=str(call.target)[:60], expected=" or ".join(live)
            )

    @staticmethod
    def _goes_to_challenger(call: Call, challenger: Ready) -> bool:
        if call.target is not None:
            return call.target == challenger.version.variant
        return takes_challenger(call.key, call.applied.serves.weight)

    async def _ask_challenger(self, call: Call, champion: Ready, challenger: Ready, chosen: Chosen) -> Answer:
        attempt = _Attempt(challenger.version.variant, "challenger", chosen)
        try:
            challenger.version.model.check_rows(call.rows)
        except Exception as error:
            _check(champion, call)  # the caller's mistake, if the champion refuses it too
            self._failed(call, attempt, f"refuses what v{champion.version.number} accepts: {error}", 0.0)
            raise ModelError(str(error)) from None
        return await self._ask(call, challenger, attempt)

    async def _ask_champion(self, call: Call, champion: Ready, chosen: Chosen) -> Answer:
        attempt = _Attempt(champion.version.variant, "champion", chosen)
        _check(champion, call)
        if call.applied.serves.mode == "shadow":
            self.shadow.offer(call, len(call.rows))
        try:
            return await self._ask(call, champion, attempt)
        except ModelError as failure:
            return self._by_rule(call, "failover", 500, f"{attempt.variant} failed: {one_line(failure)}")

    async def _ask(self, call: Call, ready: Ready, attempt: _Attempt) -> Answer:
        try:
            predictions, seconds = await ready.batcher.submit(call.rows)
        except ModelError as failure:
            self._failed(call, attempt, str(failure), failure.seconds)
            raise
        self._record(call, attempt, seconds, predictions)
        return Answer(predictions, attempt.variant)

    def _by_rule(self, call: Call, chosen: Chosen, status: int, why: str) -> Answer:
        start = time.perf_counter()
        predictions = answer_by_rule(call.applied.contract.serving.fallback, call.rows, status, why)
        attempt = _Attempt(FALLBACK, "fallback", chosen)
        self._record(call, attempt, time.perf_counter() - start, predictions)
        return Answer(predictions, FALLBACK)

    async def _answer_copies(self, calls: list[Call]) -> None:
        """The shadow's answers; never raises, as nobody waits for them."""
        ready: list[tuple[Call, _Attempt, Ready]] = []
        for count, call in enumerate(calls):
            if count % _IN_A_ROW == 0:
                await self.shadow.pause()
            challenger = call.applied.challenger
            if challenger is None or self.state.now.challenger is not challenger:
                self._metrics.shadow_dropped(self.state.model, 1)
                continue
            attempt = _Attempt(challenger.version.variant, "shadow", "shadow")
            try:
                challenger.version.model.check_rows(call.rows)
            except Exception as error:
                self._failed(call, attempt, f"refuses what the champion accepts: {error}", 0.0)
                continue
            ready.append((call, attempt, challenger))
        await self.shadow.pause()
        # Submitted in one go, so that they share a call.
        asked = [(call, attempt, one.batcher.submit(call.rows)) for call, attempt, one in ready]
        for count, (call, attempt, future) in enumerate(asked):
            if count % _IN_A_ROW == 0:
                await self.shadow.pause()
            try:
                predictions, seconds = await future
            except ModelError as failure:
                self._failed(call, attempt, str(failure), failure.seconds)
            else:
                self._record(call, attempt, seconds, predictions)

    def _failed(self, call: Call, attempt: _Attempt, error: str, seconds: float) -> None:
        _log.debug("%s %s failed: %s", self.state.model, attempt.variant, error)
        self._record(call, attempt, seconds, None, error)

    def _record(
        self, call: Call, attempt: _Attempt, seconds: float, predictions: list[float] | None, error: str = ""
    ) -> None:
        model = self.state.model
        failed = predictions is None
        self._metrics.answered(model, attempt.variant, attempt.role, seconds, failed)
        record = Captured(
            event_id=self._ids.next(),
            inference_id=call.inference_id,
            variant=attempt.variant,
            role=attempt.role,
            at=utc_now(),
            latency_ms=seconds * 1000,
            status=500 if failed else 200,
            key=call.key,
            rows=call.rows,
            predictions=predictions,
            deployment=call.applied.serves.number,
            chosen=attempt.chosen,
        )
        self._capture(model, attempt.variant, capture_line(model, record, error[:300]))


def _check(champion: Ready, call: Call) -> None:
    """The champion's signature is the contract with callers. :raises RequestError: if the rows break it."""
    check_rows(champion.version.model, call.rows)
