"""The base of the operators and sensors: one way to reach the platform and to say what went wrong."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_mlops.core.errors import (
    DeploymentPending,
    EndpointError,
    MlopsError,
    SourceUnavailable,
    SpecError,
    StoreError,
    UnsafeStore,
)
from airflow_mlops.hooks.mlops import MlopsHook
from airflow_mlops.links.addresses import version_page
from airflow_mlops.links.pages import ModelLink, VersionLink
from airflow_mlops.operators.help import help_of
from airflow_mlops.operators.openlineage import LineageMixin
from airflow_mlops.spec import ModelSpec

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context
    from jinja2 import Environment

    from airflow_mlops.core.gates import GateResult
    from airflow_mlops.core.rollout.conduct import Conductor
    from airflow_mlops.core.store import Store
    from airflow_mlops.platform import Platform

#: XCom key under which a task that refuses says why; it stays when the task fails.
REFUSAL = "refusal"
#: Errors that may be gone at the next try; all others are final.
TRANSIENT = (EndpointError, SourceUnavailable, StoreError)
#: A change of the endpoint that may take longer than this is waited for deferred, after a short look.
_HELD = timedelta(minutes=2)
_LOOK = timedelta(seconds=10)


@dataclass(frozen=True)
class Work:
    """What a task works with: the platform, the spec, and who asks."""

    platform: Platform
    store: Store
    spec: ModelSpec
    run: str
    who: str

    def conductor(self) -> Conductor:
        """The rollout of this run."""
        from airflow_mlops.core.rollout.conduct import Conductor

        endpoint = self.platform.endpoint(self.spec.name)
        return Conductor(
            store=self.store,
            endpoint=endpoint,
            spec=self.spec,
            run=self.run,
            who=self.who,
            patience=_LOOK if endpoint.slowest > _HELD else None,
        )

    def registered(self, version: int) -> Work:
        """This work with the spec that ``version`` was registered with."""
        from airflow_mlops.core.registry.versions import Registry

        record = Registry(self.store, self.spec.name).get(version)
        return replace(self, spec=ModelSpec(**record.spec))


def run_key(context: Context) -> str:
    """The Airflow run as one string; it makes every step of a run idempotent."""
    dag_run = context["dag_run"]
    return f"{dag_run.dag_id}/{dag_run.run_id}"


def asked_by(context: Context) -> str:
    """The person or the kind of trigger that started the run."""
    dag_run = context["dag_run"]
    user = getattr(dag_run, "triggering_user_name", None)
    return str(user or f"airflow ({getattr(dag_run.run_type, 'value', dag_run.run_type)})")


def pushed(context: Context, tasks: Sequence[str], key: str) -> dict[str, Any] | None:
    """The first value that one of these tasks pushed under ``key``; None when none has."""
    found = context["ti"].xcom_pull(task_ids=list(tasks), key=key) if tasks else None
    return next((one for one in found or [] if isinstance(one, dict)), None)


def connection_named(mlops_conn_id: str | None) -> str:
    """The connection that a DAG file names; without one, ``[mlops] conn_id``.

    The templates ask once for all tasks of a DAG: Airflow reads its configuration anew each time.
    """
    if mlops_conn_id:
        return mlops_conn_id
    configured: str = conf.get("mlops", "conn_id", fallback="mlops_default")
    return configured


class MlopsOperator(LineageMixin, BaseOperator):
    """Base of the operators.

    A mistake that retrying can't mend fails the task at once with one line; the reason is also pushed as XCom
    ``refusal``.

    :param spec: the model: a :class:`~airflow_mlops.spec.ModelSpec`, its mapping, or the XCom of one. (templated)
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``. (templated)
    """

    template_fields: Sequence[str] = ("spec", "mlops_conn_id")
    ui_color = "#e8f4ea"
    operator_extra_links: Sequence[BaseOperatorLink] = (ModelLink(),)
    #: Fields that the ``conf`` of a run may have; None for any. The templates say it to the first tasks of their DAGs.
    known_conf: Sequence[str] | None = None
    #: Errors after which Airflow may try this task again.
    retried: tuple[type[MlopsError], ...] = TRANSIENT

    def __init__(
        self,
        *,
        spec: ModelSpec | Mapping[str, Any] | Any,
        mlops_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("doc_md", help_of(type(self)))
        super().__init__(**kwargs)
        # As it is: a DAG processor looks into every mapping for XComs, and writes all of it into the serialized DAG.
        self.spec = spec
        self.mlops_conn_id = connection_named(mlops_conn_id)

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a template; a spec becomes a mapping of plain values, each of them rendered."""
        plain = content.to_dict() if isinstance(content, ModelSpec) else content
        return super().render_template(plain, context, jinja_env, seen_oids)

    def execute(self, context: Context) -> Any:
        """Do the stage; see :meth:`work`."""
        return self.guarded(lambda: self.work(self.prepare(context), context), context)

    def guarded(self, step: Callable[[], Any], context: Context) -> Any:
        """Take a step; say in one line why it fails, and wait deferred while the endpoint is still changing.

        :raises AirflowException: if the step fails.
        """
        try:
            return step()
        except DeploymentPending as pending:
            return self.await_endpoint(pending, context)
        except MlopsError as error:
            raise self.refuse(error, context) from None
        except AirflowSkipException:
            self._skipped = True
            raise

    def await_endpoint(self, pending: DeploymentPending, context: Context) -> Any:
        """What to do while the endpoint is changing; only tasks that change its traffic get there."""
        raise self.refuse(pending, context) from None

    @abstractmethod
    def work(self, work: Work, context: Context) -> Any:
        """The stage itself: call the core and return a small result. Every operator has its own."""

    def prepare(self, context: Context) -> Work:
        """Resolve the platform and the spec, and say who is at work: the audit log names them.

        :raises MlopsError: if the spec or the connection is wrong.
        """
        from airflow_mlops.core.store.actor import act_as

        act_as(asked_by(context), f"{run_key(context)}/{self.task_id}")
        if self.known_conf is not None:
            require_known(getattr(context["dag_run"], "conf", None) or {}, self.known_conf)
        platform = MlopsHook(self.mlops_conn_id).get_conn()
        store = platform.store()
        self._store_uri, self._data_uri = store.uri, platform.data_uri
        spec = self.spec if isinstance(self.spec, ModelSpec) else ModelSpec.from_mapping(self.spec)
        return Work(platform=platform, store=store, spec=spec, run=run_key(context), who=asked_by(context))

    def refuse(self, error: MlopsError, context: Context) -> AirflowException:
        """Say in the log and as XCom what went wrong; return the exception for Airflow."""
        context["ti"].xcom_push(key=REFUSAL, value=_refusal(self.task_id, error))
        self.log.error("%s: %s", type(error).__name__, error)
        if isinstance(error, self.retried) and not isinstance(error, UnsafeStore):
            return AirflowException(str(error))
        return AirflowFailException(str(error))

    def about(self, work: Work, version: int | None, context: Context) -> None:
        """Let the task's button lead to a version; there is none to lead to where nothing was registered."""
        if version is not None:
            context["ti"].xcom_push(key=VersionLink.key, value=version_page(work.spec.name, version))

    def progress(self, line: str) -> None:
        """One line of progress in the task log."""
        self.log.info("%s", line)


def require_known(conf: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a run that was given something which nobody reads: a misspelt field would go unnoticed.

    :raises SpecError: naming the field, and what was meant or what there is.
    """
    unknown = next((name for name in conf if name not in known), None)
    if unknown is None:
        return
    near = difflib.get_close_matches(unknown, known, n=1)
    raise SpecError(
        "conf has an unknown field",
        given=repr(unknown)[:80],
        expected=f"{near[0]}?" if near else ", ".join(known) or "none",
        remedy="trigger a new run",
    )


def _refusal(task_id: str, error: MlopsError) -> dict[str, Any]:
    gates: tuple[GateResult, ...] = getattr(error, "gates", ())
    worst = next((result for result in gates if result.outcome == "fail"), None) or next(iter(gates), None)
    return {
        "task": task_id,
        "kind": type(error).__name__,
        "reason": str(error),
        "gate": worst.gate.name if worst else None,
        "value": worst.value if worst else None,
        "limit": worst.limit if worst else None,
    }
