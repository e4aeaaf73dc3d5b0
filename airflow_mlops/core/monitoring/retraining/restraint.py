"""What holds a request for retraining back although there is a cause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.monitoring.look import Restraint
from airflow_mlops.core.monitoring.retraining.facts import Facts
from airflow_mlops.core.monitoring.retraining.requests import RetrainRequest
from airflow_mlops.core.registry.releases import longest_release
from airflow_mlops.core.wording import span

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

#: A request that no release has followed for so long is lost: the release DAG is paused, or was when it came.
LOST = timedelta(days=1)


def restraint_of(spec: ModelSpec, facts: Facts) -> tuple[Restraint, str] | None:
    """The first restraint that holds, with its numbers in words; None where nothing does."""
    checks: tuple[tuple[Restraint, Callable[[ModelSpec, Facts], str]], ...] = (
        ("backfill", _backfill),
        ("replaced", _replaced),
        ("asked", _asked),
        ("rollout", _rollout),
        ("loop", _loop),
        ("cooldown", _cooldown),
        ("budget", _budget),
    )
    for restraint, check in checks:
        if said := check(spec, facts):
            return restraint, said
    return None


def is_open(spec: ModelSpec, request: RetrainRequest, facts: Facts) -> bool:
    """Whether the release that a request is to start is not over: it has not begun yet, or not ended."""
    began = next((one for one in facts.releases if one.begins and one.at >= request.at), None)
    if began is None:
        return facts.now - request.at < max(LOST, spec.monitoring.retrain.cooldown)
    ended = any(not one.begins and one.run == began.run for one in facts.releases)
    return not ended and facts.now - began.at < longest_release(spec)


def _backfill(_: ModelSpec, facts: Facts) -> str:
    return "a backfill never asks" if facts.backfill else ""


def _replaced(_: ModelSpec, facts: Facts) -> str:
    if not facts.replaced:
        return ""
    return f"the evidence is about version {facts.drift.champion}, and {facts.replaced} now"


def _asked(spec: ModelSpec, facts: Facts) -> str:
    for request in reversed(facts.requests):
        if request.champion == facts.drift.champion and is_open(spec, request, facts):
            causes = " and ".join(dict.fromkeys(one.cause for one in request.reasons))
            return f"asked already by {request.run} for {causes}, and that release is not over"
    return ""


def _rollout(_: ModelSpec, facts: Facts) -> str:
    return f"a release is in progress: {facts.rollout}" if facts.rollout else ""


def _loop(spec: ModelSpec, facts: Facts) -> str:
    limit = spec.monitoring.retrain.max_shaped
    shaped = facts.new.shaped if facts.new is not None else None
    if shaped is None or shaped <= limit:
        return ""
    return (
        f"the model's own answers may have shaped {shaped:.0%} of the new rows, max_shaped is {limit:.0%}: hold out a "
        "share of the traffic whose outcome no prediction touches, or raise max_shaped where nobody acts on predictions"
    )


def _cooldown(spec: ModelSpec, facts: Facts) -> str:
    cooldown = spec.monitoring.retrain.cooldown
    last = facts.requests[-1].at if facts.requests else None
    for what, at in (("request", last), ("promotion of this champion", facts.promoted)):
        if at is not None and facts.now - at < cooldown:
            return f"cooldown {span(cooldown)}: the last {what} was {span(facts.now - at)} ago"
    return ""


def _budget(spec: ModelSpec, facts: Facts) -> str:
    retrain = spec.monitoring.retrain
    start: datetime = facts.now - retrain.budget_window
    spent = sum(request.at > start for request in facts.requests)
    if spent < retrain.budget:
        return ""
    return f"budget spent: {spent} of {retrain.budget} requests in {span(retrain.budget_window)}"
