"""Everything that changes traffic: begin, challenge, promote, conclude, roll back, reconcile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_mlops.core.errors import (
    DeploymentFailed,
    DeploymentPending,
    DeploymentRolledBack,
    EndpointError,
    MlopsError,
    SpecError,
)
from airflow_mlops.links.endpoint import EndpointLink
from airflow_mlops.links.pages import ModelLink, VersionLink
from airflow_mlops.operators.base import REFUSAL, TRANSIENT, MlopsOperator, Work, pushed
from airflow_mlops.operators.mirroring import mirror
from airflow_mlops.operators.model import reference
from airflow_mlops.operators.waiting import HeldBackOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.lineage.naming import ModelPart
    from airflow_mlops.core.registry.deployments import Desired
    from airflow_mlops.spec import ModelSpec


_NO_REFUSAL: dict[str, Any] = {
    "task": None,
    "kind": None,
    "gate": None,
    "value": None,
    "limit": None,
    "reason": "every gate passed",
}


#: How a template renders a value that is not there.
_NONE = (None, "", "None")


class TrafficOperator(MlopsOperator):
    """Base of the operators that change or prove what serves.

    What was decided stands in the deployment log; an endpoint that has not followed yet may do so at the next try.
    """

    operator_extra_links = (ModelLink(), VersionLink(), EndpointLink())
    reads: ClassVar[tuple[ModelPart, ...]] = ("",)
    retried: tuple[type[MlopsError], ...] = (*TRANSIENT, DeploymentFailed)

    def await_endpoint(self, pending: DeploymentPending, context: Context) -> NoReturn:
        """Wait, deferred, until the endpoint has changed or given up; then the task takes its step again."""
        # A DAG file should not pay for importing Airflow's triggers.
        from airflow_mlops.triggers.endpoint import EndpointTrigger

        work = self.prepare(context)
        self.progress(str(pending))
        self.defer(
            trigger=EndpointTrigger(mlops_conn_id=self.mlops_conn_id, model=work.spec.name),
            method_name="proceed",
            timeout=work.platform.endpoint(work.spec.name).slowest,
        )

    def proceed(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the step again, now that the endpoint has settled: it finds what it began.

        :raises AirflowException: when the endpoint can't be asked; the next try may.
        """
        if event["status"] != "settled":
            raise self.refuse(EndpointError(event["message"]), context)
        return self.execute(context)

    def refuse(self, error: MlopsError, context: Context) -> AirflowException:
        """See :meth:`MlopsOperator.refuse`. An endpoint that went back by itself has decided: no try is left."""
        refused = super().refuse(error, context)
        return AirflowFailException(str(error)) if isinstance(error, DeploymentRolledBack) else refused

    def serves(self, work: Work, context: Context, served: Desired, what: str = "") -> None:
        """Say in the log, in the lineage and by the link to the endpoint what serves now.

        :param what: what this task did, for the log.
        """
        from airflow_mlops.core.lineage.stages import deploy_lineage

        endpoint = work.platform.endpoint(work.spec.name)
        address = endpoint.url.removesuffix("/invocations")
        self.declare(lambda: deploy_lineage(work.spec.name, served, address, work.store.uri))
        context["ti"].xcom_push(key=EndpointLink.key, value=endpoint.page)
        self.about(work, served.challenger or served.champion, context)
        self.progress(f"{work.spec.name}: {what}{'; ' if what else ''}{describe(served)}")


class BeginReleaseOperator(TrafficOperator):
    """Check what the release will rely on (store, gates, endpoint) and pin the spec for the whole run.

    Returns the effective spec, which the later tasks take as theirs: a DAG file that changes during the run changes
    nothing in it. The stages of the rollout and the steps of the data can't be overridden, since the DAG has a task for
    each; nor can who has to approve.

    :param overrides: fields of the spec to replace in this run. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "overrides")

    def __init__(self, *, overrides: Mapping[str, Any] | Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.overrides = overrides

    def prepare(self, context: Context) -> Work:
        """The work with the overridden spec."""
        work = super().prepare(context)
        spec = work.spec.with_overrides(self.overrides or {})
        _require_same_tasks("the stages of a rollout", _stages(work.spec), _stages(spec))
        _require_same_tasks("which steps the data take", work.spec.data_steps, spec.data_steps)
        _require_same_approval(work.spec, spec)
        return replace(work, spec=spec)

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Check and pin."""
        from airflow_mlops.core.record import utc_now
        from airflow_mlops.core.registry.policies import note_policy

        self.serves(work, context, work.conductor().begin())
        if note_policy(work.store, work.spec, run=work.run, who=work.who, at=utc_now()):
            self.progress(f"the spec of {work.spec.name} is a new one; it stands in the log of the policy")
        _note(work, "began")
        return work.spec.to_dict()


class ChallengeOperator(HeldBackOperator, TrafficOperator):
    """Bring a registered version into shadow (weight 0) or canary, and prove that the endpoint serves it so.

    Skipped when there is nothing to prove: the model has no champion to compare with yet, or this run has promoted the
    version before. A version that the endpoint can't serve is taken out again at once, and not tried twice. While
    somebody holds the rollout in the stage before, it waits, deferred.

    :param version: what :class:`~airflow_mlops.operators.model.RegisterOperator` returned, or a number. (templated)
    :param weight: the challenger's share of the live requests, 0 for shadow.
    """

    template_fields = (*MlopsOperator.template_fields, "version")
    ui_color = "#fdf3d8"
    retried = TRANSIENT

    def __init__(self, *, version: Any, weight: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.weight = weight

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Challenge."""
        version = number_of(self.version)
        served = work.conductor().challenge(version, self.weight)
        if served is None:
            raise AirflowSkipException(
                f"nothing to prove: {work.spec.name} has no champion, or this run made version {version} the champion"
            )
        self.serves(work, context, served)
        return {"version": version, "weight": self.weight, "entry": served.number}


class PromoteOperator(HeldBackOperator, TrafficOperator):
    """Make the version the champion, if it is the first one or every stage said so; prove that it serves.

    Which stages there are is asked of the spec that the version was registered with. While somebody holds the rollout,
    it waits, deferred.

    Returns ``{"model", "version", "entry"}``.

    :param version: what the registration returned, or a number. (templated)
    :param verdicts: what the rollout sensors returned, in order. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "version", "verdicts")
    ui_color = "#d5ecd9"

    def __init__(self, *, version: Any, verdicts: Sequence[Any] | Any = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.verdicts = list(verdicts) if isinstance(verdicts, (list, tuple)) else verdicts

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Promote on evidence."""
        from airflow_mlops.core.rollout.verdict import Verdict
        from airflow_mlops.core.store.results import recall

        version = number_of(self.version)
        work = work.registered(version)
        # A stage that was skipped, or marked as successful by hand, has given no verdict.
        given = [one for one in self.verdicts or () if one is not None]
        verdicts = [recall(work.store, reference(one, "verdict"), Verdict) for one in given]
        served = work.conductor().promote(version, verdicts)
        self.serves(work, context, served, f"version {version} is promoted")
        mirror(self, work, version)
        return {"model": work.spec.name, "version": version, "entry": served.number}


class ConcludeReleaseOperator(TrafficOperator):
    """The teardown of a release: this run's challenger, if it still has a place, leaves; the champion is proved.

    Returns the one result object of the run: ``{"model", "outcome", "version", "champion", "task", "kind", "gate",
    "value", "limit", "reason", "quarantined_rows", "audit"}``; ``outcome`` is ``promoted`` or ``refused``, by the
    deployment log; ``audit`` is the head of the audit log, an anchor that lies outside of the store. The result is
    pushed also when the endpoint can't be proved and this task fails, then without ``audit``.

    :param register: id of the task that registers the version.
    :param tasks: ids of all tasks of the release, whose refusal is looked up.
    """

    def __init__(
        self,
        *,
        register: str = "register",
        tasks: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.register = register
        self.tasks = list(tasks)

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Conclude."""
        from airflow_mlops.core.audit import head

        conductor = work.conductor()
        registered = pushed(context, [self.register], "return_value")
        version = number_of(registered) if registered else None
        promoted = version is not None and conductor.has_promoted(version)
        unknown = {**_NO_REFUSAL, "reason": "the release did not finish"}
        refusal = _NO_REFUSAL if promoted else pushed(context, self.tasks, REFUSAL) or unknown
        validation = pushed(context, self.tasks, "validation") or {}
        result = {
            "model": work.spec.name,
            "outcome": "promoted" if promoted else "refused",
            "version": version,
            "champion": conductor.log.champion(),
            **refusal,
            "quarantined_rows": validation.get("quarantined_rows", 0),
        }
        report = (pushed(context, self.tasks, "evaluation") or {}).get("page")
        _note(work, "promoted" if promoted else "refused", version, refusal["reason"], report)
        try:
            served = conductor.conclude(refusal["reason"])
        except MlopsError:
            context["ti"].xcom_push(key="return_value", value=result)
            raise
        result["champion"] = served.champion
        self.serves(work, context, served, _closing_line(result))
        self.about(work, version, context)
        if version is not None:
            mirror(self, work, version, refused=None if promoted else str(refusal["reason"]))
        return {**result, "audit": head(work.store, work.spec.name)}


class RollbackOperator(TrafficOperator):
    """Back to the champion before, to a named version, or to the fallback rule: one log entry, one reconcile.

    No retraining, no analysis; any rollout in progress ends. Returns ``{"model", "champion", "mode", "entry"}``.

    :param to: version to go back to; None means the champion before the present one. (templated)
    :param fallback: let the spec's fallback rule answer instead of a model: a boolean, or its text. (templated)
    :param reason: why, for the deployment log. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "to", "fallback", "reason")
    ui_color = "#fbe3e0"

    def __init__(self, *, to: Any = None, fallback: Any = False, reason: Any = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.to = to
        self.fallback = fallback
        self.reason = reason

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Roll back."""
        served = work.conductor().rollback(
            to=None if self.to in _NONE else number_of(self.to),
            fallback=_flag("fallback", self.fallback),
            why=self.reason or "asked for",
        )
        self.serves(work, context, served)
        mirror(self, work, served.champion)
        return {
            "model": work.spec.name,
            "champion": served.champion,
            "mode": served.mode,
            "entry": served.number,
        }


class ReconcileOperator(TrafficOperator):
    """Bring the endpoint to the newest entry of the deployment log and prove it; heals what a dead run left."""

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Reconcile."""
        served = work.conductor().reconcile()
        self.serves(work, context, served)
        return {
            "model": work.spec.name,
            "champion": served.champion,
            "mode": served.mode,
            "entry": served.number,
        }


def describe(served: Desired) -> str:
    """What serves, in words."""
    if served.mode == "fallback":
        return "nothing is deployed" if not served.number else "the fallback rule answers"
    if served.mode == "shadow":
        return f"version {served.champion} answers, version {served.challenger} in shadow"
    if served.mode == "canary":
        return f"version {served.champion} answers, version {served.challenger} takes {served.weight:.0%}"
    return f"version {served.champion} answers"


def number_of(version: Any) -> int:
    """A version's number, from a number, its text or an upstream task's result.

    :raises SpecError: if it is none of these.
    """
    given: Any = version.get("version") if isinstance(version, dict) else version
    try:
        return int(str(given))
    except ValueError:
        raise SpecError("version is not a number", given=repr(version)[:80], expected="e.g. 3") from None


def _flag(name: str, value: Any) -> bool:
    """A boolean, or what a template made of one: ``bool("False")`` would be true.

    :raises SpecError: if it is neither.
    """
    known = {"true": True, "false": False, "none": False, "": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise SpecError(
            f"{name} is not a boolean", given=repr(value)[:80], expected="true or false"
        ) from None


def _require_same_tasks(what: str, expected: Sequence[str], given: Sequence[str]) -> None:
    """Refuse overrides for which the DAG has not the right tasks. :raises SpecError: naming what differs."""
    if tuple(given) != tuple(expected):
        raise SpecError(
            f"overrides can't change {what}: the DAG has a task for each",
            given=", ".join(given) or "none",
            expected=", ".join(expected) or "none",
            remedy="change the spec itself",
        )


def _require_same_approval(expected: ModelSpec, given: ModelSpec) -> None:
    """Refuse to let a run ask other people, or none. :raises SpecError: if the section is another one."""
    if given.approval != expected.approval:
        raise SpecError("overrides can't change approval", remedy="change the spec itself")


def _stages(spec: ModelSpec) -> list[str]:
    return [f"{stage} {weight:g}" if weight else stage for stage, weight in spec.rollout.stages]


def _note(
    work: Work,
    event: Literal["began", "promoted", "refused"],
    version: int | None = None,
    reason: str = "",
    report: str | None = None,
) -> None:
    """Write into the log of releases that this one began or ended."""
    from airflow_mlops.core.record import utc_now
    from airflow_mlops.core.registry.releases import ReleaseEvent, note_release

    entry = ReleaseEvent(
        run=work.run, event=event, version=version, reason=reason, report=report, at=utc_now()
    )
    note_release(work.store, work.spec.name, entry)


def _closing_line(result: dict[str, Any]) -> str:
    if result["outcome"] == "promoted":
        return f"version {result['version']} is promoted"
    return f"refused in {result['task']}: {result['reason']}"
