"""Bringing an endpoint to a deployment, step by step: look, plan, ask for one change, wait, look again.

Whoever dies in the middle is followed by another who looks and goes on: names follow from content, an accepted change
is written down, and what counts in the end is what SageMaker describes.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from airflow_mlops.core.errors import DeploymentFailed, MlopsError
from airflow_mlops.core.registry.deployments import NOTHING, Desired
from airflow_mlops.core.serving.sagemaker import reasons
from airflow_mlops.core.serving.sagemaker.calls import Calls
from airflow_mlops.core.serving.sagemaker.history import Change, History
from airflow_mlops.core.serving.sagemaker.layout import Slot, layout_of, serves, shares
from airflow_mlops.core.serving.sagemaker.live import Describer, Live
from airflow_mlops.core.serving.sagemaker.plan import FAILED, Step, plan

#: Describe may show the state before an accepted change for some seconds: eventual consistency. After this long, the
#: change never was.
STALE = timedelta(seconds=60)
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.2, 10.0, 1.3

_log = logging.getLogger(__name__)


@dataclass
class Reconciliation:
    """One call of ``reconcile``.

    :param desired: what is asked for.
    :param timeout: how long to wait for a change.
    :param slowest: how long any change may take.
    :param now: the time, for what is written down.
    """

    name: str
    desired: Desired
    timeout: timedelta
    slowest: timedelta
    guardrail: bool
    keep_previous: bool
    describer: Describer
    history: History
    calls: Calls
    now: Callable[[], datetime]
    _wanted: tuple[Slot, ...] = field(init=False)
    _started: float = field(init=False)
    _pause: float = field(init=False, default=_FIRST_PAUSE)

    def __post_init__(self) -> None:
        self._wanted = layout_of(self.desired, guardrail=self.guardrail)
        self._started = time.monotonic()

    def run(self) -> None:
        """Return when the traffic is as asked for, and written down as proved.

        :raises DeploymentPending: if it is still changing at the timeout.
        :raises DeploymentFailed: if it does not come to it; says why.
        """
        while True:
            live = self.describer.read()
            self._require_newest()
            step = self._next(live)
            if step.kind == "done":
                self._prove(step, live)
                return
            if step.kind != "wait":
                self._make(step, live)
            self._wait(live, asked=step.kind != "wait")

    def _next(self, live: Live | None) -> Step:
        """The next step. :raises DeploymentFailed: if the last one came to nothing."""
        keep = self.keep_previous and not self.guardrail
        previous = self.history.previous_champion(self.desired.champion) if keep else None
        step = plan(live, self._wanted, previous=previous, guardrail=self.guardrail)
        change = self.history.open_change(self.desired)
        if live is not None and step.kind == "stuck":
            self._end(change, live.reason)
            raise reasons.stuck(self.name, live.reason, self.desired)
        if change is None or step.kind in ("done", "wait"):
            return step
        if live is None or not _has_moved(live, change):
            # Either not to be seen yet, or it never was.
            return Step("wait") if self.now() - change.at < STALE else step
        if step.kind != "replace" and live.config == change.target:
            return step
        raise self._came_to_nothing(live, change)

    def _came_to_nothing(self, live: Live, change: Change) -> DeploymentFailed:
        """Write down that the change is over, so that the next try is one, and say why."""
        why = live.reason or self.calls.ringing()
        if live.status == FAILED:
            error = reasons.failed(self.name, why, self.desired)
        else:
            error = reasons.rolled_back(self.name, why, self._serves(live), self.desired)
            self.calls.scaling.apply(_answering(live.slots), change.scaling)
        self._end(change, why)
        return error

    def _end(self, change: Change | None, why: str) -> None:
        if change is not None:
            ended = {"ended": why or "no reason given", "at": self.now()}
            self.history.note(change.model_copy(update=ended))

    def _make(self, step: Step, live: Live | None) -> None:
        """Ask for a change, and write down that it was accepted; one that is refused for now is asked for again."""
        if step.kind == "replace":
            self.calls.delete()
            return
        scaling = self._scaling(live)
        if not scaling and not self.calls.scales:
            step = dataclasses.replace(step, slots=tuple(_unsized(slot) for slot in step.slots))
        change = Change(
            number=self.desired.number,
            served=self.history.newest()[0],
            target="",
            modified=live.modified if live else None,
            reason=live.reason if live else "",
            at=self.now(),
            scaling=scaling,
        )
        if scaling:
            # The call takes it away: whoever comes after a crash finds it here.
            self.history.note(change.model_copy(update={"ended": "not asked for yet"}))
        target = self.calls.make(step, live)
        if target is not None:
            self.history.note(change.model_copy(update={"target": target, "at": self.now()}))
            _log.info("endpoint %s: asked for %s", self.name, target)

    def _scaling(self, live: Live | None) -> tuple[dict[str, Any], ...]:
        """How the variant that answers scales; as it was noted, when a try before has taken it away."""
        found = self.calls.scaling.read(_answering(live.slots)) if live is not None else ()
        noted = self.history.change()[1]
        if found or noted is None or noted.served != self.history.newest()[0]:
            return found
        return noted.scaling

    def _prove(self, step: Step, live: Live | None) -> None:
        """Write down what serves; let it scale; begin to take away machines that stand idle."""
        change = self.history.open_change(self.desired)
        self.history.prove(self.desired, self.now())
        _log.info("endpoint %s: serves deployment %d", self.name, self.desired.number)
        if change is not None or self.calls.scales:
            self.calls.scaling.apply(_answering(self._wanted), change.scaling if change else ())
        if not step.slots or live is None:
            return
        try:
            self.calls.make(Step("configuration", step.slots), live)
        except MlopsError as error:
            # The traffic is right; the next reconcile tries to save these machines again.
            _log.warning("endpoint %s keeps machines that serve nobody: %s", self.name, error)

    def _require_newest(self) -> None:
        newest = self.history.newest()[1]
        if newest is not None and newest.number > self.desired.number:
            raise reasons.overtaken(self.name, newest, self.desired)

    def _wait(self, live: Live | None, *, asked: bool) -> None:
        """:param asked: whether a change was asked for since ``live`` was seen.

        :raises DeploymentPending: at the timeout. :raises DeploymentFailed: when no change may take so long.
        """
        waited = time.monotonic() - self._started
        change = self.history.open_change(self.desired)
        status = "Updating" if asked else live.status if live else "not there yet"
        whole = max(waited, (self.now() - change.at).total_seconds() if change else 0.0)
        if whole >= self.slowest.total_seconds():
            raise reasons.too_slow(self.name, status, self._serves(live), self.desired, whole)
        left = self.timeout.total_seconds() - waited
        if left <= 0:
            raise reasons.pending(self.name, status, self.desired)
        time.sleep(min(self._pause, left))
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)

    def _serves(self, live: Live | None) -> Desired:
        newest = self.history.newest()[1]
        number = newest.number if newest is not None else 0
        return serves(live.slots, number, newest) if live is not None else NOTHING


def _has_moved(live: Live, change: Change) -> bool:
    """Whether the endpoint has changed since the change was asked for, so that this is what became of it."""
    return live.modified != change.modified or (bool(live.reason) and live.reason != change.reason)


def _answering(slots: tuple[Slot, ...]) -> str:
    """The variant with most of the requests."""
    answering = shares([slot for slot in slots if not slot.shadow])
    return max(answering, key=lambda who: answering[who])[0] if answering else ""


def _unsized(slot: Slot) -> Slot:
    return dataclasses.replace(slot, instances=0)
